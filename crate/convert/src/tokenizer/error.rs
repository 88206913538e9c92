//! Why a tokenizer cannot be read.

use std::io;
use std::path::{Path, PathBuf};

use flamingo_weights::gguf::MetadataError;
use thiserror::Error;

use crate::source::SourceError;

/// Why a tokenizer cannot be read.
#[derive(Debug, Error)]
pub enum TokenizerError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is longer than any tokenizer.
    #[error("{} has more than {limit} bytes, so it is no tokenizer", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes accepted.
        limit: u64,
    },
    /// A folder without a tokenizer.
    #[error(
        "{} holds no tokenizer: no tokenizer.json, vocab.json (with merges.txt) or tokenizer.model",
        path.display()
    )]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A file is not of the format that it seems to be of.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// A tokenizer cannot be read; the file is named.
    #[error("{}: {source}", path.display())]
    At {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<Self>,
    },
    /// A checkpoint that should hold a tokenizer cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A `tokenizer.json` lacks a part, or has one of another kind.
    #[error("the tokenizer's `{part}` is {found}")]
    Part {
        /// The part.
        part: &'static str,
        /// Its kind.
        found: String,
    },
    /// A SentencePiece model that is no protocol buffer of its kind.
    #[error("no SentencePiece model: {reason}")]
    SentencePiece {
        /// The fault.
        reason: String,
    },
    /// A tokenizer does what this reader does not.
    #[error("{what} is not supported; give the model's tokenizer.json instead")]
    Unsupported {
        /// Its effect.
        what: String,
    },
    /// A GGUF file lacks a value, or has one of another type.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// Lists that should be of one length.
    #[error("there are {found} {what} for {expected} tokens")]
    Length {
        /// Which list.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The number of tokens.
        expected: usize,
    },
    /// The same token twice.
    #[error("the token {token:?} occurs twice")]
    Duplicate {
        /// The token.
        token: String,
    },
    /// A token is to have an id that another has.
    #[error("{token:?} cannot have the id {id}, which {other:?} has")]
    IdTaken {
        /// The token to be added.
        token: String,
        /// The id.
        id: u32,
        /// The token with that id.
        other: String,
    },
    /// A token is to have another id than it has.
    #[error("{token:?} cannot have the id {id}: it is there with the id {found}")]
    OtherId {
        /// The token to be added.
        token: String,
        /// The id that it should have.
        id: u32,
        /// The id that it has.
        found: u32,
    },
    /// A token is to have an id beyond the next one, which a list cannot give.
    #[error("{token:?} cannot have the id {id}: the next one of a unigram vocabulary is {next}")]
    Gap {
        /// The token to be added.
        token: String,
        /// The id that it should have.
        id: u32,
        /// The next id.
        next: usize,
    },
}

impl TokenizerError {
    /// For `map_err`: names the file.
    pub(super) fn at(path: &Path) -> impl FnOnce(Self) -> Self {
        let path = path.to_owned();
        move |source| Self::At {
            path,
            source: Box::new(source),
        }
    }

    pub(super) fn part(part: &'static str, found: impl Into<String>) -> Self {
        Self::Part {
            part,
            found: found.into(),
        }
    }
}
