//! Matrix product with packed weights.

use burn::tensor::Tensor;

use crate::cpu::Cpu;
use crate::dense::{Dense, from_cpu, from_gpu, on_cpu, on_gpu};
use crate::gpu::Gpu;
use crate::kernels::{Kernels, LinearShape};
use crate::packed_matrix::PackedMatrix;

/// `x · wᵀ + bias`: `x` is `[m, k]`, `w` is `[n, k]`, `bias` is `[n]`, the
/// result `[m, n]`.
///
/// The weights are unpacked on the way, block by block; sums are in `f32`.
///
/// # Panics
/// Where the widths do not fit or the operands are on two devices.
pub fn linear(x: Tensor<2>, w: &PackedMatrix, bias: Option<&Tensor<1>>) -> Tensor<2> {
    let [m, k] = x.dims();
    let shape = LinearShape { m, n: w.rows(), k };
    assert_eq!(
        k,
        w.cols(),
        "linear: x is {k} wide, the weights {}",
        w.cols()
    );
    if let Some(bias) = bias {
        assert_eq!(bias.dims(), [shape.n], "linear: length of the bias");
    }
    match Dense::of(x) {
        Dense::Cpu(x) => {
            let bias = bias.cloned().map(on_cpu);
            let out = Cpu.linear(&x, w.on_cpu(), bias.as_deref(), shape);
            from_cpu(out, [m, shape.n])
        }
        Dense::Gpu(x) => {
            let bias = bias.cloned().map(on_gpu);
            from_gpu(Gpu.linear(&x, w.on_gpu(), bias.as_ref(), shape))
        }
    }
}
