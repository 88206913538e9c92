//! How elements are stored in files that are read.

use std::fmt;

use flamingo_weights::gguf::GgmlType;
use half::{bf16, f16};
use pytorch_reader::DType;

use crate::ggml::{self, GgmlError};

/// How the elements of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// IEEE 754 binary64.
    F64,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of an IEEE 754 binary32.
    Bf16,
    /// Signed 64-bit integers.
    I64,
    /// Signed 32-bit integers.
    I32,
    /// Signed 16-bit integers.
    I16,
    /// Signed 8-bit integers.
    I8,
    /// Unsigned 64-bit integers.
    U64,
    /// Unsigned 32-bit integers.
    U32,
    /// Unsigned 16-bit integers.
    U16,
    /// Unsigned 8-bit integers.
    U8,
    /// Truth values, a byte each.
    Bool,
    /// Blocks of GGML that are none of the above.
    Ggml(GgmlType),
}

impl ElementType {
    /// Elements in a block: 1 where the type is plain.
    pub const fn block_len(self) -> usize {
        match self {
            Self::Ggml(ggml_type) => ggml_type.block_len(),
            _ => 1,
        }
    }

    /// Bytes of a block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::Ggml(ggml_type) => ggml_type.block_bytes(),
        }
    }

    /// Bytes of a row of `cols` elements; `None` where it is no whole number of blocks
    /// or its bytes do not fit a `usize`.
    pub const fn row_bytes(self, cols: usize) -> Option<usize> {
        if !cols.is_multiple_of(self.block_len()) {
            return None;
        }
        (cols / self.block_len()).checked_mul(self.block_bytes())
    }

    /// Bytes of a tensor of this shape; `None` where it has no such form, or some of its sizes
    /// multiplied do not fit a `usize`, even if another one is 0.
    pub fn byte_len(self, shape: &[usize]) -> Option<usize> {
        let (&cols, outer) = shape.split_last().unwrap_or((&1, &[]));
        let row_bytes = self.row_bytes(cols)?;
        let sizes = outer.iter().chain([&row_bytes]).filter(|&&size| size > 0);
        let bytes = sizes.copied().try_fold(1, usize::checked_mul)?;
        Some(if shape.contains(&0) { 0 } else { bytes })
    }

    /// Whether the elements are weights: numbers with a fraction.
    pub const fn is_float(self) -> bool {
        matches!(
            self,
            Self::F64 | Self::F32 | Self::F16 | Self::Bf16 | Self::Ggml(_)
        )
    }

    /// Turns whole blocks into numbers. Integers beyond 2^24 are rounded.
    ///
    /// # Errors
    /// Where the lengths do not belong together, or GGML's type stores no weights.
    pub fn to_f32(self, packed: &[u8], values: &mut [f32]) -> Result<(), GgmlError> {
        match self {
            Self::F64 => each(packed, values, |x| f64::from_le_bytes(x) as f32),
            Self::F32 => each(packed, values, f32::from_le_bytes),
            Self::F16 => each(packed, values, |x| f16::from_le_bytes(x).to_f32()),
            Self::Bf16 => each(packed, values, |x| bf16::from_le_bytes(x).to_f32()),
            Self::I64 => each(packed, values, |x| i64::from_le_bytes(x) as f32),
            Self::I32 => each(packed, values, |x| i32::from_le_bytes(x) as f32),
            Self::I16 => each(packed, values, |x| f32::from(i16::from_le_bytes(x))),
            Self::I8 => each(packed, values, |x| f32::from(i8::from_le_bytes(x))),
            Self::U64 => each(packed, values, |x| u64::from_le_bytes(x) as f32),
            Self::U32 => each(packed, values, |x| u32::from_le_bytes(x) as f32),
            Self::U16 => each(packed, values, |x| f32::from(u16::from_le_bytes(x))),
            Self::U8 => each(packed, values, |[x]| f32::from(x)),
            Self::Bool => each(packed, values, |[x]| f32::from(u8::from(x != 0))),
            Self::Ggml(ggml_type) => return ggml::dequantize(ggml_type, packed, values),
        }
        Ok(())
    }
}

/// Turns bytes into numbers, as many as both have.
fn each<const BYTES: usize>(
    packed: &[u8],
    values: &mut [f32],
    number: impl Fn([u8; BYTES]) -> f32,
) {
    for (value, bytes) in values.iter_mut().zip(packed.as_chunks::<BYTES>().0) {
        *value = number(*bytes);
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::I64 => "I64",
            Self::I32 => "I32",
            Self::I16 => "I16",
            Self::I8 => "I8",
            Self::U64 => "U64",
            Self::U32 => "U32",
            Self::U16 => "U16",
            Self::U8 => "U8",
            Self::Bool => "BOOL",
            Self::Ggml(ggml_type) => ggml_type.name(),
        })
    }
}

impl From<GgmlType> for ElementType {
    fn from(ggml_type: GgmlType) -> Self {
        match ggml_type {
            GgmlType::F32 => Self::F32,
            GgmlType::F16 => Self::F16,
            GgmlType::BF16 => Self::Bf16,
            GgmlType::F64 => Self::F64,
            GgmlType::I8 => Self::I8,
            GgmlType::I16 => Self::I16,
            GgmlType::I32 => Self::I32,
            GgmlType::I64 => Self::I64,
            blocks => Self::Ggml(blocks),
        }
    }
}

impl From<flamingo_weights::safetensors::Dtype> for ElementType {
    fn from(dtype: flamingo_weights::safetensors::Dtype) -> Self {
        use flamingo_weights::safetensors::Dtype;
        match dtype {
            Dtype::Bool => Self::Bool,
            Dtype::U8 => Self::U8,
            Dtype::I8 => Self::I8,
            Dtype::U16 => Self::U16,
            Dtype::I16 => Self::I16,
            Dtype::U32 => Self::U32,
            Dtype::I32 => Self::I32,
            Dtype::U64 => Self::U64,
            Dtype::I64 => Self::I64,
            Dtype::F16 => Self::F16,
            Dtype::Bf16 => Self::Bf16,
            Dtype::F32 => Self::F32,
            Dtype::F64 => Self::F64,
        }
    }
}

impl From<DType> for ElementType {
    fn from(dtype: DType) -> Self {
        match dtype {
            DType::F64 => Self::F64,
            DType::F32 => Self::F32,
            DType::F16 => Self::F16,
            DType::BF16 => Self::Bf16,
            DType::I64 => Self::I64,
            DType::I32 => Self::I32,
            DType::I16 => Self::I16,
            DType::I8 => Self::I8,
            DType::U64 => Self::U64,
            DType::U32 => Self::U32,
            DType::U16 => Self::U16,
            DType::U8 => Self::U8,
            DType::Bool => Self::Bool,
        }
    }
}
