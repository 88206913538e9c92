//! The folder on a disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::verifier::hex;
use super::{
    FORMAT_VERSION, MANIFEST_FILE, MAX_MANIFEST_BYTES, MAX_SHARD_BYTES, ManifestError,
    ModelManifest, ModelSummary, Shard, ShardError, ShardVerifier,
};

/// Cuts the byte stream written to it into the shards of a folder.
///
/// `model.json` is removed first and written last, so that a folder has one only
/// while its shards belong to it.
pub struct FolderWriter {
    folder: PathBuf,
    shards: Vec<Shard>,
    open: Option<OpenShard>,
}

struct OpenShard {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl FolderWriter {
    /// A writer into `folder`, which is created where it does not exist.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(folder: &Path) -> Result<Self, FolderError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        let manifest = folder.join(MANIFEST_FILE);
        match fs::remove_file(&manifest) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at(&manifest)(error));
            }
            _ => {}
        }
        Ok(Self {
            folder: folder.to_owned(),
            shards: Vec::new(),
            open: None,
        })
    }

    /// Ends the last shard, removes what is left of an earlier model, and writes
    /// `model.json`.
    ///
    /// # Errors
    /// Those of the file system, and those of the manifest where nothing or too
    /// much was written.
    pub fn finish(mut self, summary: ModelSummary) -> Result<ModelManifest, FolderError> {
        self.end_shard();
        self.remove_stale_shards()?;
        let manifest = ModelManifest {
            format_version: FORMAT_VERSION,
            summary,
            total_bytes: self.shards.iter().map(|shard| shard.bytes).sum(),
            shards: self.shards,
        };
        let path = self.folder.join(MANIFEST_FILE);
        fs::write(&path, manifest.to_json()?).map_err(at(&path))?;
        Ok(manifest)
    }

    fn end_shard(&mut self) {
        if let Some(OpenShard { hash, bytes, .. }) = self.open.take() {
            self.shards.push(Shard {
                file: shard_file(self.shards.len()),
                bytes,
                sha256: hex(hash),
            });
        }
    }

    /// Removes shards of an earlier, larger model.
    fn remove_stale_shards(&self) -> Result<(), FolderError> {
        for index in self.shards.len().. {
            let path = self.folder.join(shard_file(index));
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(at(&path)(error)),
            }
        }
        Ok(())
    }
}

impl Write for FolderWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.bytes == MAX_SHARD_BYTES)
        {
            self.end_shard();
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(OpenShard {
                file: File::create(self.folder.join(shard_file(self.shards.len())))?,
                hash: Sha256::new(),
                bytes: 0,
            }),
        };
        // The rest of a shard fits a `usize`.
        let room = (MAX_SHARD_BYTES - open.bytes) as usize;
        let bytes = &bytes[..bytes.len().min(room)];
        open.file.write_all(bytes)?;
        open.hash.update(bytes);
        open.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.open {
            Some(open) => open.file.flush(),
            None => Ok(()),
        }
    }
}

fn shard_file(index: usize) -> String {
    format!("weights-{index:03}.bin")
}

/// A folder with a checked `model.json`.
pub struct ModelFolder {
    folder: PathBuf,
    manifest: ModelManifest,
}

impl ModelFolder {
    /// Opens `folder`.
    ///
    /// # Errors
    /// Where `model.json` cannot be read or is malformed.
    pub fn open(folder: &Path) -> Result<Self, FolderError> {
        Self::of_manifest(&folder.join(MANIFEST_FILE))
    }

    /// Opens the folder in which a manifest lies, whatever that is called.
    ///
    /// # Errors
    /// Where it cannot be read or is malformed.
    pub fn of_manifest(path: &Path) -> Result<Self, FolderError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let file = File::open(path).map_err(at(path))?;
        let mut json = Vec::new();
        // One byte more than is accepted, so that the manifest sees it is too long.
        io::Read::read_to_end(
            &mut io::Read::take(file, MAX_MANIFEST_BYTES as u64 + 1),
            &mut json,
        )
        .map_err(at(path))?;
        Ok(Self {
            folder: folder.to_owned(),
            manifest: ModelManifest::from_json(&json)?,
        })
    }

    /// What `model.json` says.
    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// The bytes of each shard in order, checked: joined, they are the GGUF file.
    pub fn shards(&self) -> impl Iterator<Item = Result<Vec<u8>, FolderError>> {
        self.manifest.shards.iter().map(|shard| self.read(shard))
    }

    fn read(&self, shard: &Shard) -> Result<Vec<u8>, FolderError> {
        let path = self.folder.join(&shard.file);
        let file = File::open(&path).map_err(at(&path))?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, shard.bytes + 1), &mut bytes)
            .map_err(at(&path))?;
        let mut verifier = ShardVerifier::new(shard);
        verifier.update(&bytes)?;
        verifier.finish()?;
        Ok(bytes)
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { path, source }
}

/// A folder that cannot be written or read.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `model.json` is malformed.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A shard is not the one in `model.json`.
    #[error(transparent)]
    Shard(#[from] ShardError),
}
