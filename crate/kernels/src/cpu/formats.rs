//! Blocks unpacked to `f32`, in loops that vectorise.

use flamingo_weights::TensorType;

/// Numbers unpacked at once: one block of the quantized types.
pub(super) const GROUP: usize = 32;

/// A way rows are packed, seen in groups of [`GROUP`] numbers.
pub(super) trait Format {
    /// Bytes of a group.
    const BYTES: usize;
    /// Unpacks one group of `BYTES` bytes.
    fn unpack(bytes: &[u8]) -> [f32; GROUP];
}

pub(super) struct F32;
pub(super) struct F16;
pub(super) struct Q8;
pub(super) struct Q4Zero;
pub(super) struct Q4One;

/// IEEE binary16 to binary32, exact, without a table and without branches.
#[inline(always)]
fn half(bits: [u8; 2]) -> f32 {
    let bits = u32::from(u16::from_le_bytes(bits));
    let sign = (bits & 0x8000) << 16;
    // The exponents' bias differs by 112; the product makes subnormal halves
    // normal. An exponent of all ones must stay all ones.
    let magnitude = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    let special = if bits & 0x7c00 == 0x7c00 {
        0x7f80_0000
    } else {
        0
    };
    f32::from_bits(magnitude.to_bits() | special | sign)
}

impl Format for F32 {
    const BYTES: usize = 4 * GROUP;

    #[inline(always)]
    fn unpack(bytes: &[u8]) -> [f32; GROUP] {
        let mut out = [0.0; GROUP];
        let (words, _) = bytes.as_chunks::<4>();
        for (out, &word) in out.iter_mut().zip(words) {
            *out = f32::from_le_bytes(word);
        }
        out
    }
}

impl Format for F16 {
    const BYTES: usize = 2 * GROUP;

    #[inline(always)]
    fn unpack(bytes: &[u8]) -> [f32; GROUP] {
        let mut out = [0.0; GROUP];
        let (halves, _) = bytes.as_chunks::<2>();
        for (out, &bits) in out.iter_mut().zip(halves) {
            *out = half(bits);
        }
        out
    }
}

/// Sixteen whole numbers as `f32`.
#[inline(always)]
fn widened(numbers: [i8; 16]) -> [f32; 16] {
    numbers.map(f32::from)
}

/// Both halves of a block, each number made of a quant by `number`.
#[inline(always)]
fn joined(low: [i8; 16], high: [i8; 16], number: impl Fn(f32) -> f32) -> [f32; GROUP] {
    let (low, high) = (widened(low), widened(high));
    let mut out = [0.0; GROUP];
    for i in 0..16 {
        out[i] = number(low[i]);
        out[i + 16] = number(high[i]);
    }
    out
}

/// The low and the high halves of sixteen bytes.
#[inline(always)]
fn nibbles(bytes: [u8; 16]) -> ([i8; 16], [i8; 16]) {
    (
        bytes.map(|byte| (byte & 15) as i8),
        bytes.map(|byte| (byte >> 4) as i8),
    )
}

/// Sixteen bytes from `start` on.
#[inline(always)]
fn sixteen(bytes: &[u8], start: usize) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&bytes[start..start + 16]);
    out
}

impl Format for Q8 {
    const BYTES: usize = 34;

    #[inline(always)]
    fn unpack(bytes: &[u8]) -> [f32; GROUP] {
        let scale = half([bytes[0], bytes[1]]);
        let low = sixteen(bytes, 2).map(|byte| byte as i8);
        let high = sixteen(bytes, 18).map(|byte| byte as i8);
        joined(low, high, |q| scale * q)
    }
}

impl Format for Q4Zero {
    const BYTES: usize = 18;

    #[inline(always)]
    fn unpack(bytes: &[u8]) -> [f32; GROUP] {
        let scale = half([bytes[0], bytes[1]]);
        let (low, high) = nibbles(sixteen(bytes, 2));
        joined(low.map(|q| q - 8), high.map(|q| q - 8), |q| scale * q)
    }
}

impl Format for Q4One {
    const BYTES: usize = 20;

    #[inline(always)]
    fn unpack(bytes: &[u8]) -> [f32; GROUP] {
        let scale = half([bytes[0], bytes[1]]);
        let minimum = half([bytes[2], bytes[3]]);
        let (low, high) = nibbles(sixteen(bytes, 4));
        joined(low, high, |q| scale * q + minimum)
    }
}

/// Calls `each(start, group, len)` for every group of a row of `cols` numbers;
/// the last one may hold fewer than [`GROUP`], padded with zeros.
#[inline(always)]
pub(super) fn for_each_group<F: Format>(
    row: &[u8],
    cols: usize,
    mut each: impl FnMut(usize, &[f32; GROUP], usize),
) {
    let mut groups = row.chunks_exact(F::BYTES);
    let mut start = 0;
    for bytes in &mut groups {
        each(start, &F::unpack(bytes), GROUP);
        start += GROUP;
    }
    let rest = groups.remainder();
    if !rest.is_empty() {
        // Only plain types have rows that are no multiple of a group.
        each(start, &F::unpack(rest), cols - start);
    }
}

#[inline(always)]
fn unpack_row_as<F: Format>(row: &[u8], out: &mut [f32]) {
    let cols = out.len();
    for_each_group::<F>(row, cols, |start, group, len| {
        out[start..start + len].copy_from_slice(&group[..len]);
    });
}

/// Unpacks one row.
#[inline(always)]
pub(super) fn unpack_row(tensor_type: TensorType, row: &[u8], out: &mut [f32]) {
    match tensor_type {
        TensorType::F32 => unpack_row_as::<F32>(row, out),
        TensorType::F16 => unpack_row_as::<F16>(row, out),
        TensorType::Q8_0 => unpack_row_as::<Q8>(row, out),
        TensorType::Q4_0 => unpack_row_as::<Q4Zero>(row, out),
        TensorType::Q4_1 => unpack_row_as::<Q4One>(row, out),
    }
}
