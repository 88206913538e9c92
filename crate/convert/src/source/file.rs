//! A file of tensors, read by ranges.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{SourceError, TensorEntry};

/// A file whose tensors can be read one by one, in any order.
pub(super) trait TensorFile: Send {
    /// The bytes of the tensor `position` of the file's list, whose description is
    /// `entry`: as many as that says.
    fn read(&self, position: usize, entry: &TensorEntry) -> Result<Vec<u8>, SourceError>;
}

/// A file of which ranges are read.
pub(super) struct RangeFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl RangeFile {
    pub(super) fn new(path: &Path, file: File) -> Self {
        Self {
            path: path.to_owned(),
            file: Mutex::new(file),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads `length` bytes from byte `start` on, which whoever asks has held against the
    /// length of the file.
    pub(super) fn read(&self, start: u64, length: usize) -> Result<Vec<u8>, SourceError> {
        // The position is set before each use, so one left behind by a panic does no harm.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start))
            .map_err(SourceError::io(&self.path))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)
            .map_err(SourceError::io(&self.path))?;
        Ok(bytes)
    }
}
