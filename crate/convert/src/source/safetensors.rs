//! safetensors files, by the reader of [`flamingo_weights`], which is fuzzed already and
//! asks for tensors without holes and overlaps as the reference implementation does; it
//! streams, so only its header is used here.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flamingo_weights::safetensors::{SafetensorsError, SafetensorsReader};

use super::file::{RangeFile, TensorFile};
use super::{Opened, SourceError, TensorEntry};
use crate::origin::Origin;

/// Bytes of the header's length.
const LENGTH_BYTES: u64 = 8;

/// Bytes of the header read at a time.
const PIECE: u64 = 64 * 1024;

/// Opens `file` of `length` bytes.
pub(super) fn open(path: &Path, mut file: File, length: u64) -> Result<Opened, SourceError> {
    let safetensors = |source| SourceError::Safetensors {
        path: path.to_owned(),
        source,
    };
    let mut reader = SafetensorsReader::new();
    let mut piece = Vec::new();
    let mut read = |count: u64, piece: &mut Vec<u8>| {
        piece.clear();
        let mut limited = (&mut file).take(count);
        limited.read_to_end(piece).map_err(SourceError::io(path))
    };
    read(LENGTH_BYTES, &mut piece)?;
    reader.push(&piece).map_err(safetensors)?;
    let Ok(header) = <[u8; LENGTH_BYTES as usize]>::try_from(piece.as_slice()) else {
        reader.finish().map_err(safetensors)?;
        return Err(safetensors(SafetensorsError::TrailingBytes));
    };
    let header = u64::from_le_bytes(header);
    let mut left = header;
    while left > 0 {
        let count = read(left.min(PIECE), &mut piece)? as u64;
        reader.push(&piece).map_err(safetensors)?;
        if count == 0 {
            break;
        }
        left -= count;
    }
    let Some(tensors) = reader.header() else {
        // It says which part is missing.
        return match reader.finish() {
            Err(source) => Err(safetensors(source)),
            Ok(()) => Err(safetensors(SafetensorsError::TrailingBytes)),
        };
    };
    let mut starts = Vec::with_capacity(tensors.len());
    let mut entries = Vec::with_capacity(tensors.len());
    // Header and tensors are far from overflow: the reader has held them against a u64.
    let mut start = LENGTH_BYTES + header;
    for tensor in tensors {
        let end = start.saturating_add(tensor.byte_len as u64);
        if end > length {
            return Err(safetensors(SafetensorsError::Truncated {
                field: format!("the data of tensor `{}`", tensor.name),
                missing: end - length,
            }));
        }
        starts.push(start);
        entries.push(TensorEntry {
            name: tensor.name.clone(),
            element: tensor.dtype.into(),
            shape: tensor.shape.clone(),
            byte_len: tensor.byte_len,
        });
        start = end;
    }
    if start < length {
        return Err(safetensors(SafetensorsError::TrailingBytes));
    }
    let origin = Origin::of_safetensors(|key| reader.metadata(key));
    let file = RangeFile::new(path, file);
    let mut opened = Opened::new(entries, Box::new(Ranges { file, starts }));
    opened.origin = origin;
    Ok(opened)
}

/// A file whose tensors lie as they are read.
pub(super) struct Ranges {
    pub(super) file: RangeFile,
    /// First byte of each tensor.
    pub(super) starts: Vec<u64>,
}

impl TensorFile for Ranges {
    fn read(&self, position: usize, entry: &TensorEntry) -> Result<Vec<u8>, SourceError> {
        self.file.read(self.starts[position], entry.byte_len)
    }
}
