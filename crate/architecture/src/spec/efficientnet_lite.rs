//! The tensors of an EfficientNet-Lite, batch norm folded in.

use super::parts::{LinearSpec, Parts, TensorSpec};
use crate::config::{EfficientNetLiteConfig, InvertedResidualConfig};

/// An EfficientNet-Lite up to its last grid.
#[derive(Clone, Debug, PartialEq)]
pub struct EfficientNetLiteSpec {
    /// 3×3 convolution of the pixels.
    pub stem: ConvolutionSpec,
    /// The inverted residual blocks in order.
    pub blocks: Vec<InvertedResidualSpec>,
    /// The last 1×1 convolution.
    pub head: LinearSpec,
}

/// An inverted residual block.
#[derive(Clone, Debug, PartialEq)]
pub struct InvertedResidualSpec {
    /// 1×1 convolution to the inner width; `None` if the block does not expand.
    pub expand: Option<LinearSpec>,
    /// k×k convolution of each channel by itself.
    pub depthwise: ConvolutionSpec,
    /// 1×1 convolution to the output's width.
    pub project: LinearSpec,
}

/// A convolution with a bias.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvolutionSpec {
    /// `[channels out, channels in a group * kernel * kernel]`.
    pub weight: TensorSpec,
    /// `[channels out]`.
    pub bias: TensorSpec,
}

impl EfficientNetLiteSpec {
    /// The encoder of this configuration.
    pub fn of(config: &EfficientNetLiteConfig) -> Self {
        let last = config.blocks.last();
        let channels = last.map_or(config.stem_channels, |block| block.output);
        Self {
            stem: ConvolutionSpec::new("v.stem", config.stem_channels, 3 * 3 * 3),
            blocks: config
                .blocks
                .iter()
                .enumerate()
                .map(|(index, block)| InvertedResidualSpec::of(block, index))
                .collect(),
            head: LinearSpec::new("v.head", config.head_channels, channels, true),
        }
    }
}

impl InvertedResidualSpec {
    fn of(config: &InvertedResidualConfig, index: usize) -> Self {
        let name = |part: &str| format!("v.blk.{index}.{part}");
        let inner = config.input * config.expand;
        let expand = || LinearSpec::new(&name("expand"), inner, config.input, true);
        Self {
            expand: (config.expand > 1).then(expand),
            depthwise: ConvolutionSpec::new(
                &name("depthwise"),
                inner,
                config.kernel * config.kernel,
            ),
            project: LinearSpec::new(&name("project"), config.output, inner, true),
        }
    }
}

impl ConvolutionSpec {
    fn new(name: &str, channels: usize, taps: usize) -> Self {
        Self {
            weight: TensorSpec::dense(format!("{name}.weight"), &[channels, taps]),
            bias: TensorSpec::dense(format!("{name}.bias"), &[channels]),
        }
    }
}

impl Parts for EfficientNetLiteSpec {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.stem.each(visit);
        self.blocks.each(visit);
        self.head.each(visit);
    }
}

impl Parts for InvertedResidualSpec {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.expand.each(visit);
        self.depthwise.each(visit);
        self.project.each(visit);
    }
}

impl Parts for ConvolutionSpec {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.weight.each(visit);
        self.bias.each(visit);
    }
}
