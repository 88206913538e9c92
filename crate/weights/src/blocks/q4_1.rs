//! `Q4_1`: `[d: f16][m: f16][q: 16 bytes of two 4-bit values]`, `x = d * q + m`.

use half::f16;

use super::{BLOCK, finite_f16, for_each_nibble, inverse, pack_nibbles};

const BYTES: usize = 4 + BLOCK / 2;

/// `None` where the scale or the minimum overflows `f16`.
pub(super) fn quantize(block: &[f32; BLOCK]) -> Option<[u8; BYTES]> {
    let least = block.iter().copied().fold(f32::MAX, f32::min);
    let largest = block.iter().copied().fold(f32::MIN, f32::max);
    let scale = (largest - least) / 15.0;
    let inverse = inverse(scale);
    let quants = block.map(|x| (((x - least) * inverse + 0.5) as u8).min(15));
    let mut out = [0; BYTES];
    out[..2].copy_from_slice(&finite_f16(scale)?);
    out[2..4].copy_from_slice(&finite_f16(least)?);
    out[4..].copy_from_slice(&pack_nibbles(quants));
    Some(out)
}

pub(super) fn dequantize(packed: &[u8; BYTES], block: &mut [f32; BLOCK]) {
    let scale = f16::from_le_bytes([packed[0], packed[1]]).to_f32();
    let least = f16::from_le_bytes([packed[2], packed[3]]).to_f32();
    for_each_nibble(&packed[4..], |j, q| {
        block[j] = scale * f32::from(q) + least;
    });
}
