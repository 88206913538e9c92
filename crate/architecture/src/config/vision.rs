//! Vision encoders and how their pixels are made.

use serde::{Deserialize, Serialize};

use super::range::{MAX_ACTIVATION, MAX_VISION_TOKENS, product};
use super::{Activation, FeedForwardConfig, MAX_COUNT, MAX_SIZE, positive, size};
use crate::error::ConfigError;

/// Vision encoder, with the preprocessing it was trained with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisionConfig {
    /// Side of the square input, in pixels.
    pub image_size: usize,
    /// How a photo becomes a square.
    pub resize: ResizeMode,
    /// Subtracted from each channel (RGB, 0 to 1) before dividing by `std`.
    pub mean: [f32; 3],
    /// Divides each channel after `mean` is subtracted.
    pub std: [f32; 3],
    /// The network.
    pub encoder: VisionEncoderConfig,
}

/// How a photo of any aspect ratio becomes a square of `image_size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMode {
    /// Both sides scaled to the square; the whole frame stays visible.
    Squash,
    /// Shortest side scaled to the square, the middle cut out (CLIP).
    Crop,
    /// Longest side scaled to the square, the rest filled with `mean` (the paper).
    Pad,
}

/// The vision encoders that can stand at the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum VisionEncoderConfig {
    /// EfficientNet-Lite, batch norm folded, its last grid flattened to tokens.
    EfficientNetLite(EfficientNetLiteConfig),
    /// A pre-norm vision transformer: CLIP's, SigLIP's.
    Vit(VitConfig),
}

/// Sizes of an EfficientNet-Lite (Tan and Le 2019; "lite": ReLU6, no squeeze-and-excitation).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EfficientNetLiteConfig {
    /// Output channels of the stem, a 3×3 convolution of stride 2.
    pub stem_channels: usize,
    /// The inverted residual blocks in order.
    pub blocks: Vec<InvertedResidualConfig>,
    /// Output channels of the last 1×1 convolution: the width of a vision token.
    pub head_channels: usize,
}

/// One inverted residual block: expand 1×1, depthwise k×k, project 1×1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvertedResidualConfig {
    /// Input channels.
    pub input: usize,
    /// Output channels; the input is added to the output if both the
    /// channels and the size stay the same.
    pub output: usize,
    /// Side of the depthwise kernel.
    pub kernel: usize,
    /// Stride of the depthwise convolution.
    pub stride: usize,
    /// The depthwise convolution runs on `expand * input` channels.
    pub expand: usize,
}

/// Facts of a pre-norm vision transformer (Dosovitskiy et al. 2021).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitConfig {
    /// Side of a patch, in pixels.
    pub patch_size: usize,
    /// Whether the convolution that makes the patches has a bias.
    pub patch_bias: bool,
    /// Width of a token.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads of `width / heads` each.
    pub heads: usize,
    /// The feed-forward layers.
    pub feed_forward: FeedForwardConfig,
    /// Epsilon of the layer norms.
    pub norm_eps: f32,
    /// Whether there is a class token, and whether it is among the vision tokens.
    pub class_token: ClassToken,
    /// Whether the embedded patches are normed before the first block (CLIP).
    pub norm_before: bool,
    /// Whether the tokens are normed behind the last block.
    pub norm_after: bool,
}

/// The class token of a vision transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassToken {
    /// There is none (SigLIP).
    Absent,
    /// Takes part in the attention and is left out of the vision tokens (OpenFlamingo).
    Dropped,
    /// Is the first vision token (IDEFICS, flamingo-mini).
    Kept,
}

impl VisionConfig {
    /// Checks every size and returns the width of a vision token.
    pub(super) fn validate(&self) -> Result<usize, ConfigError> {
        size("vision.image_size", self.image_size, 4096)?;
        for (mean, std) in self.mean.iter().zip(self.std) {
            positive("vision.std", std)?;
            if !mean.is_finite() {
                return Err(ConfigError::NotPositive {
                    field: "vision.mean",
                    value: *mean,
                });
            }
        }
        match &self.encoder {
            VisionEncoderConfig::EfficientNetLite(encoder) => encoder.validate()?,
            VisionEncoderConfig::Vit(encoder) => encoder.validate(self.image_size)?,
        }
        size(
            "the number of vision tokens",
            self.encoder.tokens(self.image_size),
            MAX_VISION_TOKENS,
        )?;
        size(
            "the number of values in a layer of vision.encoder",
            self.encoder.largest_activation(self.image_size),
            MAX_ACTIVATION,
        )?;
        Ok(self.encoder.width())
    }
}

