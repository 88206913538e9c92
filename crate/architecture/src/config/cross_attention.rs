//! The gated cross-attention blocks.

use serde::{Deserialize, Serialize};

use super::{FeedForwardConfig, MAX_COUNT, NormConfig, QkNormConfig, size};
use crate::error::ConfigError;

/// Gated cross-attention blocks (paper section 2.2). A block stands before
/// decoder layer `i` if `i >= offset` and `(i - offset) % every == 0`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossAttentionConfig {
    /// A block before every n-th decoder layer.
    pub every: usize,
    /// First layer with a block: `every - 1` in OpenFlamingo, 0 in the paper,
    /// the number of layers for a bare language model.
    pub offset: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Norm before the attention and before the feed-forward layer.
    pub norm: NormConfig,
    /// Whether keys and values are one matrix in the file, keys above values.
    pub fused_key_value: bool,
    /// Norm of queries and keys, if there is one.
    pub qk_norm: Option<QkNormConfig>,
    /// The feed-forward layer.
    pub feed_forward: FeedForwardConfig,
    /// Whether a gate is one number or one a channel.
    pub gate: GateExtent,
    /// Text attends only the last image before it; all before it if false.
    pub only_last_media: bool,
}

/// Extent of a `tanh` gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateExtent {
    /// One number for the whole row.
    Scalar,
    /// One number for each channel (IDEFICS with `alpha_type` "vector").
    Vector,
}

impl CrossAttentionConfig {
    /// Whether a block stands before decoder layer `layer`.
    pub fn stands_before(&self, layer: usize) -> bool {
        layer >= self.offset && (layer - self.offset).is_multiple_of(self.every)
    }

    pub(super) fn validate(&self, layers: usize) -> Result<(), ConfigError> {
        size("cross_attention.every", self.every, MAX_COUNT)?;
        size("cross_attention.heads", self.heads, MAX_COUNT)?;
        size("cross_attention.head_dim", self.head_dim, MAX_COUNT)?;
        self.norm.validate("cross_attention.norm.eps")?;
        if let Some(qk_norm) = &self.qk_norm {
            qk_norm.norm.validate("cross_attention.qk_norm.norm.eps")?;
        }
        self.feed_forward
            .validate("cross_attention.feed_forward.width")?;
        if self.offset > layers {
            return Err(ConfigError::Contradiction(
                "cross_attention.offset lies behind the last language layer",
            ));
        }
        Ok(())
    }
}
