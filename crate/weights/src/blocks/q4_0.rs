//! `Q4_0`: `[d: f16][q: 16 bytes of two 4-bit values]`, `x = d * (q - 8)`.

use half::f16;

use super::{BLOCK, finite_f16, for_each_nibble, inverse, pack_nibbles};

const BYTES: usize = 2 + BLOCK / 2;

/// `None` where the scale overflows `f16`.
pub(super) fn quantize(block: &[f32; BLOCK]) -> Option<[u8; BYTES]> {
    // The element of largest magnitude, with its sign, becomes exactly -8 steps.
    let extreme = block
        .iter()
        .copied()
        .fold(0.0_f32, |m, x| if x.abs() > m.abs() { x } else { m });
    let scale = extreme / -8.0;
    let inverse = inverse(scale);
    let quants = block.map(|x| ((x * inverse + 8.5) as u8).min(15));
    let mut out = [0; BYTES];
    out[..2].copy_from_slice(&finite_f16(scale)?);
    out[2..].copy_from_slice(&pack_nibbles(quants));
    Some(out)
}

pub(super) fn dequantize(packed: &[u8; BYTES], block: &mut [f32; BLOCK]) {
    let scale = f16::from_le_bytes([packed[0], packed[1]]).to_f32();
    for_each_nibble(&packed[2..], |j, q| {
        block[j] = scale * (f32::from(q) - 8.0);
    });
}
