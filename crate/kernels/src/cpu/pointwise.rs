//! Functions of single numbers, and the rotary embedding.

use multiversion::multiversion;

use super::math::{erf, sigmoid};
use crate::activation::Activation;
use crate::rope::{RopeStyle, RopeTask};

pub(super) fn activation(x: &[f32], function: Activation) -> Vec<f32> {
    let mut out = x.to_vec();
    activate(&mut out, function);
    out
}

/// `function` of every number, in its place.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn activate(x: &mut [f32], function: Activation) {
    for x in x {
        *x = match function {
            Activation::GeluErf => 0.5 * *x * (1.0 + erf(*x * core::f32::consts::FRAC_1_SQRT_2)),
            Activation::QuickGelu => *x * sigmoid(1.702 * *x),
            Activation::Silu => *x * sigmoid(*x),
            Activation::Relu6 => x.clamp(0.0, 6.0),
            Activation::SquaredRelu => x.max(0.0) * x.max(0.0),
        };
    }
}

#[multiversion(targets("x86_64+avx2"))]
pub(super) fn gated_silu(x: &[f32], width: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.len() / 2);
    for row in x.chunks_exact(2 * width) {
        let (gate, up) = row.split_at(width);
        let both = gate.iter().zip(up);
        out.extend(both.map(|(&gate, &up)| gate * sigmoid(gate) * up));
    }
    out
}

pub(super) fn add_scaled(x: &[f32], y: &[f32], scale: f32) -> Vec<f32> {
    x.iter().zip(y).map(|(x, y)| x + scale * y).collect()
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
