//! GGML's block types that are only read: unpacked to `f32`, to be packed anew.
//!
//! Layouts and the order of the operations are those of `ggml-quants.c`
//! (`dequantize_row_*`) and of the Python package `gguf`, which the tests hold this
//! module against bit for bit. The types that the kernels multiply are in
//! [`flamingo_weights::blocks`].

mod grid;
mod k;
mod plain;
mod table;
mod ternary;

use flamingo_weights::blocks::{self, BlockError};
use flamingo_weights::gguf::GgmlType;
use half::f16;
use thiserror::Error;

/// Packed bytes that cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GgmlError {
    /// The bytes are not those of the elements.
    #[error("{bytes} bytes of {ggml_type} for {elements} elements")]
    Length {
        /// Type of the bytes.
        ggml_type: GgmlType,
        /// Bytes given.
        bytes: usize,
        /// Elements asked for.
        elements: usize,
    },
    /// A type that no file was seen to store weights in.
    #[error(
        "{ggml_type} holds no weights in any file known here; convert the file with llama.cpp's \
         `llama-quantize` to another type"
    )]
    NoWeights {
        /// The type.
        ggml_type: GgmlType,
    },
    /// A type of the kernels that could not be unpacked.
    #[error(transparent)]
    Block(#[from] BlockError),
}

/// Unpacks `packed` into `values`, which are whole blocks.
///
/// # Errors
/// Where the lengths do not belong together, or the type is one of activations
/// (`Q8_1`, `Q8_K`) or without a reference (`Q1_0`).
pub fn dequantize(ggml_type: GgmlType, packed: &[u8], values: &mut [f32]) -> Result<(), GgmlError> {
    let elements = values.len();
    if ggml_type.byte_len(&[elements]) != Some(packed.len()) {
        return Err(GgmlError::Length {
            ggml_type,
            bytes: packed.len(),
            elements,
        });
    }
    if let Some(tensor_type) = ggml_type.packed() {
        return Ok(blocks::dequantize_row(tensor_type, packed, values)?);
    }
    match ggml_type {
        GgmlType::BF16 => expand(packed, values, plain::bf16),
        GgmlType::F64 => expand(packed, values, plain::f64),
        GgmlType::I8 => expand(packed, values, plain::i8),
        GgmlType::I16 => expand(packed, values, plain::i16),
        GgmlType::I32 => expand(packed, values, plain::i32),
        GgmlType::I64 => expand(packed, values, plain::i64),
        GgmlType::Q5_0 => expand(packed, values, plain::q5_0),
        GgmlType::Q5_1 => expand(packed, values, plain::q5_1),
        GgmlType::Q2_K => expand(packed, values, k::q2),
        GgmlType::Q3_K => expand(packed, values, k::q3),
        GgmlType::Q4_K => expand(packed, values, k::q4),
        GgmlType::Q5_K => expand(packed, values, k::q5),
        GgmlType::Q6_K => expand(packed, values, k::q6),
        GgmlType::IQ1_S => expand(packed, values, grid::iq1_s),
        GgmlType::IQ1_M => expand(packed, values, grid::iq1_m),
        GgmlType::IQ2_XXS => expand(packed, values, grid::iq2_xxs),
        GgmlType::IQ2_XS => expand(packed, values, grid::iq2_xs),
        GgmlType::IQ2_S => expand(packed, values, grid::iq2_s),
        GgmlType::IQ3_XXS => expand(packed, values, grid::iq3_xxs),
        GgmlType::IQ3_S => expand(packed, values, grid::iq3_s),
        GgmlType::IQ4_NL => expand(packed, values, table::iq4_nl),
        GgmlType::IQ4_XS => expand(packed, values, table::iq4_xs),
        GgmlType::MXFP4 => expand(packed, values, table::mxfp4),
        GgmlType::NVFP4 => expand(packed, values, table::nvfp4),
        GgmlType::TQ1_0 => expand(packed, values, ternary::tq1_0),
        GgmlType::TQ2_0 => expand(packed, values, ternary::tq2_0),
        GgmlType::Q8_1
        | GgmlType::Q8_K
        | GgmlType::Q1_0
        | GgmlType::F32
        | GgmlType::F16
        | GgmlType::Q4_0
        | GgmlType::Q4_1
        | GgmlType::Q8_0 => return Err(GgmlError::NoWeights { ggml_type }),
    }
    Ok(())
}

/// Unpacks block by block.
fn expand<const BYTES: usize, const ELEMENTS: usize>(
    packed: &[u8],
    values: &mut [f32],
    unpack: impl Fn(&[u8; BYTES], &mut [f32; ELEMENTS]),
) {
    let (blocks, _) = values.as_chunks_mut::<ELEMENTS>();
    for (block, bytes) in blocks.iter_mut().zip(packed.as_chunks::<BYTES>().0) {
        unpack(bytes, block);
    }
}

/// The `f16` at byte `at`.
fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_bits(u16_at(bytes, at)).to_f32()
}

/// The little-endian `u16` at byte `at`.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// The little-endian `u32` at byte `at`.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | (u32::from(u16_at(bytes, at + 2)) << 16)
}

/// The four bits number `index` of `bytes`, the low half of each byte first.
fn nibble(bytes: &[u8], index: usize) -> u8 {
    (bytes[index / 2] >> (4 * (index % 2))) & 15
}
