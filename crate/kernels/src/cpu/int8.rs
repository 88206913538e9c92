//! Matrix product of packed weights with activations rounded to signed bytes, as
//! llama.cpp computes it: an option that trades digits for speed.
//!
//! Every 32 activations become bytes with a scale of their own, and a block of weights
//! meets them as whole numbers. Four rows are multiplied at once ([`super::fours`]), a lane
//! each. Sums of a block are exact and the blocks of a row add up in their order, so that
//! every machine gives the same bits here too.

#[cfg_attr(target_family = "wasm", path = "int8/wasm.rs")]
#[cfg_attr(not(target_family = "wasm"), path = "int8/native.rs")]
mod lanes;

use flamingo_weights::TensorType;
#[cfg(not(target_family = "wasm"))]
use multiversion::multiversion;
use wide::f32x4;

use super::formats::GROUP;
use super::fours;
use super::linear::{Rows, by_weight_rows};
use crate::kernels::LinearShape;
use lanes::{Quants, Sums, halves, nibbles, signed};

/// Activation rows that share one reading of the weights.
const TILE: usize = 4;

/// Words of four quants in a block of activations.
const WORDS: usize = GROUP / 4;

/// 32 activations: `scale * quants`.
#[derive(Clone, Copy)]
struct Block {
    /// Whole numbers from -127 to 127.
    quants: Quants,
    scale: f32,
    /// `scale` times the sum of the quants: what a block's minimum is multiplied by.
    sum: f32,
}

impl Block {
    fn of(x: &[f32; GROUP]) -> Self {
        let largest = x.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        // No byte stands for what is not finite, and no maximum shows NaN.
        let scale = match x.iter().all(|x| x.is_finite()) {
            true => largest / 127.0,
            false => f32::NAN,
        };
        let quants = x.map(|x| (x * inverse).round_ties_even() as i16);
        let sum: i32 = quants.iter().map(|&quant| i32::from(quant)).sum();
        Self {
            quants: Quants::new(quants),
            scale,
            sum: scale * sum as f32,
        }
    }
}

fn blocks_of(x: &[f32]) -> Vec<Block> {
    let (groups, _) = x.as_chunks::<GROUP>();
    groups.iter().map(Block::of).collect()
}

/// How four blocks of weights lie side by side: `scale * quants + minimum`, a lane for
/// each row.
trait Format {
    /// Bytes of the four.
    const BYTES: usize;

    fn scales(four: &[u8]) -> f32x4;

    /// Nothing where it is zero.
    fn minima(four: &[u8]) -> Option<f32x4>;

    /// Adds the products of the quants with those of `M` blocks of activations.
    fn add<const M: usize>(four: &[u8], x: [&Quants; M], sums: &mut [Sums; M]);
}

struct Q8;
struct Q4Zero;
struct Q4One;

/// Sixteen bytes from `start` on.
#[inline(always)]
fn sixteen(four: &[u8], start: usize) -> &[u8; 16] {
    four[start..]
        .first_chunk()
        .expect("invariant: blocks are whole")
}

/// Four halves from `start` on.
#[inline(always)]
fn four_halves(four: &[u8], start: usize) -> f32x4 {
    halves(
        four[start..]
            .first_chunk()
            .expect("invariant: blocks are whole"),
    )
}

/// The quants of a four with nibbles, which begin at `start`.
#[inline(always)]
fn add_nibbles<const M: usize>(four: &[u8], start: usize, x: [&Quants; M], sums: &mut [Sums; M]) {
    for word in 0..WORDS / 2 {
        let (low, high) = nibbles(sixteen(four, start + 16 * word));
        for (x, sums) in x.iter().zip(&mut *sums) {
            sums.add_nibbles(low, x, word);
            sums.add_nibbles(high, x, WORDS / 2 + word);
        }
    }
}

impl Format for Q8 {
    const BYTES: usize = 4 * 34;

    #[inline(always)]
    fn scales(four: &[u8]) -> f32x4 {
        four_halves(four, 0)
    }

    #[inline(always)]
    fn minima(_: &[u8]) -> Option<f32x4> {
        None
    }

    #[inline(always)]
    fn add<const M: usize>(four: &[u8], x: [&Quants; M], sums: &mut [Sums; M]) {
        for word in 0..WORDS {
            let weights = signed(sixteen(four, 8 + 16 * word));
            for (x, sums) in x.iter().zip(&mut *sums) {
                sums.add_signed(weights, x, word);
            }
        }
    }
}

impl Format for Q4Zero {
    const BYTES: usize = 4 * 18;

