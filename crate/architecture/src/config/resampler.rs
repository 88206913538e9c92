//! The Perceiver Resampler.

use serde::{Deserialize, Serialize};

use super::range::{MAX_ACTIVATION, product};
use super::{FeedForwardConfig, MAX_COUNT, MAX_SIZE, QkNormConfig, size};
use crate::error::ConfigError;

/// Facts of the Perceiver Resampler (paper section 2.1, appendix A.1.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResamplerConfig {
    /// Width of the vision tokens that come in; equals `width` unless
    /// `input_projection` is true.
    pub input_width: usize,
    /// Whether the input is layer-normed and projected to `width` first.
    pub input_projection: bool,
    /// Width of a latent.
    pub width: usize,
    /// Number of layers.
    pub depth: usize,
    /// Number of latents an image or clip becomes.
    pub latents: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Whether keys and values are one matrix in the file, keys above values.
    pub fused_key_value: bool,
    /// Norm of queries and keys, if there is one.
    pub qk_norm: Option<QkNormConfig>,
    /// The feed-forward layers.
    pub feed_forward: FeedForwardConfig,
    /// Learned temporal embeddings; 0 if the model has none.
    pub max_frames: usize,
    /// Learned media embeddings; 0 if the model has none.
    pub max_media: usize,
}

impl ResamplerConfig {
    pub(super) fn validate(
        &self,
        vision_width: usize,
        vision_tokens: usize,
    ) -> Result<(), ConfigError> {
        size("resampler.input_width", self.input_width, MAX_SIZE)?;
        size("resampler.width", self.width, MAX_SIZE)?;
        size("resampler.depth", self.depth, MAX_COUNT)?;
        size("resampler.latents", self.latents, MAX_SIZE)?;
        size("resampler.heads", self.heads, MAX_COUNT)?;
        size("resampler.head_dim", self.head_dim, MAX_COUNT)?;
        self.feed_forward.validate("resampler.feed_forward.width")?;
        if let Some(qk_norm) = &self.qk_norm {
            qk_norm.norm.validate("resampler.qk_norm.norm.eps")?;
        }
        for (field, value) in [
            ("resampler.max_frames", self.max_frames),
            ("resampler.max_media", self.max_media),
        ] {
            if value > MAX_SIZE {
                return Err(ConfigError::OutOfRange {
                    field,
                    value,
                    max: MAX_SIZE,
                });
            }
        }
        // Rows are the tokens and the latents; keys and values are made of both.
        let rows = vision_tokens.saturating_add(self.latents);
        let width = (2 * self.heads * self.head_dim)
            .max(2 * self.feed_forward.width)
            .max(self.width);
        size(
            "the number of values in a layer of resampler",
            product(&[rows, width]),
            MAX_ACTIVATION,
        )?;
        if self.input_width != vision_width {
            return Err(ConfigError::Contradiction(
                "resampler.input_width is not the width of the vision tokens",
            ));
        }
        if !self.input_projection && self.input_width != self.width {
            return Err(ConfigError::Contradiction(
                "without input projection resampler.width must be the vision width",
            ));
        }
        Ok(())
    }
}
