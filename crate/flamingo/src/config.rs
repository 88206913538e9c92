//! Every size of a Flamingo model, as data.
//!
//! One [`FlamingoConfig`] describes OpenFlamingo's released models and the
//! default model alike. It is stored as JSON text under the key
//! `flamingo.config` of a GGUF file and is untrusted input there:
//! [`FlamingoConfig::validate`] must pass before a size is used.

use crate::error::ConfigError;
use flamingo_kernels::Activation;
use serde::{Deserialize, Serialize};

/// A whole model: vision encoder, Perceiver Resampler, language model and the
/// gated cross-attention blocks between its layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlamingoConfig {
    /// Vision encoder and how its pixels are made.
    pub vision: VisionConfig,
    /// Perceiver Resampler.
    pub resampler: ResamplerConfig,
    /// Frozen language model.
    pub language: LanguageConfig,
    /// Gated cross-attention blocks.
    pub cross_attention: CrossAttentionConfig,
    /// Ids of the tokens that carry meaning for the runtime.
    pub tokens: TokensConfig,
}

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

/// The function inside the feed-forward layers of the bridges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BridgeActivation {
    /// `nn.GELU()`, as in OpenFlamingo.
    #[default]
    Gelu,
    /// `max(x, 0)²`, as in the paper (appendix A.1, table 4).
    SquaredRelu,
}

impl From<BridgeActivation> for Activation {
    fn from(activation: BridgeActivation) -> Self {
        match activation {
            BridgeActivation::Gelu => Self::GeluErf,
            BridgeActivation::SquaredRelu => Self::SquaredRelu,
        }
    }
}

/// The vision encoders that can stand at the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum VisionEncoderConfig {
    /// EfficientNet-Lite, batch norm folded, its last grid flattened to tokens.
    EfficientNetLite(EfficientNetLiteConfig),
    /// CLIP's ViT: the patch tokens of the last block, without class token
    /// and without final norm, which is what OpenFlamingo was trained on.
    ClipVit(ClipVitConfig),
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
    /// Output channels; the input is added to the output where both the
    /// channels and the size stay the same.
    pub output: usize,
    /// Side of the depthwise kernel.
    pub kernel: usize,
    /// Stride of the depthwise convolution.
    pub stride: usize,
    /// The depthwise convolution runs on `expand * input` channels.
    pub expand: usize,
}

/// Sizes of a CLIP ViT (Radford et al. 2021), pre-norm, QuickGELU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipVitConfig {
    /// Side of a patch, in pixels.
    pub patch_size: usize,
    /// Width of a token.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads of `width / heads` each.
    pub heads: usize,
    /// Inner width of the feed-forward layers.
    pub ffn_width: usize,
    /// Epsilon of the layer norms.
    pub norm_eps: f32,
}

/// Sizes of the Perceiver Resampler (paper section 2.1, appendix A.1.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResamplerConfig {
    /// Width of the vision tokens that come in. Where `input_projection` is
    /// false it equals `width`.
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
    /// Inner width of the feed-forward layers as a multiple of `width`.
    pub ffn_mult: usize,
    /// The function inside them.
    #[serde(default)]
    pub activation: BridgeActivation,
    /// Learned temporal embeddings; 0 where the model has none.
    pub max_frames: usize,
    /// Learned media embeddings; 0 where the model has none.
    pub max_media: usize,
}

/// The frozen language model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageConfig {
    /// Which family of decoder.
    pub kind: LanguageKind,
    /// Width of the residual stream.
    pub width: usize,
    /// Number of decoder layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; fewer than `heads` means grouped-query attention.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Inner width of the feed-forward layers.
    pub ffn_width: usize,
    /// Rows of the token embedding.
    pub vocab_size: usize,
    /// Rows of the extra token embedding that follow the `vocab_size` ones.
    pub extra_tokens: usize,
    /// Longest sequence.
    pub context: usize,
    /// Epsilon of the norms.
    pub norm_eps: f32,
    /// Whether the output head is the token embedding.
    pub tied_head: bool,
}

/// The decoder families OpenFlamingo and the default model use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "snake_case", deny_unknown_fields)]
pub enum LanguageKind {
    /// RMSNorm, RoPE over all of a head in pairs (llama.cpp's row order), SwiGLU.
    Llama {
        /// Base of the rotary frequencies.
        rope_theta: f32,
    },
    /// LayerNorm without bias, ALiBi, GELU.
    Mpt {
        /// Largest ALiBi exponent (8 in every released model).
        alibi_bias_max: f32,
        /// Full-width LayerNorm of queries and keys before the head split (MPT-1B).
        qk_norm: bool,
    },
    /// LayerNorm with bias, RoPE in halves, GELU, sequential residual.
    GptNeox {
        /// Base of the rotary frequencies.
        rope_theta: f32,
        /// Leading part of a head that is rotated, in elements.
        rotary_dims: usize,
    },
}

