//! Packed rows in fours: what four rows have in the same place lies side by side, so that
//! one instruction serves a lane of each and no sum runs across lanes.
//!
//! A block of GGML is a scale, a minimum perhaps, and words of four bytes of quants. Four
//! rows become one row of blocks four times as long, in which each of these stands four
//! times, once for each row. Missing rows of the last four are zero.

use flamingo_weights::TensorType;

/// Rows that lie together.
pub(crate) const ROWS: usize = 4;

/// Bytes of a block before its quants; nothing where the type has no blocks.
fn header_bytes(tensor_type: TensorType) -> Option<usize> {
    match tensor_type {
        TensorType::F32 | TensorType::F16 => None,
        TensorType::Q8_0 | TensorType::Q4_0 => Some(2),
        TensorType::Q4_1 => Some(4),
    }
}

/// Whether rows of a type can lie in fours.
pub(crate) fn fit(tensor_type: TensorType) -> bool {
    header_bytes(tensor_type).is_some()
}

/// Calls `visit(in the row, in the four, length)` for every part of `row_bytes` bytes of
/// row `lane` of a four.
fn for_each_part(
    tensor_type: TensorType,
    row_bytes: usize,
    lane: usize,
    mut visit: impl FnMut(usize, usize, usize),
) {
    let header = header_bytes(tensor_type).expect("invariant: only rows of blocks lie in fours");
    let block_bytes = tensor_type.block_bytes();
    for block in (0..row_bytes).step_by(block_bytes) {
        let halves = (0..header).step_by(2).map(|part| (part, 2));
        let words = (header..block_bytes).step_by(4).map(|part| (part, 4));
        for (part, length) in halves.chain(words) {
            let part = block + part;
            visit(part, ROWS * part + lane * length, length);
        }
    }
}

/// Brings whole rows of `row_bytes` bytes into fours, in place.
pub(crate) fn interleave(tensor_type: TensorType, row_bytes: usize, bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ROWS * row_bytes), 0);
    let mut four = vec![0; ROWS * row_bytes];
    for rows in bytes.chunks_exact_mut(ROWS * row_bytes) {
        for (lane, row) in rows.chunks_exact(row_bytes).enumerate() {
            for_each_part(tensor_type, row_bytes, lane, |from, to, length| {
                four[to..to + length].copy_from_slice(&row[from..from + length]);
            });
        }
        rows.copy_from_slice(&four);
    }
}

/// Row `index` as it was before [`interleave`].
pub(crate) fn row(
    tensor_type: TensorType,
    row_bytes: usize,
    bytes: &[u8],
    index: usize,
) -> Vec<u8> {
    let four = &bytes[index / ROWS * ROWS * row_bytes..][..ROWS * row_bytes];
    let mut row = vec![0; row_bytes];
    for_each_part(tensor_type, row_bytes, index % ROWS, |to, from, length| {
        row[to..to + length].copy_from_slice(&four[from..from + length]);
    });
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_as_they_went_in() {
        for tensor_type in [TensorType::Q8_0, TensorType::Q4_0, TensorType::Q4_1] {
            let row_bytes = 3 * tensor_type.block_bytes();
            let rows: Vec<u8> = (0..7 * row_bytes).map(|i| (i * 31 % 251) as u8).collect();
            let mut fours = rows.clone();
            interleave(tensor_type, row_bytes, &mut fours);
            assert_eq!(fours.len(), 8 * row_bytes);
            for (index, expected) in rows.chunks_exact(row_bytes).enumerate() {
                assert_eq!(row(tensor_type, row_bytes, &fours, index), expected);
            }
        }
    }

    #[test]
    fn scales_lie_beside_scales_and_words_beside_words() {
        let mut rows: Vec<u8> = (0..4u8).flat_map(|row| [row; 18]).collect();
        interleave(TensorType::Q4_0, 18, &mut rows);
        assert_eq!(rows[..8], [0, 0, 1, 1, 2, 2, 3, 3]);
        let words = [0, 1, 2, 3].map(|row| [row; 4]).concat();
        assert_eq!(rows[8..], words.repeat(4));
    }
}
