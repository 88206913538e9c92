//! What several test files share.
#![allow(clippy::unwrap_used, dead_code)]

use std::path::{Path, PathBuf};

use flamingo_weights::LoadedTensor;
use flamingo_weights::gguf::{GgufHeader, GgufReader};
use flamingo_weights::safetensors::{SafetensorsReader, SafetensorsTensor};

/// A file of `tests/fixtures`.
pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(path)
}

/// The bytes of a file of `tests/fixtures`.
pub(crate) fn read_fixture(path: &str) -> Vec<u8> {
    let path = fixture(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A whole GGUF file, read in pieces of `piece` bytes.
pub(crate) fn read_gguf(bytes: &[u8], piece: usize) -> (GgufHeader, Vec<LoadedTensor>) {
    let mut reader = GgufReader::new();
    let mut tensors = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.push(piece).unwrap();
        tensors.extend(std::iter::from_fn(|| reader.next_tensor()));
    }
    reader.finish().unwrap();
    (reader.header().unwrap().clone(), tensors)
}

/// A whole safetensors file, read in pieces of `piece` bytes.
pub(crate) fn read_safetensors(bytes: &[u8], piece: usize) -> Vec<SafetensorsTensor> {
    let mut reader = SafetensorsReader::new();
    let mut tensors = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.push(piece).unwrap();
        tensors.extend(std::iter::from_fn(|| reader.next_tensor()));
    }
    reader.finish().unwrap();
    tensors
}
