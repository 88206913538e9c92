//! Functions of single numbers, and the rotary embedding.

use multiversion::multiversion;

use super::math::{erf, sigmoid};
use crate::activation::{Activation, Scale};
use crate::rope::{RopeStyle, RopeTask};

pub(super) fn activation(x: &[f32], function: Activation) -> Vec<f32> {
    let mut out = x.to_vec();
    activate(&mut out, function);
    out
}

/// `function` of every number, in its place.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn activate(x: &mut [f32], function: Activation) {
    // A loop each: one loop that asks which function would not vectorise.
    macro_rules! each {
        ($x:ident => $number:expr) => {
            for number in x {
                let $x = *number;
                *number = $number;
            }
        };
    }
    match function {
        Activation::GeluErf => {
            each!(x => 0.5 * x * (1.0 + erf(x * core::f32::consts::FRAC_1_SQRT_2)));
        }
        // (1 + tanh(y)) / 2 is sigmoid(2 y), here with 2 y = x (a + b x²).
        Activation::GeluTanh => each!(x => x * sigmoid(x * (1.595_769 + 0.071_354_82 * x * x))),
        Activation::QuickGelu => each!(x => x * sigmoid(1.702 * x)),
        Activation::Silu => each!(x => x * sigmoid(x)),
        Activation::Relu => each!(x => x.max(0.0)),
        Activation::Relu6 => each!(x => x.clamp(0.0, 6.0)),
        Activation::SquaredRelu => each!(x => x.max(0.0) * x.max(0.0)),
    }
}

pub(super) fn gated(x: &[f32], function: Activation, width: usize) -> Vec<f32> {
    let mut out = vec![0.0; x.len() / 2];
    for (row, out) in x.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
        let (gate, value) = row.split_at(width);
        out.copy_from_slice(gate);
        activate(out, function);
        for (out, value) in out.iter_mut().zip(value) {
            *out *= value;
        }
    }
    out
}

pub(super) fn add_scaled(x: &[f32], y: &[f32], scale: Scale<'_, [f32]>) -> Vec<f32> {
    let mut out = y.to_vec();
    match scale {
        Scale::Number(_) => add_to(x, scale, 0, &mut out),
        Scale::Columns(columns) => {
            let rows = x.chunks_exact(columns.len());
            for (x, out) in rows.zip(out.chunks_exact_mut(columns.len())) {
                add_to(x, scale, 0, out);
            }
        }
    }
    out
}

/// `x + scale * sums` in the place of `sums`, which are those of a row from column `first`
/// on.
#[inline(always)]
pub(super) fn add_to(x: &[f32], scale: Scale<'_, [f32]>, first: usize, sums: &mut [f32]) {
    match scale {
        Scale::Number(scale) => {
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum = x + scale * *sum;
            }
        }
        Scale::Columns(columns) => {
            for ((sum, x), scale) in sums.iter_mut().zip(x).zip(&columns[first..]) {
                *sum = x + scale * *sum;
            }
        }
    }
}

pub(super) fn rope(x: &[f32], task: &RopeTask) -> Vec<f32> {
    let mut out = x.to_vec();
    let half = task.rope.rotary_dims / 2;
    let rows = out.chunks_exact_mut(task.heads * task.head_dim);
    for (row, heads) in rows.enumerate() {
        let position = task.positions.of(row);
        let rotations: Vec<(f32, f32)> = task.rope.rotations(position).collect();
        for head in heads.chunks_exact_mut(task.head_dim) {
            for (pair, &(cos, sin)) in rotations.iter().enumerate() {
                let (a, b) = match task.rope.style {
                    RopeStyle::Pairs => (2 * pair, 2 * pair + 1),
                    RopeStyle::Halves => (pair, pair + half),
                };
                let (x, y) = (head[a], head[b]);
                head[a] = x * cos - y * sin;
                head[b] = x * sin + y * cos;
            }
        }
    }
    out
}
