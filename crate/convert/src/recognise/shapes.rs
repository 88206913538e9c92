//! Facts of a model by the shapes of its tensors.

use crate::import::Part;

/// The tensors of several parts, of which the first that has one counts.
pub(crate) struct Shapes<'a>(pub(crate) Vec<&'a Part>);

impl Shapes<'_> {
    /// Shape of our tensor; `None` if no part has it.
    pub(crate) fn of(&self, name: &str) -> Option<Vec<usize>> {
        self.0.iter().find_map(|part| part.shape(name))
    }

    /// Whether a part has our tensor.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|part| part.holds(name))
    }

    /// Size of a dimension; 0 if no part has the tensor or it has no such dimension, which
    /// no valid config accepts.
    pub(crate) fn dim(&self, name: &str, dimension: usize) -> usize {
        let shape = self.of(name);
        shape.map_or(0, |shape| shape.get(dimension).copied().unwrap_or_default())
    }

    /// Rows of our tensor: 0 if no part has it.
    pub(crate) fn rows(&self, name: &str) -> usize {
        self.dim(name, 0)
    }

    /// Columns of our tensor: 0 if no part has it.
    pub(crate) fn cols(&self, name: &str) -> usize {
        self.dim(name, 1)
    }

    /// The numbers `N`, rising, for which there is a tensor `{before}N{after}`.
    pub(crate) fn numbers(&self, before: &str, after: &str) -> Vec<usize> {
        let number = |name: &str| {
            let rest = name.strip_prefix(before)?;
            rest.strip_suffix(after)?.parse().ok()
        };
        let names = self.0.iter().flat_map(|part| part.ours());
        let mut numbers: Vec<usize> = names.filter_map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}
