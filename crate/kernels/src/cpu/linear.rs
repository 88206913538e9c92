//! Matrix product with packed weights, in two ways.
//!
//! Few rows (decoding a token): each packed row is unpacked once, a group of 32
//! at a time, and multiplied on the fly, blocks in [fixed point](super::fixed_point); the
//! weights are read once.
//!
//! Many rows (prompts, images): 16 weight rows at a time are unpacked to a panel
//! that stays in the cache, and tiles of 4 × 16 results accumulate in registers.
//! Threads share the panels, and where there are very many rows these.
//!
//! All add in an order that depends on the sizes alone, not on the machine or
//! the number of threads.

use std::borrow::Cow;
use std::ops::Range;

use flamingo_weights::TensorType;
use multiversion::multiversion;
use wide::{f32x4, f32x8};

use super::fixed_point;
use super::formats::{self, F16, F32, Format, GROUP};
use super::fours;
use super::int8;
use super::math::{LANES, sum_lanes};
use super::pointwise::{activate, add_to};
use super::threads::for_each_chunk;
use crate::activation::{Activation, Scale};
use crate::kernels::LinearShape;

/// Up to so many activation rows, unpacking on the fly beats panels: a panel
/// costs as much as about this many products.
const FEW_ROWS: usize = 8;
/// Activation rows that share one unpacking.
const FUSED_ROWS: usize = 4;
/// Activation rows of a register tile.
const TILE_ROWS: usize = 4;
/// Weight rows of a panel: what a register tile is wide. Sixteen wasm or SSE
/// registers hold 4 × 8 sums with room to spare, AVX registers twice that.
const PANEL: usize = if cfg!(target_family = "wasm") { 8 } else { 16 };
/// Weight rows a thread takes at once where there are few activation rows.
const CHUNK: usize = 64;
/// From so many activation rows on, as the large grids of images have, threads share
/// these: there are few weights then, and many results to write.
const TALL: usize = 1024;
/// Activation rows a thread takes at once. What it multiplies stays in the cache.
const PART: usize = 64;
/// Numbers of the panels that are unpacked at once.
const PANEL_NUMBERS: usize = 1 << 18;

/// Packed weight rows.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) tensor_type: TensorType,
    pub(super) cols: usize,
    pub(super) row_bytes: usize,
    pub(super) bytes: &'a [u8],
    /// See [`super::fours`].
    pub(super) in_fours: bool,
}

impl<'a> Rows<'a> {
    /// The rows from `first` on, where they are not in fours.
    #[inline(always)]
    pub(super) fn from(self, first: usize) -> impl Iterator<Item = &'a [u8]> {
        self.bytes[first * self.row_bytes..].chunks_exact(self.row_bytes)
    }

    /// One row.
    fn row(self, index: usize) -> Cow<'a, [u8]> {
        match self.in_fours {
            true => fours::row(self.tensor_type, self.row_bytes, self.bytes, index).into(),
            false => self.bytes[index * self.row_bytes..][..self.row_bytes].into(),
        }
    }
}

/// What becomes of sums while they are in the cache.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Epilogue<'a> {
    /// `[n]`, added to every row.
    pub(super) bias: Option<&'a [f32]>,
    /// A function of every number.
    pub(super) activation: Option<Activation>,
    /// `x [m, n]` and a scale: `x + scale * sum`.
    pub(super) add_to: Option<(&'a [f32], Scale<'a, [f32]>)>,
}

impl Epilogue<'_> {
    /// Finishes the sums of one row from column `first` on. The row begins at `start` in
    /// the whole result.
    fn finish(self, sums: &mut [f32], start: usize, first: usize) {
        if let Some(bias) = self.bias {
            for (sum, bias) in sums.iter_mut().zip(&bias[first..]) {
                *sum += bias;
            }
        }
        if let Some(function) = self.activation {
            activate(sums, function);
        }
        if let Some((x, scale)) = self.add_to {
            add_to(&x[start + first..], scale, first, sums);
        }
    }
}

