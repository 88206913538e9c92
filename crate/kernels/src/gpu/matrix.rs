//! Packed weights in a storage buffer.

use std::sync::Arc;

use cubecl::bytes::Bytes;
use cubecl::server::Handle;
use flamingo_weights::TensorType;

use super::context::GpuContext;
use crate::error::{DeviceError, KernelError};
use crate::packed_matrix::PackedRows;

/// A packed matrix in one storage buffer.
///
/// GGML's blocks are 34, 18 and 20 bytes long, so most of their words straddle
/// two 32-bit words, and neighbouring lanes of a kernel would read neighbouring
/// blocks, not neighbouring words. At upload the parts of a matrix are therefore
/// put side by side: first the quants of all blocks, then the scales (with the
/// minimum, for `Q4_1`) of all blocks. Every byte of every block is kept as it
/// is; the matrix takes the same memory (rounded up to 16 bytes). `F16` and
/// `F32` matrices are stored as they come.
#[derive(Clone, Debug)]
pub struct GpuMatrix {
    pub(super) context: Arc<GpuContext>,
    pub(super) handle: Handle,
    pub(super) tensor_type: TensorType,
    pub(super) cols: usize,
    /// Where the scales begin, in 32-bit words.
    pub(super) scales: u32,
}

impl GpuMatrix {
    /// Uploads `packed` and drops it.
    pub(crate) fn upload(
        packed: PackedRows,
        context: &Arc<GpuContext>,
    ) -> Result<Self, KernelError> {
        let PackedRows {
            tensor_type,
            cols,
            bytes: mut planar,
            ..
        } = packed;
        let limit = context.client.properties().memory.max_page_size;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let byte_len = buffer_bytes(planar.len());
        if byte_len > limit {
            return Err(KernelError::TooLarge {
                bytes: byte_len,
                limit,
            });
        }
        let scales = scales_at(tensor_type, planar.len());
        let scale_bytes = scale_bytes(tensor_type);
        if scale_bytes > 0 {
            split_blocks(&mut planar, tensor_type.block_bytes(), scale_bytes);
        }
        planar.resize(byte_len, 0);
        // Weights live as long as the model: their own exact buffers, not pages
        // of a pool that rounds sizes up.
        let handle = context
            .client
            .memory_persistent_allocation(Bytes::from_bytes_vec(planar), |planar| {
                context.client.create(planar)
            });
        // What is enqueued stays on the heap until the device has taken it.
        if let Err(error) = context.client.flush() {
            context.faults.push(DeviceError::Validation {
                message: error.to_string(),
            });
        }
        Ok(Self {
            context: context.clone(),
            handle,
            tensor_type,
            cols,
            scales,
        })
    }

    /// A matrix of other sizes in the buffer of this one, less its last `unused` bytes.
    pub(crate) fn lend(
        &self,
        tensor_type: TensorType,
        cols: usize,
        byte_len: usize,
        unused: usize,
    ) -> Self {
        Self {
            context: self.context.clone(),
            handle: self.handle.clone().offset_end(unused as u64),
            tensor_type,
            cols,
            scales: scales_at(tensor_type, byte_len),
        }
    }
}

/// Bytes of the buffer of a matrix.
pub(crate) fn buffer_bytes(byte_len: usize) -> usize {
    byte_len.next_multiple_of(16)
}

/// Where the scales of so many packed bytes begin, in 32-bit words.
fn scales_at(tensor_type: TensorType, byte_len: usize) -> u32 {
    let blocks = byte_len / tensor_type.block_bytes();
    match scale_bytes(tensor_type) {
        0 => 0,
        // Fits: the buffer is smaller than 2^32 words by its limit.
        bytes => (blocks * (tensor_type.block_bytes() - bytes) / 4) as u32,
    }
}

/// Bytes of a block that stand before its quants.
fn scale_bytes(tensor_type: TensorType) -> usize {
    match tensor_type {
        TensorType::F32 | TensorType::F16 => 0,
        TensorType::Q8_0 | TensorType::Q4_0 => 2,
        TensorType::Q4_1 => 4,
    }
}

/// Takes blocks apart: all quants, then all scales. In place, because the largest matrix
/// would otherwise be on the heap twice.
fn split_blocks(bytes: &mut [u8], block_bytes: usize, scale_bytes: usize) {
    let blocks = bytes.chunks_exact(block_bytes);
    let scales: Vec<u8> = blocks
        .flat_map(|block| &block[..scale_bytes])
        .copied()
        .collect();
    let mut end = 0;
    for start in (0..bytes.len()).step_by(block_bytes) {
        bytes.copy_within(start + scale_bytes..start + block_bytes, end);
        end += block_bytes - scale_bytes;
    }
    bytes[end..].copy_from_slice(&scales);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_of_a_block_is_lost() {
        let bytes: Vec<u8> = (0..5 * 18).collect();
        let mut planar = bytes.clone();
        split_blocks(&mut planar, 18, 2);
        for block in 0..5 {
            let original = &bytes[block * 18..][..18];
            assert_eq!(planar[block * 16..][..16], original[2..]);
            assert_eq!(planar[5 * 16 + block * 2..][..2], original[..2]);
        }
    }
}
