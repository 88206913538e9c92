//! The CPU implementation: fixed-width loops that vectorise, threads natively.

mod attention;
mod conv;
mod fixed_point;
mod formats;
pub(crate) mod fours;
mod int8;
mod linear;
mod math;
mod norm;
mod pointwise;
#[cfg(all(target_family = "wasm", target_feature = "atomics"))]
mod pool;
mod threads;

use crate::activation::{Activation, Scale};
use crate::conv::Conv2dShape;
use crate::fused::{Finish, Fusion};
use crate::kernels::{AttentionTask, Kernels, LinearShape, NormTask};
use crate::packed_matrix::PackedRows;
use crate::rope::RopeTask;
#[cfg(all(target_family = "wasm", target_feature = "atomics"))]
pub use pool::{enlist, give_up, serve};
pub use threads::thread_count;

/// The implementation for machines without a GPU worth using.
#[derive(Clone, Copy, Debug)]
pub struct Cpu;

impl Kernels for Cpu {
    type Dense = [f32];
    type Packed = PackedRows;

    fn linear(
        &self,
        x: &[f32],
        w: &PackedRows,
        bias: Option<&[f32]>,
        shape: LinearShape,
    ) -> Vec<f32> {
        let epilogue = linear::Epilogue {
            bias,
            ..linear::Epilogue::default()
        };
        linear::linear(x, rows_of(w, shape), epilogue, shape)
    }

    fn fused_linear(
        &self,
        x: &[f32],
        w: &PackedRows,
        fusion: &Fusion<'_, [f32], [f32]>,
        shape: LinearShape,
    ) -> Vec<f32> {
        let normed = fusion
            .norm
            .map(|norm| self.normalise(x, norm, shape.m, shape.k));
        let (activation, add_to) = match fusion.finish {
            Finish::Activation(function) => (Some(function), None),
            Finish::AddTo { x, scale } => (None, Some((x, scale))),
            Finish::Sum | Finish::Gated(_) => (None, None),
        };
        let epilogue = linear::Epilogue {
            bias: fusion.bias,
            activation,
            add_to,
        };
        let x = normed.as_deref().unwrap_or(x);
        let product = linear::linear(x, rows_of(w, shape), epilogue, shape);
        match fusion.finish {
            Finish::Gated(function) => self.gated(&product, function, shape.n / 2),
            _ => product,
        }
    }

    fn embed(&self, w: &PackedRows, ids: &[u32], added_to: Option<&[f32]>) -> Vec<f32> {
        let mut out = vec![0.0; ids.len() * w.cols];
        for (&id, out) in ids.iter().zip(out.chunks_exact_mut(w.cols)) {
            formats::unpack_row(w.tensor_type, &w.row(id as usize), out);
        }
        if let Some(x) = added_to {
            for (out, x) in out.iter_mut().zip(x) {
                *out += x;
            }
        }
        out
    }

    fn layer_norm(
        &self,
        x: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        task: NormTask,
    ) -> Vec<f32> {
        norm::layer_norm(x, weight, bias, task)
    }

    fn rms_norm(&self, x: &[f32], weight: &[f32], task: NormTask) -> Vec<f32> {
        norm::rms_norm(x, weight, task)
    }

    fn rope(&self, x: &[f32], task: &RopeTask) -> Vec<f32> {
        pointwise::rope(x, task)
    }

    fn attention(&self, q: &[f32], k: &[f32], v: &[f32], task: &AttentionTask<'_>) -> Vec<f32> {
        attention::attention(q, k, v, task)
    }

    fn conv2d(
        &self,
        x: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        shape: &Conv2dShape,
    ) -> Vec<f32> {
        conv::conv2d(x, weight, bias, None, shape)
    }

    fn activated_conv2d(
        &self,
        x: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        activation: Option<Activation>,
        shape: &Conv2dShape,
    ) -> Vec<f32> {
        conv::conv2d(x, weight, bias, activation, shape)
    }

    fn activation(&self, x: &[f32], function: Activation) -> Vec<f32> {
        pointwise::activation(x, function)
    }

    fn gated(&self, x: &[f32], function: Activation, width: usize) -> Vec<f32> {
        pointwise::gated(x, function, width)
    }

    fn add_scaled(&self, x: &[f32], y: &[f32], scale: Scale<'_, [f32]>) -> Vec<f32> {
        pointwise::add_scaled(x, y, scale)
    }
}

fn rows_of(w: &PackedRows, shape: LinearShape) -> linear::Rows<'_> {
    linear::Rows {
        tensor_type: w.tensor_type,
        cols: shape.k,
        row_bytes: w.row_bytes(),
        bytes: &w.bytes,
        in_fours: w.in_fours,
    }
}
