//! Vision encoders: pixels in, a sequence of vision tokens out.
//!
//! An encoder is one file with one type that implements [`VisionEncoder`].

mod efficientnet_lite;
mod vit;

use burn::tensor::Tensor;
use flamingo_architecture::config::{VisionConfig, VisionEncoderConfig};

use crate::builder::Weights;
use crate::error::ModelError;

pub use efficientnet_lite::EfficientNetLite;
pub use vit::Vit;

/// A frozen vision encoder.
pub trait VisionEncoder: Send + Sync {
    /// Normalised pixels `[size * size, 3]`, row by row, to vision tokens
    /// `[tokens, width]`, row by row.
    fn forward(&self, pixels: Tensor<2>) -> Tensor<2>;
}

/// The vision encoder of a configuration.
pub(crate) fn load(
    weights: &mut Weights,
    config: &VisionConfig,
) -> Result<Box<dyn VisionEncoder>, ModelError> {
    let size = config.image_size;
    Ok(match &config.encoder {
        VisionEncoderConfig::EfficientNetLite(encoder) => {
            Box::new(EfficientNetLite::load(weights, encoder, size)?)
        }
        VisionEncoderConfig::Vit(encoder) => Box::new(Vit::load(weights, encoder, size)?),
    })
}
