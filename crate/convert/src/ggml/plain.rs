//! Single elements, and blocks of 32 with five bits an element.

use half::bf16;

use super::{half_at, u32_at};

pub(super) fn bf16(bytes: &[u8; 2], value: &mut [f32; 1]) {
    value[0] = bf16::from_le_bytes(*bytes).to_f32();
}

pub(super) fn f64(bytes: &[u8; 8], value: &mut [f32; 1]) {
    value[0] = f64::from_le_bytes(*bytes) as f32;
}

pub(super) fn i8(bytes: &[u8; 1], value: &mut [f32; 1]) {
    value[0] = f32::from(i8::from_le_bytes(*bytes));
}

pub(super) fn i16(bytes: &[u8; 2], value: &mut [f32; 1]) {
    value[0] = f32::from(i16::from_le_bytes(*bytes));
}

pub(super) fn i32(bytes: &[u8; 4], value: &mut [f32; 1]) {
    value[0] = i32::from_le_bytes(*bytes) as f32;
}

pub(super) fn i64(bytes: &[u8; 8], value: &mut [f32; 1]) {
    value[0] = i64::from_le_bytes(*bytes) as f32;
}

/// `[d: f16][fifth bits: u32][q: 16 bytes of two 4-bit values]`, `x = d * (q - 16)`.
pub(super) fn q5_0(bytes: &[u8; 22], values: &mut [f32; 32]) {
    let scale = half_at(bytes, 0);
    for (j, value) in values.iter_mut().enumerate() {
        *value = scale * (five_bits(&bytes[2..], j) - 16.0);
    }
}

/// `[d: f16][m: f16][fifth bits: u32][q: 16 bytes of two 4-bit values]`, `x = d * q + m`.
pub(super) fn q5_1(bytes: &[u8; 24], values: &mut [f32; 32]) {
    let scale = half_at(bytes, 0);
    let least = half_at(bytes, 2);
    for (j, value) in values.iter_mut().enumerate() {
        *value = scale * five_bits(&bytes[4..], j) + least;
    }
}

/// Element `j` of the fifth bits and the nibbles behind them.
fn five_bits(bytes: &[u8], j: usize) -> f32 {
    let high = (u32_at(bytes, 0) >> j) & 1;
    let low = (bytes[4 + j % 16] >> (4 * (j / 16))) & 15;
    f32::from(low | ((high as u8) << 4))
}
