//! A file or folder of a model, and which of our tensors lie in it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use flamingo_architecture::TensorSpec;

use super::ImportError;
use super::origins::folder_of;
use crate::origin::Origin;
use crate::recognise::Fields;
use crate::source::{Checkpoint, Format, SourceError, SourceTensor};
use flamingo_weights::gguf::Metadata;
use flamingo_weights::names::{Blocks, Found, Order, Place};

/// A checkpoint with the settings beside it. There may be settings alone, of a part whose
/// weights lie in another file.
pub(crate) struct Part {
    path: PathBuf,
    checkpoint: Option<Checkpoint>,
    /// Names without wrappers, and their numbers in the checkpoint.
    names: Vec<(String, usize)>,
    /// Our tensors, each in every spelling that is there.
    tensors: HashMap<String, Vec<Recipe>>,
    /// Names that no table has.
    unknown: Vec<String>,
}

/// The pieces of one of our tensors that were found so far.
struct Pieces {
    numbers: Vec<Option<usize>>,
    order: Order,
}

/// The sources of one of our tensors.
struct Recipe {
    /// Numbers of the tensors in the checkpoint, from the top.
    pieces: Vec<usize>,
    order: Order,
}

impl Part {
    /// Opens the checkpoint in `path`, or a folder that has settings only.
    pub(crate) fn open(path: &Path) -> Result<Self, ImportError> {
        let checkpoint = match Checkpoint::open(path) {
            Ok(checkpoint) => Some(checkpoint),
            Err(SourceError::EmptyFolder { .. }) if path.join(CONFIG).is_file() => None,
            Err(error) => return Err(error.into()),
        };
        let mut names = Vec::new();
        if let Some(checkpoint) = &checkpoint {
            let numbers: HashMap<&str, usize> = checkpoint
                .tensors()
                .iter()
                .enumerate()
                .map(|(number, entry)| (entry.name.as_str(), number))
                .collect();
            for (name, entry) in checkpoint.plain_names()? {
                names.push((name, numbers[entry.name.as_str()]));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            checkpoint,
            names,
            tensors: HashMap::new(),
            unknown: Vec::new(),
        })
    }

