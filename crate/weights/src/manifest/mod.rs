//! The published-model folder: `model.json` and shards.
//!
//! A model is one GGUF byte stream cut into files of at most
//! [`MAX_SHARD_BYTES`], so that any static host serves it, an interrupted
//! download resumes at a shard, and a damaged shard is fetched again.
//! `model.json` lists them with their lengths and SHA-256.

mod folder;
mod part;
mod verifier;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::excerpt::{Excerpt, one_line};
use crate::text::{EncodingError, text_of};

pub use folder::{FolderError, FolderWriter, ModelFolder};
pub use part::{
    MAX_PART_TEXT_BYTES, MAX_PARTS, ModelPart, NO_ASSERTION, PartKind, is_part_text, licence_of_all,
};
pub use verifier::{ShardError, ShardVerifier};

/// Name of the manifest within the folder.
pub const MANIFEST_FILE: &str = "model.json";

/// The format version written, and the only one read.
pub const FORMAT_VERSION: u32 = 1;

/// Longest shard, in bytes: a reader holds one whole while it checks its hash.
pub const MAX_SHARD_BYTES: u64 = 16 * 1024 * 1024;

/// Most shards of a model: 64 GiB.
pub const MAX_SHARDS: usize = 4096;

/// Longest `model.json` accepted, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 1024 * 1024;

/// Longest name of a shard's file, in bytes.
const MAX_FILE_NAME_BYTES: usize = 255;

/// The content of `model.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelManifest {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// What the model is and what it needs.
    #[serde(flatten)]
    pub summary: ModelSummary,
    /// Sum of the shards' lengths, in bytes.
    pub total_bytes: u64,
    /// The parts of the GGUF byte stream, in order.
    pub shards: Vec<Shard>,
}

/// What a model is and what it needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// Name for people.
    pub name: String,
    /// The family of a released model, for people; none of a model that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// SPDX expression of the licence of the whole.
    pub licence: String,
    /// The parts that it was made of, at most [`MAX_PARTS`]; none in a folder that was written
    /// before they were told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ModelPart>,
    /// Summary of the architecture, for people and tools that do not open the shards.
    pub config: serde_json::Value,
    /// What the GPU must allow.
    pub required_gpu_limits: GpuLimits,
    /// Memory the loaded model takes, in bytes.
    pub estimated_memory_bytes: u64,
}

/// WebGPU limits that the largest tensor asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuLimits {
    /// `maxBufferSize`, in bytes.
    pub max_buffer_size: u64,
    /// `maxStorageBufferBindingSize`, in bytes.
    pub max_storage_buffer_binding_size: u64,
}

/// One file of the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Name of a file beside `model.json`: letters, digits, `.`, `_` and `-`,
    /// a letter or digit first.
    pub file: String,
    /// Length, 1 to [`MAX_SHARD_BYTES`].
    pub bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl ModelManifest {
    /// Reads and checks the bytes of a `model.json`.
    ///
    /// # Errors
    /// Where it is malformed; the error names the field.
    pub fn from_json(json: &[u8]) -> Result<Self, ManifestError> {
        /// What every format version has.
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }

        if json.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLong { bytes: json.len() });
        }
        let json = text_of(json)?;
        let Version { format_version } = serde_json::from_str(json).map_err(malformed)?;
        if format_version != FORMAT_VERSION {
            return Err(ManifestError::FormatVersion {
                found: format_version,
            });
        }
        let manifest: Self = serde_json::from_str(json).map_err(malformed)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The text of `model.json`.
    ///
    /// # Errors
    /// Where [`from_json`](Self::from_json) would not take it back.
    pub fn to_json(&self) -> Result<String, ManifestError> {
        self.check()?;
        let mut json = serde_json::to_string_pretty(self).map_err(malformed)?;
        json.push('\n');
        Ok(json)
    }

    fn check(&self) -> Result<(), ManifestError> {
        part::check(&self.summary.parts)?;
        if self.shards.is_empty() || self.shards.len() > MAX_SHARDS {
            return Err(ManifestError::ShardCount {
                found: self.shards.len(),
            });
        }
        let mut files = HashSet::new();
        let mut sum = 0_u64;
        for (index, shard) in self.shards.iter().enumerate() {
            if !is_file_name(&shard.file) {
                return Err(ManifestError::FileName {
                    index,
                    file: shard.file.clone(),
                });
            }
            if !files.insert(shard.file.as_str()) {
                return Err(ManifestError::DuplicateFile {
                    file: shard.file.clone(),
                });
            }
            if shard.bytes == 0 || shard.bytes > MAX_SHARD_BYTES {
                return Err(ManifestError::ShardLength {
                    index,
                    bytes: shard.bytes,
                });
            }
            if !is_sha256(&shard.sha256) {
                return Err(ManifestError::Sha256 { index });
            }
            // MAX_SHARDS times MAX_SHARD_BYTES at most.
            sum += shard.bytes;
        }
        if sum != self.total_bytes {
            return Err(ManifestError::TotalBytes {
                found: self.total_bytes,
                sum,
            });
        }
        Ok(())
    }
}