/// Gated cross-attention blocks (paper section 2.2). A block stands before
/// decoder layer `i` where `i >= offset` and `(i - offset) % every == 0`.
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
    /// Inner width of the feed-forward layers as a multiple of the language width.
    pub ffn_mult: usize,
    /// The function inside them.
    #[serde(default)]
    pub activation: BridgeActivation,
    /// Text attends only the last image before it; all before it where false.
    pub only_last_media: bool,
}

/// Token ids the runtime must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokensConfig {
    /// `<image>`: stands where an image stands. Never generated.
    pub image: u32,
    /// `<|endofchunk|>`: ends an example, stops generation.
    pub end_of_chunk: u32,
}

/// No size in a configuration may exceed this; it keeps every product of
/// sizes far from overflow.
const MAX_SIZE: usize = 1 << 20;

/// No count of layers, heads or blocks may exceed this.
const MAX_COUNT: usize = 1 << 10;

impl FlamingoConfig {
    /// Reads and validates a configuration from JSON text.
    ///
    /// # Errors
    /// [`ConfigError`] where a field is missing, unknown or out of range.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let config: Self =
            serde_json::from_str(text).map_err(|error| ConfigError::Json(error.to_string()))?;
        config.validate()?;
        Ok(config)
    }

    /// Size of the vocabulary, extra tokens included.
    pub fn vocab(&self) -> usize {
        self.language.vocab_size + self.language.extra_tokens
    }

    /// Number of tokens the vision encoder makes of one image.
    pub fn vision_tokens(&self) -> usize {
        match &self.vision.encoder {
            VisionEncoderConfig::EfficientNetLite(encoder) => {
                let mut side = self.vision.image_size.div_ceil(2);
                for block in &encoder.blocks {
                    side = side.div_ceil(block.stride);
                }
                side * side
            }
            VisionEncoderConfig::ClipVit(encoder) => {
                (self.vision.image_size / encoder.patch_size).pow(2)
            }
        }
    }

    /// The same kinds of layers and as few of them as there can be, with few words and a
    /// small picture: it asks a device for the programs that the whole model needs, and
    /// for little work. Its tensors have names of the whole model's, and not all of its
    /// shapes.
    pub fn abridged(&self) -> Self {
        /// Kernels divide the work differently where a matrix has few rows.
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
        few.resampler.depth = few.resampler.depth.min(1);
        let cell = match &mut few.vision.encoder {
            VisionEncoderConfig::EfficientNetLite(encoder) => {
                // The stem halves the picture too.
                2 * encoder
                    .blocks
                    .iter()
                    .map(|block| block.stride)
                    .product::<usize>()
            }
            VisionEncoderConfig::ClipVit(encoder) => {
                encoder.layers = encoder.layers.min(1);
                encoder.patch_size
            }
        };
        few.vision.image_size = few.vision.image_size.min(CELLS.saturating_mul(cell));
        few
    }

    /// Checks every size before any is used.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        size("vision.image_size", self.vision.image_size, 4096)?;
        for (mean, std) in self.vision.mean.iter().zip(self.vision.std) {
            positive("vision.std", std)?;
            if !mean.is_finite() {
                return Err(ConfigError::NotPositive {
                    field: "vision.mean",
                    value: *mean,
                });
            }
        }
        let vision_width = self.vision.encoder.validate(self.vision.image_size)?;
        self.resampler.validate(vision_width)?;
        self.language.validate()?;
        let cross = &self.cross_attention;
        size("cross_attention.every", cross.every, MAX_COUNT)?;
        size("cross_attention.heads", cross.heads, MAX_COUNT)?;
        size("cross_attention.head_dim", cross.head_dim, MAX_COUNT)?;
        size("cross_attention.ffn_mult", cross.ffn_mult, 64)?;
        if cross.offset > self.language.layers {
            return Err(ConfigError::Contradiction(
                "cross_attention.offset lies behind the last language layer",
            ));
        }
        let vocab = self.vocab();
        if self.tokens.image as usize >= vocab || self.tokens.end_of_chunk as usize >= vocab {
            return Err(ConfigError::Contradiction(
                "a special token lies outside the vocabulary",
            ));
        }
        if self.tokens.image == self.tokens.end_of_chunk {
            return Err(ConfigError::Contradiction(
                "<image> and <|endofchunk|> share an id",
            ));
        }
        Ok(())
    }
}

