//! The indexes of support sets (RICES).

use flamingo_runtime::SupportSet;

use super::Target;
use crate::peak_during;

/// The target of support sets.
pub const TARGET: Target = Target {
    name: "support_set",
    words: &[b"FLRICES1", b"FLRICES2", b"\0\0\x80\x3f", b"\0\0\xc0\x7f"],
    check,
};

/// Most bytes allocated for each byte of input: an entry of three empty texts takes 12 bytes, and
/// the list of entries grows by doubling.
const BYTES_PER_BYTE: usize = 24;

/// Most bytes allocated for an input of no bytes: the first few entries.
const BYTES_AT_LEAST: usize = 1024;

fn check(input: &[u8]) -> String {
    let (result, peak) = peak_during(|| SupportSet::from_bytes(input));
    let limit = BYTES_AT_LEAST + BYTES_PER_BYTE * input.len();
    assert!(peak <= limit, "{peak} bytes allocated for {}", input.len());
    let set = match result {
        Ok(set) => set,
        Err(error) => return error.to_string(),
    };
    assert_eq!(set.to_bytes(), input, "no other bytes mean the same set");
    let start = if set.encoder().is_some() { 40 } else { 8 };
    let (width, _) = input[start..].split_first_chunk().unwrap();
    let width = u32::from_le_bytes(*width) as usize;
    // A set without images may be of any width.
    if !set.is_empty() {
        let nearest = set.nearest(&vec![1.0; width], 3).unwrap();
        assert_eq!(nearest.len(), set.len().min(3));
        assert!(nearest.iter().all(|&entry| entry < set.len()));
    }
    format!("whole {} {}", set.is_empty(), set.encoder().is_some())
}
