//! The tensors of each layer, derived from a configuration.
//!
//! Each layer has one description, a struct such as [`DecoderLayerSpec`] whose fields are
//! its parts in the order in which they are loaded. Names are those of the GGUF container;
//! the language model's are llama.cpp's.

mod cross_attention;
mod decoder;
mod efficientnet_lite;
mod parts;
mod resampler;
mod vit;

use crate::config::{FlamingoConfig, VisionEncoderConfig};

pub use cross_attention::CrossAttentionSpec;
pub use decoder::{DecoderLayerSpec, LanguageSpec};
pub use efficientnet_lite::{ConvolutionSpec, EfficientNetLiteSpec, InvertedResidualSpec};
pub use parts::{FeedForwardSpec, LinearSpec, NormSpec, Parts, QkNormSpec, TensorRole, TensorSpec};
pub use resampler::{ResamplerLayerSpec, ResamplerSpec};
pub use vit::{VitBlockSpec, VitSpec};

impl FlamingoConfig {
    /// All tensors of the model, in load order: the language model with each
    /// cross-attention block right before its layer, then the resampler, then
    /// the vision encoder.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut tensors = Vec::new();
        let mut add = |tensor: &TensorSpec| tensors.push(tensor.clone());
        let language = LanguageSpec::of(&self.language);
        language.each_before_layers(&mut add);
        for layer in 0..self.language.layers {
            if self.cross_attention.stands_before(layer) {
                CrossAttentionSpec::of(self, layer).each(&mut add);
            }
            DecoderLayerSpec::of(&self.language, layer).each(&mut add);
        }
        language.each_behind_layers(&mut add);
        if let Some(resampler) = &self.resampler {
            ResamplerSpec::of(resampler).each(&mut add);
        }
        match &self.vision.encoder {
            VisionEncoderConfig::EfficientNetLite(encoder) => {
                EfficientNetLiteSpec::of(encoder).each(&mut add);
            }
            VisionEncoderConfig::Vit(encoder) => {
                VitSpec::of(encoder, self.vision.image_size).each(&mut add);
            }
        }
        tensors
    }
}