    #[inline(always)]
    fn scales(four: &[u8]) -> f32x4 {
        four_halves(four, 0)
    }

    #[inline(always)]
    fn minima(four: &[u8]) -> Option<f32x4> {
        Some(f32x4::splat(-8.0) * four_halves(four, 0))
    }

    #[inline(always)]
    fn add<const M: usize>(four: &[u8], x: [&Quants; M], sums: &mut [Sums; M]) {
        add_nibbles(four, 8, x, sums);
    }
}

impl Format for Q4One {
    const BYTES: usize = 4 * 20;

    #[inline(always)]
    fn scales(four: &[u8]) -> f32x4 {
        four_halves(four, 0)
    }

    #[inline(always)]
    fn minima(four: &[u8]) -> Option<f32x4> {
        Some(four_halves(four, 8))
    }

    #[inline(always)]
    fn add<const M: usize>(four: &[u8], x: [&Quants; M], sums: &mut [Sums; M]) {
        add_nibbles(four, 16, x, sums);
    }
}

/// `x [m, k] · rows [n, k]ᵀ`, where the rows lie in fours.
pub(super) fn linear(x: &[f32], rows: Rows<'_>, shape: LinearShape) -> Vec<f32> {
    let x = blocks_of(x);
    by_weight_rows(shape, |first, out| {
        products(&x, rows, first, shape.m, out);
    })
}

/// Products of the weight rows from `first` on, the first of a four, with all `m` rows of
/// `x`: `out` is `[weight rows, m]`.
#[cfg_attr(not(target_family = "wasm"), multiversion(targets("x86_64+avx2")))]
#[cfg_attr(
    all(target_family = "wasm", target_feature = "atomics"),
    target_feature(enable = "relaxed-simd")
)]
fn products(x: &[Block], rows: Rows<'_>, first: usize, m: usize, out: &mut [f32]) {
    match rows.tensor_type {
        TensorType::F32 | TensorType::F16 => unreachable!("invariant: only blocks lie in fours"),
        TensorType::Q8_0 => products_of::<Q8>(x, rows, first, m, out),
        TensorType::Q4_0 => products_of::<Q4Zero>(x, rows, first, m, out),
        TensorType::Q4_1 => products_of::<Q4One>(x, rows, first, m, out),
    }
}

#[inline(always)]
fn products_of<F: Format>(x: &[Block], rows: Rows<'_>, first: usize, m: usize, out: &mut [f32]) {
    let blocks = rows.cols / GROUP;
    let fours = rows.bytes[first * rows.row_bytes..].chunks_exact(fours::ROWS * rows.row_bytes);
    for (four, out) in fours.zip(out.chunks_mut(fours::ROWS * m)) {
        for (tile, x) in x.chunks(TILE * blocks).enumerate() {
            let column = tile * TILE;
            match x.len() / blocks {
                1 => product::<F, 1>(x, four, blocks, m, &mut out[column..]),
                2 => product::<F, 2>(x, four, blocks, m, &mut out[column..]),
                3 => product::<F, 3>(x, four, blocks, m, &mut out[column..]),
                _ => product::<F, 4>(x, four, blocks, m, &mut out[column..]),
            }
        }
    }
}

/// Products of four rows with `M` rows of `x`; `out` has a row of `m` numbers for each of
/// the four that is there.
#[inline(always)]
fn product<F: Format, const M: usize>(
    x: &[Block],
    four: &[u8],
    blocks: usize,
    m: usize,
    out: &mut [f32],
) {
    let x: [&[Block]; M] = std::array::from_fn(|i| &x[i * blocks..][..blocks]);
    let mut totals = [f32x4::ZERO; M];
    let mut minima = [f32x4::ZERO; M];
    for (index, four) in four.chunks_exact(F::BYTES).enumerate() {
        let mut sums = [Sums::ZERO; M];
        F::add(four, x.map(|x| &x[index].quants), &mut sums);
        let scales = F::scales(four);
        for (i, sums) in sums.into_iter().enumerate() {
            totals[i] += sums.total() * (scales * f32x4::splat(x[i][index].scale));
        }
        if let Some(minimum) = F::minima(four) {
            for (x, minima) in x.iter().zip(&mut minima) {
                *minima += minimum * f32x4::splat(x[index].sum);
            }
        }
    }
    for (i, (total, minimum)) in totals.into_iter().zip(minima).enumerate() {
        let rows = (total + minimum).to_array();
        for (out, product) in out.chunks_mut(m).zip(rows) {
            out[i] = product;
        }
    }
}
