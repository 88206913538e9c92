//! Four lanes of whole numbers in WebAssembly. The module with threads, which no browser
//! without relaxed SIMD takes, multiplies bytes; the other widens them first. Both give the
//! same sums: nibbles are small enough for whatever a browser makes of the relaxed product.

use core::arch::wasm32::{
    f32x4_convert_i32x4, f32x4_mul, f32x4_splat, i16x8_extend_high_i8x16, i16x8_extend_low_i8x16,
    i32x4_add, i32x4_dot_i16x8, i32x4_load_extend_i16x4, i32x4_shl, i32x4_shuffle, i32x4_splat,
    u8x16_splat, u16x8_shr, v128, v128_and, v128_load, v128_load64_splat,
};

use wide::f32x4;

use super::GROUP;

/// The quants of a block of activations.
#[derive(Clone, Copy)]
pub(super) struct Quants {
    wide: [i16; GROUP],
    #[cfg(target_feature = "atomics")]
    bytes: [i8; GROUP],
}

impl Quants {
    pub(super) fn new(quants: [i16; GROUP]) -> Self {
        Self {
            wide: quants,
            #[cfg(target_feature = "atomics")]
            bytes: quants.map(|quant| quant as i8),
        }
    }
}

/// Sixteen quants of weights as bytes, four of each row.
#[derive(Clone, Copy)]
pub(super) struct Weights(v128);

/// Sums of products: two for each row of what was widened, one for each of what was not.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    first: v128,
    second: v128,
    #[cfg(target_feature = "atomics")]
    whole: v128,
}

impl Sums {
    pub(super) const ZERO: Self = {
        let zero = core::arch::wasm32::i32x4(0, 0, 0, 0);
        Self {
            first: zero,
            second: zero,
            #[cfg(target_feature = "atomics")]
            whole: zero,
        }
    };

    #[cfg(target_feature = "atomics")]
    #[inline(always)]
    pub(super) fn add_nibbles(&mut self, weights: Weights, x: &Quants, word: usize) {
        use core::arch::wasm32::{i32x4_relaxed_dot_i8x16_i7x16_add, v128_load32_splat};
        // SAFETY: four bytes from a word's beginning on lie in the block.
        let x = unsafe { v128_load32_splat(x.bytes[4 * word..][..4].as_ptr().cast()) };
        self.whole = i32x4_relaxed_dot_i8x16_i7x16_add(x, weights.0, self.whole);
    }

    #[cfg(not(target_feature = "atomics"))]
    #[inline(always)]
    pub(super) fn add_nibbles(&mut self, weights: Weights, x: &Quants, word: usize) {
        self.add_signed(weights, x, word);
    }

    #[inline(always)]
    pub(super) fn add_signed(&mut self, weights: Weights, x: &Quants, word: usize) {
        // SAFETY: four numbers from a word's beginning on lie in the block.
        let x = unsafe { v128_load64_splat(x.wide[4 * word..][..4].as_ptr().cast()) };
        let low = i32x4_dot_i16x8(i16x8_extend_low_i8x16(weights.0), x);
        let high = i32x4_dot_i16x8(i16x8_extend_high_i8x16(weights.0), x);
        self.first = i32x4_add(self.first, low);
        self.second = i32x4_add(self.second, high);
    }

    /// One for each row.
    #[inline(always)]
    pub(super) fn total(self) -> f32x4 {
        let even = i32x4_shuffle::<0, 2, 4, 6>(self.first, self.second);
        let odd = i32x4_shuffle::<1, 3, 5, 7>(self.first, self.second);
        let total = i32x4_add(even, odd);
        #[cfg(target_feature = "atomics")]
        let total = i32x4_add(total, self.whole);
        numbers(f32x4_convert_i32x4(total))
    }
}

#[inline(always)]
fn numbers(lanes: v128) -> f32x4 {
    // SAFETY: both are 16 bytes, of which any are four numbers.
    unsafe { core::mem::transmute(lanes) }
}

/// The low and the high halves of sixteen bytes.
#[inline(always)]
pub(super) fn nibbles(bytes: &[u8; 16]) -> (Weights, Weights) {
    let low = u8x16_splat(15);
    let Weights(both) = signed(bytes);
    let high = v128_and(u16x8_shr(both, 4), low);
    (Weights(v128_and(both, low)), Weights(high))
}

/// Sixteen signed bytes.
#[inline(always)]
pub(super) fn signed(bytes: &[u8; 16]) -> Weights {
    // SAFETY: sixteen bytes are there; nothing need be aligned.
    Weights(unsafe { v128_load(bytes.as_ptr().cast()) })
}

/// Four halves, none of them infinite.
#[inline(always)]
pub(super) fn halves(bytes: &[u8; 8]) -> f32x4 {
    // SAFETY: eight bytes are there; nothing need be aligned.
    let bits = i32x4_shl(
        unsafe { i32x4_load_extend_i16x4(bytes.as_ptr().cast()) },
        13,
    );
    // The bits of the sign fill those above the exponent.
    let bits = v128_and(bits, i32x4_splat(0x8fff_ffff_u32 as i32));
    numbers(f32x4_mul(bits, f32x4_splat(f32::from_bits(0x7780_0000))))
}
