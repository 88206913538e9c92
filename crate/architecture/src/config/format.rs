//! The configuration as JSON text, in this format and the one before.
//!
//! Format 2 has the fields of [`FlamingoConfig`] and `"format": 2`. Format 1 has no such
//! field; it named a family of language models in place of the facts, which are put in
//! here.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Activation, AttentionConfig, CrossAttentionConfig, EfficientNetLiteConfig, EmbeddingConfig,
    FeedForwardConfig, FlamingoConfig, GateExtent, LanguageConfig, NormConfig, NormKind,
    NormPlacement, PositionConfig, PromptConfig, QkNormConfig, QkNormExtent, ResamplerConfig,
    ResizeMode, RopeScaling, RopeStyle, TokensConfig, VisionConfig, VisionEncoderConfig, VitConfig,
};
use crate::error::ConfigError;

/// The format that [`write`] writes.
const NEWEST: u64 = 2;

/// A configuration with its format, as it is written.
#[derive(Serialize)]
struct Written<'a> {
    format: u64,
    #[serde(flatten)]
    config: &'a FlamingoConfig,
}

pub(super) fn write(config: &FlamingoConfig) -> String {
    let written = Written {
        format: NEWEST,
        config,
    };
    serde_json::to_string(&written).expect("invariant: every field of a configuration is JSON")
}

pub(super) fn read(text: &str) -> Result<FlamingoConfig, ConfigError> {
    let mut json: Value = serde_json::from_str(text).map_err(malformed)?;
    let format = match json
        .as_object_mut()
        .and_then(|fields| fields.remove("format"))
    {
        None => {
            return serde_json::from_value::<Format1>(json)
                .map_err(malformed)?
                .modern();
        }
        Some(format) => format,
    };
    match format.as_u64() {
        Some(NEWEST) => serde_json::from_value(json).map_err(malformed),
        Some(found) if found > NEWEST => Err(ConfigError::NewerFormat {
            found,
            newest: NEWEST,
        }),
        _ => Err(ConfigError::Json(format!(
            "format is {format}, expected {NEWEST}"
        ))),
    }
}

