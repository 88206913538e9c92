//! Types whose neighbouring elements are together a row of a grid: IQ1, IQ2, IQ3.
//!
//! Only the grids' rows, which somebody chose, are data (`grids.bin`, written by
//! `tests/parity/make_ggml.py`).

use half::f16;

use super::{half_at, nibble, u16_at, u32_at};

/// The rows of all grids, a `u16` each.
const ROWS: &[u8] = include_bytes!("grids.bin");

/// Some rows of [`ROWS`]: vectors of which each element is one of a few values.
struct Grid {
    /// Row of [`ROWS`] that is the first one.
    first: usize,
    /// Bits of an element.
    bits: usize,
    /// The value of each element.
    values: &'static [f32],
}

const TWO_BITS: &[f32] = &[8.0, 25.0, 43.0, 0.0];

const IQ2_XXS: Grid = Grid {
    first: 0,
    bits: 2,
    values: TWO_BITS,
};
const IQ2_XS: Grid = Grid {
    first: 256,
    bits: 2,
    values: TWO_BITS,
};
const IQ2_S: Grid = Grid {
    first: 768,
    bits: 2,
    values: TWO_BITS,
};
const IQ3_XXS: Grid = Grid {
    first: 1792,
    bits: 3,
    values: &[4.0, 12.0, 20.0, 28.0, 36.0, 44.0, 52.0, 62.0],
};
const IQ3_S: Grid = Grid {
    first: 2048,
    bits: 3,
    values: &[1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0],
};
const IQ1: Grid = Grid {
    first: 2560,
    bits: 2,
    values: &[-1.0, 0.0, 1.0, 0.0],
};

impl Grid {
    /// Element `place` of the row `row`.
    fn element(&self, row: usize, place: usize) -> f32 {
        let row = u16_at(ROWS, 2 * (self.first + row));
        let mask = self.values.len() - 1;
        self.values[usize::from(row >> (self.bits * place)) & mask]
    }

    /// Writes a row's elements, times `scale`, each negative where its bit of `signs` is
    /// set.
    fn signed(&self, row: usize, scale: f32, signs: u8, values: &mut [f32]) {
        for (place, value) in values.iter_mut().enumerate() {
            let sign = if (signs >> place) & 1 == 1 { -1.0 } else { 1.0 };
            *value = scale * self.element(row, place) * sign;
        }
    }

    /// Writes a row's elements, moved by `delta`, times `scale`.
    fn moved(&self, row: usize, scale: f32, delta: f32, values: &mut [f32]) {
        for (place, value) in values.iter_mut().enumerate() {
            *value = scale * (self.element(row, place) + delta);
        }
    }
}

/// The signs of eight elements in seven bits: the eighth makes the number of negative
/// ones even.
fn even_signs(seven: u32) -> u8 {
    let seven = (seven & 0x7f) as u8;
    seven | (((seven.count_ones() & 1) as u8) << 7)
}

/// `[d: f16][8 × (4 rows: u8, 4 × 7 signs and 4 bits of scale: u32)]`.
pub(super) fn iq2_xxs(bytes: &[u8; 66], values: &mut [f32; 256]) {
    let d = half_at(bytes, 0);
    for (entry, values) in values.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let (group, place) = (entry / 4, entry % 4);
        let row = bytes[2 + 8 * group + place];
        let rest = u32_at(bytes, 6 + 8 * group);
        let scale = d * (0.5 + (rest >> 28) as f32) * 0.25;
        let signs = even_signs(rest >> (7 * place));
        IQ2_XXS.signed(usize::from(row), scale, signs, values);
    }
}

/// `[d: f16][32 × (9 bits of row, 7 signs)][16 scales of 4 bits]`.
pub(super) fn iq2_xs(bytes: &[u8; 74], values: &mut [f32; 256]) {
    let d = half_at(bytes, 0);
    for (entry, values) in values.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let packed = u16_at(bytes, 2 + 2 * entry);
        let scale = d * (0.5 + f32::from(nibble(&bytes[66..], entry / 2))) * 0.25;
        let signs = even_signs(u32::from(packed >> 9));
        IQ2_XS.signed(usize::from(packed & 511), scale, signs, values);
    }
}

