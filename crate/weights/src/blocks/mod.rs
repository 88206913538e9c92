//! GGML's block layouts, to and from `f32`.
//!
//! Layouts and rounding are those of ggml's reference quantizers
//! (`ggml-quants.c`, `quantize_row_*_ref`), which the Python package `gguf`
//! reproduces bit for bit; the tests hold this module against that package.

mod best;
mod q4_0;
mod q4_1;
mod q8_0;

use half::f16;
use thiserror::Error;

use crate::TensorType;

/// Elements in a block of every packed type here.
const BLOCK: usize = 32;

/// A row that cannot be packed or unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BlockError {
    /// The row is no whole number of blocks.
    #[error("a row of {cols} elements is no whole number of {tensor_type} blocks")]
    RowLength {
        /// Type asked for.
        tensor_type: TensorType,
        /// Elements of the row.
        cols: usize,
    },
    /// The packed bytes are not those of the row.
    #[error("{found} bytes for a {tensor_type} row of {cols} elements")]
    ByteLength {
        /// Type of the bytes.
        tensor_type: TensorType,
        /// Elements of the row.
        cols: usize,
        /// Bytes given.
        found: usize,
    },
    /// An element is infinite or no number, or its block's scale overflows `f16`.
    #[error("element {index} of the row cannot be stored as {tensor_type}")]
    NotRepresentable {
        /// Type asked for.
        tensor_type: TensorType,
        /// Index of the element, or of the first one of its block.
        index: usize,
    },
}

/// How the scales of blocks are found.
#[derive(Clone, Copy)]
enum Rounding {
    Reference,
    Best,
}

/// Appends the packed form of one row to `out`, as ggml's reference quantizers round.
///
/// # Errors
/// Where the row is no whole number of blocks, or a value has no finite form in
/// `tensor_type`; `out` is then as it was.
pub fn quantize_row(
    tensor_type: TensorType,
    row: &[f32],
    out: &mut Vec<u8>,
) -> Result<(), BlockError> {
    append_row(tensor_type, Rounding::Reference, row, out)
}

/// Appends the packed form of one row to `out`, with the scale for each block that was
/// found to lose least: no block has a larger squared error than by [`quantize_row`].
/// `F32` and `F16` have no scales and are the same by both.
///
/// # Errors
/// Those of [`quantize_row`].
pub fn quantize_row_best(
    tensor_type: TensorType,
    row: &[f32],
    out: &mut Vec<u8>,
) -> Result<(), BlockError> {
    append_row(tensor_type, Rounding::Best, row, out)
}

fn append_row(
    tensor_type: TensorType,
    rounding: Rounding,
    row: &[f32],
    out: &mut Vec<u8>,
) -> Result<(), BlockError> {
    let bytes = tensor_type
        .row_bytes(row.len())
        .ok_or(BlockError::RowLength {
            tensor_type,
            cols: row.len(),
        })?;
    let start = out.len();
    out.reserve(bytes);
    let bad_element = match (tensor_type, rounding) {
        (TensorType::F32, _) => {
            append_elements(row, out, |x| x.is_finite().then(|| x.to_le_bytes()))
        }
        (TensorType::F16, _) => append_elements(row, out, |x| {
            let x = f16::from_f32(x);
            x.is_finite().then(|| x.to_le_bytes())
        }),
        (TensorType::Q8_0, Rounding::Reference) => append_blocks(row, out, q8_0::quantize),
        (TensorType::Q4_0, Rounding::Reference) => append_blocks(row, out, q4_0::quantize),
        (TensorType::Q4_1, Rounding::Reference) => append_blocks(row, out, q4_1::quantize),
        (TensorType::Q8_0, Rounding::Best) => append_blocks(row, out, best::q8_0),
        (TensorType::Q4_0, Rounding::Best) => append_blocks(row, out, best::q4_0),
        (TensorType::Q4_1, Rounding::Best) => append_blocks(row, out, best::q4_1),
    };
    if let Some(index) = bad_element {
        out.truncate(start);
        return Err(BlockError::NotRepresentable { tensor_type, index });
    }
    Ok(())
}

