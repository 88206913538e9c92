//! A model on disk: a published folder, or a GGUF file by itself.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flamingo_convert::progress::Progress;
use flamingo_kernels::ComputeDevice;
use flamingo_runtime::{LoadError, Model, ModelLoader};
use flamingo_weights::manifest::{FolderError, ModelFolder};
use thiserror::Error;

/// Bytes of a single file handed on at once.
const PIECE_BYTES: u64 = 4 << 20;

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
    Folder(ModelFolder),
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
            Kind::Folder(folder)
        } else {
            Kind::File {
                file: File::open(path).map_err(io)?,
                bytes: metadata.len(),
            }
        };
        Ok(Self {
            path: path.to_owned(),
            kind,
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
        let mut loader = ModelLoader::new(device);
        for piece in self.pieces() {
            let piece = piece?;
            loader.push(&piece).map_err(no_model)?;
            progress.advance(piece.len() as u64);
        }
        loader.finish().map_err(no_model)
    }
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
