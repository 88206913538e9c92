//! Bytes that are read to open a checkpoint: those of its directory, not those of its weights.
//!
//! Linux tells it: `rchar` of `/proc/self/io` is what a process has read, so no other test is
//! in this file.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

use flamingo_convert::source::{Checkpoint, Format};

/// Bytes put between the tensors and the directory.
const WEIGHTS: u64 = 64 << 20;

/// The last place of a signature.
fn last(bytes: &[u8], signature: [u8; 4]) -> usize {
    let mut windows = bytes.windows(4);
    windows.rposition(|window| window == signature).unwrap()
}

/// Adds `WEIGHTS` to a number of eight bytes.
fn shift(bytes: &mut [u8], at: usize) -> u64 {
    let field: &mut [u8; 8] = (&mut bytes[at..at + 8]).try_into().unwrap();
    let value = u64::from_le_bytes(*field);
    *field = (value + WEIGHTS).to_le_bytes();
    value
}

/// A checkpoint of PyTorch with so many bytes more.
fn enlarged() -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let mut bytes = fs::read(fixtures.join("convert/checkpoints/flat.pt")).unwrap();
    let end_64 = last(&bytes, *b"PK\x06\x06");
    let locator = last(&bytes, *b"PK\x06\x07");
    let end = last(&bytes, *b"PK\x05\x06");
    let directory = shift(&mut bytes, end_64 + 48);
    shift(&mut bytes, locator + 8);
    // Told by the record of 64 bits.
    bytes[end + 16..end + 20].fill(0xff);
    let directory = usize::try_from(directory).unwrap();
    let tail = bytes.split_off(directory);
    bytes.resize(directory + usize::try_from(WEIGHTS).unwrap(), 0);
    bytes.extend(tail);
    bytes
}

fn bytes_read() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    let mut lines = io.lines();
    let value = lines.find_map(|line| line.strip_prefix("rchar: "));
    value.unwrap().parse().unwrap()
}

#[test]
fn no_weights_are_read_to_open_a_checkpoint() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), enlarged()).unwrap();
    let before = bytes_read();
    let checkpoint = Checkpoint::open(file.path()).unwrap();
    let read = bytes_read() - before;
    println!("{read} bytes of {WEIGHTS}");
    assert!(read < 1 << 20, "{read}");
    assert_eq!(checkpoint.files().next().unwrap().1, Format::Pytorch);
    assert_eq!(checkpoint.tensors().len(), 20);
    let tensor = checkpoint.read("visual.conv1.weight").unwrap();
    assert_eq!(tensor.to_f32().unwrap().len(), 48);
    assert!(bytes_read() - before < 1 << 20);
}
