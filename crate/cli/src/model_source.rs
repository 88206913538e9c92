//! A model on disk: a published folder, or a GGUF file by itself.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use flamingo::FlamingoConfig;
use flamingo_convert::progress::Progress;
use flamingo_kernels::ComputeDevice;
use flamingo_runtime::{EncoderId, LoadError, Model, ModelLoader};
use flamingo_weights::gguf::GgufReader;
use flamingo_weights::manifest::{FolderError, MANIFEST_FILE, ModelFolder};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Bytes of a single file handed on at once.
const PIECE_BYTES: u64 = 4 << 20;

/// Bytes from the beginning of a file that tell what it is.
const HEAD_BYTES: u64 = 4096;

/// Why a model cannot be read.
#[derive(Debug, Error)]
pub(crate) enum ModelError {
    /// Nothing is there.
    #[error(
        "there is no model at {}; `./x pack` makes the default one, \
         --model and FLAMINGO_MODEL name another",
        path.display()
    )]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("the model {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder is incomplete or damaged.
    #[error("the model {}: {source}; pack or download it again", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: FolderError,
    },
    /// A part of a model was named.
    #[error(
        "{} is a part of the model that lies in {}; name that folder",
        path.display(),
        folder.display()
    )]
    Shard {
        /// The part.
        path: PathBuf,
        /// The folder of the whole.
        folder: PathBuf,
    },
    /// A file that other programs keep models in.
    #[error("the model {} is {what}; `flamingo convert` makes models", path.display())]
    Unpacked {
        /// The file.
        path: PathBuf,
        /// Its kind.
        what: &'static str,
    },
    /// The bytes are no model for this program.
    #[error("the model {}: {source}", path.display())]
    Load {
        /// File or folder.
        path: PathBuf,
        /// Why.
        source: LoadError,
    },
}

/// Where the bytes of a model come from.
pub(crate) struct ModelSource {
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    Folder(Box<ModelFolder>),
    File { file: File, bytes: u64 },
}

