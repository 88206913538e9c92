//! Products of packed blocks with few rows of activations, which are read as fixed-point
//! numbers.
//!
//! Every 32 activations become whole numbers of 31 bits with a power of two in common, in two
//! parts of 16 and 15 bits. A block's quants meet each part in whole numbers, so that a weight
//! is widened to 16 bits instead of becoming an `f32`, which takes most of the time of a
//! product of `f32`. Sums of a block are exact; what a fixed point cuts off is less than what
//! `f32` would round.

use flamingo_weights::TensorType;
use multiversion::multiversion;
use wide::{f32x4, i16x8, i32x4};

use super::formats::{Blocks, GROUP, Q4One, Q4Zero, Q8};
use super::linear::Rows;

/// Bits of a number behind its point; the largest of 32 fills them.
const BITS: i32 = 30;
/// Bits of the lower of a number's two parts, which has no sign.
const LOW_BITS: i32 = 15;

/// Smallest exponent of the largest of 32 activations: digits beyond 2^-80 are lost. The least
/// scale that a half can be, times such a digit, is then no subnormal number, which processors
/// multiply slowly.
const SMALLEST_EXPONENT: i32 = BITS - 80;

/// 32 activations: `step * (2^15 * high + low)`.
#[derive(Clone, Copy)]
pub(super) struct Block {
    high: [i16x8; 4],
    low: [i16x8; 4],
    /// A power of two; NaN where an activation is not finite.
    step: f32,
    /// Sum of the activations: what a block's minimum is multiplied by.
    sum: f32,
}

impl Block {
    #[inline(always)]
    fn of(x: &[f32; GROUP]) -> Self {
        let mut largest = 0.0_f32;
        let mut finite = true;
        for x in x {
            largest = largest.max(x.abs());
            finite &= x.is_finite();
        }
        // The largest is less than 2^exponent.
        let exponent = (largest.to_bits() >> 23) as i32 - 126;
        let exponent = exponent.max(SMALLEST_EXPONENT);
        let inverse = power_of_two(BITS - exponent);
        let step = match finite {
            true => power_of_two(exponent - BITS),
            false => f32::NAN,
        };
        let mut high = [0; GROUP];
        let mut low = [0; GROUP];
        let mut sum = 0_i64;
        for (i, x) in x.iter().enumerate() {
            let number = (x * inverse) as i32;
            high[i] = (number >> LOW_BITS) as i16;
            low[i] = (number & ((1 << LOW_BITS) - 1)) as i16;
            sum += i64::from(number);
        }
        Self {
            high: bytemuck::cast(high),
            low: bytemuck::cast(low),
            step,
            sum: sum as f32 * step,
        }
    }
}

/// 2^exponent, which is a normal number.
#[inline(always)]
fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

/// Rows of whole groups, group by group.
pub(super) fn blocks_of(x: &[f32]) -> Vec<Block> {
    let (groups, _) = x.as_chunks::<GROUP>();
    groups.iter().map(Block::of).collect()
}

/// Products of the weight rows from `first` on with all `m` rows of `x`: `out` is
/// `[weight rows, m]`. The type of the weights has blocks.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub(super) fn products(x: &[Block], rows: Rows<'_>, first: usize, m: usize, out: &mut [f32]) {
    match rows.tensor_type {
        TensorType::F32 | TensorType::F16 => unreachable!("invariant: the type has blocks"),
        TensorType::Q8_0 => products_of::<Q8>(x, rows, first, m, out),
        TensorType::Q4_0 => products_of::<Q4Zero>(x, rows, first, m, out),
        TensorType::Q4_1 => products_of::<Q4One>(x, rows, first, m, out),
    }
}

