//! Packed weights in storage buffers.

use std::sync::Arc;

use cubecl::bytes::Bytes;
use cubecl::server::Handle;
use flamingo_weights::TensorType;

use super::context::GpuContext;
use crate::error::{DeviceError, KernelError};
use crate::packed_matrix::PackedRows;

/// Rows of a part of a matrix are a multiple of this, so that every part begins at a
/// multiple of 16 bytes, whichever its blocks.
const ROWS_TOGETHER: usize = 16;

/// A packed matrix in storage buffers: one, or as many as the device's largest binding
/// makes of it, each with some of the rows.
///
/// GGML's blocks are 34, 18 and 20 bytes long, so most of their words straddle
/// two 32-bit words, and neighbouring lanes of a kernel would read neighbouring
/// blocks, not neighbouring words. At upload the contents of blocks are therefore
/// put side by side in each buffer: first the quants of all blocks, then the scales (with
/// the minimum, for `Q4_1`) of all blocks. Every byte of every block is kept as it
/// is; the matrix takes the same memory (rounded up to 16 bytes). `F16` and
/// `F32` matrices are stored as they come.
#[derive(Clone, Debug)]
pub struct GpuMatrix {
    pub(super) context: Arc<GpuContext>,
    pub(super) tensor_type: TensorType,
    pub(super) cols: usize,
    /// In the order of their rows.
    pub(super) parts: Vec<Part>,
}

/// Rows of a matrix in a buffer of their own.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) handle: Handle,
    /// Which is its first row.
    pub(super) first: usize,
    pub(super) rows: usize,
    /// Where the scales begin, in 32-bit words.
    pub(super) scales: u32,
    /// Bytes of the buffer.
    bytes: usize,
}

impl GpuMatrix {
    /// Uploads `packed` and drops it.
    pub(crate) fn upload(
        packed: PackedRows,
        context: &Arc<GpuContext>,
    ) -> Result<Self, KernelError> {
        let row_bytes = packed.row_bytes();
        let rows_of_part = rows_of_part(&packed, context.largest_binding)?;
        let PackedRows {
            tensor_type,
            rows,
            cols,
            bytes: mut planar,
            ..
        } = packed;
        let scale_bytes = scale_bytes(tensor_type);
        if scale_bytes > 0 {
            for part in planar.chunks_mut(rows_of_part * row_bytes) {
                split_blocks(part, tensor_type.block_bytes(), scale_bytes);
            }
        }
        planar.resize(buffer_bytes(planar.len()), 0);
        // Parts are views of the whole, which is on the heap once: `from_bytes_vec` would copy
        // what does not begin at a multiple of 16, as half of what a browser's module allocates.
        let planar = Bytes::from_elems(planar).shared();
        let parts = spans(rows, rows_of_part)
            .map(|(first, rows)| {
                let start = first * row_bytes;
                let byte_len = rows * row_bytes;
                let end = start + buffer_bytes(byte_len);
                let part = planar
                    .view(start, end)
                    .expect("invariant: a part lies within the whole");
                // Weights live as long as the model: their own exact buffers, not pages
                // of a pool that rounds sizes up.
                let handle = context
                    .client
                    .memory_persistent_allocation(part, |part| context.client.create(part));
                Part {
                    handle,
                    first,
                    rows,
                    scales: scales_at(tensor_type, byte_len),
                    bytes: end - start,
                }
            })
            .collect();
        drop(planar);
        // What is enqueued stays on the heap until the device has taken it.
        if let Err(error) = context.client.flush() {
            context.faults.push(DeviceError::Validation {
                message: error.to_string(),
            });
        }
        Ok(Self {
            context: context.clone(),
            tensor_type,
            cols,
            parts,
        })
    }

    /// A matrix of the sizes of `packed` whose numbers are whatever stands in this one;
    /// none where a part of it takes more than the first of this one.
    pub(crate) fn lend(&self, packed: &PackedRows) -> Option<Self> {
        let lender = self.parts.first()?;
        let rows_of_part = rows_of_part(packed, self.context.largest_binding).ok()?;
        let parts = spans(packed.rows, rows_of_part).map(|(first, rows)| {
            let byte_len = rows * packed.row_bytes();
            let bytes = buffer_bytes(byte_len);
            let unused = lender.bytes.checked_sub(bytes)?;
            Some(Part {
                handle: lender.handle.clone().offset_end(unused as u64),
                first,
                rows,
                scales: scales_at(packed.tensor_type, byte_len),
                bytes,
            })
        });
        Some(Self {
            context: self.context.clone(),
            tensor_type: packed.tensor_type,
            cols: packed.cols,
            parts: parts.collect::<Option<_>>()?,
        })
    }
}

/// How many rows of a matrix a buffer holds where none may be larger than `limit` bytes,
/// and 32 bits must count its elements.
fn rows_of_part(packed: &PackedRows, limit: usize) -> Result<usize, KernelError> {
    let PackedRows { rows, cols, .. } = *packed;
    let row_bytes = packed.row_bytes();
    let countable = usize::try_from(u32::MAX).unwrap_or(usize::MAX) / cols;
    if buffer_bytes(rows * row_bytes) <= limit && rows <= countable {
        return Ok(rows);
    }
    let most = (limit / row_bytes).min(countable) / ROWS_TOGETHER * ROWS_TOGETHER;
    if most == 0 {
        return Err(KernelError::TooLarge {
            bytes: ROWS_TOGETHER * row_bytes,
            limit,
        });
    }
    // Parts of about one size.
    let parts = rows.div_ceil(most);
    Ok(rows.div_ceil(parts).next_multiple_of(ROWS_TOGETHER))
}

/// First row and number of rows of every part.
fn spans(rows: usize, rows_of_part: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows)
        .step_by(rows_of_part)
        .map(move |first| (first, rows_of_part.min(rows - first)))
}

/// Bytes of the buffer of so many packed bytes.
fn buffer_bytes(byte_len: usize) -> usize {
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
    let mut scales = Vec::with_capacity(bytes.len() / block_bytes * scale_bytes);
    for block in bytes.chunks_exact(block_bytes) {
        scales.extend_from_slice(&block[..scale_bytes]);
    }
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
    fn parts_are_as_few_as_the_limit_allows_and_about_of_one_size() {
        let packed = |rows| PackedRows {
            tensor_type: TensorType::Q8_0,
            rows,
            cols: 64,
            bytes: vec![0; rows * 68],
            in_fours: false,
        };
        let parts = |rows, limit| {
            rows_of_part(&packed(rows), limit)
                .map(|rows_of_part| spans(rows, rows_of_part).collect::<Vec<_>>())
        };
        assert_eq!(parts(60, 4080), Ok(vec![(0, 60)]));
        assert_eq!(parts(61, 4080), Ok(vec![(0, 32), (32, 29)]));
        assert_eq!(
            parts(150, 4080),
            Ok(vec![(0, 48), (48, 48), (96, 48), (144, 6)])
        );
        assert_eq!(parts(33, 1088), Ok(vec![(0, 16), (16, 16), (32, 1)]));
        assert_eq!(
            parts(33, 1087),
            Err(KernelError::TooLarge {
                bytes: 1088,
                limit: 1087
            })
        );
    }

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