/// `[d: f16][32 rows: low 8 bits][32 × 8 signs][32 rows: high 2 bits][16 scales of 4 bits]`.
pub(super) fn iq2_s(bytes: &[u8; 82], values: &mut [f32; 256]) {
    let d = half_at(bytes, 0);
    for (entry, values) in values.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let high = (bytes[66 + entry / 4] >> (2 * (entry % 4))) & 3;
        let row = usize::from(bytes[2 + entry]) | (usize::from(high) << 8);
        let scale = d * (0.5 + f32::from(nibble(&bytes[74..], entry / 2))) * 0.25;
        IQ2_S.signed(row, scale, bytes[34 + entry], values);
    }
}

/// `[d: f16][64 rows: u8][8 × (4 × 7 signs and 4 bits of scale): u32]`.
pub(super) fn iq3_xxs(bytes: &[u8; 98], values: &mut [f32; 256]) {
    let d = half_at(bytes, 0);
    for (entry, values) in values.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let rest = u32_at(bytes, 66 + 4 * (entry / 8));
        let scale = d * (0.5 + (rest >> 28) as f32) * 0.5;
        let signs = even_signs(rest >> (7 * (entry / 2 % 4))) >> (4 * (entry % 2));
        IQ3_XXS.signed(usize::from(bytes[2 + entry]), scale, signs, values);
    }
}

/// `[d: f16][64 rows: low 8 bits][64 rows: ninth bit][32 × 8 signs][8 scales of 4 bits]`.
pub(super) fn iq3_s(bytes: &[u8; 110], values: &mut [f32; 256]) {
    let d = half_at(bytes, 0);
    for (entry, values) in values.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let ninth = (bytes[66 + entry / 8] >> (entry % 8)) & 1;
        let row = usize::from(bytes[2 + entry]) | (usize::from(ninth) << 8);
        let scale = d * (1.0 + 2.0 * f32::from(nibble(&bytes[106..], entry / 8)));
        let signs = bytes[74 + entry / 2] >> (4 * (entry % 2));
        IQ3_S.signed(row, scale, signs, values);
    }
}

/// How far the elements of `IQ1_S` and `IQ1_M` are moved off -1, 0 and 1.
const DELTA: f32 = 0.125;

/// `[d: f16][32 rows: low 8 bits][8 × (4 × high 3 bits of a row, 3 of scale, sign of delta)]`.
pub(super) fn iq1_s(bytes: &[u8; 50], values: &mut [f32; 256]) {
    let d = half_at(bytes, 0);
    for (entry, values) in values.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let high = u16_at(bytes, 34 + 2 * (entry / 4));
        let row = u16::from(bytes[2 + entry]) | (((high >> (3 * (entry % 4))) & 7) << 8);
        let scale = d * f32::from(2 * ((high >> 12) & 7) + 1);
        let delta = if high >> 15 == 1 { -DELTA } else { DELTA };
        IQ1.moved(usize::from(row), scale, delta, values);
    }
}

/// `[32 rows: low 8 bits][32 × (high 3 bits of a row, sign of delta)]
/// [4 × (4 scales of 3 bits, 4 bits of d)]`.
pub(super) fn iq1_m(bytes: &[u8; 56], values: &mut [f32; 256]) {
    let scales: [u16; 4] = std::array::from_fn(|part| u16_at(bytes, 48 + 2 * part));
    let bits = (0..4).fold(0, |bits, part| bits | ((scales[part] >> 12) << (4 * part)));
    let d = f16::from_bits(bits).to_f32();
    for (entry, values) in values.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let high = nibble(&bytes[32..48], entry);
        let row = usize::from(bytes[entry]) | (usize::from(high & 7) << 8);
        let group = entry / 2;
        let scale = (scales[group / 4] >> (3 * (group % 4))) & 7;
        let delta = if high >> 3 == 1 { -DELTA } else { DELTA };
        IQ1.moved(row, d * f32::from(2 * scale + 1), delta, values);
    }
}