/// `x [m, k] · rows [n, k]ᵀ`, finished. Rows in fours meet activations rounded to bytes
/// where these are few: of many, unpacking is shared, and `f32` is faster.
pub(super) fn linear(
    x: &[f32],
    rows: Rows<'_>,
    epilogue: Epilogue<'_>,
    shape: LinearShape,
) -> Vec<f32> {
    if shape.m >= TALL {
        return by_activation_rows(x, rows, epilogue, shape);
    }
    if shape.m > FEW_ROWS {
        return by_panels(x, rows, epilogue, shape);
    }
    let mut out = if rows.in_fours {
        int8::linear(x, rows, shape)
    } else {
        few_rows(x, rows, shape)
    };
    for (row, sums) in out.chunks_exact_mut(shape.n).enumerate() {
        epilogue.finish(sums, row * shape.n, 0);
    }
    out
}

fn few_rows(x: &[f32], rows: Rows<'_>, shape: LinearShape) -> Vec<f32> {
    if fours::fit(rows.tensor_type) {
        let x = fixed_point::blocks_of(x);
        return by_weight_rows(shape, |first, out| {
            fixed_point::products(&x, rows, first, shape.m, out);
        });
    }
    by_weight_rows(shape, |first, out| fused(x, rows, first, shape.m, out))
}

/// `[m, n]` from parts `[weight rows, m]`, which `fill(first, part)` makes for the weight
/// rows from `first` on.
pub(super) fn by_weight_rows(
    shape: LinearShape,
    fill: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let LinearShape { m, n, k } = shape;
    // One row of the result for each weight row, so that a thread's part is in
    // one piece; turned around at the end.
    let mut turned = vec![0.0; m * n];
    for_each_chunk(&mut turned, CHUNK * m, m * n * k, |index, out| {
        fill(index * CHUNK, out);
    });
    if m == 1 {
        return turned;
    }
    let mut out = vec![0.0; m * n];
    for (column, results) in turned.chunks_exact(m).enumerate() {
        for (row, &result) in results.iter().enumerate() {
            out[row * n + column] = result;
        }
    }
    out
}

/// Products of the weight rows from `first` on with all `m` rows of `x`: `out`
/// is `[weight rows, m]`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn fused(x: &[f32], rows: Rows<'_>, first: usize, m: usize, out: &mut [f32]) {
    match rows.tensor_type {
        TensorType::F32 => fused_as::<F32>(x, rows, first, m, out),
        TensorType::F16 => fused_as::<F16>(x, rows, first, m, out),
        TensorType::Q8_0 | TensorType::Q4_0 | TensorType::Q4_1 => {
            unreachable!("invariant: blocks meet fixed-point numbers")
        }
    }
}

#[inline(always)]
fn fused_as<F: Format>(x: &[f32], rows: Rows<'_>, first: usize, m: usize, out: &mut [f32]) {
    for (row, out) in rows.from(first).zip(out.chunks_exact_mut(m)) {
        let x = x.chunks(FUSED_ROWS * rows.cols);
        for (x, out) in x.zip(out.chunks_mut(FUSED_ROWS)) {
            match out.len() {
                1 => fused_row::<F, 1>(x, row, rows.cols, out),
                2 => fused_row::<F, 2>(x, row, rows.cols, out),
                3 => fused_row::<F, 3>(x, row, rows.cols, out),
                _ => fused_row::<F, 4>(x, row, rows.cols, out),
            }
        }
    }
}

#[inline(always)]
fn fused_row<F: Format, const M: usize>(x: &[f32], row: &[u8], cols: usize, out: &mut [f32]) {
    let x: [&[f32]; M] = std::array::from_fn(|i| &x[i * cols..][..cols]);
    let mut sums = [f32x8::ZERO; M];
    // Loops, not closures: what is not inlined is compiled for the oldest machine.
    let mut groups = row.chunks_exact(F::BYTES);
    let mut start = 0;
    for bytes in &mut groups {
        let weights = F::lanes(bytes);
        for (x, sums) in x.iter().zip(&mut sums) {
            add_group(&x[start..start + GROUP], &weights, sums);
        }
        start += GROUP;
    }
    let rest = groups.remainder();
    if !rest.is_empty() {
        // Only plain types have rows that are no multiple of a group.
        let weights = F::lanes(rest);
        for (x, sums) in x.iter().zip(&mut sums) {
            let mut padded = [0.0; GROUP];
            padded[..cols - start].copy_from_slice(&x[start..]);
            add_group(&padded, &weights, sums);
        }
    }
    for (out, sums) in out.iter_mut().zip(sums) {
        *out = sum_lanes(sums.to_array());
    }
}

