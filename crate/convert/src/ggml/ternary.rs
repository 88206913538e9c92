//! Blocks of 256 elements that are -1, 0 or 1 times a scale.

use super::half_at;

/// Digits to base 3, five in a byte as a fraction of 256: times 3 and above 255, the next.
/// 32 bytes of five digits, 16 of five, 4 of four; the first digits of all bytes first.
/// Then `[d: f16]`.
pub(super) fn tq1_0(bytes: &[u8; 54], values: &mut [f32; 256]) {
    const POWERS: [u8; 5] = [1, 3, 9, 27, 81];
    let d = half_at(bytes, 52);
    for (i, value) in values.iter_mut().enumerate() {
        let (byte, digit) = match i {
            0..160 => (i % 32, i / 32),
            160..240 => (32 + (i - 160) % 16, (i - 160) / 16),
            _ => (48 + (i - 240) % 4, (i - 240) / 4),
        };
        let fraction = u16::from(bytes[byte].wrapping_mul(POWERS[digit]));
        *value = d * (f32::from((fraction * 3) >> 8) - 1.0);
    }
}

/// `[q: 2 bits][d: f16]`, `x = d * (q - 1)`.
pub(super) fn tq2_0(bytes: &[u8; 66], values: &mut [f32; 256]) {
    let d = half_at(bytes, 64);
    for (i, value) in values.iter_mut().enumerate() {
        let (half, within) = (i / 128, i % 128);
        let quant = (bytes[half * 32 + within % 32] >> (2 * (within / 32))) & 3;
        *value = d * (f32::from(quant) - 1.0);
    }
}