/// Unpacks `packed` into `row`.
///
/// # Errors
/// Where the lengths do not belong together.
pub fn dequantize_row(
    tensor_type: TensorType,
    packed: &[u8],
    row: &mut [f32],
) -> Result<(), BlockError> {
    let cols = row.len();
    let bytes = tensor_type
        .row_bytes(cols)
        .ok_or(BlockError::RowLength { tensor_type, cols })?;
    if packed.len() != bytes {
        return Err(BlockError::ByteLength {
            tensor_type,
            cols,
            found: packed.len(),
        });
    }
    match tensor_type {
        TensorType::F32 => expand_elements(packed, row, f32::from_le_bytes),
        TensorType::F16 => expand_elements(packed, row, |x| f16::from_le_bytes(x).to_f32()),
        TensorType::Q8_0 => expand_blocks(packed, row, q8_0::dequantize),
        TensorType::Q4_0 => expand_blocks(packed, row, q4_0::dequantize),
        TensorType::Q4_1 => expand_blocks(packed, row, q4_1::dequantize),
    }
    Ok(())
}

/// The index of the first element that is infinite or no number, or of the first of a
/// block whose scale or offset is; `None` if all are finite. `packed` is a whole number of
/// blocks, of any number of rows.
pub fn first_not_finite(tensor_type: TensorType, packed: &[u8]) -> Option<usize> {
    /// Every exponent bit of an `f16`: what infinities and NaNs have set.
    const EXPONENT: u16 = 0x7c00;
    let is_finite = |x: &[u8; 2]| u16::from_le_bytes(*x) & EXPONENT != EXPONENT;
    let blocks = packed.chunks_exact(tensor_type.block_bytes());
    // The `f16` values at the start of a block.
    let scales = match tensor_type {
        TensorType::F32 => {
            let (elements, _) = packed.as_chunks();
            return elements
                .iter()
                .position(|&x| !f32::from_le_bytes(x).is_finite());
        }
        TensorType::F16 | TensorType::Q8_0 | TensorType::Q4_0 => 1,
        TensorType::Q4_1 => 2,
    };
    blocks
        .map(|block| block.as_chunks().0)
        .position(|values| !values[..scales].iter().all(is_finite))
        .map(|block| block * tensor_type.block_len())
}

/// Packs element by element; the index of the first that has no form, if any.
fn append_elements<const BYTES: usize>(
    row: &[f32],
    out: &mut Vec<u8>,
    pack: impl Fn(f32) -> Option<[u8; BYTES]>,
) -> Option<usize> {
    for (index, &x) in row.iter().enumerate() {
        match pack(x) {
            Some(bytes) => out.extend_from_slice(&bytes),
            None => return Some(index),
        }
    }
    None
}

/// Packs block by block; the index of the first element of the first block that
/// has no form, if any.
fn append_blocks<const BYTES: usize>(
    row: &[f32],
    out: &mut Vec<u8>,
    pack: impl Fn(&[f32; BLOCK]) -> Option<[u8; BYTES]>,
) -> Option<usize> {
    for (index, block) in row.as_chunks::<BLOCK>().0.iter().enumerate() {
        let packed = if block.iter().all(|x| x.is_finite()) {
            pack(block)
        } else {
            None
        };
        match packed {
            Some(bytes) => out.extend_from_slice(&bytes),
            None => return Some(index * BLOCK),
        }
    }
    None
}

fn expand_elements<const BYTES: usize>(
    packed: &[u8],
    row: &mut [f32],
    unpack: impl Fn([u8; BYTES]) -> f32,
) {
    for (x, &bytes) in row.iter_mut().zip(packed.as_chunks::<BYTES>().0) {
        *x = unpack(bytes);
    }
}

fn expand_blocks<const BYTES: usize>(
    packed: &[u8],
    row: &mut [f32],
    unpack: impl Fn(&[u8; BYTES], &mut [f32; BLOCK]),
) {
    let (blocks, _) = row.as_chunks_mut::<BLOCK>();
    for (block, bytes) in blocks.iter_mut().zip(packed.as_chunks::<BYTES>().0) {
        unpack(bytes, block);
    }
}

/// `1 / scale`, and 0 for the scale of a block of zeros. A scale so small that
/// its inverse overflows is stored as 0 in `f16` too.
fn inverse(scale: f32) -> f32 {
    let inverse = 1.0 / scale;
    if inverse.is_finite() { inverse } else { 0.0 }
}

/// A finite `f16`, little-endian; `None` where `x` overflows it.
fn finite_f16(x: f32) -> Option<[u8; 2]> {
    let x = f16::from_f32(x);
    x.is_finite().then(|| x.to_le_bytes())
}

/// Two 4-bit values a byte: element `j` in the low half of byte `j`, element
/// `j + 16` in its high half.
fn pack_nibbles(quants: [u8; BLOCK]) -> [u8; BLOCK / 2] {
    std::array::from_fn(|j| quants[j] | (quants[j + BLOCK / 2] << 4))
}

