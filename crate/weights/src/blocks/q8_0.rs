//! `Q8_0`: `[d: f16][q: i8; 32]`, `x = d * q`.

use half::f16;

use super::{BLOCK, finite_f16, inverse};

const BYTES: usize = 2 + BLOCK;

/// `None` where the scale overflows `f16`.
pub(super) fn quantize(block: &[f32; BLOCK]) -> Option<[u8; BYTES]> {
    let largest = block.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
    let scale = largest / 127.0;
    let inverse = inverse(scale);
    let mut out = [0; BYTES];
    out[..2].copy_from_slice(&finite_f16(scale)?);
    for (byte, x) in out[2..].iter_mut().zip(block) {
        // `round` rounds halves away from zero, as C's `roundf` does.
        *byte = ((x * inverse).round() as i8).cast_unsigned();
    }
    Some(out)
}

pub(super) fn dequantize(packed: &[u8; BYTES], block: &mut [f32; BLOCK]) {
    let scale = f16::from_le_bytes([packed[0], packed[1]]).to_f32();
    for (x, byte) in block.iter_mut().zip(&packed[2..]) {
        *x = f32::from(byte.cast_signed()) * scale;
    }
}
