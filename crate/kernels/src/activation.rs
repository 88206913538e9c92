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
    /// `x * sigmoid(1.702 x)`, OpenAI's CLIP.
    QuickGelu,
    /// `x * sigmoid(x)`.
    Silu,
    /// `x` clamped to 0 … 6.
    Relu6,
    /// `max(x, 0)²`, the Flamingo paper's bridges.
    SquaredRelu,
}

/// `function` of every number of `x`.
pub fn activation(x: Tensor<2>, function: Activation) -> Tensor<2> {
    let dims = x.dims();
    match Dense::of(x) {
        Dense::Cpu(x) => from_cpu(Cpu.activation(&x, function), dims),
        Dense::Gpu(x) => from_gpu(Gpu.activation(&x, function)),
    }
}

/// `x + scale * y`, both `[rows, width]`: a residual sum, gated where `scale` is
/// not 1. A scale of exactly 0 gives `x` bit for bit where `y` is finite.
///
/// # Panics
/// Where the shapes differ or the operands are on two devices.
pub fn add_scaled(x: Tensor<2>, y: Tensor<2>, scale: f32) -> Tensor<2> {
    let dims = x.dims();
    assert_eq!(dims, y.dims(), "add_scaled: shapes");
    match Dense::of(x) {
        Dense::Cpu(x) => from_cpu(Cpu.add_scaled(&x, &on_cpu(y), scale), dims),
        Dense::Gpu(x) => from_gpu(Gpu.add_scaled(&x, &on_gpu(y), scale)),
    }
}
