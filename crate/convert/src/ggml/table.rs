//! Types whose four bits are numbers of the entries of a table.

use super::{half_at, nibble, u16_at};

/// Entries of `IQ4_NL` and `IQ4_XS`: closer together around zero.
const NONLINEAR: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

/// Twice the values of a float of four bits: sign, two of exponent, one of mantissa.
const E2M1_DOUBLED: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// `[d: f16][q: 16 bytes of two 4-bit values]`.
pub(super) fn iq4_nl(bytes: &[u8; 18], values: &mut [f32; 32]) {
    look_up(&NONLINEAR, half_at(bytes, 0), &bytes[2..], values);
}

/// `[d: f16][8 × high 2 bits of a scale][8 × low 4 bits][q: 8 × 16 bytes]`.
pub(super) fn iq4_xs(bytes: &[u8; 136], values: &mut [f32; 256]) {
    let d = half_at(bytes, 0);
    let high = u16_at(bytes, 2);
    for (group, values) in values.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let top = ((high >> (2 * group)) & 3) as u8;
        let scale = nibble(&bytes[4..8], group) | (top << 4);
        let quants = &bytes[8 + 16 * group..][..16];
        look_up(&NONLINEAR, d * (f32::from(scale) - 32.0), quants, values);
    }
}

/// `[exponent: u8][q: 16 bytes of two 4-bit values]`.
pub(super) fn mxfp4(bytes: &[u8; 17], values: &mut [f32; 32]) {
    // Half of 2^(exponent - 127), as the table's entries are doubled.
    let bits = match bytes[0] {
        exponent @ 0..2 => 0x0020_0000 << exponent,
        exponent => u32::from(exponent - 1) << 23,
    };
    look_up(&E2M1_DOUBLED, f32::from_bits(bits), &bytes[1..], values);
}

/// `[4 × scale: a float of 8 bits without sign][q: 4 × 8 bytes of two 4-bit values]`.
pub(super) fn nvfp4(bytes: &[u8; 36], values: &mut [f32; 64]) {
    for (group, values) in values.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let scale = half_of_e4m3(bytes[group]);
        look_up(&E2M1_DOUBLED, scale, &bytes[4 + 8 * group..][..8], values);
    }
}

/// Half the value of four bits of exponent and three of mantissa, without sign.
fn half_of_e4m3(byte: u8) -> f32 {
    let exponent = i32::from((byte >> 3) & 15);
    let mantissa = f32::from(byte & 7);
    match (byte, exponent) {
        // No number, which no scale is.
        (0 | 0x7f, _) => 0.0,
        (_, 0) => mantissa * 2.0_f32.powi(-10),
        _ => (1.0 + mantissa / 8.0) * 2.0_f32.powi(exponent - 8),
    }
}

/// Entries by the four bits in `quants`, the low halves of all bytes first, times `scale`.
fn look_up(table: &[i8; 16], scale: f32, quants: &[u8], values: &mut [f32]) {
    let (low, high) = values.split_at_mut(quants.len());
    for ((byte, low), high) in quants.iter().zip(low).zip(high) {
        *low = scale * f32::from(table[usize::from(byte & 15)]);
        *high = scale * f32::from(table[usize::from(byte >> 4)]);
    }
}
