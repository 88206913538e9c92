//! Functions of single numbers, and scaled sums.

use burn::tensor::Tensor;

use crate::cpu::Cpu;
use crate::dense::{Dense, from_cpu, from_gpu, on_cpu, on_gpu};
use crate::gpu::Gpu;
use crate::kernels::Kernels;

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `x * (1 + erf(x / √2)) / 2`, PyTorch's `nn.GELU()`.
    GeluErf,
    /// `x * (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2`, PyTorch's
    /// `nn.GELU(approximate="tanh")`: SigLIP, Gemma.
    GeluTanh,
    /// `x * sigmoid(1.702 x)`, OpenAI's CLIP.
    QuickGelu,
    /// `x * sigmoid(x)`.
    Silu,
    /// `max(x, 0)`, OPT.
    Relu,
    /// `x` clamped to 0 … 6.
    Relu6,
    /// `max(x, 0)²`, the Flamingo paper's bridges.
    SquaredRelu,
}

impl Activation {
    /// Every function there is.
    pub const ALL: [Self; 7] = [
        Self::GeluErf,
        Self::GeluTanh,
        Self::QuickGelu,
        Self::Silu,
        Self::Relu,
        Self::Relu6,
        Self::SquaredRelu,
    ];
}

/// `function` of every number of `x`.
pub fn activation(x: Tensor<2>, function: Activation) -> Tensor<2> {
    let dims = x.dims();
    match Dense::of(x) {
        Dense::Cpu(x) => from_cpu(Cpu.activation(&x, function), dims),
        Dense::Gpu(x) => from_gpu(Gpu.activation(&x, function)),
    }
}

/// `function` of the first half of each row of `x` times its second half: the inside of a
/// gated feed-forward layer, `[rows, 2 * width]` → `[rows, width]`.
///
/// # Panics
/// Where a row has an odd number of elements.
pub fn gated(x: Tensor<2>, function: Activation) -> Tensor<2> {
    let [rows, columns] = x.dims();
    assert!(columns.is_multiple_of(2), "gated: {columns} is odd");
    let width = columns / 2;
    match Dense::of(x) {
        Dense::Cpu(x) => from_cpu(Cpu.gated(&x, function, width), [rows, width]),
        Dense::Gpu(x) => from_gpu(Gpu.gated(&x, function, width)),
    }
}

/// How much what is added counts: a gate.
#[derive(Debug)]
pub enum Scale<'a, V: ?Sized> {
    /// One number for all.
    Number(f32),
    /// `[width]`, one for each column.
    Columns(&'a V),
}

// Derived, these would ask the vector itself to be `Copy`.
impl<V: ?Sized> Copy for Scale<'_, V> {}
impl<V: ?Sized> Clone for Scale<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: ?Sized> From<f32> for Scale<'_, V> {
    fn from(number: f32) -> Self {
        Self::Number(number)
    }
}

impl<'a, V: ?Sized> Scale<'a, V> {
    /// The vector, where there is one.
    pub(crate) fn columns(self) -> Option<&'a V> {
        match self {
            Self::Number(_) => None,
            Self::Columns(columns) => Some(columns),
        }
    }
}

/// `x + scale * y`, both `[rows, width]`: a residual sum, gated where `scale` is
/// not 1. A scale of exactly 0 gives `x` bit for bit where `y` is finite.
///
/// # Panics
/// Where the shapes differ or the operands are on two devices.
pub fn add_scaled<'a>(
    x: Tensor<2>,
    y: Tensor<2>,
    scale: impl Into<Scale<'a, Tensor<1>>>,
) -> Tensor<2> {
    let dims = x.dims();
    let scale = scale.into();
    assert_eq!(dims, y.dims(), "add_scaled: shapes");
    if let Scale::Columns(columns) = scale {
        assert_eq!(columns.dims(), [dims[1]], "add_scaled: length of the scale");
    }
    match (Dense::of(x), scale) {
        (Dense::Cpu(x), Scale::Number(scale)) => {
            let sum = Cpu.add_scaled(&x, &on_cpu(y), scale.into());
            from_cpu(sum, dims)
        }
        (Dense::Cpu(x), Scale::Columns(columns)) => {
            let columns = on_cpu(columns.clone());
            from_cpu(
                Cpu.add_scaled(&x, &on_cpu(y), Scale::Columns(&columns)),
                dims,
            )
        }
        (Dense::Gpu(x), Scale::Number(scale)) => {
            from_gpu(Gpu.add_scaled(&x, &on_gpu(y), scale.into()))
        }
        (Dense::Gpu(x), Scale::Columns(columns)) => {
            let columns = on_gpu(columns.clone());
            from_gpu(Gpu.add_scaled(&x, &on_gpu(y), Scale::Columns(&columns)))
        }
    }
}
