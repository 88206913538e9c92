//! The KV cache: what the language model has read so far.

use flamingo_architecture::config::LanguageConfig;
use flamingo_kernels::{ComputeDevice, KeyValueBuffer};

use super::LayerCache;

/// Keys and values of every layer for one sequence, and where its images stand.
///
/// Text attends only the last image before it, so this is all that carries an
/// example's image to the text behind the next one.
pub struct KvCache {
    pub(crate) layers: Vec<LayerCache>,
    /// Positions of the `<image>` tokens, rising.
    pub(crate) image_positions: Vec<usize>,
    /// Leading positions no token attends.
    pub(crate) padding: usize,
    pub(crate) len: usize,
}

impl KvCache {
    pub(crate) fn new(config: &LanguageConfig, padding: usize, device: &ComputeDevice) -> Self {
        let width = config.attention.key_width();
        let layers = (0..config.layers)
            .map(|_| LayerCache {
                key: KeyValueBuffer::new(width, device),
                value: KeyValueBuffer::new(width, device),
            })
            .collect();
        Self {
            layers,
            image_positions: Vec::new(),
            padding,
            len: 0,
        }
    }

    /// Whether this cache is for a model of these sizes on `device`.
    pub(crate) fn fits(&self, config: &LanguageConfig, device: &ComputeDevice) -> bool {
        let width = config.attention.key_width();
        self.layers.len() == config.layers
            && self
                .layers
                .iter()
                .all(|layer| layer.key.width() == width && layer.key.is_on(device))
    }

    /// Number of positions held, padding included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been read yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all but the first `len` positions; does nothing where fewer are held.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        self.truncate_rows(len);
        self.image_positions.retain(|&position| position < len);
        self.len = len;
    }

    pub(super) fn truncate_rows(&mut self, rows: usize) {
        for layer in &mut self.layers {
            layer.key.truncate(rows);
            layer.value.truncate(rows);
        }
    }
}
