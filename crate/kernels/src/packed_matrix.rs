//! Weight matrices that stay packed.

use std::borrow::Cow;
use std::sync::Arc;

use flamingo_weights::TensorType;

use crate::cpu::fours;
use crate::device::{ComputeDevice, Place};
use crate::error::KernelError;
use crate::gpu::GpuMatrix;

/// Packed rows in memory, in GGML's own byte layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedRows {
    /// How the rows are packed.
    pub tensor_type: TensorType,
    /// Number of rows.
    pub rows: usize,
    /// Numbers of a row.
    pub cols: usize,
    /// Row after row, `tensor_type.row_bytes(cols)` each; or four of them woven together,
    /// where they are `in_fours`.
    pub bytes: Vec<u8>,
    /// Whether the CPU multiplies them with activations rounded to bytes, four rows at once.
    pub in_fours: bool,
}

impl PackedRows {
    /// Packed rows, their bytes counted.
    ///
    /// # Errors
    /// Where the matrix has no elements, a row is no whole number of blocks, or
    /// the number of bytes is not what type and shape ask for.
    pub fn new(
        tensor_type: TensorType,
        rows: usize,
        cols: usize,
        bytes: Vec<u8>,
    ) -> Result<Self, KernelError> {
        if rows == 0 || cols == 0 {
            return Err(KernelError::Empty { rows, cols });
        }
        let row_bytes = tensor_type
            .row_bytes(cols)
            .ok_or(KernelError::Columns { tensor_type, cols })?;
        // A product past `usize::MAX` is no length a `Vec` can have.
        let expected = rows.saturating_mul(row_bytes);
        if bytes.len() != expected {
            return Err(KernelError::ByteLength {
                tensor_type,
                rows,
                cols,
                expected,
                found: bytes.len(),
            });
        }
        Ok(Self {
            tensor_type,
            rows,
            cols,
            bytes,
            in_fours: false,
        })
    }

    /// Weaves every four rows together, where they are of blocks: the CPU then multiplies
    /// them with activations rounded to bytes.
    pub(crate) fn into_fours(mut self) -> Self {
        if fours::fit(self.tensor_type) && !self.in_fours {
            let row_bytes = self.row_bytes();
            fours::interleave(self.tensor_type, row_bytes, &mut self.bytes);
            self.in_fours = true;
        }
        self
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        let rows = match self.in_fours {
            true => self.rows.next_multiple_of(fours::ROWS),
            false => self.rows,
        };
        self.bytes.len() / rows
    }

    /// The bytes of row `index`.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn row(&self, index: usize) -> Cow<'_, [u8]> {
        let row_bytes = self.row_bytes();
        match self.in_fours {
            true => fours::row(self.tensor_type, row_bytes, &self.bytes, index).into(),
            false => self.bytes[index * row_bytes..][..row_bytes].into(),
        }
    }
}

/// A weight matrix `[rows, cols]` on a device, in any block type.
///
/// On the CPU the packed bytes are held once, as GGML lays them out. On the GPU
/// they lie in a storage buffer, its blocks' scales moved behind its blocks'
/// quants (see [`gpu::GpuMatrix`](crate::gpu::GpuMatrix)), or in several, where a device
/// binds none so large; no copy stays on the heap. Cloning shares the storage.
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    tensor_type: TensorType,
    rows: usize,
    cols: usize,
    byte_len: usize,
    storage: Storage,
}

#[derive(Clone, Debug)]
pub(crate) enum Storage {
    Cpu(Arc<PackedRows>),
    Gpu(GpuMatrix),
}

impl PackedMatrix {
    /// Moves packed rows to `device`.
    ///
    /// `data` is row after row in GGML's byte layout,
    /// `tensor_type.row_bytes(cols)` bytes each.
    ///
    /// # Errors
    /// Where `data` does not fit type and shape, or a few rows are larger than a buffer of
    /// the device may be.
    pub fn new(
        tensor_type: TensorType,
        rows: usize,
        cols: usize,
        data: Vec<u8>,
        device: &ComputeDevice,
    ) -> Result<Self, KernelError> {
        Self::upload(PackedRows::new(tensor_type, rows, cols, data)?, device)
    }

    /// Moves packed rows to `device`.
    ///
    /// # Errors
    /// Where a few rows are larger than a buffer of the device may be.
    pub fn upload(packed: PackedRows, device: &ComputeDevice) -> Result<Self, KernelError> {
        let (tensor_type, rows, cols) = (packed.tensor_type, packed.rows, packed.cols);
        let byte_len = packed.bytes.len();
        let storage = match device.place() {
            Place::Cpu { int8_activations } => {
                let packed = match int8_activations {
                    true => packed.into_fours(),
                    false => packed,
                };
                Storage::Cpu(Arc::new(packed))
            }
            Place::Gpu(gpu) => Storage::Gpu(GpuMatrix::upload(packed, gpu)?),
        };
        Ok(Self {
            tensor_type,
            rows,
            cols,
            byte_len,
            storage,
        })
    }

    /// A matrix of the sizes of `packed` that takes no memory: its numbers are whatever
    /// stands in this one. For work whose result nobody looks at. None where this one is
    /// smaller, or on the CPU, where nothing needs it.
    pub fn lend(&self, packed: &PackedRows) -> Option<Self> {
        let Storage::Gpu(lender) = &self.storage else {
            return None;
        };
        Some(Self {
            tensor_type: packed.tensor_type,
            rows: packed.rows,
            cols: packed.cols,
            byte_len: packed.bytes.len(),
            storage: Storage::Gpu(lender.lend(packed)?),
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers of a row.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// How the rows are packed.
    pub fn tensor_type(&self) -> TensorType {
        self.tensor_type
    }

    /// Bytes the matrix takes, packed.
    pub fn byte_len(&self) -> usize {
        self.byte_len
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// # Panics
    /// Where the matrix is on the GPU: the other operand is not.
    pub(crate) fn on_cpu(&self) -> &PackedRows {
        let packed = match &self.storage {
            Storage::Cpu(packed) => Some(packed),
            Storage::Gpu(_) => None,
        };
        packed.expect("invariant: weights lie where the activations are, on the CPU")
    }

    /// # Panics
    /// Where the matrix is on the CPU: the other operand is not.
    pub(crate) fn on_gpu(&self) -> &GpuMatrix {
        let matrix = match &self.storage {
            Storage::Gpu(matrix) => Some(matrix),
            Storage::Cpu(_) => None,
        };
        matrix.expect("invariant: weights lie where the activations are, on the GPU")
    }
}
