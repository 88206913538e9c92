//! Embeddings of tokens and of positions: rows of a packed matrix.

use burn::tensor::Tensor;

use crate::cpu::Cpu;
use crate::dense::{from_cpu, from_gpu, on_cpu, on_gpu};
use crate::gpu::Gpu;
use crate::kernels::Kernels;
use crate::packed_matrix::{PackedMatrix, Storage};

/// Rows `ids` of `w` `[rows, cols]`, unpacked: `[ids, cols]`.
///
/// # Panics
/// Where `ids` is empty or an id is no row.
pub fn embed(w: &PackedMatrix, ids: &[u32]) -> Tensor<2> {
    check(w, ids);
    match w.storage() {
        Storage::Cpu(packed) => from_cpu(Cpu.embed(packed, ids, None), [ids.len(), w.cols()]),
        Storage::Gpu(matrix) => from_gpu(Gpu.embed(matrix, ids, None)),
    }
}

/// `x` `[ids, cols]` plus rows `ids` of `w` `[rows, cols]`, as where positions are learned.
///
/// # Panics
/// As [`embed`], where the shapes differ, or the operands are on two devices.
pub fn add_embedding(x: Tensor<2>, w: &PackedMatrix, ids: &[u32]) -> Tensor<2> {
    check(w, ids);
    let dims = [ids.len(), w.cols()];
    assert_eq!(x.dims(), dims, "add_embedding: shapes");
    match w.storage() {
        Storage::Cpu(packed) => from_cpu(Cpu.embed(packed, ids, Some(&on_cpu(x))), dims),
        Storage::Gpu(matrix) => from_gpu(Gpu.embed(matrix, ids, Some(&on_gpu(x)))),
    }
}

fn check(w: &PackedMatrix, ids: &[u32]) {
    assert!(!ids.is_empty(), "embed: no ids");
    for &id in ids {
        assert!(
            (id as usize) < w.rows(),
            "embed: id {id}, but there are {} rows",
            w.rows()
        );
    }
}
