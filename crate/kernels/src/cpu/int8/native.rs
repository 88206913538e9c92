//! Four lanes of whole numbers, in instructions that every processor has.

use wide::{f32x4, i16x16, i32x8};

use super::GROUP;

/// The quants of a block of activations, each word of four as often as there are lanes.
#[derive(Clone, Copy)]
pub(super) struct Quants([i16x16; super::WORDS]);

impl Quants {
    pub(super) fn new(quants: [i16; GROUP]) -> Self {
        let (words, _) = quants.as_chunks::<4>();
        let words: [[i16; 4]; super::WORDS] = std::array::from_fn(|word| words[word]);
        Self(words.map(|word| bytemuck::cast([word; 4])))
    }
}

/// Sixteen quants of weights, four of each row.
#[derive(Clone, Copy)]
pub(super) struct Weights(i16x16);

/// Sums of products, two for each row.
#[derive(Clone, Copy)]
pub(super) struct Sums(i32x8);

impl Sums {
    pub(super) const ZERO: Self = Self(i32x8::ZERO);

    #[inline(always)]
    pub(super) fn add_nibbles(&mut self, weights: Weights, x: &Quants, word: usize) {
        self.add_signed(weights, x, word);
    }

    #[inline(always)]
    pub(super) fn add_signed(&mut self, weights: Weights, x: &Quants, word: usize) {
        self.0 += weights.0.dot(x.0[word]);
    }

    /// One for each row.
    #[inline(always)]
    pub(super) fn total(self) -> f32x4 {
        let [a, b, c, d, e, f, g, h] = self.0.to_array();
        f32x4::new([a + b, c + d, e + f, g + h].map(|sum| sum as f32))
    }
}

/// The low and the high halves of sixteen bytes.
#[inline(always)]
pub(super) fn nibbles(bytes: &[u8; 16]) -> (Weights, Weights) {
    let both = i16x16::new(bytes.map(i16::from));
    (Weights(both & i16x16::splat(15)), Weights(both >> 4))
}

/// Sixteen signed bytes.
#[inline(always)]
pub(super) fn signed(bytes: &[u8; 16]) -> Weights {
    Weights(i16x16::new(bytes.map(|byte| i16::from(byte as i8))))
}

/// Four halves, none of them infinite.
#[inline(always)]
pub(super) fn halves(bytes: &[u8; 8]) -> f32x4 {
    let (halves, _) = bytes.as_chunks::<2>();
    f32x4::new(std::array::from_fn(|i| {
        let bits = i32::from(i16::from_le_bytes(halves[i])) << 13;
        // The bits of the sign fill those above the exponent.
        f32::from_bits(bits as u32 & 0x8fff_ffff) * f32::from_bits(0x7780_0000)
    }))
}
