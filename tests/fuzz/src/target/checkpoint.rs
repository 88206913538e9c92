//! Checkpoints of any format.

use std::fs;
use std::path::Path;

use flamingo_convert::source::{Checkpoint, Format};

use super::{Target, in_folder};
use crate::peak_during;

/// The target of checkpoints.
pub const TARGET: Target = Target {
    name: "checkpoint",
    words: &[
        b"PK\x03\x04",
        b"PK\x01\x02",
        b"PK\x05\x06",
        b"PK\x06\x06",
        b"GGUF\x03\0\0\0",
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
        b"data.pkl",
        b"constants.pkl",
        b"\"data_offsets\":[",
        b"{\"weight_map\":{",
    ],
    check,
};

/// Most bytes allocated for each byte of input, tensors read one by one.
const BYTES_PER_BYTE: usize = 64;

/// Most bytes allocated for an input of no bytes: pieces of files and tables of the
/// readers of archives.
const BYTES_AT_LEAST: usize = 512 * 1024;

/// Opens the file and reads its tensors; whether all of them are whole.
fn read(path: &Path) -> String {
    let checkpoint = match Checkpoint::open(path) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return error.to_string(),
    };
    let mut fates = String::new();
    for entry in checkpoint.tensors() {
        match checkpoint.read(&entry.name) {
            Ok(tensor) => {
                assert_eq!(tensor.data.len(), entry.byte_len);
                assert_eq!(Some(entry.byte_len), entry.element.byte_len(&entry.shape));
                if let Ok(values) = tensor.to_f32() {
                    assert_eq!(values.len(), tensor.rows() * tensor.cols());
                }
            }
            Err(error) => fates = error.to_string(),
        }
    }
    let formats: Vec<Format> = checkpoint.files().map(|(_, format, _)| format).collect();
    format!(
        "read as {formats:?} {} {fates}",
        checkpoint.plain_names().is_ok()
    )
}

fn check(input: &[u8]) -> String {
    in_folder(|folder| {
        let path = folder.join("input");
        fs::write(&path, input).unwrap();
        let (fate, peak) = peak_during(|| read(&path));
        let limit = BYTES_AT_LEAST + BYTES_PER_BYTE * input.len();
        assert!(peak <= limit, "{peak} bytes allocated for {}", input.len());
        fate
    })
}
