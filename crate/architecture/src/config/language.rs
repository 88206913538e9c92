//! The language model.

use serde::{Deserialize, Serialize};

use super::{FeedForwardConfig, MAX_COUNT, MAX_SIZE, NormConfig, QkNormConfig, positive, size};
use crate::error::ConfigError;

/// The frozen language model: a stack of decoder layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageConfig {
    /// Width of the residual stream.
    pub width: usize,
    /// Number of decoder layers.
    pub layers: usize,
    /// Rows of the token embedding.
    pub vocab_size: usize,
    /// Rows of the extra token embedding that follow the `vocab_size` ones.
    pub extra_tokens: usize,
    /// Longest sequence.
    pub context: usize,
    /// The embedding and the head.
    pub embedding: EmbeddingConfig,
    /// How a token knows where it stands.
    pub positions: PositionConfig,
    /// Norms of the layers and the final one.
    pub norm: NormConfig,
    /// Where a layer norms.
    pub norm_placement: NormPlacement,
    /// Whether the last layer's output is normed before the head.
    pub final_norm: bool,
    /// Self-attention.
    pub attention: AttentionConfig,
    /// Feed-forward layers.
    pub feed_forward: FeedForwardConfig,
}

/// The token embedding and the output head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingConfig {
    /// Width of an embedding; if it is not the width of the residual stream, a matrix
    /// without bias projects into it, and another one back before the head (OPT-350M).
    pub width: usize,
    /// Whether the output head is the token embedding.
    pub tied_head: bool,
    /// Whether the head's rows of the extra tokens are matrices of their own; if false they
    /// are those of the embedding, whatever the other rows are.
    pub own_extra_head: bool,
}

/// How a token knows where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PositionConfig {
    /// Queries and keys are rotated (Su et al. 2021).
    Rope {
        /// Which coordinates of a head turn together.
        style: RopeStyle,
        /// Base of the frequencies.
        theta: f32,
        /// Leading part of a head that is rotated, in coordinates.
        dims: usize,
        /// How the frequencies are stretched.
        #[serde(default)]
        scaling: RopeScaling,
    },
    /// Scores fall with the distance (Press et al. 2022).
    Alibi {
        /// Largest exponent of a head's slope (8 in every released model).
        max_bias: f32,
    },
    /// A learned embedding a position is added to the token's.
    Learned {
        /// Row of the first position (2 in OPT).
        offset: usize,
    },
}

/// Which coordinates of a head are one complex number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RopeStyle {
    /// Neighbours `(2i, 2i + 1)`, as llama.cpp orders the rows of Q and K.
    Pairs,
    /// `(i, i + dims / 2)`, as GPT-NeoX and transformers do.
    Halves,
}

/// How rotary frequencies are stretched to a longer context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RopeScaling {
    /// Not at all.
    #[default]
    None,
    /// Every frequency is divided by `factor`.
    Linear {
        /// The divisor.
        factor: f32,
    },
    /// Llama 3.1's: pairs of coordinates that turn slowly are divided by `factor`, those
    /// that turn fast stay, those between change from one to the other.
    Llama3 {
        /// Divisor of the slow pairs.
        factor: f32,
        /// Pairs with fewer turns within the original positions are slow.
        low_frequency_factor: f32,
        /// Pairs with more turns within the original positions are fast.
        high_frequency_factor: f32,
        /// Positions that the model was first trained with.
        original_positions: f32,
    },
}

/// Where a layer norms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormPlacement {
    /// Before attention and feed-forward layer: `x + f(norm(x))`.
    Before,
    /// Behind the residual sum: `norm(x + f(x))` (OPT-350M).
    After,
}

/// Self-attention.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionConfig {
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; fewer than `heads` means grouped-query attention.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Whether queries, keys and values are one matrix in the file, in this order.
    pub fused_qkv: bool,
    /// Whether queries, keys and values have biases.
    pub qkv_bias: bool,
    /// Whether the output has a bias.
    pub output_bias: bool,
    /// Norm of queries and keys, if there is one.
    pub qk_norm: Option<QkNormConfig>,
}

impl AttentionConfig {
    /// Width of all queries.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all keys, and of all values.
    pub fn key_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }
}

impl LanguageConfig {
    /// Whether matrices stand between the embedding and the residual stream.
    pub fn has_projections(&self) -> bool {
        self.embedding.width != self.width
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        size("language.width", self.width, MAX_SIZE)?;
        size("language.layers", self.layers, MAX_COUNT)?;
        size("language.vocab_size", self.vocab_size, 1 << 22)?;
        size("language.context", self.context, 1 << 22)?;
        size("language.embedding.width", self.embedding.width, MAX_SIZE)?;
        if self.extra_tokens > MAX_COUNT {
            return Err(ConfigError::OutOfRange {
                field: "language.extra_tokens",
                value: self.extra_tokens,
                max: MAX_COUNT,
            });
        }
        self.norm.validate("language.norm.eps")?;
        self.feed_forward.validate("language.feed_forward.width")?;
        self.attention.validate()?;
        self.positions.validate(&self.attention)
    }
}

impl AttentionConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        size("language.attention.heads", self.heads, MAX_COUNT)?;
        size("language.attention.kv_heads", self.kv_heads, self.heads)?;
        size("language.attention.head_dim", self.head_dim, MAX_COUNT)?;
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(ConfigError::Contradiction(
                "language.attention.heads is no multiple of language.attention.kv_heads",
            ));
        }
        match &self.qk_norm {
            Some(qk_norm) => qk_norm.norm.validate("language.attention.qk_norm.norm.eps"),
            None => Ok(()),
        }
    }
}

impl RopeScaling {
    fn validate(&self) -> Result<(), ConfigError> {
        const FACTOR: &str = "language.positions.scaling.factor";
        match *self {
            Self::None => Ok(()),
            Self::Linear { factor } => positive(FACTOR, factor),
            Self::Llama3 {
                factor,
                low_frequency_factor: low,
                high_frequency_factor: high,
                original_positions,
            } => {
                positive(FACTOR, factor)?;
                positive("language.positions.scaling.low_frequency_factor", low)?;
                positive("language.positions.scaling.high_frequency_factor", high)?;
                positive(
                    "language.positions.scaling.original_positions",
                    original_positions,
                )?;
                match low < high {
                    true => Ok(()),
                    false => Err(ConfigError::Contradiction(
                        "language.positions.scaling.low_frequency_factor must be the smaller",
                    )),
                }
            }
        }
    }
}

impl PositionConfig {
    fn validate(&self, attention: &AttentionConfig) -> Result<(), ConfigError> {
        match *self {
            Self::Rope {
                theta,
                dims,
                scaling,
                ..
            } => {
                positive("language.positions.theta", theta)?;
                size("language.positions.dims", dims, attention.head_dim)?;
                if !dims.is_multiple_of(2) {
                    return Err(ConfigError::Contradiction(
                        "RoPE rotates an even part of a head: language.positions.dims is odd",
                    ));
                }
                scaling.validate()
            }
            Self::Alibi { max_bias } => {
                positive("language.positions.max_bias", max_bias)?;
                if !attention.heads.is_power_of_two() {
                    return Err(ConfigError::Contradiction(
                        "ALiBi needs a power of two of heads",
                    ));
                }
                Ok(())
            }
            Self::Learned { offset } => match offset > MAX_COUNT {
                true => Err(ConfigError::OutOfRange {
                    field: "language.positions.offset",
                    value: offset,
                    max: MAX_COUNT,
                }),
                false => Ok(()),
            },
        }
    }
}