impl VisionEncoderConfig {
    /// Validates the encoder and gives the width of its tokens.
    fn validate(&self, image_size: usize) -> Result<usize, ConfigError> {
        match self {
            Self::EfficientNetLite(encoder) => {
                size(
                    "vision.encoder.stem_channels",
                    encoder.stem_channels,
                    MAX_SIZE,
                )?;
                size(
                    "vision.encoder.head_channels",
                    encoder.head_channels,
                    MAX_SIZE,
                )?;
                size("vision.encoder.blocks", encoder.blocks.len(), MAX_COUNT)?;
                let mut channels = encoder.stem_channels;
                for block in &encoder.blocks {
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
                Ok(encoder.head_channels)
            }
            Self::ClipVit(encoder) => {
                size("vision.encoder.patch_size", encoder.patch_size, image_size)?;
                size("vision.encoder.width", encoder.width, MAX_SIZE)?;
                size("vision.encoder.layers", encoder.layers, MAX_COUNT)?;
                size("vision.encoder.heads", encoder.heads, MAX_COUNT)?;
                size("vision.encoder.ffn_width", encoder.ffn_width, MAX_SIZE)?;
                positive("vision.encoder.norm_eps", encoder.norm_eps)?;
                if !encoder.width.is_multiple_of(encoder.heads) {
                    return Err(ConfigError::Contradiction(
                        "vision.encoder.width is no multiple of its heads",
                    ));
                }
                Ok(encoder.width)
            }
        }
    }
}

impl ResamplerConfig {
    fn validate(&self, vision_width: usize) -> Result<(), ConfigError> {
        size("resampler.input_width", self.input_width, MAX_SIZE)?;
        size("resampler.width", self.width, MAX_SIZE)?;
        size("resampler.depth", self.depth, MAX_COUNT)?;
        size("resampler.latents", self.latents, MAX_SIZE)?;
        size("resampler.heads", self.heads, MAX_COUNT)?;
        size("resampler.head_dim", self.head_dim, MAX_COUNT)?;
        size("resampler.ffn_mult", self.ffn_mult, 64)?;
        if self.max_frames > MAX_SIZE || self.max_media > MAX_SIZE {
            return Err(ConfigError::Contradiction(
                "resampler embeddings without end",
            ));
        }
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

impl LanguageConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        size("language.width", self.width, MAX_SIZE)?;
        size("language.layers", self.layers, MAX_COUNT)?;
        size("language.heads", self.heads, MAX_COUNT)?;
        size("language.kv_heads", self.kv_heads, self.heads)?;
        size("language.head_dim", self.head_dim, MAX_COUNT)?;
        size("language.ffn_width", self.ffn_width, MAX_SIZE)?;
        size("language.vocab_size", self.vocab_size, 1 << 22)?;
        size("language.context", self.context, 1 << 22)?;
        positive("language.norm_eps", self.norm_eps)?;
        if self.extra_tokens > MAX_COUNT {
            return Err(ConfigError::OutOfRange {
                field: "language.extra_tokens",
                value: self.extra_tokens,
                max: MAX_COUNT,
            });
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(ConfigError::Contradiction(
                "language.heads is no multiple of language.kv_heads",
            ));
        }
        match self.kind {
            LanguageKind::Llama { rope_theta } => {
                positive("language.kind.rope_theta", rope_theta)?;
                if !self.head_dim.is_multiple_of(2) {
                    return Err(ConfigError::Contradiction("RoPE needs an even head_dim"));
                }
            }
            LanguageKind::Mpt { alibi_bias_max, .. } => {
                positive("language.kind.alibi_bias_max", alibi_bias_max)?;
                if !self.heads.is_power_of_two() || self.kv_heads != self.heads {
                    return Err(ConfigError::Contradiction(
                        "mpt needs a power of two of heads and as many key/value heads",
                    ));
                }
            }
            LanguageKind::GptNeox {
                rope_theta,
                rotary_dims,
            } => {
                positive("language.kind.rope_theta", rope_theta)?;
                size("language.kind.rotary_dims", rotary_dims, self.head_dim)?;
                if !rotary_dims.is_multiple_of(2) || self.kv_heads != self.heads {
                    return Err(ConfigError::Contradiction(
                        "gpt_neox needs even rotary_dims and as many key/value heads as heads",
                    ));
                }
            }
        }
        Ok(())
    }
}

impl CrossAttentionConfig {
    /// Whether a block stands before decoder layer `layer`.
    pub fn stands_before(&self, layer: usize) -> bool {
        layer >= self.offset && (layer - self.offset).is_multiple_of(self.every)
    }
}

fn size(field: &'static str, value: usize, max: usize) -> Result<(), ConfigError> {
    if value == 0 || value > max {
        return Err(ConfigError::OutOfRange { field, value, max });
    }
    Ok(())
}

fn positive(field: &'static str, value: f32) -> Result<(), ConfigError> {
    if !(value.is_finite() && value > 0.0) {
        return Err(ConfigError::NotPositive { field, value });
    }
    Ok(())
}
