//! Block types, shapes, and tensors in memory.

use std::fmt;

use thiserror::Error;

use crate::blocks;

/// How the elements of a row are stored, named as GGML names them.
///
/// `F32` and `F16` are plain. The others pack 32 neighbouring elements of a
/// row into one block with a scale, so a row must be a multiple of 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// Block of 32: `f16` scale, 32 × `i8`. `x = d * q`.
    Q8_0,
    /// Block of 32: `f16` scale, 32 × 4 bits. `x = d * (q - 8)`.
    Q4_0,
    /// Block of 32: `f16` scale, `f16` minimum, 32 × 4 bits. `x = d * q + m`.
    Q4_1,
}

impl TensorType {
    /// Every type, plain ones first.
    pub const ALL: [Self; 5] = [Self::F32, Self::F16, Self::Q8_0, Self::Q4_0, Self::Q4_1];

    /// Elements in a block.
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 => 1,
            Self::Q8_0 | Self::Q4_0 | Self::Q4_1 => 32,
        }
    }

    /// Bytes of a block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Q8_0 => 34,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
        }
    }

    /// Bytes of a row of `cols` elements; `None` where `cols` is no multiple of
    /// [`block_len`](Self::block_len) or the bytes do not fit a `usize`.
    pub const fn row_bytes(self, cols: usize) -> Option<usize> {
        if !cols.is_multiple_of(self.block_len()) {
            return None;
        }
        (cols / self.block_len()).checked_mul(self.block_bytes())
    }

    /// GGML's number of this type, as stored in a GGUF file.
    pub const fn ggml_id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q8_0 => 8,
        }
    }

    /// The type with GGML's number `id`; `None` for types not supported here.
    pub const fn from_ggml_id(id: u32) -> Option<Self> {
        match id {
            0 => Some(Self::F32),
            1 => Some(Self::F16),
            2 => Some(Self::Q4_0),
            3 => Some(Self::Q4_1),
            8 => Some(Self::Q8_0),
            _ => None,
        }
    }

    /// GGML's name of this type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
        }
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Name, type and shape of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name.
    pub name: String,
    /// How the elements are stored.
    pub tensor_type: TensorType,
    /// Sizes, outermost first as in PyTorch: `[rows, cols]` for a matrix.
    /// Empty for a scalar.
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// Elements of a row: the innermost size.
    pub fn cols(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Number of rows: the product of all sizes but the innermost; `None` where
    /// it does not fit a `usize`.
    pub fn rows(&self) -> Option<usize> {
        let (_, outer) = self.shape.split_last().unwrap_or((&1, &[]));
        outer
            .iter()
            .try_fold(1_usize, |rows, &size| rows.checked_mul(size))
    }

    /// Number of elements; `None` where it does not fit a `usize`.
    pub fn element_count(&self) -> Option<usize> {
        self.rows()?.checked_mul(self.cols())
    }

    /// Bytes of the data; `None` where a row is no whole number of blocks or
    /// the bytes do not fit a `usize`.
    pub fn byte_len(&self) -> Option<usize> {
        self.rows()?
            .checked_mul(self.tensor_type.row_bytes(self.cols())?)
    }
}

/// A tensor in memory: its description and its bytes as they were stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedTensor {
    /// Name, type and shape.
    pub info: TensorInfo,
    /// Little-endian blocks, row after row: `info.byte_len()` bytes.
    pub data: Vec<u8>,
}

impl LoadedTensor {
    /// Stores `values` (row-major, one per element of `shape`) as `tensor_type`.
    ///
    /// # Errors
    /// Where the number of values is not that of `shape`, or a row is no whole
    /// number of blocks of `tensor_type`.
    pub fn from_f32(
        name: impl Into<String>,
        tensor_type: TensorType,
        shape: &[usize],
        values: &[f32],
    ) -> Result<Self, TensorError> {
        let info = TensorInfo {
            name: name.into(),
            tensor_type,
            shape: shape.to_vec(),
        };
        if info.element_count() != Some(values.len()) {
            return Err(TensorError::ValueCount {
                found: values.len(),
                shape: info.shape,
                name: info.name,
            });
        }
        let mut data = Vec::with_capacity(info.byte_len().unwrap_or_default());
        for row in values.chunks_exact(info.cols().max(1)) {
            blocks::quantize_row(tensor_type, row, &mut data)
                .map_err(|source| info.block_error(source))?;
        }
        Ok(Self { info, data })
    }

    /// The elements as `f32`, row-major.
    ///
    /// # Errors
    /// Where `data` is not as long as `info` says, or `info` is no valid shape.
    pub fn to_f32(&self) -> Result<Vec<f32>, TensorError> {
        let bytes = self.info.byte_len();
        let (Some(bytes), Some(elements)) = (bytes, self.info.element_count()) else {
            return Err(TensorError::Shape {
                name: self.info.name.clone(),
                tensor_type: self.info.tensor_type,
                shape: self.info.shape.clone(),
            });
        };
        if bytes != self.data.len() {
            return Err(TensorError::DataLength {
                name: self.info.name.clone(),
                expected: bytes,
                found: self.data.len(),
            });
        }
        let mut values = vec![0.0; elements];
        // Rows are whole numbers of blocks, so the whole tensor is one long row.
        blocks::dequantize_row(self.info.tensor_type, &self.data, &mut values)
            .map_err(|source| self.info.block_error(source))?;
        Ok(values)
    }
}

impl TensorInfo {
    fn block_error(&self, source: blocks::BlockError) -> TensorError {
        TensorError::Block {
            name: self.name.clone(),
            source,
        }
    }
}

/// A tensor whose parts contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TensorError {
    /// More or fewer values than the shape has elements.
    #[error("tensor `{name}`: {found} values for the shape {shape:?}")]
    ValueCount {
        /// Name of the tensor.
        name: String,
        /// Values given.
        found: usize,
        /// Shape given.
        shape: Vec<usize>,
    },
    /// More or fewer bytes than the shape and type ask for.
    #[error("tensor `{name}`: {found} bytes of data, {expected} by its shape and type")]
    DataLength {
        /// Name of the tensor.
        name: String,
        /// Bytes by shape and type.
        expected: usize,
        /// Bytes there.
        found: usize,
    },
    /// A shape that cannot be stored in the type, or is larger than memory.
    #[error(
        "tensor `{name}`: shape {shape:?} is no whole number of {tensor_type} blocks or too large"
    )]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Type of the tensor.
        tensor_type: TensorType,
        /// Shape of the tensor.
        shape: Vec<usize>,
    },
    /// A row that cannot be packed or unpacked.
    #[error("tensor `{name}`: {source}")]
    Block {
        /// Name of the tensor.
        name: String,
        /// What is wrong with the row.
        source: blocks::BlockError,
    },
}
