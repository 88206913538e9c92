//! Matrix product of packed weights with activations rounded to signed bytes, as
//! llama.cpp computes it: an option that trades digits for speed.
//!
//! Every 32 activations become bytes with a scale of their own, and a block of weights
//! meets them as whole numbers: one product of sixteen pairs where the other way takes
//! sixteen conversions first. Sums of a block are exact and the rest adds in a fixed
//! order, so that every machine gives the same bits here too.

use flamingo_weights::TensorType;
use wide::{f32x8, i16x16};

use super::formats::{GROUP, half, nibbles, signed_bytes};
use super::linear::{Rows, by_weight_rows};
use super::math::sum_lanes;
use crate::kernels::LinearShape;

/// Activation rows that share one reading of the weights.
const TILE: usize = 4;

/// Activations in blocks of 32.
struct Blocks(Vec<Block>);

/// 32 activations: `scale * quants`.
#[derive(Clone, Copy)]
struct Block {
    /// Whole numbers from -127 to 127, in 16 bits as they are multiplied.
    low: i16x16,
    high: i16x16,
    scale: f32,
    /// `scale` times the sum of the quants: what a block's minimum is multiplied by.
    sum: f32,
}

impl Block {
    fn of(x: &[f32; GROUP]) -> Self {
        let largest = x.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        let scale = largest / 127.0;
        let quants = x.map(|x| (x * inverse).round_ties_even() as i16);
        let sum: i32 = quants.iter().map(|&quant| i32::from(quant)).sum();
        let half = |from: usize| {
            let mut half = [0; 16];
            half.copy_from_slice(&quants[from..from + 16]);
            i16x16::new(half)
        };
        Self {
            low: half(0),
            high: half(16),
            scale,
            sum: scale * sum as f32,
        }
    }
}

impl Blocks {
    fn of(x: &[f32]) -> Self {
        let (groups, _) = x.as_chunks::<GROUP>();
        Self(groups.iter().map(Block::of).collect())
    }
}

/// A block of weights: `scale * quants + minimum`.
struct Weights {
    low: i16x16,
    high: i16x16,
    scale: f32,
    minimum: f32,
}

trait Format {
    const BYTES: usize;
    fn read(bytes: &[u8]) -> Weights;
}

struct Q8;
struct Q4Zero;
struct Q4One;

impl Format for Q8 {
    const BYTES: usize = 34;

    #[inline(always)]
    fn read(bytes: &[u8]) -> Weights {
        Weights {
            low: signed_bytes(bytes, 2),
            high: signed_bytes(bytes, 18),
            scale: half([bytes[0], bytes[1]]),
            minimum: 0.0,
        }
    }
}

impl Format for Q4Zero {
    const BYTES: usize = 18;

    #[inline(always)]
    fn read(bytes: &[u8]) -> Weights {
        let scale = half([bytes[0], bytes[1]]);
        let (low, high) = nibbles(bytes, 2);
        Weights {
            low,
            high,
            scale,
            minimum: -8.0 * scale,
        }
    }
}

impl Format for Q4One {
    const BYTES: usize = 20;

    #[inline(always)]
    fn read(bytes: &[u8]) -> Weights {
        let (low, high) = nibbles(bytes, 4);
        Weights {
            low,
            high,
            scale: half([bytes[0], bytes[1]]),
            minimum: half([bytes[2], bytes[3]]),
        }
    }
}

/// `x [m, k] · rows [n, k]ᵀ`, where the rows are quantized; nothing else for plain types,
/// which lose nothing to be gained.
pub(super) fn linear(x: &[f32], rows: Rows<'_>, shape: LinearShape) -> Option<Vec<f32>> {
    let products = match rows.tensor_type {
        TensorType::F32 | TensorType::F16 => return None,
        TensorType::Q8_0 => products::<Q8>,
        TensorType::Q4_0 => products::<Q4Zero>,
        TensorType::Q4_1 => products::<Q4One>,
    };
    let x = Blocks::of(x);
    let part = |first, out: &mut [f32]| products(&x, rows, first, shape.m, out);
    Some(by_weight_rows(shape, part))
}

/// Products of the weight rows from `first` on with all `m` rows of `x`: `out` is
/// `[weight rows, m]`.
fn products<F: Format>(x: &Blocks, rows: Rows<'_>, first: usize, m: usize, out: &mut [f32]) {
    let blocks = rows.cols / GROUP;
    for (row, out) in rows.from(first).zip(out.chunks_exact_mut(m)) {
        let x = x.0.chunks(TILE * blocks);
        for (x, out) in x.zip(out.chunks_mut(TILE)) {
            match out.len() {
                1 => product::<F, 1>(x, row, blocks, out),
                2 => product::<F, 2>(x, row, blocks, out),
                3 => product::<F, 3>(x, row, blocks, out),
                _ => product::<F, 4>(x, row, blocks, out),
            }
        }
    }
}

#[inline(always)]
fn product<F: Format, const M: usize>(x: &[Block], row: &[u8], blocks: usize, out: &mut [f32]) {
    let x: [&[Block]; M] = std::array::from_fn(|i| &x[i * blocks..][..blocks]);
    let mut sums = [f32x8::ZERO; M];
    let mut minima = [0.0; M];
    for (block, bytes) in row.chunks_exact(F::BYTES).enumerate() {
        let weights = F::read(bytes);
        for ((x, sum), minimum) in x.iter().zip(&mut sums).zip(&mut minima) {
            let x = &x[block];
            let whole = weights.low.dot(x.low) + weights.high.dot(x.high);
            *sum += whole.round_float() * f32x8::splat(weights.scale * x.scale);
            *minimum += weights.minimum * x.sum;
        }
    }
    for ((out, sum), minimum) in out.iter_mut().zip(sums).zip(minima) {
        *out = sum_lanes(sum.to_array()) + minimum;
    }
}
