//! Every operation as its definition reads: scalar loops, sums in `f64`,
//! elementary functions of a portable library. Nothing here is fast.

mod attention;
mod conv;

use flamingo_weights::blocks;

use crate::activation::{Activation, Scale};
use crate::conv::Conv2dShape;
use crate::kernels::{AttentionTask, Kernels, LinearShape, NormTask};
use crate::packed_matrix::PackedRows;
use crate::rope::{Rope, RopeScaling, RopeStyle, RopeTask};

/// The implementation the other two are held against.
#[derive(Clone, Copy, Debug)]
pub struct Reference;

/// Row `index` of `w`, unpacked.
fn unpacked_row(w: &PackedRows, index: usize) -> Vec<f32> {
    let mut row = vec![0.0; w.cols];
    blocks::dequantize_row(w.tensor_type, &w.row(index), &mut row)
        .expect("invariant: `PackedRows::new` has checked the bytes");
    row
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(&a, &b)| f64::from(a) * f64::from(b))
        .sum()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

fn apply(function: Activation, x: f64) -> f64 {
    match function {
        Activation::GeluErf => 0.5 * x * (1.0 + libm::erf(x / core::f64::consts::SQRT_2)),
        Activation::GeluTanh => {
            let inner = libm::sqrt(2.0 / core::f64::consts::PI) * (x + 0.044_715 * x * x * x);
            0.5 * x * (1.0 + libm::tanh(inner))
        }
        Activation::QuickGelu => x * sigmoid(1.702 * x),
        Activation::Silu => x * sigmoid(x),
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::SquaredRelu => x.max(0.0) * x.max(0.0),
    }
}

/// Radians a position, as `transformers` has the scalings.
fn frequency(rope: &Rope, pair: usize) -> f64 {
    let exponent = 2.0 * pair as f64 / rope.rotary_dims as f64;
    let frequency = 1.0 / libm::pow(f64::from(rope.theta), exponent);
    match rope.scaling {
        RopeScaling::None => frequency,
        RopeScaling::Linear { factor } => frequency / f64::from(factor),
        RopeScaling::Llama3 {
            factor,
            low_frequency_factor,
            high_frequency_factor,
            original_positions,
        } => {
            let [factor, low, high, original] = [
                factor,
                low_frequency_factor,
                high_frequency_factor,
                original_positions,
            ]
            .map(f64::from);
            let wavelength = 2.0 * core::f64::consts::PI / frequency;
            if wavelength < original / high {
                frequency
            } else if wavelength > original / low {
                frequency / factor
            } else {
                let smooth = (original / wavelength - low) / (high - low);
                (1.0 - smooth) * frequency / factor + smooth * frequency
            }
        }
    }
}

impl Kernels for Reference {
    type Dense = [f32];
    type Packed = PackedRows;

    fn linear(
        &self,
        x: &[f32],
        w: &PackedRows,
        bias: Option<&[f32]>,
        shape: LinearShape,
    ) -> Vec<f32> {
        let LinearShape { m, n, k } = shape;
        let mut out = vec![0.0; m * n];
        for column in 0..n {
            let weights = unpacked_row(w, column);
            let bias = bias.map_or(0.0, |bias| f64::from(bias[column]));
            for row in 0..m {
                let sum = dot(&x[row * k..][..k], &weights);
                out[row * n + column] = (sum + bias) as f32;
            }
        }
        out
    }

    fn embed(&self, w: &PackedRows, ids: &[u32], added_to: Option<&[f32]>) -> Vec<f32> {
        let rows = ids.iter().flat_map(|&id| unpacked_row(w, id as usize));
        match added_to {
            None => rows.collect(),
            Some(x) => rows.zip(x).map(|(row, x)| row + x).collect(),
        }
    }

    fn layer_norm(
        &self,
        x: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
        task: NormTask,
    ) -> Vec<f32> {
        let mut out = Vec::with_capacity(x.len());
        for row in x.chunks_exact(task.width) {
            let width = task.width as f64;
            let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / width;
            let square = |x: f32| (f64::from(x) - mean) * (f64::from(x) - mean);
            let variance = row.iter().map(|&x| square(x)).sum::<f64>() / width;
            let scale = 1.0 / libm::sqrt(variance + f64::from(task.eps));
            for (i, &x) in row.iter().enumerate() {
                let shift = bias.map_or(0.0, |bias| f64::from(bias[i]));
                let normal = (f64::from(x) - mean) * scale;
                out.push((normal * f64::from(weight[i]) + shift) as f32);
            }
        }
        out
    }

    fn rms_norm(&self, x: &[f32], weight: &[f32], task: NormTask) -> Vec<f32> {
        let mut out = Vec::with_capacity(x.len());
        for row in x.chunks_exact(task.width) {
            let mean_square = dot(row, row) / task.width as f64;
            let scale = 1.0 / libm::sqrt(mean_square + f64::from(task.eps));
            for (&x, &weight) in row.iter().zip(weight) {
                out.push((f64::from(x) * scale * f64::from(weight)) as f32);
            }
        }
        out
    }

    fn rope(&self, x: &[f32], task: &RopeTask) -> Vec<f32> {
        let mut out = x.to_vec();
        let half = task.rope.rotary_dims / 2;
        for (row, heads) in out.chunks_exact_mut(task.heads * task.head_dim).enumerate() {
            let position = task.positions.of(row);
            for head in heads.chunks_exact_mut(task.head_dim) {
                for pair in 0..half {
                    let angle = f64::from(position) * frequency(&task.rope, pair);
                    let (a, b) = match task.rope.style {
                        RopeStyle::Pairs => (2 * pair, 2 * pair + 1),
                        RopeStyle::Halves => (pair, pair + half),
                    };
                    let (x, y) = (f64::from(head[a]), f64::from(head[b]));
                    head[a] = (x * libm::cos(angle) - y * libm::sin(angle)) as f32;
                    head[b] = (x * libm::sin(angle) + y * libm::cos(angle)) as f32;
                }
            }
        }
        out
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
        conv::conv2d(x, weight, bias, shape)
    }

    fn activation(&self, x: &[f32], function: Activation) -> Vec<f32> {
        x.iter()
            .map(|&x| apply(function, f64::from(x)) as f32)
            .collect()
    }

    fn gated(&self, x: &[f32], function: Activation, width: usize) -> Vec<f32> {
        let gated = |row: &[f32], column: usize| {
            let [gate, value] = [column, width + column].map(|column| f64::from(row[column]));
            (apply(function, gate) * value) as f32
        };
        x.chunks_exact(2 * width)
            .flat_map(|row| (0..width).map(move |column| gated(row, column)))
            .collect()
    }

    fn add_scaled(&self, x: &[f32], y: &[f32], scale: Scale<'_, [f32]>) -> Vec<f32> {
        let scale = |i: usize| match scale {
            Scale::Number(scale) => f64::from(scale),
            Scale::Columns(columns) => f64::from(columns[i % columns.len()]),
        };
        (x.iter().zip(y).enumerate())
            .map(|(i, (&x, &y))| (f64::from(x) + scale(i) * f64::from(y)) as f32)
            .collect()
    }
}
