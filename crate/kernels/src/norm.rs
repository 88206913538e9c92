//! Layer norm and RMS norm.

use burn::tensor::Tensor;

use crate::cpu::Cpu;
use crate::dense::{Dense, from_cpu, from_gpu, on_cpu, on_gpu};
use crate::gpu::Gpu;
use crate::kernels::{Kernels, NormTask};

/// `(x - mean) / sqrt(variance + eps) * weight + bias` for each row of `x`
/// `[rows, width]`; `weight` and `bias` are `[width]`. The variance is the
/// biased one, as in PyTorch.
///
/// # Panics
/// Where the widths do not fit or the operands are on two devices.
pub fn layer_norm(
    x: Tensor<2>,
    weight: &Tensor<1>,
    bias: Option<&Tensor<1>>,
    eps: f32,
) -> Tensor<2> {
    let [rows, width] = x.dims();
    let task = NormTask { rows, width, eps };
    assert_eq!(weight.dims(), [width], "layer_norm: length of the weight");
    if let Some(bias) = bias {
        assert_eq!(bias.dims(), [width], "layer_norm: length of the bias");
    }
    match Dense::of(x) {
        Dense::Cpu(x) => {
            let weight = on_cpu(weight.clone());
            let bias = bias.cloned().map(on_cpu);
            from_cpu(
                Cpu.layer_norm(&x, &weight, bias.as_deref(), task),
                [rows, width],
            )
        }
        Dense::Gpu(x) => {
            let weight = on_gpu(weight.clone());
            let bias = bias.cloned().map(on_gpu);
            from_gpu(Gpu.layer_norm(&x, &weight, bias.as_ref(), task))
        }
    }
}

/// `x / sqrt(mean(x²) + eps) * weight` for each row of `x` `[rows, width]`;
/// `weight` is `[width]`.
///
/// # Panics
/// Where the widths do not fit or the operands are on two devices.
pub fn rms_norm(x: Tensor<2>, weight: &Tensor<1>, eps: f32) -> Tensor<2> {
    let [rows, width] = x.dims();
    let task = NormTask { rows, width, eps };
    assert_eq!(weight.dims(), [width], "rms_norm: length of the weight");
    match Dense::of(x) {
        Dense::Cpu(x) => {
            let weight = on_cpu(weight.clone());
            from_cpu(Cpu.rms_norm(&x, &weight, task), [rows, width])
        }
        Dense::Gpu(x) => from_gpu(Gpu.rms_norm(&x, &on_gpu(weight.clone()), task)),
    }
}