/// Adds the products of 32 numbers to 8 running sums, four products a lane.
#[inline(always)]
fn add_group(x: &[f32], weights: &[f32x8; 4], sums: &mut f32x8) {
    let (x, _) = x.as_chunks::<LANES>();
    let [a, b, c, d] = weights;
    let first = f32x8::new(x[0]) * *a + f32x8::new(x[1]) * *b;
    let second = f32x8::new(x[2]) * *c + f32x8::new(x[3]) * *d;
    *sums += first + second;
}

fn by_panels(x: &[f32], rows: Rows<'_>, epilogue: Epilogue<'_>, shape: LinearShape) -> Vec<f32> {
    let LinearShape { m, n, k } = shape;
    let tiles = interleave_tiles(x, k);
    let padded_m = m.next_multiple_of(TILE_ROWS);
    // One panel's results after the other, `[padded_m, PANEL]` each, so that a
    // thread's part is in one piece.
    let panels = n.div_ceil(PANEL);
    let mut by_panel = vec![0.0; panels * padded_m * PANEL];
    for_each_chunk(&mut by_panel, padded_m * PANEL, m * n * k, |index, out| {
        let first = index * PANEL;
        let mut panel = vec![0.0; k * PANEL];
        unpack_panel(rows, first..n.min(first + PANEL), &mut panel);
        let columns = Columns {
            first: 0,
            end: PANEL,
            width: PANEL,
        };
        multiply_tiles(&tiles, &panel, k, columns, out);
    });
    let mut out = vec![0.0; m * n];
    for_each_chunk(&mut out, PART * n, m * n, |index, out| {
        let first_row = index * PART;
        for (panel, results) in by_panel.chunks_exact(padded_m * PANEL).enumerate() {
            let first = panel * PANEL;
            let results = results[first_row * PANEL..].chunks_exact(PANEL);
            for (out, results) in out.chunks_exact_mut(n).zip(results) {
                copy(results, &mut out[first..n.min(first + PANEL)]);
            }
        }
        for (row, sums) in (first_row..).zip(out.chunks_exact_mut(n)) {
            epilogue.finish(sums, row * n, 0);
        }
    });
    out
}

/// The first of a panel's sums, as many as `out` holds: all of them but in the last panel.
#[inline(always)]
fn copy(sums: &[f32], out: &mut [f32]) {
    match (sums.first_chunk::<PANEL>(), out.first_chunk_mut()) {
        (Some(sums), Some(out)) => *out = *sums,
        _ => out.copy_from_slice(&sums[..out.len()]),
    }
}

fn by_activation_rows(
    x: &[f32],
    rows: Rows<'_>,
    epilogue: Epilogue<'_>,
    shape: LinearShape,
) -> Vec<f32> {
    let LinearShape { m, n, k } = shape;
    let tiles = interleave_tiles(x, k);
    let mut out = vec![0.0; m * n];
    let group = (PANEL_NUMBERS / (k * PANEL)).max(1) * PANEL;
    let mut panels = vec![0.0; group.min(n.next_multiple_of(PANEL)) * k];
    for first in (0..n).step_by(group) {
        let columns = Columns {
            first,
            end: n.min(first + group),
            width: n,
        };
        let panels = &mut panels[..columns.count().next_multiple_of(PANEL) * k];
        for_each_chunk(panels, k * PANEL, columns.count() * k, |index, panel| {
            let first = first + index * PANEL;
            unpack_panel(rows, first..columns.end.min(first + PANEL), panel);
        });
        let work = m * columns.count() * k;
        for_each_chunk(&mut out, PART * n, work, |index, out| {
            let row = index * PART;
            multiply_tiles(&tiles[row * k..], panels, k, columns, out);
            for (offset, out) in out.chunks_exact_mut(n).enumerate() {
                let sums = &mut out[columns.first..columns.end];
                epilogue.finish(sums, (row + offset) * n, columns.first);
            }
        });
    }
    out
}

