//! Blocks unpacked to `f32`, in loops that vectorise.

use flamingo_weights::TensorType;
use wide::{f32x4, f32x8, i8x16, i16x8, i16x16, i32x8, u8x16};

/// Numbers unpacked at once: one block of the quantized types.
pub(super) const GROUP: usize = 32;

/// A way rows are packed, seen in groups of [`GROUP`] numbers.
pub(super) trait Format {
    /// Bytes of a group.
    const BYTES: usize;

    /// Unpacks one group of `BYTES` bytes, or of fewer at the end of a row.
    fn lanes(bytes: &[u8]) -> [f32x8; 4];

    /// The same as numbers.
    #[inline(always)]
    fn unpack(bytes: &[u8]) -> [f32; GROUP] {
        bytemuck::cast(Self::lanes(bytes).map(f32x8::to_array))
    }
}

/// A [`Format`] of blocks: `scale * quants + minimum`.
pub(super) trait Blocks: Format {
    /// The quants in order: whole numbers from -128 to 127.
    fn quants(bytes: &[u8]) -> [i16x8; 4];

    /// The factor of the quants, with which every block begins.
    #[inline(always)]
    fn scale(bytes: &[u8]) -> f32 {
        half_at(bytes, 0)
    }

    /// The minimum, added to each; none if the format has none.
    #[inline(always)]
    fn minimum(_: &[u8]) -> Option<f32> {
        None
    }
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

/// Numbers in order, as lanes.
#[inline(always)]
fn in_lanes(numbers: [f32; GROUP]) -> [f32x8; 4] {
    let quarters: [[f32; 8]; 4] = bytemuck::cast(numbers);
    quarters.map(f32x8::new)
}

impl Format for F32 {
    const BYTES: usize = 4 * GROUP;

    #[inline(always)]
    fn lanes(bytes: &[u8]) -> [f32x8; 4] {
        let mut out = [0.0; GROUP];
        let (words, _) = bytes.as_chunks::<4>();
        for (out, &word) in out.iter_mut().zip(words) {
            *out = f32::from_le_bytes(word);
        }
        in_lanes(out)
    }
}

impl Format for F16 {
    const BYTES: usize = 2 * GROUP;

    #[inline(always)]
    fn lanes(bytes: &[u8]) -> [f32x8; 4] {
        let mut out = [0.0; GROUP];
        let (halves, _) = bytes.as_chunks::<2>();
        for (out, &bits) in out.iter_mut().zip(halves) {
            *out = half(bits);
        }
        in_lanes(out)
    }
}

/// Two times sixteen whole numbers, in four parts.
#[inline(always)]
fn quarters(low: i16x16, high: i16x16) -> [i16x8; 4] {
    bytemuck::cast([low, high])
}

/// The half that stands at `start`.
#[inline(always)]
fn half_at(bytes: &[u8], start: usize) -> f32 {
    half([bytes[start], bytes[start + 1]])
}

/// Sixteen signed bytes, from `start` on.
#[inline(always)]
fn signed_bytes(bytes: &[u8], start: usize) -> i16x16 {
    i16x16::from(i8x16::new(sixteen(bytes, start).map(|byte| byte as i8)))
}

/// The low and the high halves of sixteen bytes, from `start` on.
#[inline(always)]
fn nibbles(bytes: &[u8], start: usize) -> (i16x16, i16x16) {
    let both = i16x16::from(u8x16::new(sixteen(bytes, start)));
    (both & i16x16::splat(15), both >> 4)
}

/// Sixteen bytes from `start` on.
#[inline(always)]
fn sixteen(bytes: &[u8], start: usize) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&bytes[start..start + 16]);
    out
}

/// The numbers of a block.
#[inline(always)]
fn numbers<F: Blocks>(bytes: &[u8]) -> [f32x8; 4] {
    let scale = f32x8::splat(F::scale(bytes));
    let numbers = F::quants(bytes).map(|quants| scale * i32x8::from(quants).round_float());
    match F::minimum(bytes) {
        None => numbers,
        Some(minimum) => numbers.map(|number| number + f32x8::splat(minimum)),
    }
}

