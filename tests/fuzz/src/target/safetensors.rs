//! safetensors.

use flamingo_weights::safetensors::{
    SafetensorsEntry, SafetensorsError, SafetensorsReader, SafetensorsTensor,
};

use super::Target;
use crate::{peak_during, pieces};

/// The target of safetensors.
pub const TARGET: Target = Target {
    name: "safetensors",
    words: &[
        b"\"data_offsets\":[",
        b"\"shape\":[",
        b"\"dtype\":\"BF16\"",
        b"\"__metadata__\":",
        b"18446744073709551615",
        b"0,",
        b"[[[[",
        b"{\"",
        b"}",
    ],
    check,
};

/// Most bytes allocated for each byte of input.
const BYTES_PER_BYTE: usize = 16;

/// Most bytes allocated for an input of no bytes.
const BYTES_AT_LEAST: usize = 16 * 1024;

type Read = (
    Result<(), SafetensorsError>,
    Option<Vec<SafetensorsEntry>>,
    Vec<SafetensorsTensor>,
);

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut reader = SafetensorsReader::new();
    let mut tensors = Vec::new();
    let mut result = Ok(());
    for piece in pieces {
        result = reader.push(piece);
        tensors.extend(std::iter::from_fn(|| reader.next_tensor()));
        if result.is_err() {
            break;
        }
    }
    let result = result.and_then(|()| reader.finish());
    (result, reader.header().map(<[_]>::to_vec), tensors)
}

fn check(input: &[u8]) -> String {
    let (whole, peak) = peak_during(|| read([input]));
    let limit = BYTES_AT_LEAST + BYTES_PER_BYTE * input.len();
    assert!(peak <= limit, "{peak} bytes allocated for {}", input.len());
    assert_eq!(read(pieces(input)), whole, "the pieces matter");

    let (result, _, tensors) = whole;
    for tensor in &tensors {
        let elements = tensor.entry.shape.iter().product::<usize>();
        assert_eq!(tensor.data.len(), elements * tensor.entry.dtype.size());
        if let Ok(loaded) = tensor.clone().into_loaded() {
            assert_eq!(loaded.to_f32().unwrap().len(), elements);
        }
    }
    match result {
        Ok(()) => format!(
            "whole, {:?}",
            tensors.first().map(|tensor| tensor.entry.dtype)
        ),
        Err(error) => error.to_string(),
    }
}