/// Columns of a result that are `width` wide.
#[derive(Clone, Copy)]
struct Columns {
    first: usize,
    end: usize,
    width: usize,
}

impl Columns {
    fn count(self) -> usize {
        self.end - self.first
    }
}

/// Rows `k` wide in tiles of four, the four numbers of a column side by side:
/// `[tile][k][TILE_ROWS]`, missing rows zero.
fn interleave_tiles(x: &[f32], k: usize) -> Vec<f32> {
    let rows = x.len() / k;
    let mut tiles = vec![0.0; rows.next_multiple_of(TILE_ROWS) * k];
    let part = PART * k;
    for_each_chunk(&mut tiles, part, x.len(), |index, tiles| {
        let x = x[index * part..].chunks(TILE_ROWS * k);
        for (rows, tile) in x.zip(tiles.chunks_exact_mut(TILE_ROWS * k)) {
            interleave(rows, k, tile);
        }
    });
    tiles
}

/// Up to four rows as one tile.
#[inline(always)]
fn interleave(rows: &[f32], k: usize, tile: &mut [f32]) {
    let mut done = 0;
    if rows.len() == TILE_ROWS * k {
        let (a, rest) = rows.split_at(k);
        let (b, rest) = rest.split_at(k);
        let (c, d) = rest.split_at(k);
        let [a, b, c, d] = [a, b, c, d].map(|row: &[f32]| row.as_chunks::<4>().0);
        done = 4 * a.len();
        let columns = tile.chunks_exact_mut(4 * TILE_ROWS);
        for (i, out) in columns.take(a.len()).enumerate() {
            let four = [a[i], b[i], c[i], d[i]].map(f32x4::new);
            formats::store_columns(four, TILE_ROWS, out);
        }
    }
    for (lane, row) in rows.chunks_exact(k).enumerate() {
        for (column, &x) in row.iter().enumerate().skip(done) {
            tile[column * TILE_ROWS + lane] = x;
        }
    }
}

/// A `range` of up to [`PANEL`] weight rows side by side, `[k, PANEL]`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn unpack_panel(rows: Rows<'_>, range: Range<usize>, panel: &mut [f32]) {
    for lane in (0..PANEL.min(range.len())).step_by(4) {
        // Past the last row that row again: nobody looks at those lanes.
        let row = |offset: usize| rows.row((range.start + lane + offset).min(range.end - 1));
        let (a, b, c, d) = (row(0), row(1), row(2), row(3));
        let four = [&*a, &*b, &*c, &*d];
        formats::unpack_four(rows.tensor_type, four, PANEL, &mut panel[lane..]);
    }
}

/// Products of tiles with panels, into `columns` of `out` `[rows, columns.width]`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn multiply_tiles(tiles: &[f32], panels: &[f32], k: usize, columns: Columns, out: &mut [f32]) {
    for (index, panel) in panels.chunks_exact(k * PANEL).enumerate() {
        let first = columns.first + index * PANEL;
        for (tile, out) in tiles
            .chunks_exact(TILE_ROWS * k)
            .zip(out.chunks_mut(TILE_ROWS * columns.width))
        {
            let sums = multiply_tile(tile, panel);
            for (out, sums) in out.chunks_exact_mut(columns.width).zip(&sums) {
                copy(sums, &mut out[first..columns.end.min(first + PANEL)]);
            }
        }
    }
}

/// One register tile: `[TILE_ROWS, PANEL]` of `tile [k, TILE_ROWS]` and
/// `panel [k, PANEL]`.
#[inline(always)]
fn multiply_tile(tile: &[f32], panel: &[f32]) -> [[f32; PANEL]; TILE_ROWS] {
    let (tile, _) = tile.as_chunks::<TILE_ROWS>();
    let (panel, _) = panel.as_chunks::<PANEL>();
    let mut sums = [[0.0; PANEL]; TILE_ROWS];
    for (x, w) in tile.iter().zip(panel) {
        for row in 0..TILE_ROWS {
            for lane in 0..PANEL {
                sums[row][lane] += x[row] * w[lane];
            }
        }
    }
    sums
}
