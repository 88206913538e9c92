//! GGUF files of any types.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flamingo_weights::gguf::{AnyGgufHeaderReader, GgufError};

use super::file::RangeFile;
use super::safetensors::Ranges;
use super::{Opened, SourceError, TensorEntry};
use crate::origin::Origin;

/// Bytes of the header read at a time.
const PIECE: u64 = 64 * 1024;

/// Opens `file` of `length` bytes.
pub(super) fn open(path: &Path, file: File, length: u64) -> Result<Opened, SourceError> {
    let gguf = |source| SourceError::Gguf {
        path: path.to_owned(),
        source,
    };
    let mut reader = AnyGgufHeaderReader::new();
    let mut bytes = BufReader::new(file);
    let mut piece = Vec::new();
    loop {
        piece.clear();
        let mut limited = (&mut bytes).take(PIECE);
        let count = limited
            .read_to_end(&mut piece)
            .map_err(SourceError::io(path))?;
        if count == 0 || reader.push(&piece).map_err(gguf)?.is_some() {
            break;
        }
    }
    let header = reader.finish().map_err(gguf)?;
    let mut starts = Vec::with_capacity(header.tensors.len());
    let mut entries = Vec::with_capacity(header.tensors.len());
    for tensor in header.tensors {
        let start = header.data_start.saturating_add(tensor.offset);
        let end = start.saturating_add(tensor.byte_len as u64);
        if end > length {
            return Err(gguf(GgufError::Truncated {
                field: format!("the data of tensor `{}`", tensor.name),
                missing: end - length,
            }));
        }
        starts.push(start);
        entries.push(TensorEntry {
            name: tensor.name,
            element: tensor.ggml_type.into(),
            shape: tensor.shape,
            byte_len: tensor.byte_len,
        });
    }
    let file = RangeFile::new(path, bytes.into_inner());
    let mut opened = Opened::new(entries, Box::new(Ranges { file, starts }));
    opened.origin = Origin::of_gguf(&header.metadata);
    opened.metadata = Some(header.metadata);
    Ok(opened)
}
