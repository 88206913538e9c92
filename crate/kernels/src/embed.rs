//! Token embedding: rows of a packed matrix.

use burn::tensor::Tensor;

use crate::cpu::Cpu;
use crate::dense::{from_cpu, from_gpu};
use crate::gpu::Gpu;
use crate::kernels::Kernels;
use crate::packed_matrix::{PackedMatrix, Storage};

/// Rows `ids` of `w` `[rows, cols]`, unpacked: `[ids, cols]`.
///
/// # Panics
/// Where `ids` is empty or an id is no row.
pub fn embed(w: &PackedMatrix, ids: &[u32]) -> Tensor<2> {
    assert!(!ids.is_empty(), "embed: no ids");
    for &id in ids {
        assert!(
            (id as usize) < w.rows(),
            "embed: id {id}, but there are {} rows",
            w.rows()
        );
    }
    match w.storage() {
        Storage::Cpu(packed) => from_cpu(Cpu.embed(packed, ids), [ids.len(), w.cols()]),
        Storage::Gpu(matrix) => from_gpu(Gpu.embed(matrix, ids)),
    }
}
