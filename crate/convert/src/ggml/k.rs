//! The K types: blocks of 256 whose groups of 16 or 32 have scales of 4 to 8 bits.

use super::half_at;

/// `[16 × (scale, minimum): 4 bits each][q: 2 bits][d: f16][dmin: f16]`.
pub(super) fn q2(bytes: &[u8; 84], values: &mut [f32; 256]) {
    let (scales, quants) = (&bytes[..16], &bytes[16..80]);
    let (d, dmin) = (half_at(bytes, 80), half_at(bytes, 82));
    for (i, value) in values.iter_mut().enumerate() {
        let scale = scales[i / 16];
        let step = d * f32::from(scale & 15);
        let least = dmin * f32::from(scale >> 4);
        *value = step * f32::from(two_bits(quants, i)) - least;
    }
}

/// `[third bits, inverted][q: 2 bits][16 scales of 6 bits][d: f16]`.
pub(super) fn q3(bytes: &[u8; 110], values: &mut [f32; 256]) {
    let (high, quants, scales) = (&bytes[..32], &bytes[32..96], &bytes[96..108]);
    let d = half_at(bytes, 108);
    for (i, value) in values.iter_mut().enumerate() {
        let group = i / 16;
        let low = (scales[group % 8] >> (4 * (group / 8))) & 15;
        let top = (scales[8 + group % 4] >> (2 * (group / 4))) & 3;
        let step = d * (f32::from(low | (top << 4)) - 32.0);
        let is_high = (high[i % 32] >> (i / 32)) & 1;
        let offset = if is_high == 1 { 0.0 } else { 4.0 };
        *value = step * (f32::from(two_bits(quants, i)) - offset);
    }
}

/// `[d: f16][dmin: f16][8 × (scale, minimum): 6 bits each][q: 4 bits]`.
pub(super) fn q4(bytes: &[u8; 144], values: &mut [f32; 256]) {
    let (d, dmin) = (half_at(bytes, 0), half_at(bytes, 2));
    for (i, value) in values.iter_mut().enumerate() {
        let (scale, least) = scale_and_minimum(&bytes[4..16], i / 32);
        *value = d * scale * f32::from(four_bits(&bytes[16..], i)) - dmin * least;
    }
}

/// `[d: f16][dmin: f16][8 × (scale, minimum): 6 bits each][fifth bits][q: 4 bits]`.
pub(super) fn q5(bytes: &[u8; 176], values: &mut [f32; 256]) {
    let (d, dmin) = (half_at(bytes, 0), half_at(bytes, 2));
    let high = &bytes[16..48];
    for (i, value) in values.iter_mut().enumerate() {
        let (scale, least) = scale_and_minimum(&bytes[4..16], i / 32);
        let fifth = (high[i % 32] >> (i / 32)) & 1;
        let quant = four_bits(&bytes[48..], i) | (fifth << 4);
        *value = d * scale * f32::from(quant) - dmin * least;
    }
}

/// `[q: low 4 bits][q: high 2 bits][16 scales: i8][d: f16]`.
pub(super) fn q6(bytes: &[u8; 210], values: &mut [f32; 256]) {
    let (low, high, scales) = (&bytes[..128], &bytes[128..192], &bytes[192..208]);
    let d = half_at(bytes, 208);
    for (i, value) in values.iter_mut().enumerate() {
        // Half a block has 64 bytes: their low halves first, then their high halves.
        let (half, within) = (i / 128, i % 128);
        let nibble = (low[half * 64 + within % 64] >> (4 * (within / 64))) & 15;
        let quant = nibble | (two_bits(high, i) << 4);
        let step = d * f32::from(scales[i / 16].cast_signed());
        *value = step * (f32::from(quant) - 32.0);
    }
}

/// Element `i` of two bits: a half of the block has 32 bytes, whose lowest bits come
/// first.
fn two_bits(quants: &[u8], i: usize) -> u8 {
    let (half, within) = (i / 128, i % 128);
    (quants[half * 32 + within % 32] >> (2 * (within / 32))) & 3
}

/// Element `i` of four bits: 64 elements have 32 bytes, whose low halves come first.
fn four_bits(quants: &[u8], i: usize) -> u8 {
    let (pair, within) = (i / 64, i % 64);
    (quants[pair * 32 + within % 32] >> (4 * (within / 32))) & 15
}

/// Scale and minimum of the group `group` of 8, six bits each in 12 bytes: those of the
/// first four groups lie in the low bits of the first eight bytes, the others' low four
/// bits in the last four and their high two above the first ones.
fn scale_and_minimum(packed: &[u8], group: usize) -> (f32, f32) {
    let (scale, least) = match group {
        0..4 => (packed[group] & 63, packed[group + 4] & 63),
        _ => (
            (packed[group + 4] & 15) | ((packed[group - 4] >> 6) << 4),
            (packed[group + 4] >> 4) | ((packed[group] >> 6) << 4),
        ),
    };
    (f32::from(scale), f32::from(least))
}
