//! EfficientNet-Lite (Tan and Le 2019; the "lite" variants have ReLU6 and no
//! squeeze-and-excitation), batch norm folded into weights and biases.
//!
//! Grids are `[height * width, channels]`, so that a 1×1 convolution is a
//! linear layer over the flattened grid.

use burn::tensor::Tensor;
use flamingo_architecture::config::{EfficientNetLiteConfig, InvertedResidualConfig};
use flamingo_architecture::spec::{ConvolutionSpec, EfficientNetLiteSpec, InvertedResidualSpec};
use flamingo_kernels::{Activation, Conv2dShape, Finish, conv2d};

use super::VisionEncoder;
use crate::builder::Weights;
use crate::error::ModelError;
use crate::layers::{Gate, Linear};

/// EfficientNet-Lite up to its last grid: no pooling, no classifier.
pub struct EfficientNetLite {
    stem: Convolution,
    blocks: Vec<InvertedResidual>,
    head: Linear,
}

/// A convolution and ReLU6.
struct Convolution {
    weight: Tensor<2>,
    bias: Tensor<1>,
    shape: Conv2dShape,
}

struct InvertedResidual {
    expand: Option<Linear>,
    depthwise: Convolution,
    project: Linear,
    residual: bool,
}

impl EfficientNetLite {
    pub(crate) fn load(
        weights: &mut Weights,
        config: &EfficientNetLiteConfig,
        image_size: usize,
    ) -> Result<Self, ModelError> {
        let spec = EfficientNetLiteSpec::of(config);
        let stem = same_padding(image_size, 3, config.stem_channels, 3, 2, 1);
        let mut side = stem.out_h;
        let stem = Convolution::load(weights, &spec.stem, stem)?;
        let mut blocks = Vec::with_capacity(config.blocks.len());
        for (spec, block) in spec.blocks.iter().zip(&config.blocks) {
            let block = InvertedResidual::load(weights, spec, block, side)?;
            side = block.depthwise.shape.out_h;
            blocks.push(block);
        }
        Ok(Self {
            stem,
            blocks,
            head: Linear::load(weights, &spec.head)?,
        })
    }
}

impl VisionEncoder for EfficientNetLite {
    fn forward(&self, pixels: Tensor<2>) -> Tensor<2> {
        let mut grid = self.stem.forward(pixels);
        for block in &self.blocks {
            grid = block.forward(grid);
        }
        self.head.fused(grid, None, RELU6)
    }
}

impl InvertedResidual {
    fn load(
        weights: &mut Weights,
        spec: &InvertedResidualSpec,
        config: &InvertedResidualConfig,
        side: usize,
    ) -> Result<Self, ModelError> {
        let inner = config.input * config.expand;
        let expand = spec.expand.as_ref();
        let shape = same_padding(side, inner, inner, config.kernel, config.stride, inner);
        Ok(Self {
            expand: expand.map(|spec| Linear::load(weights, spec)).transpose()?,
            depthwise: Convolution::load(weights, &spec.depthwise, shape)?,
            project: Linear::load(weights, &spec.project)?,
            residual: config.stride == 1 && config.input == config.output,
        })
    }

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let inner = match &self.expand {
            Some(expand) => expand.fused(input.clone(), None, RELU6),
            None => input.clone(),
        };
        let inner = self.depthwise.forward(inner);
        match self.residual {
            true => self.project.add_to(&input, inner, &Gate::OPEN),
            false => self.project.forward(inner),
        }
    }
}

impl Convolution {
    fn load(
        weights: &mut Weights,
        spec: &ConvolutionSpec,
        shape: Conv2dShape,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            weight: weights.table(&spec.weight)?,
            bias: weights.vector(&spec.bias)?,
            shape,
        })
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        conv2d(
            x,
            &self.weight,
            Some(&self.bias),
            Some(Activation::Relu6),
            &self.shape,
        )
    }
}

const RELU6: Finish<'static, Tensor<1>, Tensor<2>> = Finish::Activation(Activation::Relu6);

/// TensorFlow's "SAME" padding, which these weights were trained with: the
/// output is `ceil(side / stride)` and an odd pixel of padding goes to the
/// bottom and right.
fn same_padding(
    side: usize,
    c_in: usize,
    c_out: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
) -> Conv2dShape {
    let out = side.div_ceil(stride);
    let padding = ((out - 1) * stride + kernel).saturating_sub(side);
    Conv2dShape {
        in_h: side,
        in_w: side,
        c_in,
        c_out,
        kernel,
        stride,
        pad_top: padding / 2,
        pad_left: padding / 2,
        out_h: out,
        out_w: out,
        groups,
    }
}
