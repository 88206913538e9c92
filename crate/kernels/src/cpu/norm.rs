//! Norms: two passes over a row that is in the cache.

use multiversion::multiversion;

use super::math::{LANES, dot, sum_lanes};
use crate::kernels::NormTask;

#[multiversion(targets("x86_64+avx2"))]
pub(super) fn layer_norm(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    task: NormTask,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(task.width) {
        let mean = sum(row.iter().copied(), task.width) / task.width as f32;
        let squares = row.iter().map(|x| (x - mean) * (x - mean));
        let variance = sum(squares, task.width) / task.width as f32;
        let scale = 1.0 / (variance + task.eps).sqrt();
        match bias {
            Some(bias) => out.extend(
                (row.iter().zip(weight).zip(bias))
                    .map(|((x, weight), bias)| (x - mean) * scale * weight + bias),
            ),
            None => out.extend(
                row.iter()
                    .zip(weight)
                    .map(|(x, weight)| (x - mean) * scale * weight),
            ),
        }
    }
    out
}

#[multiversion(targets("x86_64+avx2"))]
pub(super) fn rms_norm(x: &[f32], weight: &[f32], task: NormTask) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(task.width) {
        let mean_square = dot(row, row) / task.width as f32;
        let scale = 1.0 / (mean_square + task.eps).sqrt();
        out.extend(row.iter().zip(weight).map(|(x, weight)| x * scale * weight));
    }
    out
}

/// The sum of `len` numbers, number `i` in lane `i % LANES`.
#[inline(always)]
fn sum(numbers: impl Iterator<Item = f32>, len: usize) -> f32 {
    let mut lanes = [0.0; LANES];
    for (i, x) in (0..len).zip(numbers) {
        lanes[i % LANES] += x;
    }
    sum_lanes(lanes)
}