impl VisionEncoderConfig {
    /// Width of a vision token.
    pub fn width(&self) -> usize {
        match self {
            Self::EfficientNetLite(encoder) => encoder.head_channels,
            Self::Vit(encoder) => encoder.width,
        }
    }

    /// Number of vision tokens of a square image of this side, in pixels.
    pub fn tokens(&self, image_size: usize) -> usize {
        match self {
            Self::EfficientNetLite(encoder) => {
                let mut side = image_size.div_ceil(2);
                for block in &encoder.blocks {
                    side = side.div_ceil(block.stride);
                }
                side * side
            }
            Self::Vit(encoder) => {
                encoder.patches(image_size) + usize::from(encoder.class_token == ClassToken::Kept)
            }
        }
    }

    /// Most values that a layer makes of a picture of this size.
    fn largest_activation(&self, image_size: usize) -> usize {
        match self {
            Self::EfficientNetLite(encoder) => {
                let mut side = image_size.div_ceil(2);
                let mut largest = product(&[side, side, encoder.stem_channels]);
                for block in &encoder.blocks {
                    let expanded = product(&[side, side, block.input, block.expand]);
                    side = side.div_ceil(block.stride);
                    let output = product(&[side, side, block.output]);
                    largest = largest.max(expanded).max(output);
                }
                largest.max(product(&[side, side, encoder.head_channels]))
            }
            Self::Vit(encoder) => {
                // Queries, keys and values are made at once.
                let width = (3 * encoder.width).max(2 * encoder.feed_forward.width);
                product(&[self.tokens(image_size), width])
            }
        }
    }

    /// Leaves one layer of each kind and returns the pixels that become one token's side.
    pub(super) fn abridge(&mut self) -> usize {
        match self {
            Self::EfficientNetLite(encoder) => {
                // The stem halves the picture too.
                let strides = encoder.blocks.iter().map(|block| block.stride);
                strides.fold(2, usize::saturating_mul)
            }
            Self::Vit(encoder) => {
                encoder.layers = encoder.layers.min(1);
                encoder.patch_size
            }
        }
    }
}

impl EfficientNetLiteConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        size("vision.encoder.stem_channels", self.stem_channels, MAX_SIZE)?;
        size("vision.encoder.head_channels", self.head_channels, MAX_SIZE)?;
        size("vision.encoder.blocks", self.blocks.len(), MAX_COUNT)?;
        let mut channels = self.stem_channels;
        for block in &self.blocks {
            if block.input != channels {
                return Err(ConfigError::Contradiction(
                    "an inverted residual block does not take what the one before gives",
                ));
            }
            size("vision.encoder.blocks.output", block.output, MAX_SIZE)?;
            size("vision.encoder.blocks.kernel", block.kernel, 15)?;
            size("vision.encoder.blocks.stride", block.stride, 4)?;
            size("vision.encoder.blocks.expand", block.expand, 64)?;
            channels = block.output;
        }
        Ok(())
    }
}

impl VitConfig {
    /// Number of patches of a square image of this side, in pixels.
    pub fn patches(&self, image_size: usize) -> usize {
        (image_size / self.patch_size).pow(2)
    }

    /// Whether a class token takes part in the attention.
    pub fn has_class_token(&self) -> bool {
        self.class_token != ClassToken::Absent
    }

    /// OpenAI's CLIP as OpenFlamingo uses it: QuickGELU, and the patch tokens of the last
    /// block without class token and without final norm.
    pub fn open_flamingo_clip(
        patch_size: usize,
        width: usize,
        layers: usize,
        heads: usize,
        ffn_width: usize,
    ) -> Self {
        Self {
            patch_size,
            patch_bias: false,
            width,
            layers,
            heads,
            feed_forward: FeedForwardConfig {
                width: ffn_width,
                gated: false,
                activation: Activation::QuickGelu,
                bias: true,
            },
            norm_eps: 1e-5,
            class_token: ClassToken::Dropped,
            norm_before: true,
            norm_after: false,
        }
    }

    fn validate(&self, image_size: usize) -> Result<(), ConfigError> {
        size("vision.encoder.patch_size", self.patch_size, image_size)?;
        size("vision.encoder.width", self.width, MAX_SIZE)?;
        size("vision.encoder.layers", self.layers, MAX_COUNT)?;
        size("vision.encoder.heads", self.heads, MAX_COUNT)?;
        self.feed_forward
            .validate("vision.encoder.feed_forward.width")?;
        positive("vision.encoder.norm_eps", self.norm_eps)?;
        if !self.width.is_multiple_of(self.heads) {
            return Err(ConfigError::Contradiction(
                "vision.encoder.width is no multiple of its heads",
            ));
        }
        Ok(())
    }
}
