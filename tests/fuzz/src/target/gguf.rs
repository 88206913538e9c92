//! GGUF.

use flamingo_weights::LoadedTensor;
use flamingo_weights::gguf::{GgufError, GgufHeader, GgufReader, GgufWriter};

use super::Target;
use crate::{peak_during, pieces};

/// The target of GGUF.
pub const TARGET: Target = Target {
    name: "gguf",
    words: &[b"GGUF\x03\0\0\0", b"general.alignment\x04\0\0\0"],
    check,
};

/// Most bytes allocated for each byte of input: short strings and array elements
/// take several times their bytes.
const BYTES_PER_BYTE: usize = 24;

/// Most bytes allocated for an input of no bytes.
const BYTES_AT_LEAST: usize = 16 * 1024;

type Read = (Result<(), GgufError>, Option<GgufHeader>, Vec<LoadedTensor>);

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut reader = GgufReader::new();
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
    (result, reader.header().cloned(), tensors)
}

fn check(input: &[u8]) -> String {
    let (whole, peak) = peak_during(|| read([input]));
    let limit = BYTES_AT_LEAST + BYTES_PER_BYTE * input.len();
    assert!(peak <= limit, "{peak} bytes allocated for {}", input.len());

    // As text, for a value that is no number equals nothing.
    let in_pieces = read(pieces(input));
    assert_eq!(
        format!("{in_pieces:?}"),
        format!("{whole:?}"),
        "the pieces matter"
    );

    let (result, header, tensors) = whole;
    for tensor in &tensors {
        assert_eq!(
            tensor.to_f32().unwrap().len(),
            tensor.info.element_count().unwrap()
        );
    }
    if let Err(error) = result {
        return error.to_string();
    }
    // What is read can be written, and is the same when it is read again.
    let header = header.unwrap();
    let mut writer = GgufWriter::new(header.metadata.clone()).unwrap();
    for tensor in &tensors {
        writer.push(tensor.clone()).unwrap();
    }
    let mut written = Vec::new();
    writer.write(&mut written).unwrap();
    let again = read([written.as_slice()]);
    assert_eq!(
        format!("{again:?}"),
        format!("{:?}", (Ok::<_, GgufError>(()), Some(header), &tensors))
    );
    format!(
        "whole, {:?}",
        tensors
            .iter()
            .map(|tensor| tensor.info.tensor_type)
            .max_by_key(|t| t.ggml_id())
    )
}
