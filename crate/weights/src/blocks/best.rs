//! Rounding that searches the scale of each block which loses least.
//!
//! A block's quants follow from its scale, and the scale that fits them best follows from
//! the quants: the least squares of `x - d q` (or of `x - d q - m`). So each of a number
//! of first scales gives quants, those give a scale, and the one with the smallest
//! squared error is taken; the reference rounding where none is better.

use half::f16;

use super::{BLOCK, pack_nibbles, q4_0, q4_1, q8_0};

/// Adding and subtracting it rounds an `f32` of small magnitude to a whole number.
const ROUND: f32 = 12_582_912.0;

/// First scales of `Q4_0` are the element of largest magnitude divided by these: the end
/// of the range that it takes, a little beyond, and short of it.
const Q4_0_STEPS: [f32; 24] = [
    -6.0, -6.25, -6.5, -6.75, -7.0, -7.25, -7.5, -7.75, -8.0, -8.25, -8.5, -9.0, 5.5, 5.75, 6.0,
    6.25, 6.5, 6.75, 7.0, 7.25, 7.5, 7.75, 8.0, 8.5,
];

/// Ends of the range of `Q4_1` are moved inwards by these shares of it, each with each.
const Q4_1_MARGINS: [f32; 6] = [-0.04, 0.0, 0.03, 0.06, 0.1, 0.15];

/// How often a line is fitted to the quants of the one before, at most.
const FITS: usize = 4;

/// First scales of `Q8_0` are the largest magnitude divided by these.
const Q8_0_STEPS: [f32; 9] = [
    127.5, 127.0, 126.5, 126.0, 125.5, 125.0, 124.5, 124.0, 123.0,
];

/// Steps of `f16` around the best scale that are tried, as its own rounding moves all
/// elements.
const NEIGHBOURS: i32 = 2;

/// `Q4_0` with the scale that loses least; `None` where the reference has no form.
pub(super) fn q4_0(block: &[f32; BLOCK]) -> Option<[u8; 18]> {
    let reference = q4_0::quantize(block)?;
    let extreme = largest(block);
    let mut best = Best::new(block, reference, q4_0::dequantize);
    for scale in symmetric(block, extreme, &Q4_0_STEPS, -8.0, 7.0) {
        let quants = block.map(|x| ((x / scale.value).round().clamp(-8.0, 7.0) + 8.0) as u8);
        let mut packed = [0; 18];
        packed[..2].copy_from_slice(&scale.bytes);
        packed[2..].copy_from_slice(&pack_nibbles(quants));
        best.offer(packed);
    }
    Some(best.packed)
}

/// `Q8_0` with the scale that loses least; `None` where the reference has no form.
pub(super) fn q8_0(block: &[f32; BLOCK]) -> Option<[u8; 34]> {
    let reference = q8_0::quantize(block)?;
    let extreme = largest(block).abs();
    let mut best = Best::new(block, reference, q8_0::dequantize);
    // -128 is left out: products of `i8` in pairs could overflow with it.
    for scale in symmetric(block, extreme, &Q8_0_STEPS, -127.0, 127.0) {
        let mut packed = [0; 34];
        packed[..2].copy_from_slice(&scale.bytes);
        for (byte, x) in packed[2..].iter_mut().zip(block) {
            let quant = (x / scale.value).round().clamp(-127.0, 127.0);
            *byte = (quant as i8).cast_unsigned();
        }
        best.offer(packed);
    }
    Some(best.packed)
}

/// `Q4_1` with the scale and minimum that lose least; `None` where the reference has no
/// form.
pub(super) fn q4_1(block: &[f32; BLOCK]) -> Option<[u8; 20]> {
    let reference = q4_1::quantize(block)?;
    let mut best = Best::new(block, reference, q4_1::dequantize);
    let least = block.iter().copied().fold(f32::MAX, f32::min);
    let range = block.iter().copied().fold(f32::MIN, f32::max) - least;
    let mut found: Option<Line> = None;
    for low in Q4_1_MARGINS {
        for high in Q4_1_MARGINS {
            let first = Line {
                step: range * (1.0 - low - high) / 15.0,
                least: least + range * low,
                error: f32::INFINITY,
            };
            let line = first.fit(block);
            if let Some(line) = line
                && found.is_none_or(|found| line.error < found.error)
            {
                found = Some(line);
            }
        }
    }
    let Some(mut line) = found else {
        return Some(best.packed);
    };
    for _ in 1..FITS {
        match line.fit(block) {
            Some(better) if better.error < line.error => line = better,
            _ => break,
        }
    }
    for step in neighbours(line.step) {
        for least in neighbours(line.least) {
            let quants = block.map(|x| {
                let quant = (x - least.value) / step.value;
                quant.round().clamp(0.0, 15.0) as u8
            });
            let mut packed = [0; 20];
            packed[..2].copy_from_slice(&step.bytes);
            packed[2..4].copy_from_slice(&least.bytes);
            packed[4..].copy_from_slice(&pack_nibbles(quants));
            best.offer(packed);
        }
    }
    Some(best.packed)
}