/// Whether `file` names a file beside `model.json` on every file system and in
/// every URL, and nothing else.
pub fn is_file_name(file: &str) -> bool {
    file.len() <= MAX_FILE_NAME_BYTES
        && file.starts_with(|c: char| c.is_ascii_alphanumeric())
        && file
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

fn is_sha256(hex: &str) -> bool {
    hex.len() == 64 && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

fn malformed(error: serde_json::Error) -> ManifestError {
    ManifestError::Malformed {
        message: one_line(&error.to_string()),
    }
}

/// What is wrong with a `model.json`; every variant names the field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// Longer than [`MAX_MANIFEST_BYTES`].
    #[error("model.json is {bytes} bytes long, more than {MAX_MANIFEST_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// In another encoding than UTF-8, or no text.
    #[error("model.json: {0}")]
    Encoding(#[from] EncodingError),
    /// No JSON, or a field that is missing or of the wrong type.
    #[error("model.json: {message}")]
    Malformed {
        /// What is wrong, and where.
        message: String,
    },
    /// A format version other than [`FORMAT_VERSION`].
    #[error("model.json: format_version is {found}; this program reads version {FORMAT_VERSION}")]
    FormatVersion {
        /// The version.
        found: u32,
    },
    /// More parts than [`MAX_PARTS`].
    #[error("model.json: parts has {found} entries, not 0 to {MAX_PARTS}")]
    PartCount {
        /// Number of parts.
        found: usize,
    },
    /// A text about a part that is empty, longer than [`MAX_PART_TEXT_BYTES`] or several lines.
    #[error(
        "model.json: parts[{index}].{field} is {}, not one line of 1 to {MAX_PART_TEXT_BYTES} bytes",
        Excerpt(text)
    )]
    PartText {
        /// Which part.
        index: usize,
        /// Which of its fields.
        field: &'static str,
        /// The text.
        text: String,
    },
    /// No shard, or more than [`MAX_SHARDS`].
    #[error("model.json: shards has {found} entries, not 1 to {MAX_SHARDS}")]
    ShardCount {
        /// Number of shards.
        found: usize,
    },
    /// A file that does not lie beside `model.json`.
    #[error(
        "model.json: shards[{index}].file is {}, not the plain name of a file",
        Excerpt(file)
    )]
    FileName {
        /// Which shard.
        index: usize,
        /// Its file.
        file: String,
    },
    /// The same file twice.
    #[error("model.json: shards lists the file `{file}` twice")]
    DuplicateFile {
        /// The file.
        file: String,
    },
    /// A shard that is empty or longer than [`MAX_SHARD_BYTES`].
    #[error("model.json: shards[{index}].bytes is {bytes}, not 1 to {MAX_SHARD_BYTES}")]
    ShardLength {
        /// Which shard.
        index: usize,
        /// Its length.
        bytes: u64,
    },
    /// A hash that is none.
    #[error("model.json: shards[{index}].sha256 is not 64 lower-case hexadecimal digits")]
    Sha256 {
        /// Which shard.
        index: usize,
    },
    /// A sum that is not that of the shards.
    #[error("model.json: total_bytes is {found}, the shards have {sum}")]
    TotalBytes {
        /// The field.
        found: u64,
        /// Sum of the shards.
        sum: u64,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    fn example() -> Value {
        json!({
            "format_version": 1,
            "name": "tiny",
            "family": "IDEFICS",
            "licence": "MIT",
            "parts": [
                {"kind": "language", "name": "a model", "source": "https://a.b/c", "licence": "MIT"},
                {"kind": "tokenizer", "name": "its own", "source": "NOASSERTION", "licence": "MIT"},
            ],
            "config": {"language": "llama"},
            "required_gpu_limits": {
                "max_buffer_size": 1024,
                "max_storage_buffer_binding_size": 512,
            },
            "estimated_memory_bytes": 4096,
            "total_bytes": 7,
            "shards": [
                {"file": "weights-000.bin", "bytes": 4, "sha256": "0".repeat(64)},
                {"file": "weights-001.bin", "bytes": 3, "sha256": "f".repeat(64)},
            ],
        })
    }

    fn read(json: &Value) -> Result<ModelManifest, ManifestError> {
        ModelManifest::from_json(json.to_string().as_bytes())
    }

    #[test]
    fn reads_back_what_it_writes() {
        let manifest = read(&example()).unwrap();
        assert_eq!(manifest.shards[1].bytes, 3);
        assert_eq!(manifest.summary.licence, "MIT");
        assert_eq!(manifest.summary.family.as_deref(), Some("IDEFICS"));
        let json = manifest.to_json().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), example());
        assert_eq!(ModelManifest::from_json(json.as_bytes()), Ok(manifest));
    }

    #[test]
    fn a_folder_from_before_parts_were_told_loads_and_is_written_as_it_was() {
        let mut older = example();
        older.as_object_mut().unwrap().remove("parts");
        let manifest = read(&older).unwrap();
        assert_eq!(manifest.summary.parts, []);
        let json = manifest.to_json().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), older);
    }

    #[test]
    fn every_kind_of_part_is_spelled_as_it_is_named() {
        for kind in PartKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), json!(kind.name()));
        }
    }

    #[test]
    fn every_malformed_field_is_named() {
        let long = "a".repeat(256);
        for (pointer, value, named) in [
            ("/format_version", json!(2), "format_version"),
            ("/format_version", json!("1"), "invalid type"),
            ("/name", json!(1), "invalid type"),
            ("/parts", json!({}), "invalid type"),
            (
                "/parts",
                json!(vec![example()["parts"][0].clone(); MAX_PARTS + 1]),
                "parts has 17",
            ),
            ("/parts/1/kind", json!("soul"), "soul"),
            ("/parts/0/licence", json!(null), "invalid type"),
            ("/parts/1/name", json!(""), "parts[1].name"),
            ("/parts/1/source", json!("a\nb"), "parts[1].source"),
            (
                "/parts/0/licence",
                json!("a".repeat(MAX_PART_TEXT_BYTES + 1)),
                "parts[0].licence",
            ),
            ("/total_bytes", json!(8), "total_bytes"),
            ("/total_bytes", json!(-7), "-7"),
            ("/shards", json!([]), "shards has 0"),
            ("/shards/0/bytes", json!(0), "shards[0].bytes"),
            (
                "/shards/1/bytes",
                json!(MAX_SHARD_BYTES + 1),
                "shards[1].bytes",
            ),
            ("/shards/1/bytes", json!(u64::MAX), "shards[1].bytes"),
            (
                "/shards/1/file",
                json!("weights-000.bin"),
                "weights-000.bin",
            ),
            ("/shards/1/file", json!("../secret"), "shards[1].file"),
            ("/shards/1/file", json!("a/b"), "shards[1].file"),
            ("/shards/1/file", json!("a\\b"), "shards[1].file"),
            ("/shards/1/file", json!("a?b"), "shards[1].file"),
            ("/shards/1/file", json!(".hidden"), "shards[1].file"),
            ("/shards/1/file", json!(""), "shards[1].file"),
            ("/shards/1/file", json!(long), "shards[1].file"),
            (
                "/shards/1/sha256",
                json!("f".repeat(63)),
                "shards[1].sha256",
            ),
            (
                "/shards/1/sha256",
                json!("F".repeat(64)),
                "shards[1].sha256",
            ),
        ] {
            let mut manifest = example();
            *manifest.pointer_mut(pointer).unwrap() = value;
            let error = read(&manifest).unwrap_err().to_string();
            assert!(error.contains(named), "{pointer}: {error}");
        }
        for field in [
            "name",
            "licence",
            "shards",
            "total_bytes",
            "required_gpu_limits",
        ] {
            let mut manifest = example();
            manifest.as_object_mut().unwrap().remove(field);
            let error = read(&manifest).unwrap_err().to_string();
            assert!(error.contains(field), "{field}: {error}");
        }
    }

    #[test]
    fn an_editor_may_mark_its_bytes_and_another_encoding_is_told_in_words() {
        let marked = format!("\u{feff}{}\r\n", example());
        assert_eq!(
            ModelManifest::from_json(marked.as_bytes()),
            read(&example())
        );
        let wide: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let error = ModelManifest::from_json(&wide).unwrap_err();
        assert_eq!(
            error.to_string(),
            "model.json: the file is in UTF-16; save it as UTF-8"
        );
    }

    #[test]
    fn what_is_quoted_is_short() {
        let mut manifest = example();
        *manifest.pointer_mut("/shards/1/file").unwrap() = json!("/".repeat(100_000));
        assert!(read(&manifest).unwrap_err().to_string().len() < 250);
        *manifest.pointer_mut("/total_bytes").unwrap() = json!("x".repeat(100_000));
        assert!(read(&manifest).unwrap_err().to_string().len() < 400);
    }

    #[test]
    fn a_manifest_that_is_too_long_is_refused_before_it_is_parsed() {
        let error = ModelManifest::from_json(&vec![b' '; MAX_MANIFEST_BYTES + 1]);
        assert_eq!(
            error,
            Err(ManifestError::TooLong {
                bytes: MAX_MANIFEST_BYTES + 1
            })
        );
    }
}
