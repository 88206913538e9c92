//! Convolution of channels-last grids.

use burn::tensor::Tensor;

use crate::activation::Activation;
use crate::cpu::Cpu;
use crate::dense::{Dense, from_cpu, from_gpu, on_cpu, on_gpu};
use crate::gpu::Gpu;
use crate::kernels::Kernels;

/// Sizes of a convolution. Padding is zeros; where a window hangs over the
/// bottom or right edge, what is missing there is zeros too, so uneven padding
/// ("same" of TensorFlow) is `pad_top`, `pad_left` and the output's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dShape {
    /// Height of the input grid.
    pub in_h: usize,
    /// Width of the input grid.
    pub in_w: usize,
    /// Channels of the input.
    pub c_in: usize,
    /// Channels of the output.
    pub c_out: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step of the window, in both directions.
    pub stride: usize,
    /// Rows of zeros above the input.
    pub pad_top: usize,
    /// Columns of zeros left of the input.
    pub pad_left: usize,
    /// Height of the output grid.
    pub out_h: usize,
    /// Width of the output grid.
    pub out_w: usize,
    /// Groups of channels that see each other only: 1 is a dense convolution,
    /// `c_in` a depthwise one.
    pub groups: usize,
}

impl Conv2dShape {
    /// Weights of one output channel: `(c_in / groups) * kernel * kernel`.
    pub fn window(&self) -> usize {
        self.c_in / self.groups * self.kernel * self.kernel
    }

    /// Whether every output channel sees one input channel, its own.
    pub(crate) fn is_depthwise(&self) -> bool {
        self.groups == self.c_in && self.c_out == self.c_in
    }
}

/// Convolution of `x` `[in_h * in_w, c_in]`, row-major over the grid, with
/// `weight` `[c_out, (c_in / groups) * kernel * kernel]` (PyTorch's order:
/// channel, row, column) and `bias` `[c_out]`, and of each number of it the
/// `activation`; the result is `[out_h * out_w, c_out]`.
///
/// An activation of its own would take a buffer of its own on a GPU, and the grids of
/// the first layers are the largest buffers but for weights.
///
/// # Panics
/// Where the sizes do not fit or the operands are on two devices.
pub fn conv2d(
    x: Tensor<2>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
    activation: Option<Activation>,
    shape: &Conv2dShape,
) -> Tensor<2> {
    assert!(
        shape.groups > 0
            && shape.c_in.is_multiple_of(shape.groups)
            && shape.c_out.is_multiple_of(shape.groups),
        "conv2d: {} groups of {} input and {} output channels",
        shape.groups,
        shape.c_in,
        shape.c_out
    );
    assert!(shape.stride > 0 && shape.kernel > 0, "conv2d: {shape:?}");
    assert_eq!(
        x.dims(),
        [shape.in_h * shape.in_w, shape.c_in],
        "conv2d: input"
    );
    assert_eq!(
        weight.dims(),
        [shape.c_out, shape.window()],
        "conv2d: weight"
    );
    if let Some(bias) = bias {
        assert_eq!(bias.dims(), [shape.c_out], "conv2d: bias");
    }
    match Dense::of(x) {
        Dense::Cpu(x) => {
            let weight = on_cpu(weight.clone());
            let bias = bias.cloned().map(on_cpu);
            let out = Cpu.activated_conv2d(&x, &weight, bias.as_deref(), activation, shape);
            from_cpu(out, [shape.out_h * shape.out_w, shape.c_out])
        }
        Dense::Gpu(x) => {
            let weight = on_gpu(weight.clone());
            let bias = bias.cloned().map(on_gpu);
            from_gpu(Gpu.activated_conv2d(&x, &weight, bias.as_ref(), activation, shape))
        }
    }
}
