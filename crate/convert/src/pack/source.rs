//! GGUF and safetensors files, read whole.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flamingo_weights::LoadedTensor;
use flamingo_weights::gguf::{GgufReader, Metadata};
use flamingo_weights::safetensors::{SafetensorsReader, SafetensorsTensor};

use super::ConvertError;
use crate::progress::Progress;

/// Bytes read at a time.
const PIECE: usize = 1 << 20;

/// Bytes to be read, and how many there are.
pub(super) struct Input<R> {
    pub(super) bytes: R,
    pub(super) length: u64,
}

/// Tensors by name.
pub(super) type Tensors = HashMap<String, LoadedTensor>;

/// A GGUF file's metadata and tensors; `path` is where it comes from.
pub(super) fn gguf(
    input: Input<impl Read>,
    path: &Path,
) -> Result<(Metadata, Tensors), ConvertError> {
    let gguf = |source| ConvertError::Gguf {
        path: path.to_owned(),
        source,
    };
    let mut reader = GgufReader::new();
    let mut tensors = HashMap::new();
    for_each_piece(input, path, |piece| {
        reader.push(piece).map_err(gguf)?;
        while let Some(tensor) = reader.next_tensor() {
            tensors.insert(tensor.info.name.clone(), tensor);
        }
        Ok(())
    })?;
    reader.finish().map_err(gguf)?;
    let metadata = reader.header().map(|header| header.metadata.clone());
    Ok((metadata.unwrap_or_default(), tensors))
}

/// The tensors of the safetensors file `path`.
pub(super) fn safetensors(path: &Path) -> Result<Vec<SafetensorsTensor>, ConvertError> {
    let safetensors = |source| ConvertError::Safetensors {
        path: path.to_owned(),
        source,
    };
    let mut reader = SafetensorsReader::new();
    let mut tensors = Vec::new();
    for_each_piece(open(path)?, path, |piece| {
        reader.push(piece).map_err(safetensors)?;
        tensors.extend(std::iter::from_fn(|| reader.next_tensor()));
        Ok(())
    })?;
    reader.finish().map_err(safetensors)?;
    Ok(tensors)
}

/// The whole file `path`.
pub(super) fn open(path: &Path) -> Result<Input<File>, ConvertError> {
    let bytes = File::open(path).map_err(ConvertError::io(path))?;
    let length = bytes.metadata().map_err(ConvertError::io(path))?.len();
    Ok(Input { bytes, length })
}

fn for_each_piece(
    mut input: Input<impl Read>,
    path: &Path,
    mut take: impl FnMut(&[u8]) -> Result<(), ConvertError>,
) -> Result<(), ConvertError> {
    let mut progress = Progress::bytes("reading weights", input.length);
    let mut piece = vec![0; PIECE];
    loop {
        let length = input
            .bytes
            .read(&mut piece)
            .map_err(ConvertError::io(path))?;
        if length == 0 {
            return Ok(());
        }
        take(&piece[..length])?;
        progress.advance(length as u64);
    }
}