impl Format for Q8 {
    const BYTES: usize = 34;

    #[inline(always)]
    fn lanes(bytes: &[u8]) -> [f32x8; 4] {
        numbers::<Self>(bytes)
    }
}

impl Blocks for Q8 {
    #[inline(always)]
    fn quants(bytes: &[u8]) -> [i16x8; 4] {
        quarters(signed_bytes(bytes, 2), signed_bytes(bytes, 18))
    }
}

impl Format for Q4Zero {
    const BYTES: usize = 18;

    #[inline(always)]
    fn lanes(bytes: &[u8]) -> [f32x8; 4] {
        numbers::<Self>(bytes)
    }
}

impl Blocks for Q4Zero {
    #[inline(always)]
    fn quants(bytes: &[u8]) -> [i16x8; 4] {
        let (low, high) = nibbles(bytes, 2);
        let eight = i16x16::splat(8);
        quarters(low - eight, high - eight)
    }
}

impl Format for Q4One {
    const BYTES: usize = 20;

    #[inline(always)]
    fn lanes(bytes: &[u8]) -> [f32x8; 4] {
        numbers::<Self>(bytes)
    }
}

impl Blocks for Q4One {
    #[inline(always)]
    fn quants(bytes: &[u8]) -> [i16x8; 4] {
        let (low, high) = nibbles(bytes, 4);
        quarters(low, high)
    }

    #[inline(always)]
    fn minimum(bytes: &[u8]) -> Option<f32> {
        Some(half_at(bytes, 2))
    }
}

#[inline(always)]
fn unpack_row_as<F: Format>(row: &[u8], out: &mut [f32]) {
    // The last group may hold fewer numbers: only plain types have such rows.
    for (bytes, out) in row.chunks(F::BYTES).zip(out.chunks_mut(GROUP)) {
        out.copy_from_slice(&F::unpack(bytes)[..out.len()]);
    }
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

/// Unpacks four rows side by side: number `i` of row `r` goes to place `i * stride + r`.
#[inline(always)]
pub(super) fn unpack_four(
    tensor_type: TensorType,
    rows: [&[u8]; 4],
    stride: usize,
    out: &mut [f32],
) {
    match tensor_type {
        TensorType::F32 => unpack_four_as::<F32>(rows, stride, out),
        TensorType::F16 => unpack_four_as::<F16>(rows, stride, out),
        TensorType::Q8_0 => unpack_four_as::<Q8>(rows, stride, out),
        TensorType::Q4_0 => unpack_four_as::<Q4Zero>(rows, stride, out),
        TensorType::Q4_1 => unpack_four_as::<Q4One>(rows, stride, out),
    }
}

#[inline(always)]
fn unpack_four_as<F: Format>(rows: [&[u8]; 4], stride: usize, out: &mut [f32]) {
    let [a, b, c, d] = rows.map(|row| row.chunks(F::BYTES));
    let groups = a.zip(b).zip(c.zip(d));
    for (((a, b), (c, d)), out) in groups.zip(out.chunks_mut(GROUP * stride)) {
        let [a, b, c, d]: [[f32x4; GROUP / 4]; 4] = [
            bytemuck::cast(F::lanes(a)),
            bytemuck::cast(F::lanes(b)),
            bytemuck::cast(F::lanes(c)),
            bytemuck::cast(F::lanes(d)),
        ];
        for (i, out) in out.chunks_mut(4 * stride).enumerate() {
            store_columns([a[i], b[i], c[i], d[i]], stride, out);
        }
    }
}

/// Four numbers of each of four rows as columns: `stride` apart, as many as fit `out`.
#[inline(always)]
pub(super) fn store_columns(rows: [f32x4; 4], stride: usize, out: &mut [f32]) {
    for (column, out) in f32x4::transpose(rows).iter().zip(out.chunks_mut(stride)) {
        out[..4].copy_from_slice(column.as_array());
    }
}
