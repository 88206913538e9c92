//! Why a checkpoint cannot be made a model.

use std::io;
use std::path::{Path, PathBuf};

use flamingo_architecture::ConfigError;
use flamingo_weights::blocks::BlockError;
use thiserror::Error;

use crate::model::ModelError;
use crate::output::OutputError;
use crate::source::SourceError;
use crate::tokenizer::TokenizerError;

/// Why a checkpoint cannot be made a model.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that should be JSON is not.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file of settings is longer than any is.
    #[error("{} has more than {limit} bytes, which no file of its kind has", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Most bytes that are read.
        limit: u64,
    },
    /// A field of a config is missing or of another type.
    #[error("{}: `{field}` must be {expected}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Path of the field.
        field: String,
        /// The kind that it must be.
        expected: &'static str,
    },
    /// A field of a config has a value that is not computed here.
    #[error("{}: `{field}` is {found}; this program computes only {known}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Path of the field.
        field: String,
        /// Its value.
        found: String,
        /// The values that are computed.
        known: String,
    },
    /// A field of a config contradicts the shapes of the tensors.
    #[error(
        "{}: `{field}` is {found}, but the tensors are those of {expected}; the config and the \
         weights belong to different models",
        path.display()
    )]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// Path of the field.
        field: String,
        /// Its value.
        found: usize,
        /// The value that follows from the tensors.
        expected: usize,
    },
    /// A config is needed and not there.
    #[error(
        "{} needs its config.json beside it, which says what no tensor's shape does ({needed}); \
         download it into the same folder",
        path.display()
    )]
    NoConfig {
        /// The checkpoint.
        path: PathBuf,
        /// The value that it must have.
        needed: &'static str,
    },
    /// A checkpoint is of no family known here.
    #[error(
        "{} is no Flamingo known here: its {tensors} tensors are neither OpenFlamingo's or Otter's \
         (`perceiver.latents`), IDEFICS' (`model.gated_cross_attn_layers.…`) nor flamingo-mini's \
         (`flamingo.resampler.latents`); the first is `{first}`. `flamingo inspect {}` lists them all",
        path.display(),
        path.display()
    )]
    UnknownFamily {
        /// The checkpoint.
        path: PathBuf,
        /// How many tensors it has.
        tensors: usize,
        /// The first one's name.
        first: String,
    },
    /// The family that was asked for has tensors of other names.
    #[error("{} has the tensors of {found}, not of {asked}", path.display())]
    OtherFamily {
        /// The checkpoint.
        path: PathBuf,
        /// The family that was asked for.
        asked: &'static str,
        /// The one that its names say.
        found: &'static str,
    },
    /// A checkpoint has no language model or vision encoder, and none was named.
    #[error("this checkpoint needs {needed}: download it and name it with {option}")]
    MissingPart {
        /// The part, with where it comes from and its sizes.
        needed: String,
        /// The option that names it.
        option: &'static str,
    },
    /// A part is of another model than the checkpoint was trained with.
    #[error("this checkpoint needs {needed}; {} has {found}", path.display())]
    UnfittingPart {
        /// The part that it needs.
        needed: String,
        /// The part that was named.
        path: PathBuf,
        /// Its kind.
        found: String,
    },
    /// A part is of no kind known here.
    #[error(
        "{} is no {part} known here ({known}); `flamingo inspect` lists its tensors",
        path.display()
    )]
    UnknownPart {
        /// The part.
        path: PathBuf,
        /// The kind expected.
        part: &'static str,
        /// The kinds known.
        known: &'static str,
    },
    /// A file has tensors that are not in the table of names.
    #[error(
        "{}: {count} tensors have no place in the model, the first is `{first}`; weights that \
         were trained and left out would make another model",
        path.display()
    )]
    UnknownTensors {
        /// The file or folder.
        path: PathBuf,
        /// How many.
        count: usize,
        /// The first one.
        first: String,
    },
    /// A tensor that the model needs is in none of the parts.
    #[error("tensor `{name}` ({theirs}) is in none of {}", list(parts))]
    MissingTensor {
        /// Our name.
        name: String,
        /// Its name in a checkpoint.
        theirs: String,
        /// The files and folders that were searched.
        parts: Vec<PathBuf>,
    },
    /// A tensor has not the shape that the model needs.
    #[error(
        "{}: tensor `{name}` has the shape {found:?}, the model needs {expected:?}",
        path.display()
    )]
    Shape {
        /// The file or folder.
        path: PathBuf,
        /// The name in it.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// Ours.
        expected: Vec<usize>,
    },
    /// A tensor holds integers or truth values.
    #[error("{}: tensor `{name}` holds no weights but {element}", path.display())]
    NoWeights {
        /// The file or folder.
        path: PathBuf,
        /// The name in it.
        name: String,
        /// How its elements are stored.
        element: String,
    },
    /// A tensor is there under two names, with different contents.
    #[error(
        "{}: `{first}` and `{second}` are the same tensor of the model, with different numbers",
        path.display()
    )]
    Contradictory {
        /// The file or folder.
        path: PathBuf,
        /// One name.
        first: String,
        /// The other name.
        second: String,
    },
    /// A tensor's numbers cannot be stored in the type asked for.
    #[error("tensor `{name}`: {source}; `--type f32` stores every number")]
    Block {
        /// Our name.
        name: String,
        /// Why.
        source: BlockError,
    },
    /// The ids of the special tokens are not known.
    #[error(
        "{family} does not tell the ids of its special tokens by its weights; name its tokenizer \
         with --tokenizer ({tokenizer})"
    )]
    NoTokenizer {
        /// The family.
        family: &'static str,
        /// Where its tokenizer is.
        tokenizer: &'static str,
    },
    /// A token that the family's prompts need is not in the tokenizer.
    #[error("{} lacks the token `{token}`, which prompts of {family} are made of", path.display())]
    MissingToken {
        /// The tokenizer.
        path: PathBuf,
        /// The token's text.
        token: &'static str,
        /// The family.
        family: &'static str,
    },
    /// The tokenizer has another number of tokens than the embedding has rows for.
    #[error(
        "{} is the tokenizer of another model: its first added token would have the id {found}, \
         the embedding's rows say {expected}",
        path.display()
    )]
    UnfittingTokenizer {
        /// The tokenizer.
        path: PathBuf,
        /// Id of the first added token by the tokenizer.
        found: usize,
        /// The same by the embedding.
        expected: usize,
    },
    /// The tokenizer cannot be read or added to.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The parts' sizes make no model.
    #[error("the parts do not fit each other: {0}")]
    Config(#[from] ConfigError),
    /// The model cannot be put where it is to be.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The model cannot be written.
    #[error(transparent)]
    Write(#[from] ModelError),
}

impl ImportError {
    /// For `map_err`: an [`io::Error`] at `path`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

fn list(paths: &[PathBuf]) -> String {
    let paths = paths.iter().map(|path| path.display().to_string());
    paths.collect::<Vec<_>>().join(", ")
}
