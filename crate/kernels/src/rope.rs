//! Rotary position embedding (Su et al. 2021).

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::cpu::Cpu;
use crate::dense::{Dense, from_cpu, from_gpu};
use crate::gpu::Gpu;
use crate::kernels::Kernels;

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
    assert!(
        rope.rotary_dims.is_multiple_of(2) && rope.rotary_dims <= head_dim,
        "rope: {} rotary dimensions of a head of {head_dim}",
        rope.rotary_dims
    );
    if let RowPositions::Each(positions) = positions {
        assert_eq!(positions.len(), rows, "rope: number of positions");
    }
    let task = RopeTask {
        rows,
        heads,
        head_dim,
        positions: positions.clone(),
        rope: *rope,
    };
    match Dense::of(x) {
        Dense::Cpu(x) => from_cpu(Cpu.rope(&x, &task), [rows, width]),
        Dense::Gpu(x) => from_gpu(Gpu.rope(&x, &task)),
    }
}