    /// Where it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its tensors, without wrappers.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(name, _)| name.as_str())
    }

    /// Whether it has a tensor of this name, without wrappers.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names().any(|found| found == name)
    }

    /// Bytes of all its files.
    pub(crate) fn byte_len(&self) -> u64 {
        let files = self.checkpoint.iter().flat_map(Checkpoint::files);
        files.map(|(_, _, bytes)| bytes).sum()
    }

    /// Whether its file is a TorchScript archive: OpenAI's CLIP.
    pub(crate) fn is_torchscript(&self) -> bool {
        let mut files = self.checkpoint.iter().flat_map(Checkpoint::files);
        files.any(|(_, format, _)| format == Format::TorchScript)
    }

    /// The folder in which its files lie.
    pub(crate) fn folder(&self) -> PathBuf {
        let mut files = self.checkpoint.iter().flat_map(Checkpoint::files);
        match files.next() {
            Some((file, _, _)) => folder_of(file),
            None => self.path.clone(),
        }
    }

    /// The settings in the file `name` beside the weights.
    pub(crate) fn settings(&self, name: &str) -> Result<Option<Fields>, ImportError> {
        Fields::open(&self.folder().join(name))
    }

    /// The settings of the model.
    pub(crate) fn config(&self) -> Result<Option<Fields>, ImportError> {
        self.settings(CONFIG)
    }

    /// The metadata of a GGUF file, and where that is.
    pub(crate) fn metadata(&self) -> Option<(&Path, &Metadata)> {
        let checkpoint = self.checkpoint.as_ref()?;
        let mut files = checkpoint.files();
        let file = files.find(|(_, format, _)| *format == Format::Gguf);
        let (path, ..) = file?;
        Some((path, checkpoint.metadata()?))
    }

    /// Its file, if it is a GGUF file with a tokenizer.
    pub(crate) fn own_tokenizer(&self) -> Option<&Path> {
        let (path, metadata) = self.metadata()?;
        metadata.get("tokenizer.ggml.tokens").map(|_| path)
    }

    /// Numbers of a small tensor that is none of ours; `None` if there is none of this name.
    pub(crate) fn numbers(&self, name: &str) -> Result<Option<Vec<f32>>, ImportError> {
        match self.names.iter().find(|(found, _)| found == name) {
            Some((_, number)) => Ok(Some(self.read(*number)?.0.to_f32()?)),
            None => Ok(None),
        }
    }

    /// Name, source and licence, as far as its files say them.
    pub(crate) fn told_origin(&self) -> Origin {
        let checkpoint = self.checkpoint.as_ref();
        checkpoint.map(Checkpoint::origin).unwrap_or_default()
    }

    /// Looks every name up in these tables: what of ours is here, and what is unknown.
    pub(crate) fn map(&mut self, places: &[Place], blocks: Blocks) {
        self.unknown.clear();
        // Our tensors, their spellings, and for each the pieces that are there.
        let mut found: HashMap<String, BTreeMap<(usize, usize), Pieces>> = HashMap::new();
        for (name, number) in &self.names {
            let mut meanings = places.iter().enumerate();
            let meaning =
                meanings.find_map(|(place, table)| Some((place, table.ours(name, blocks)?)));
            match meaning {
                None => self.unknown.push(name.clone()),
                Some((_, Found::Unused)) => {}
                Some((place, Found::Piece(piece))) => {
                    let spellings = found.entry(piece.ours).or_default();
                    let pieces = spellings.entry((place, piece.group)).or_insert(Pieces {
                        numbers: vec![None; piece.pieces],
                        order: piece.order,
                    });
                    pieces.numbers[piece.piece] = Some(*number);
                }
            }
        }
        let whole = |pieces: Pieces| {
            Some(Recipe {
                pieces: pieces.numbers.into_iter().collect::<Option<_>>()?,
                order: pieces.order,
            })
        };
        let tensors = found.into_iter().map(|(name, spellings)| {
            let recipes = spellings.into_values().filter_map(whole);
            (name, recipes.collect::<Vec<_>>())
        });
        self.tensors = tensors.filter(|(_, recipes)| !recipes.is_empty()).collect();
    }

    /// Names that no table has.
    pub(crate) fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// Our names of what is here.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether our tensor is here.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Shape of our tensor, its pieces one below the other; `None` if it is not here.
    pub(crate) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let recipe = self.tensors.get(name)?.first()?;
        let entries = self.checkpoint.as_ref()?.tensors();
        let mut pieces = recipe.pieces.iter().map(|&number| entries.get(number));
        let mut shape = pieces.next()??.shape.clone();
        for piece in pieces {
            *shape.first_mut()? += piece?.shape.first()?;
        }
        Some(shape)
    }

    /// Shows `take` the pieces of our tensor from the top, each as a matrix of the columns
    /// that `spec` has; the elements of a vector are rows of one. At most `missing_rows` may
    /// be missing at the bottom.
    ///
    /// # Errors
    /// If a piece has another shape, cannot be read, or is there twice with different
    /// contents; and those of `take`.
    pub(crate) fn pieces(
        &self,
        spec: &TensorSpec,
        missing_rows: usize,
        take: &mut dyn FnMut(SourceTensor, Order) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let Some((recipe, others)) = self
            .tensors
            .get(&spec.name)
            .and_then(|recipes| recipes.split_first())
        else {
            return Ok(());
        };
        let (expected, cols) = matrix_shape(&spec.shape);
        let mut rows = 0;
        for (piece, number) in recipe.pieces.iter().enumerate() {
            let (tensor, name) = self.read(*number)?;
            for other in others {
                let (other, other_name) = self.read(other.pieces[piece])?;
                if other.data != tensor.data {
                    return Err(ImportError::Contradictory {
                        path: self.path.clone(),
                        first: name,
                        second: other_name,
                    });
                }
            }
            let shape = tensor.entry.shape.clone();
            let fits = |shape: &[usize]| {
                let from_top = rows + shape.first()?;
                let bottom = piece + 1 == recipe.pieces.len();
                let enough = !bottom || from_top + missing_rows >= expected;
                (shape.get(1) == Some(&cols) && from_top <= expected && enough).then_some(from_top)
            };
            let matrix = as_matrix(&shape, spec.shape.len());
            let Some(from_top) = fits(&matrix) else {
                return Err(ImportError::Shape {
                    path: self.path.clone(),
                    name,
                    found: shape,
                    expected: spec.shape.clone(),
                });
            };
            rows = from_top;
            let mut tensor = tensor;
            tensor.entry.shape = matrix;
            take(tensor, recipe.order)?;
        }
        Ok(())
    }

    /// A tensor by its number, and its name in the file.
    fn read(&self, number: usize) -> Result<(SourceTensor, String), ImportError> {
        let (checkpoint, entry) = self
            .checkpoint
            .as_ref()
            .and_then(|checkpoint| Some((checkpoint, checkpoint.tensors().get(number)?)))
            .expect("invariant: a recipe names tensors of the part's checkpoint");
        if !entry.element.is_float() {
            return Err(ImportError::NoWeights {
                path: self.path.clone(),
                name: entry.name.clone(),
                element: entry.element.to_string(),
            });
        }
        Ok((checkpoint.read(&entry.name)?, entry.name.clone()))
    }
}

/// The settings of a model.
pub(crate) const CONFIG: &str = "config.json";

/// Rows and columns of one of our tensors; the elements of a vector are rows of one.
pub(crate) fn matrix_shape(shape: &[usize]) -> (usize, usize) {
    match *shape {
        [rows, cols] => (rows, cols),
        _ => (shape.iter().product(), 1),
    }
}

/// The shape of a checkpoint's tensor as a matrix: a kernel `[out, in, k, k]` is
/// `[out, in * k * k]`, and sizes of 1 before a table or around a vector count for nothing.
fn as_matrix(shape: &[usize], dimensions: usize) -> Vec<usize> {
    if dimensions < 2 {
        let sizes: Vec<usize> = shape.iter().copied().filter(|&size| size != 1).collect();
        return match sizes[..] {
            [] => vec![1, 1],
            [length] => vec![length, 1],
            _ => sizes,
        };
    }
    let ones = shape.iter().take_while(|&&size| size == 1).count();
    let shape = &shape[ones.min(shape.len().saturating_sub(2))..];
    match shape {
        [rows, rest @ ..] => vec![*rows, rest.iter().product()],
        [] => vec![1, 1],
    }
}
