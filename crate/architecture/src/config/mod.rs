//! A model as independent facts.
//!
//! One [`FlamingoConfig`] describes every model here: the default one, OpenFlamingo's,
//! IDEFICS, flamingo-mini. It is stored as JSON text under the key `flamingo.config` of a
//! GGUF file and is untrusted input there: [`FlamingoConfig::validate`] must pass before a
//! size is used.

mod cross_attention;
mod feed_forward;
mod format;
mod language;
mod norm;
mod prompt;
mod range;
mod resampler;
mod vision;

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;

pub use cross_attention::{CrossAttentionConfig, GateExtent};
pub use feed_forward::{Activation, FeedForwardConfig};
pub use language::{
    AttentionConfig, EmbeddingConfig, LanguageConfig, NormPlacement, PositionConfig, RopeScaling,
    RopeStyle,
};
pub use norm::{NormConfig, NormKind, QkNormConfig, QkNormExtent};
pub use prompt::{
    CAPTION, CLASSIFICATION, HATEFUL_MEMES, ImageSpelling, PromptConfig, Task, Templates,
    VISUAL_QUESTION,
};
pub use resampler::ResamplerConfig;
pub use vision::{
    ClassToken, EfficientNetLiteConfig, InvertedResidualConfig, ResizeMode, VisionConfig,
    VisionEncoderConfig, VitConfig,
};

use range::{MAX_ACTIVATION, MAX_COUNT, MAX_SIZE, positive, product, size};

/// Epsilon of every layer norm in the bridges (`nn.LayerNorm`'s default).
pub const BRIDGE_NORM_EPS: f32 = 1e-5;

/// A whole model: vision encoder, Perceiver Resampler, language model and the
/// gated cross-attention blocks between its layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlamingoConfig {
    /// Vision encoder and how its pixels are made.
    pub vision: VisionConfig,
    /// Perceiver Resampler; `None` if the cross-attention attends the vision tokens
    /// themselves (IDEFICS with `use_resampler` false).
    pub resampler: Option<ResamplerConfig>,
    /// Frozen language model.
    pub language: LanguageConfig,
    /// Gated cross-attention blocks.
    pub cross_attention: CrossAttentionConfig,
    /// Ids of the tokens that carry meaning for the runtime.
    pub tokens: TokensConfig,
    /// How prompts are spelled.
    pub prompt: PromptConfig,
}

/// Token ids the runtime must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokensConfig {
    /// Stands where an image stands: the text from here on attends it.
    pub image: u32,
    /// Ends an answer, and with it generation.
    pub end_of_chunk: u32,
}

impl FlamingoConfig {
    /// Reads and validates a configuration from JSON text, of this format or an older one.
    ///
    /// # Errors
    /// [`ConfigError`] if a field is missing, unknown or out of range, or if the
    /// configuration has a newer format.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let config = format::read(text)?;
        config.validate()?;
        Ok(config)
    }

    /// The configuration as JSON text of the newest format.
    pub fn to_json(&self) -> String {
        format::write(self)
    }

    /// Size of the vocabulary, extra tokens included.
    pub fn vocab(&self) -> usize {
        self.language.vocab_size + self.language.extra_tokens
    }

    /// Number of tokens the vision encoder makes of one image.
    pub fn vision_tokens(&self) -> usize {
        self.vision.encoder.tokens(self.vision.image_size)
    }

    /// Rows that one image or clip gives to the cross-attention blocks.
    pub fn media_rows(&self) -> usize {
        match &self.resampler {
            Some(resampler) => resampler.latents,
            None => self.vision_tokens(),
        }
    }

    /// Width of these rows.
    pub fn media_width(&self) -> usize {
        match &self.resampler {
            Some(resampler) => resampler.width,
            None => self.vision.encoder.width(),
        }
    }

    /// The same kinds of layers and as few of them as there can be, with few words and a
    /// small picture: it asks a device for the programs that the whole model needs, and
    /// for little work. Its tensors have names of the whole model's, and not all of its
    /// shapes.
    pub fn abridged(&self) -> Self {
        /// Kernels divide the work differently if a matrix has few rows.
        const WORDS: usize = 1 << 14;
        /// Cells on a side of what the vision encoder makes of the picture: more than the
        /// few rows that kernels have programs of their own for.
        const CELLS: usize = 3;
        let mut few = self.clone();
        few.language.layers = few.language.layers.min(few.cross_attention.offset + 1);
        few.language.vocab_size = few.language.vocab_size.min(WORDS);
        few.tokens = TokensConfig {
            image: 0,
            end_of_chunk: 1,
        };
        few.prompt = PromptConfig::open_flamingo(few.tokens);
        if let Some(resampler) = &mut few.resampler {
            resampler.depth = resampler.depth.min(1);
        }
        let cell = few.vision.encoder.abridge();
        few.vision.image_size = few.vision.image_size.min(CELLS.saturating_mul(cell));
        few
    }

    /// Checks every size before any is used.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let vision_width = self.vision.validate()?;
        if let Some(resampler) = &self.resampler {
            resampler.validate(vision_width, self.vision_tokens())?;
        }
        self.language.validate()?;
        self.cross_attention.validate(self.language.layers)?;
        let CrossAttentionConfig {
            heads, head_dim, ..
        } = self.cross_attention;
        size(
            "the number of keys and values that cross_attention makes of a picture",
            product(&[self.media_rows(), 2, heads, head_dim]),
            MAX_ACTIVATION,
        )?;
        let vocab = self.vocab();
        if self.tokens.image as usize >= vocab || self.tokens.end_of_chunk as usize >= vocab {
            return Err(ConfigError::Contradiction(
                "a special token lies outside the vocabulary",
            ));
        }
        if self.tokens.image == self.tokens.end_of_chunk {
            return Err(ConfigError::Contradiction(
                "the tokens of an image and of the end of an answer share an id",
            ));
        }
        self.prompt.validate(vocab)
    }
}