/// The inverse of [`pack_nibbles`], handing each element's index and value on.
fn for_each_nibble(packed: &[u8], mut f: impl FnMut(usize, u8)) {
    for (j, byte) in packed.iter().enumerate() {
        f(j, byte & 0x0f);
        f(j + BLOCK / 2, byte >> 4);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ramp(cols: usize) -> Vec<f32> {
        (0..cols).map(|i| (i as f32 * 0.37).sin() * 3.0).collect()
    }

    #[test]
    fn error_of_a_round_trip_is_at_most_half_a_step() {
        for (tensor_type, step) in [
            (TensorType::F32, 0.0),
            (TensorType::F16, 3.0 / 1024.0),
            (TensorType::Q8_0, 3.0 / 127.0),
            (TensorType::Q4_0, 3.0 / 8.0),
            (TensorType::Q4_1, 6.0 / 15.0),
        ] {
            let row = ramp(96);
            let mut packed = Vec::new();
            quantize_row(tensor_type, &row, &mut packed).unwrap();
            assert_eq!(Some(packed.len()), tensor_type.row_bytes(96));
            let mut back = vec![0.0; 96];
            dequantize_row(tensor_type, &packed, &mut back).unwrap();
            // Q4_0 clips the end opposite to its largest element by up to one step;
            // the others add the rounding of their scale to half a step.
            let steps = if tensor_type == TensorType::Q4_0 {
                1.01
            } else {
                0.6
            };
            for (x, y) in row.iter().zip(&back) {
                assert!(
                    (x - y).abs() <= steps * step,
                    "{tensor_type}: {x} became {y}"
                );
            }
        }
    }

    #[test]
    fn zeros_stay_zero_in_every_type() {
        for tensor_type in TensorType::ALL {
            let mut packed = Vec::new();
            quantize_row(tensor_type, &[0.0; 64], &mut packed).unwrap();
            let mut back = vec![1.0; 64];
            dequantize_row(tensor_type, &packed, &mut back).unwrap();
            assert!(back.iter().all(|&x| x == 0.0), "{tensor_type}: {back:?}");
        }
    }

    /// The same pseudo-random numbers each time, roughly normal.
    fn noise(cols: usize) -> Vec<f32> {
        let mut state = 1_u64;
        let mut uniform = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
        };
        (0..cols)
            .map(|_| (0..4).map(|_| uniform()).sum::<f32>())
            .collect()
    }

    /// Squared errors of the blocks of a row, by both ways of rounding.
    fn block_errors(tensor_type: TensorType, row: &[f32]) -> Vec<(f32, f32)> {
        let errors = |quantize: fn(_, &[f32], &mut Vec<u8>) -> Result<(), BlockError>| {
            let mut packed = Vec::new();
            quantize(tensor_type, row, &mut packed).unwrap();
            let mut back = vec![0.0; row.len()];
            dequantize_row(tensor_type, &packed, &mut back).unwrap();
            let squares = row.iter().zip(&back).map(|(x, y)| (x - y) * (x - y));
            let squares: Vec<f32> = squares.collect();
            let (blocks, _) = squares.as_chunks::<BLOCK>();
            blocks.iter().map(|block| block.iter().sum()).collect()
        };
        let reference: Vec<f32> = errors(quantize_row);
        reference
            .into_iter()
            .zip(errors(quantize_row_best))
            .collect()
    }

    #[test]
    fn the_best_scale_loses_less_than_the_reference_in_sum_and_more_in_no_block() {
        // Shares of the reference's squared error that are left. The least that any scale
        // leaves of these blocks is 0.875 for Q4_0 and 0.77 for Q4_1.
        for (tensor_type, most) in [
            (TensorType::Q4_0, 0.89),
            (TensorType::Q4_1, 0.80),
            (TensorType::Q8_0, 0.80),
        ] {
            let errors = block_errors(tensor_type, &noise(32 * 512));
            for (reference, best) in &errors {
                assert!(best <= reference, "{tensor_type}: {best} > {reference}");
            }
            let (reference, best) = errors
                .iter()
                .fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
            assert!(
                best < most * reference,
                "{tensor_type}: {best} of {reference}"
            );
        }
    }

    #[test]
    fn a_block_that_has_an_exact_form_keeps_it() {
        // Steps of a power of two that the reference does not begin with.
        let row: Vec<f32> = (0..32_i16)
            .map(|i| f32::from((i * 5) % 15 - 7) * 0.25)
            .collect();
        let (reference, best) = block_errors(TensorType::Q4_0, &row)[0];
        assert_eq!(best, 0.0);
        // By the reference -1.75 is -8 steps, and the others are not whole.
        assert!(reference > 0.0);
    }

    #[test]
    fn blocks_without_a_scale_are_as_by_the_reference() {
        for tensor_type in TensorType::ALL {
            for value in [0.0, 1e-44, -1e-7, 3.25] {
                let row = [value; 32];
                let (mut reference, mut best) = (Vec::new(), Vec::new());
                quantize_row(tensor_type, &row, &mut reference).unwrap();
                quantize_row_best(tensor_type, &row, &mut best).unwrap();
                assert_eq!(reference.len(), best.len());
                let errors = block_errors(tensor_type, &row);
                assert!(errors[0].1 <= errors[0].0, "{tensor_type} {value}");
            }
            let bad = [f32::NAN; 32];
            assert_eq!(
                quantize_row_best(tensor_type, &bad, &mut Vec::new()),
                quantize_row(tensor_type, &bad, &mut Vec::new())
            );
        }
    }

    #[test]
    fn a_row_that_is_no_whole_number_of_blocks_is_refused() {
        for tensor_type in [TensorType::Q8_0, TensorType::Q4_0, TensorType::Q4_1] {
            assert_eq!(
                quantize_row(tensor_type, &[0.0; 33], &mut Vec::new()),
                Err(BlockError::RowLength {
                    tensor_type,
                    cols: 33
                })
            );
        }
        assert_eq!(
            dequantize_row(TensorType::F32, &[0; 7], &mut [0.0; 2]),
            Err(BlockError::ByteLength {
                tensor_type: TensorType::F32,
                cols: 2,
                found: 7
            })
        );
    }

    #[test]
    fn the_first_element_that_is_no_finite_number_is_found() {
        let row: Vec<f32> = (0..96).map(|i| i as f32).collect();
        for tensor_type in TensorType::ALL {
            let mut packed = Vec::new();
            quantize_row(tensor_type, &row, &mut packed).unwrap();
            assert_eq!(
                first_not_finite(tensor_type, &packed),
                None,
                "{tensor_type}"
            );
            let last = packed.len() - tensor_type.block_bytes();
            let value = match tensor_type {
                TensorType::F32 => f32::NAN.to_le_bytes().to_vec(),
                _ => f16::NEG_INFINITY.to_le_bytes().to_vec(),
            };
            packed[last..][..value.len()].copy_from_slice(&value);
            let expected = 96 - tensor_type.block_len();
            let found = first_not_finite(tensor_type, &packed);
            assert_eq!(found, Some(expected), "{tensor_type}");
        }
        // Quants may have any bits.
        let mut packed = vec![0xff; TensorType::Q8_0.block_bytes()];
        packed[..2].copy_from_slice(&f16::ONE.to_le_bytes());
        assert_eq!(first_not_finite(TensorType::Q8_0, &packed), None);
        // The offset of a Q4_1 block is looked at too.
        let mut packed = vec![0; TensorType::Q4_1.block_bytes()];
        packed[2..4].copy_from_slice(&f16::NAN.to_le_bytes());
        assert_eq!(first_not_finite(TensorType::Q4_1, &packed), Some(0));
    }

    #[test]
    fn values_without_a_finite_form_are_refused_and_leave_the_output_alone() {
        for tensor_type in TensorType::ALL {
            for bad in [f32::NAN, f32::INFINITY] {
                let mut row = ramp(64);
                row[40] = bad;
                let mut out = vec![7];
                let error = quantize_row(tensor_type, &row, &mut out).unwrap_err();
                let index = if tensor_type.block_len() == 1 { 40 } else { 32 };
                assert_eq!(error, BlockError::NotRepresentable { tensor_type, index });
                assert_eq!(out, [7]);
            }
        }
        // Finite in f32, but neither an f16 nor the scale of a block.
        for tensor_type in [
            TensorType::F16,
            TensorType::Q8_0,
            TensorType::Q4_0,
            TensorType::Q4_1,
        ] {
            let row = [1e30; 32].map(|x: f32| x);
            let mut row = row.to_vec();
            row[0] = -1e30;
            assert!(
                quantize_row(tensor_type, &row, &mut Vec::new()).is_err(),
                "{tensor_type}"
            );
        }
    }

    #[test]
    fn a_scale_whose_inverse_overflows_gives_zeros() {
        for tensor_type in [TensorType::Q8_0, TensorType::Q4_0, TensorType::Q4_1] {
            let mut packed = Vec::new();
            quantize_row(tensor_type, &[1e-44; 32], &mut packed).unwrap();
            let mut back = vec![1.0; 32];
            dequantize_row(tensor_type, &packed, &mut back).unwrap();
            assert!(back.iter().all(|&x| x == 0.0), "{tensor_type}: {back:?}");
        }
    }
}
