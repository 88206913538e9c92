//! Vision encoders: pixels in, a sequence of vision tokens out.

mod clip_vit;
mod efficientnet_lite;

use burn::tensor::Tensor;

use crate::builder::Weights;
use crate::config::{VisionConfig, VisionEncoderConfig};
use crate::error::ModelError;

pub use clip_vit::ClipVit;
pub use efficientnet_lite::EfficientNetLite;

/// The frozen vision encoder of a model.
#[cfg_attr(
    feature = "webgpu",
    expect(clippy::large_enum_variant, reason = "a model has one")
)]
pub enum VisionEncoder {
    /// EfficientNet-Lite, its last grid flattened.
    EfficientNetLite(EfficientNetLite),
    /// CLIP's ViT, its patch tokens.
    ClipVit(ClipVit),
}

impl VisionEncoder {
    pub(crate) fn load(weights: &mut Weights, config: &VisionConfig) -> Result<Self, ModelError> {
        match &config.encoder {
            VisionEncoderConfig::EfficientNetLite(encoder) => {
                EfficientNetLite::load(weights, encoder, config.image_size)
                    .map(Self::EfficientNetLite)
            }
            VisionEncoderConfig::ClipVit(encoder) => {
                ClipVit::load(weights, encoder, config.image_size).map(Self::ClipVit)
            }
        }
    }

    /// Normalised pixels `[size * size, 3]`, row by row, to vision tokens
    /// `[tokens, width]`, row by row.
    pub fn forward(&self, pixels: Tensor<2>) -> Tensor<2> {
        match self {
            Self::EfficientNetLite(encoder) => encoder.forward(pixels),
            Self::ClipVit(encoder) => encoder.forward(pixels),
        }
    }
}
