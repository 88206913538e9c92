//! Rotary position embedding (Su et al. 2021).

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::attention::AttentionShape;
use crate::cpu::Cpu;
use crate::dense::{Dense, from_cpu, from_gpu};
use crate::gpu::{Appended, Gpu};
use crate::kernels::Kernels;
use crate::key_value_buffer::KeyValueBuffer;
use crate::query_key_norm::{QueryKeyNorm, Side};

/// Which two numbers of a head are one complex number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RopeStyle {
    /// Neighbours `(2i, 2i + 1)`, as llama.cpp orders the rows of Q and K.
    Pairs,
    /// `(i, i + rotary_dims / 2)`, as GPT-NeoX and Hugging Face do.
    Halves,
}

/// How a rotary embedding is stretched over more positions than its model was first
/// trained with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    #[default]
    None,
    /// Positions are divided by the factor (Chen et al. 2023).
    Linear {
        /// At least 1.
        factor: f32,
    },
    /// Llama 3.1's: pairs that turn slowly are divided by the factor, pairs that turn fast
    /// are left alone, and those between change from one to the other.
    Llama3 {
        /// Of the slow pairs; at least 1.
        factor: f32,
        /// Pairs that turn less often than this within the original positions are slow.
        low_frequency_factor: f32,
        /// Pairs that turn more often than this are fast; larger than the other.
        high_frequency_factor: f32,
        /// Positions that the model was first trained with.
        original_positions: f32,
    },
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
    /// The scaling of the frequencies.
    pub scaling: RopeScaling,
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
    pub fn of(&self, row: usize) -> u32 {
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
    /// Nothing is rotated.
    const NONE: Self = Self {
        theta: 1.0,
        rotary_dims: 0,
        style: RopeStyle::Pairs,
        scaling: RopeScaling::None,
    };

    /// Cosine and sine of every pair at `position`, computed in `f64` by one
    /// portable library, so that every device rotates by the same numbers.
    pub(crate) fn rotations(&self, position: u32) -> impl Iterator<Item = (f32, f32)> + '_ {
        (0..self.rotary_dims / 2).map(move |pair| {
            let angle = f64::from(position) * self.frequency(pair);
            (libm::cos(angle) as f32, libm::sin(angle) as f32)
        })
    }

    /// Radians that a pair turns by a position.
    fn frequency(&self, pair: usize) -> f64 {
        let exponent = -2.0 * pair as f64 / self.rotary_dims as f64;
        let frequency = libm::pow(f64::from(self.theta), exponent);
        match self.scaling {
            RopeScaling::None => frequency,
            RopeScaling::Linear { factor } => frequency / f64::from(factor),
            RopeScaling::Llama3 {
                factor,
                low_frequency_factor,
                high_frequency_factor,
                original_positions,
            } => {
                let [low, high] = [low_frequency_factor, high_frequency_factor].map(f64::from);
                let turns = f64::from(original_positions) * frequency / core::f64::consts::TAU;
                let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                frequency * (kept + (1.0 - kept) / f64::from(factor))
            }
        }
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
/// keys are normalised and rotated, keys and values appended to their buffers, and the
/// queries given, `[rows, heads * head_dim]`. Without `norm` nothing is normalised, and
/// without `rope`, as where positions are learned or a bias, nothing rotated.
///
/// # Panics
/// Where a width does not fit, as [`rope`], or the buffers hold different numbers of rows
/// or are on another device.
pub fn rope_append(
    x: Tensor<2>,
    shape: &AttentionShape,
    norm: Option<&QueryKeyNorm>,
    positions: &RowPositions,
    rope: Option<&Rope>,
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
    if let Some(norm) = norm {
        norm.check(shape);
    }
    let task = RopeTask {
        rows,
        heads: shape.heads + shape.kv_heads,
        head_dim: shape.head_dim,
        positions: positions.clone(),
        rope: rope.copied().unwrap_or(Rope::NONE),
    };
    task.check();
    match Dense::of(x) {
        Dense::Cpu(x) => {
            let part = |from: usize, part_width: usize| -> Vec<f32> {
                x.chunks_exact(width)
                    .flat_map(|row| &row[from..from + part_width])
                    .copied()
                    .collect()
            };
            let vectors = norm.map(QueryKeyNorm::vectors_on_cpu);
            let entered = |from: usize, part_width: usize, side: Side| {
                let mut numbers = part(from, part_width);
                if let Some((norm, vectors)) = norm.zip(vectors.as_deref()) {
                    let group = norm.group(side, shape);
                    let groups = numbers.len() / group;
                    numbers = Cpu.normalise(&numbers, norm.of(side, vectors), groups, group);
                }
                let task = RopeTask {
                    heads: part_width / shape.head_dim,
                    ..task.clone()
                };
                from_cpu(Cpu.rope(&numbers, &task), [rows, part_width])
            };
            let value = part(query_width + key_width, key_width);
            values.append(from_cpu(value, [rows, key_width]));
            keys.append(entered(query_width, key_width, Side::Key));
            entered(0, query_width, Side::Query)
        }
        Dense::Gpu(x) => {
            keys.reserve(rows);
            values.reserve(rows);
            let appended = Appended {
                norm,
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
