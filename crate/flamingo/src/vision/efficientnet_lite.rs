//! EfficientNet-Lite (Tan and Le 2019; the "lite" variants have ReLU6 and no
//! squeeze-and-excitation), batch norm folded into weights and biases.
//!
//! Grids are `[height * width, channels]`, so that a 1×1 convolution is a
//! linear layer over the flattened grid.

use burn::tensor::Tensor;
use flamingo_kernels::{Activation, Conv2dShape, Finish, conv2d};

use crate::builder::Weights;
use crate::config::{EfficientNetLiteConfig, InvertedResidualConfig};
use crate::error::ModelError;
use crate::layers::Linear;

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
        let stem = same_padding(image_size, 3, config.stem_channels, 3, 2, 1);
        let mut side = stem.out_h;
        let stem = Convolution::load(weights, "v.stem", stem)?;
        let mut blocks = Vec::with_capacity(config.blocks.len());
        for (index, block) in config.blocks.iter().enumerate() {
            let block = InvertedResidual::load(weights, index, block, side)?;
            side = block.depthwise.shape.out_h;
            blocks.push(block);
        }
        Ok(Self {
            stem,
            blocks,
            head: Linear::load_biased(weights, "v.head")?,
        })
    }

    /// Pixels `[size * size, 3]` to the last grid `[side * side, head_channels]`.
    pub fn forward(&self, pixels: Tensor<2>) -> Tensor<2> {
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
        index: usize,
        config: &InvertedResidualConfig,
        side: usize,
    ) -> Result<Self, ModelError> {
        let name = format!("v.blk.{index}");
        let inner = config.input * config.expand;
        let expand = match config.expand {
            1 => None,
            _ => Some(Linear::load_biased(weights, &format!("{name}.expand"))?),
        };
        let shape = same_padding(side, inner, inner, config.kernel, config.stride, inner);
        Ok(Self {
            expand,
            depthwise: Convolution::load(weights, &format!("{name}.depthwise"), shape)?,
            project: Linear::load_biased(weights, &format!("{name}.project"))?,
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
            true => self.project.add_to(&input, inner, 1.0),
            false => self.project.forward(inner),
        }
    }
}

impl Convolution {
    fn load(weights: &mut Weights, name: &str, shape: Conv2dShape) -> Result<Self, ModelError> {
        Ok(Self {
            weight: weights.table(&format!("{name}.weight"))?,
            bias: weights.vector(&format!("{name}.bias"))?,
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