#[inline(always)]
fn products_of<F: Blocks>(x: &[Block], rows: Rows<'_>, first: usize, m: usize, out: &mut [f32]) {
    let blocks = rows.cols / GROUP;
    for (row, out) in rows.from(first).zip(out.chunks_exact_mut(m)) {
        let (mut x, mut out) = (x, out);
        loop {
            let done = match out.len() {
                0 => break,
                1 => product::<F, 1>(x, row, blocks, out),
                2 | 3 => product::<F, 2>(x, row, blocks, out),
                _ => product::<F, 4>(x, row, blocks, out),
            };
            x = &x[done * blocks..];
            out = &mut out[done..];
        }
    }
}

/// Products of a weight row with the first `M` rows of `x`, which share one widening of each
/// block. Returns `M`.
#[inline(always)]
fn product<F: Blocks, const M: usize>(
    x: &[Block],
    row: &[u8],
    blocks: usize,
    out: &mut [f32],
) -> usize {
    let x: [&[Block]; M] = std::array::from_fn(|i| &x[i * blocks..][..blocks]);
    let mut sums = [f32x4::ZERO; M];
    let mut minima = [0.0; M];
    for (index, bytes) in row.chunks_exact(F::BYTES).enumerate() {
        let quants = F::quants(bytes);
        let scale = F::scale(bytes);
        for (x, sums) in x.iter().zip(&mut sums) {
            let x = &x[index];
            let high = sum_of_products(&quants, &x.high).round_float();
            let low = sum_of_products(&quants, &x.low).round_float();
            let both = high * f32x4::splat((1 << LOW_BITS) as f32) + low;
            *sums += both * f32x4::splat(scale * x.step);
        }
        if let Some(minimum) = F::minimum(bytes) {
            for (x, minima) in x.iter().zip(&mut minima) {
                *minima += minimum * x[index].sum;
            }
        }
    }
    for (out, (sums, minimum)) in out.iter_mut().zip(sums.into_iter().zip(minima)) {
        let [a, b, c, d] = sums.to_array();
        *out = ((a + c) + (b + d)) + minimum;
    }
    M
}

/// Four of the 32 products a lane: less than 2^31, as quants are of eight bits.
#[inline(always)]
fn sum_of_products(quants: &[i16x8; 4], x: &[i16x8; 4]) -> i32x4 {
    let [a, b, c, d] = quants;
    (a.dot(x[0]) + b.dot(x[1])) + (c.dot(x[2]) + d.dot(x[3]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number that a block has in the place of activation `i`.
    fn number(block: &Block, i: usize) -> f64 {
        let high: [i16; GROUP] = bytemuck::cast(block.high);
        let low: [i16; GROUP] = bytemuck::cast(block.low);
        f64::from(block.step) * (f64::from(high[i]) * 32768.0 + f64::from(low[i]))
    }

    #[test]
    fn activations_keep_their_digits() {
        let mut state = 1_u32;
        for scale in [1.0, 1e-12, 3e30, f32::MAX] {
            let x: [f32; GROUP] = std::array::from_fn(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state as i32 as f32 / 2_147_483_648.0) * scale
            });
            let largest = x.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
            let block = Block::of(&x);
            for (i, &x) in x.iter().enumerate() {
                let error = (number(&block, i) - f64::from(x)).abs();
                assert!(
                    error <= f64::from(largest) / f64::from(1 << 30),
                    "{x}: {error}"
                );
            }
            let sum: f64 = x.iter().map(|&x| f64::from(x)).sum();
            let error = (f64::from(block.sum) - sum).abs();
            assert!(error <= 1e-6 * 32.0 * f64::from(largest), "{sum}: {error}");
        }
    }

    #[test]
    fn zeros_and_the_smallest_numbers_stay_small() {
        for x in [0.0, f32::from_bits(1), f32::MIN_POSITIVE] {
            let block = Block::of(&[x; GROUP]);
            let error = (number(&block, 7) - f64::from(x)).abs();
            assert!(error <= 2_f64.powi(-80), "{x}: {error}");
        }
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x = [1.0; GROUP];
            x[31] = bad;
            let block = Block::of(&x);
            assert!(block.step.is_nan() && block.sum.is_nan(), "{bad}");
        }
    }
}