fn malformed(error: serde_json::Error) -> ConfigError {
    ConfigError::Json(error.to_string())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Format1 {
    vision: Vision1,
    resampler: Resampler1,
    language: Language1,
    cross_attention: CrossAttention1,
    tokens: TokensConfig,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vision1 {
    image_size: usize,
    resize: ResizeMode,
    mean: [f32; 3],
    std: [f32; 3],
    encoder: VisionEncoder1,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum VisionEncoder1 {
    EfficientNetLite(EfficientNetLiteConfig),
    ClipVit(ClipVit1),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClipVit1 {
    patch_size: usize,
    width: usize,
    layers: usize,
    heads: usize,
    ffn_width: usize,
    norm_eps: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resampler1 {
    input_width: usize,
    input_projection: bool,
    width: usize,
    depth: usize,
    latents: usize,
    heads: usize,
    head_dim: usize,
    ffn_mult: usize,
    #[serde(default)]
    activation: BridgeActivation1,
    max_frames: usize,
    max_media: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Language1 {
    kind: LanguageKind1,
    width: usize,
    layers: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    ffn_width: usize,
    vocab_size: usize,
    extra_tokens: usize,
    context: usize,
    norm_eps: f32,
    tied_head: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(tag = "family", rename_all = "snake_case", deny_unknown_fields)]
enum LanguageKind1 {
    Llama { rope_theta: f32 },
    Mpt { alibi_bias_max: f32, qk_norm: bool },
    GptNeox { rope_theta: f32, rotary_dims: usize },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CrossAttention1 {
    every: usize,
    offset: usize,
    heads: usize,
    head_dim: usize,
    ffn_mult: usize,
    #[serde(default)]
    activation: BridgeActivation1,
    only_last_media: bool,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BridgeActivation1 {
    #[default]
    Gelu,
    SquaredRelu,
}

impl Format1 {
    fn modern(self) -> Result<FlamingoConfig, ConfigError> {
        let width = self.language.width;
        Ok(FlamingoConfig {
            vision: self.vision.modern(),
            resampler: Some(self.resampler.modern()?),
            language: self.language.modern(),
            cross_attention: self.cross_attention.modern(width)?,
            tokens: self.tokens,
            prompt: PromptConfig::open_flamingo(self.tokens),
        })
    }
}

impl Vision1 {
    fn modern(self) -> VisionConfig {
        VisionConfig {
            image_size: self.image_size,
            resize: self.resize,
            mean: self.mean,
            std: self.std,
            encoder: match self.encoder {
                VisionEncoder1::EfficientNetLite(encoder) => {
                    VisionEncoderConfig::EfficientNetLite(encoder)
                }
                VisionEncoder1::ClipVit(clip) => VisionEncoderConfig::Vit(VitConfig {
                    norm_eps: clip.norm_eps,
                    ..VitConfig::open_flamingo_clip(
                        clip.patch_size,
                        clip.width,
                        clip.layers,
                        clip.heads,
                        clip.ffn_width,
                    )
                }),
            },
        }
    }
}

impl Resampler1 {
    fn modern(self) -> Result<ResamplerConfig, ConfigError> {
        Ok(ResamplerConfig {
            input_width: self.input_width,
            input_projection: self.input_projection,
            width: self.width,
            depth: self.depth,
            latents: self.latents,
            heads: self.heads,
            head_dim: self.head_dim,
            fused_key_value: true,
            qk_norm: None,
            feed_forward: bridge_feed_forward(
                "resampler.ffn_mult",
                self.ffn_mult,
                self.width,
                self.activation,
            )?,
            max_frames: self.max_frames,
            max_media: self.max_media,
        })
    }
}

impl CrossAttention1 {
    fn modern(self, width: usize) -> Result<CrossAttentionConfig, ConfigError> {
        Ok(CrossAttentionConfig {
            every: self.every,
            offset: self.offset,
            heads: self.heads,
            head_dim: self.head_dim,
            norm: NormConfig::BRIDGE,
            fused_key_value: true,
            qk_norm: None,
            feed_forward: bridge_feed_forward(
                "cross_attention.ffn_mult",
                self.ffn_mult,
                width,
                self.activation,
            )?,
            gate: GateExtent::Scalar,
            only_last_media: self.only_last_media,
        })
    }
}

/// The feed-forward layer of a bridge, so many times as wide inside as outside.
fn bridge_feed_forward(
    field: &'static str,
    ffn_mult: usize,
    width: usize,
    activation: BridgeActivation1,
) -> Result<FeedForwardConfig, ConfigError> {
    super::size(field, ffn_mult, 64)?;
    Ok(FeedForwardConfig {
        // A width that overflows is out of range, which validation says of the sum.
        width: ffn_mult.saturating_mul(width),
        gated: false,
        activation: match activation {
            BridgeActivation1::Gelu => Activation::Gelu,
            BridgeActivation1::SquaredRelu => Activation::SquaredRelu,
        },
        bias: false,
    })
}

impl Language1 {
    fn modern(self) -> LanguageConfig {
        let layer_norm = |bias| NormConfig {
            kind: NormKind::Layer,
            bias,
            eps: self.norm_eps,
        };
        let rope = |style, theta, dims| PositionConfig::Rope {
            style,
            theta,
            dims,
            scaling: RopeScaling::None,
        };
        let (norm, positions, fused, bias, qk_norm, gated) = match self.kind {
            LanguageKind1::Llama { rope_theta } => (
                NormConfig {
                    kind: NormKind::Rms,
                    bias: false,
                    eps: self.norm_eps,
                },
                rope(RopeStyle::Pairs, rope_theta, self.head_dim),
                false,
                false,
                None,
                true,
            ),
            LanguageKind1::Mpt {
                alibi_bias_max,
                qk_norm,
            } => (
                layer_norm(false),
                PositionConfig::Alibi {
                    max_bias: alibi_bias_max,
                },
                true,
                false,
                qk_norm.then_some(QkNormConfig {
                    extent: QkNormExtent::FullWidth,
                    norm: layer_norm(false),
                }),
                false,
            ),
            LanguageKind1::GptNeox {
                rope_theta,
                rotary_dims,
            } => (
                layer_norm(true),
                rope(RopeStyle::Halves, rope_theta, rotary_dims),
                true,
                true,
                None,
                false,
            ),
        };
        LanguageConfig {
            width: self.width,
            layers: self.layers,
            vocab_size: self.vocab_size,
            extra_tokens: self.extra_tokens,
            context: self.context,
            embedding: EmbeddingConfig {
                width: self.width,
                tied_head: self.tied_head,
                own_extra_head: false,
            },
            positions,
            norm,
            norm_placement: NormPlacement::Before,
            final_norm: true,
            attention: AttentionConfig {
                heads: self.heads,
                kv_heads: self.kv_heads,
                head_dim: self.head_dim,
                fused_qkv: fused,
                qkv_bias: bias,
                output_bias: bias,
                qk_norm,
            },
            feed_forward: FeedForwardConfig {
                width: self.ffn_width,
                gated,
                activation: match gated {
                    true => Activation::Silu,
                    false => Activation::Gelu,
                },
                bias,
            },
        }
    }
}