impl ModelSource {
    /// Opens the folder or file at `path`.
    ///
    /// # Errors
    /// Where there is none, or its `model.json` is malformed.
    pub(crate) fn open(path: &Path) -> Result<Self, ModelError> {
        let io = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => ModelError::NotFound {
                path: path.to_owned(),
            },
            _ => ModelError::Io {
                path: path.to_owned(),
                source,
            },
        };
        let metadata = std::fs::metadata(path).map_err(io)?;
        let kind = if metadata.is_dir() {
            let folder = ModelFolder::open(path).map_err(|source| ModelError::Folder {
                path: path.to_owned(),
                source,
            })?;
            Kind::Folder(Box::new(folder))
        } else {
            Self::open_file(path, metadata.len(), io)?
        };
        Ok(Self {
            path: path.to_owned(),
            kind,
        })
    }

    /// Opens what lies in one file, which its first bytes tell.
    fn open_file(
        path: &Path,
        bytes: u64,
        io: impl Fn(io::Error) -> ModelError,
    ) -> Result<Kind, ModelError> {
        let mut file = File::open(path).map_err(&io)?;
        let mut head = Vec::new();
        file.by_ref()
            .take(HEAD_BYTES)
            .read_to_end(&mut head)
            .map_err(&io)?;
        if let Some(folder) = folder_of_shard(path) {
            return Err(ModelError::Shard {
                path: path.to_owned(),
                folder,
            });
        }
        if let Some(what) = unpacked(&head) {
            return Err(ModelError::Unpacked {
                path: path.to_owned(),
                what,
            });
        }
        if is_manifest(path, &head) {
            let folder = ModelFolder::of_manifest(path).map_err(|source| ModelError::Folder {
                path: path.to_owned(),
                source,
            })?;
            return Ok(Kind::Folder(Box::new(folder)));
        }
        file.rewind().map_err(&io)?;
        Ok(Kind::File { file, bytes })
    }

    /// The files that its bytes are read from.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let Some(folder) = self.folder() else {
            return vec![self.path.clone()];
        };
        let place = match self.path.is_dir() {
            true => self.path.as_path(),
            false => self.path.parent().unwrap_or(Path::new("")),
        };
        let manifest = match self.path.is_dir() {
            true => self.path.join(MANIFEST_FILE),
            false => self.path.clone(),
        };
        let shards = folder.manifest().shards.iter();
        let shards = shards.map(|shard| place.join(&shard.file));
        std::iter::once(manifest).chain(shards).collect()
    }

    /// SHA-256 of its bytes as one GGUF file, in hexadecimal: the same for a folder and a file.
    ///
    /// # Errors
    /// Where they cannot be read or are damaged.
    pub(crate) fn sha256(&self) -> Result<String, ModelError> {
        let mut hash = Sha256::new();
        for piece in self.pieces() {
            hash.update(&piece?);
        }
        self.rewind()?;
        Ok(hexadecimal(&hash.finalize()))
    }

    /// SHA-256 of its vision encoder: of the configuration and the tensors that make an
    /// embedding of a picture.
    ///
    /// # Errors
    /// Where its bytes cannot be read, are damaged, or make no model.
    pub(crate) fn encoder_sha256(&self) -> Result<EncoderId, ModelError> {
        let no_model = |source: LoadError| ModelError::Load {
            path: self.path.clone(),
            source,
        };
        let is_vision = |name: &str| name.starts_with("v.");
        let mut hash = Sha256::new();
        let mut reader = GgufReader::new();
        let mut left = None;
        for piece in self.pieces() {
            reader
                .push(&piece?)
                .map_err(|error| no_model(error.into()))?;
            if let (None, Some(header)) = (left, reader.header()) {
                let config = header.metadata.string("flamingo.config");
                let config = config.map_err(|error| no_model(error.into()))?;
                let config =
                    FlamingoConfig::from_json(config).map_err(|error| no_model(error.into()))?;
                hash.update(format!("{:?}", config.vision));
                let tensors = header.tensors.iter();
                left = Some(tensors.filter(|entry| is_vision(&entry.info.name)).count());
            }
            while let Some(tensor) = reader.next_tensor() {
                if is_vision(&tensor.info.name) {
                    hash.update(&tensor.info.name);
                    hash.update(&tensor.data);
                    left = left.map(|left| left - 1);
                }
            }
            if left == Some(0) {
                break;
            }
        }
        self.rewind()?;
        match left {
            Some(_) => Ok(hash.finalize().into()),
            None => Err(no_model(LoadError::NoHeader)),
        }
    }

    /// Goes back to the beginning of a single file.
    fn rewind(&self) -> Result<(), ModelError> {
        let Kind::File { file, .. } = &self.kind else {
            return Ok(());
        };
        let mut file: &File = file;
        file.rewind().map_err(|source| ModelError::Io {
            path: self.path.clone(),
            source,
        })
    }

    /// The folder, where the model is one.
    pub(crate) fn folder(&self) -> Option<&ModelFolder> {
        match &self.kind {
            Kind::Folder(folder) => Some(folder),
            Kind::File { .. } => None,
        }
    }

    /// Length of the GGUF file, in bytes.
    pub(crate) fn total_bytes(&self) -> u64 {
        match &self.kind {
            Kind::Folder(folder) => folder.manifest().total_bytes,
            Kind::File { bytes, .. } => *bytes,
        }
    }

    /// The GGUF file in pieces. A shard is a piece, and is verified before it
    /// comes; after one that is damaged the next ones still come.
    pub(crate) fn pieces(&self) -> Box<dyn Iterator<Item = Result<Vec<u8>, ModelError>> + '_> {
        match &self.kind {
            Kind::Folder(folder) => Box::new(folder.shards().map(|shard| {
                shard.map_err(|source| ModelError::Folder {
                    path: self.path.clone(),
                    source,
                })
            })),
            Kind::File { file, .. } => Box::new(FilePieces(file).map(|piece| {
                piece.map_err(|source| ModelError::Io {
                    path: self.path.clone(),
                    source,
                })
            })),
        }
    }

    /// Builds the model on a device.
    ///
    /// # Errors
    /// Where the bytes are damaged or make no model.
    pub(crate) fn load(&self, device: ComputeDevice) -> Result<Model, ModelError> {
        let no_model = |source| ModelError::Load {
            path: self.path.clone(),
            source,
        };
        let mut progress = Progress::bytes("Loading", self.total_bytes());
        let mut loader = ModelLoader::new(device, self.total_bytes());
        for piece in self.pieces() {
            let piece = piece?;
            loader.push(&piece).map_err(no_model)?;
            progress.advance(piece.len() as u64);
        }
        loader.finish().map_err(no_model)
    }
}

/// Digits of bytes.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a file is a `model.json`, by its name or by how it begins.
fn is_manifest(path: &Path, head: &[u8]) -> bool {
    let named = path.file_name().is_some_and(|name| name == MANIFEST_FILE);
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    named || text.trim_ascii_start().first() == Some(&b'{')
}

/// The folder of the model that this file is a part of.
fn folder_of_shard(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    let name = path.file_name()?.to_str()?;
    let model = ModelFolder::open(folder).ok()?;
    let is_part = model
        .manifest()
        .shards
        .iter()
        .any(|shard| shard.file == name);
    is_part.then(|| match folder.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => folder.to_owned(),
    })
}

/// The kind of a file that other programs keep models in.
fn unpacked(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"PK\x03\x04") {
        return Some("a ZIP archive, as PyTorch writes its checkpoints");
    }
    // The length of its JSON, then that.
    (head.get(4..9) == Some(b"\0\0\0\0{")).then_some("a safetensors file")
}

/// The rest of a file, piece by piece.
struct FilePieces<'a>(&'a File);

impl Iterator for FilePieces<'_> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = Vec::new();
        match self.0.take(PIECE_BYTES).read_to_end(&mut piece) {
            Ok(0) => None,
            Ok(_) => Some(Ok(piece)),
            Err(error) => Some(Err(error)),
        }
    }
}