/// The element of largest magnitude, with its sign.
fn largest(block: &[f32; BLOCK]) -> f32 {
    let larger = |m: f32, &x: &f32| if x.abs() > m.abs() { x } else { m };
    block.iter().fold(0.0, larger)
}

/// The scales to be tried for `x = d * q` with `q` from `low` to `high`, around the one
/// of least squares among those that begin with `extreme` divided by each of `steps`.
fn symmetric(
    block: &[f32; BLOCK],
    extreme: f32,
    steps: &[f32],
    low: f32,
    high: f32,
) -> impl Iterator<Item = Half> {
    let mut best = (0.0, 0.0);
    for step in steps {
        let inverse = step / extreme;
        if !inverse.is_finite() {
            continue;
        }
        let (mut products, mut squares) = (0.0_f32, 0.0_f32);
        for x in block {
            let quant = ((x * inverse).clamp(low, high) + ROUND) - ROUND;
            products += x * quant;
            squares += quant * quant;
        }
        // The squared error is that of zeros less this.
        let gain = products * products / squares;
        if gain > best.0 {
            best = (gain, products / squares);
        }
    }
    neighbours(best.1)
}

/// `x = step * q + least`, and its squared error.
#[derive(Clone, Copy)]
struct Line {
    step: f32,
    least: f32,
    error: f32,
}

impl Line {
    /// The line of least squares through the quants that this line gives; `None` where
    /// they are all the same.
    fn fit(self, block: &[f32; BLOCK]) -> Option<Self> {
        let inverse = 1.0 / self.step;
        if !inverse.is_finite() {
            return None;
        }
        let (mut q, mut qq, mut x, mut xq) = (0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32);
        // Elements as they lie above the minimum: the sums cancel less so.
        let mut xx = 0.0_f32;
        for value in block {
            let above = value - self.least;
            let quant = ((above * inverse).clamp(0.0, 15.0) + ROUND) - ROUND;
            q += quant;
            qq += quant * quant;
            x += above;
            xq += above * quant;
            xx += above * above;
        }
        let n = BLOCK as f32;
        let spread = n * qq - q * q;
        if spread <= 0.0 {
            return None;
        }
        let step = (n * xq - x * q) / spread;
        let offset = (x - step * q) / n;
        Some(Self {
            step,
            least: self.least + offset,
            error: xx - step * xq - offset * x,
        })
    }
}

/// A number as it is stored.
#[derive(Clone, Copy)]
struct Half {
    value: f32,
    bytes: [u8; 2],
}

/// The finite `f16` around `x` other than zero.
fn neighbours(x: f32) -> impl Iterator<Item = Half> {
    let bits = f16::from_f32(x).to_bits();
    (-NEIGHBOURS..=NEIGHBOURS).filter_map(move |step| {
        let near = f16::from_bits(u16::try_from(i32::from(bits) + step).ok()?);
        let is_usable = near.is_finite() && near != f16::ZERO;
        is_usable.then(|| Half {
            value: near.to_f32(),
            bytes: near.to_le_bytes(),
        })
    })
}

/// The packed block of smallest squared error so far.
struct Best<'a, const BYTES: usize> {
    block: &'a [f32; BLOCK],
    dequantize: fn(&[u8; BYTES], &mut [f32; BLOCK]),
    packed: [u8; BYTES],
    error: f32,
}

impl<'a, const BYTES: usize> Best<'a, BYTES> {
    fn new(
        block: &'a [f32; BLOCK],
        reference: [u8; BYTES],
        dequantize: fn(&[u8; BYTES], &mut [f32; BLOCK]),
    ) -> Self {
        let mut best = Self {
            block,
            dequantize,
            packed: reference,
            error: f32::INFINITY,
        };
        best.offer(reference);
        best
    }

    /// Takes `packed` where it loses less than what there is.
    fn offer(&mut self, packed: [u8; BYTES]) {
        let mut values = [0.0; BLOCK];
        (self.dequantize)(&packed, &mut values);
        let squares = self
            .block
            .iter()
            .zip(&values)
            .map(|(x, y)| (x - y) * (x - y));
        let error: f32 = squares.sum();
        if error < self.error {
            self.packed = packed;
            self.error = error;
        }
    }
}
