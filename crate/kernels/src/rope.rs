//! Rotary position embedding (Su et al. 2021).

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::attention::AttentionShape;
use crate::cpu::Cpu;
use crate::dense::{Dense, from_cpu, from_gpu};
use crate::gpu::{Appended, Gpu};
use crate::kernels::Kernels;
use crate::key_value_buffer::KeyValueBuffer;

/// Which two numbers of a head are one complex number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RopeStyle {
    /// Neighbours `(2i, 2i + 1)`, as llama.cpp orders the rows of Q and K.
    Pairs,
    /// `(i, i + rotary_dims / 2)`, as GPT-NeoX and Hugging Face do.
    Halves,
}

/// The rotary embedding of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// Base of the frequencies: pair `i` turns by
    /// `theta^(-2i / rotary_dims)` radians a position.
    pub theta: f32,
    /// Leading numbers of a head that are rotated; even. The others pass.
    pub rotary_dims: usize,
    /// Which numbers are pairs.
    pub style: RopeStyle,
}

/// Where rows stand in their sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowPositions {
    /// One after the other, the first at this position.
    From(u32),
    /// Each at a position of its own, as where sequences branch.
    Each(Arc<[u32]>),
}

impl RowPositions {
    /// The position of a row.
    pub(crate) fn of(&self, row: usize) -> u32 {
        match self {
            Self::From(first) => first + row as u32,
            Self::Each(positions) => positions[row],
        }
    }

    /// Past the last position of `rows` rows.
    #[cfg_attr(not(feature = "webgpu"), expect(dead_code, reason = "of use to a GPU"))]
    pub(crate) fn end(&self, rows: usize) -> u32 {
        match self {
            Self::From(first) => first + rows as u32,
            Self::Each(positions) => positions.iter().max().map_or(0, |last| last + 1),
        }
    }
}

/// A rotary embedding of given rows.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeTask {
    /// Rows: one position each.
    pub rows: usize,
    /// Heads of a row.
    pub heads: usize,
    /// Numbers of a head.
    pub head_dim: usize,
    /// Their positions.
    pub positions: RowPositions,
    /// The embedding.
    pub rope: Rope,
}

impl RopeTask {
    fn check(&self) {
        let (rotary_dims, head_dim) = (self.rope.rotary_dims, self.head_dim);
        assert!(
            rotary_dims.is_multiple_of(2) && rotary_dims <= head_dim,
            "rope: {rotary_dims} rotary dimensions of a head of {head_dim}"
        );
        if let RowPositions::Each(positions) = &self.positions {
            assert_eq!(positions.len(), self.rows, "rope: number of positions");
        }
    }
}

impl Rope {
    /// Cosine and sine of every pair at `position`, computed in `f64` by one
    /// portable library, so that every device rotates by the same numbers.
    pub(crate) fn rotations(&self, position: u32) -> impl Iterator<Item = (f32, f32)> + '_ {
        (0..self.rotary_dims / 2).map(move |pair| {
            let exponent = -2.0 * pair as f64 / self.rotary_dims as f64;
            let angle = f64::from(position) * libm::pow(f64::from(self.theta), exponent);
            (libm::cos(angle) as f32, libm::sin(angle) as f32)
        })
    }
}

/// `x` `[rows, heads * head_dim]` with every head of each row rotated to the row's
/// position.
///
/// # Panics
/// Where the width is no multiple of `heads`, `rotary_dims` is odd or larger than a
/// head, or positions are listed and there are not as many as rows.
pub fn rope(x: Tensor<2>, heads: usize, positions: &RowPositions, rope: &Rope) -> Tensor<2> {
    let [rows, width] = x.dims();
    assert!(
        heads > 0 && width.is_multiple_of(heads),
        "rope: {heads} heads do not divide a width of {width}"
    );
    let head_dim = width / heads;
    let task = RopeTask {
        rows,
        heads,
        head_dim,
        positions: positions.clone(),
        rope: *rope,
    };
    task.check();
    match Dense::of(x) {
        Dense::Cpu(x) => from_cpu(Cpu.rope(&x, &task), [rows, width]),
        Dense::Gpu(x) => from_gpu(Gpu.rope(&x, &task)),
    }
}

/// Rows `[query | key | value]`, `heads` and twice `kv_heads` heads wide: queries and
/// keys are rotated, keys and values appended to their buffers, and the queries given,
/// `[rows, heads * head_dim]`.
///
/// # Panics
/// Where a width does not fit, as [`rope`], or the buffers hold different numbers of
/// rows or are on another device.
pub fn rope_append(
    x: Tensor<2>,
    shape: &AttentionShape,
    positions: &RowPositions,
    rope: &Rope,
    keys: &mut KeyValueBuffer,
    values: &mut KeyValueBuffer,
) -> Tensor<2> {
    let [rows, width] = x.dims();
    let query_width = shape.heads * shape.head_dim;
    let key_width = shape.kv_heads * shape.head_dim;
    assert_eq!(
        width,
        query_width + 2 * key_width,
        "rope_append: width of the rows"
    );
    assert_eq!(
        [keys.width(), values.width(), keys.len()],
        [key_width, key_width, values.len()],
        "rope_append: the buffers"
    );
    let task = RopeTask {
        rows,
        heads: shape.heads + shape.kv_heads,
        head_dim: shape.head_dim,
        positions: positions.clone(),
        rope: *rope,
    };
    task.check();
    match Dense::of(x) {
        Dense::Cpu(x) => {
            let rotated_width = query_width + key_width;
            let part = |from: usize, to: usize| -> Vec<f32> {
                x.chunks_exact(width)
                    .flat_map(|row| &row[from..to])
                    .copied()
                    .collect()
            };
            values.append(from_cpu(part(rotated_width, width), [rows, key_width]));
            let rotated = Cpu.rope(&part(0, rotated_width), &task);
            let (mut query, mut key) = (Vec::new(), Vec::new());
            for row in rotated.chunks_exact(rotated_width) {
                query.extend_from_slice(&row[..query_width]);
                key.extend_from_slice(&row[query_width..]);
            }
            keys.append(from_cpu(key, [rows, key_width]));
            from_cpu(query, [rows, query_width])
        }
        Dense::Gpu(x) => {
            keys.reserve(rows);
            values.reserve(rows);
            let appended = Appended {
                keys: keys.on_gpu(),
                values: values.on_gpu(),
                held: keys.len(),
                width: key_width,
            };
            let query = from_gpu(Gpu.rotate(&x, &task, query_width, Some(appended)));
            keys.advance(rows);
            values.advance(rows);
            query
        }
    }
}
