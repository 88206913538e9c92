//! Tokenizers of any kind as the text of a `tokenizer.json`, which packed models carry.
//!
//! [`TokenizerJson::open`] takes a file or a folder: a `tokenizer.json` as it is, GPT-2's
//! `vocab.json` with `merges.txt`, a SentencePiece `tokenizer.model`, or the metadata of a
//! GGUF file. [`TokenizerJson::add`] gives tokens the ids at which a model has them.
//!
//! * `byte_level`: GPT-2's BPE over bytes
//! * `sentencepiece`, `protobuf`: `tokenizer.model`
//! * `gguf`: llama.cpp's metadata
//! * `json`: the `tokenizer.json` itself

mod byte_level;
mod error;
mod gguf;
mod json;
mod protobuf;
mod sentencepiece;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use error::TokenizerError;
pub use json::{AddedToken, TokenizerJson};

use crate::source::{Checkpoint, SourceError};

/// Longest file of a tokenizer, in bytes. The largest known have some 35 MB.
const MAX_FILE: u64 = 256 << 20;

/// Files of a folder, the preferred ones first.
const FILES: [&str; 3] = ["tokenizer.json", "vocab.json", "tokenizer.model"];

/// The merges that belong to a `vocab.json`.
const MERGES: &str = "merges.txt";

impl TokenizerJson {
    /// Reads the tokenizer in the file or folder `path`. A file is what its bytes say.
    ///
    /// # Errors
    /// Where there is none, or it is malformed or of a kind that is not supported.
    pub fn open(path: &Path) -> Result<Self, TokenizerError> {
        if path.is_dir() {
            let file = FILES
                .iter()
                .map(|file| path.join(file))
                .find(|file| file.is_file());
            let file = file.ok_or_else(|| TokenizerError::EmptyFolder {
                path: path.to_owned(),
            })?;
            return Self::open(&file);
        }
        let bytes = start(path, MAX_FILE)?;
        if bytes.starts_with(b"GGUF") {
            return Self::from_gguf_file(path);
        }
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return sentencepiece::read(&bytes).map_err(TokenizerError::at(path));
        }
        let json: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| TokenizerError::Malformed {
                path: path.to_owned(),
                reason: error.to_string(),
            })?;
        if json.get("model").is_some_and(serde_json::Value::is_object) {
            return Self::from_value(json).map_err(TokenizerError::at(path));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        byte_level::open(json, path, folder)
    }

    /// Whether a folder has a tokenizer's file.
    pub(crate) fn is_in(folder: &Path) -> bool {
        FILES.iter().any(|file| folder.join(file).is_file())
    }

    /// Builds the tokenizer that the metadata of a GGUF file describes.
    fn from_gguf_file(path: &Path) -> Result<Self, TokenizerError> {
        let checkpoint = Checkpoint::open(path)?;
        match checkpoint.metadata() {
            Some(metadata) => gguf::read(metadata).map_err(TokenizerError::at(path)),
            None => Err(TokenizerError::Source(SourceError::NoTensors {
                path: path.to_owned(),
            })),
        }
    }
}

/// The whole file, or its first bytes where it is a GGUF.
fn start(path: &Path, limit: u64) -> Result<Vec<u8>, TokenizerError> {
    let io = |source| TokenizerError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    (&mut file).take(4).read_to_end(&mut bytes).map_err(io)?;
    if bytes != b"GGUF" {
        file.take(limit).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > limit {
            return Err(TokenizerError::TooLarge {
                path: path.to_owned(),
                limit,
            });
        }
    }
    Ok(bytes)
}
