//! `gen_ref.py`'s `config.json` as a [`FlamingoConfig`].

use flamingo::FlamingoConfig;
use flamingo::config::{
    Activation, AttentionConfig, CrossAttentionConfig, EmbeddingConfig, FeedForwardConfig,
    GateExtent, LanguageConfig, NormConfig, NormPlacement, PositionConfig, PromptConfig,
    QkNormConfig, QkNormExtent, ResamplerConfig, ResizeMode, RopeScaling, RopeStyle, TokensConfig,
    VisionConfig, VisionEncoderConfig, VitConfig,
};
use serde_json::Value;

use crate::ParityError;

/// Reads the configuration. Goldens carry no preprocessing (their pixels are
/// normalised already), so mean and std are neutral.
pub(crate) fn read(text: &str) -> Result<FlamingoConfig, ParityError> {
    let json: Value =
        serde_json::from_str(text).map_err(|error| ParityError::Config(error.to_string()))?;
    let root = Fields(&json);
    let (vis, perceiver, xattn, ids) = (
        root.object("vis"),
        root.object("perceiver"),
        root.object("xattn"),
        root.object("ids"),
    );
    let width = vis.size("width")?;
    let every = root.size("cross_attn_every_n_layers")?;
    let language = language(root.text("kind")?, &root.object("lm"))?;
    let tokens = TokensConfig {
        image: ids.size("image")? as u32,
        end_of_chunk: ids.size("eoc")? as u32,
    };
    Ok(FlamingoConfig {
        vision: VisionConfig {
            image_size: vis.size("image")?,
            resize: ResizeMode::Crop,
            mean: [0.0; 3],
            std: [1.0; 3],
            encoder: VisionEncoderConfig::Vit(VitConfig::open_flamingo_clip(
                vis.size("patch")?,
                width,
                vis.size("layers")?,
                vis.size("heads")?,
                4 * width,
            )),
        },
        resampler: Some(ResamplerConfig {
            input_width: width,
            input_projection: false,
            width,
            depth: perceiver.size("depth")?,
            latents: perceiver.size("num_latents")?,
            heads: perceiver.size("heads")?,
            head_dim: perceiver.size("dim_head")?,
            fused_key_value: true,
            qk_norm: None,
            feed_forward: FeedForwardConfig::plain(
                perceiver.size("ff_mult")? * width,
                Activation::Gelu,
            ),
            max_frames: 0,
            max_media: 0,
        }),
        cross_attention: CrossAttentionConfig {
            every,
            offset: every - 1,
            heads: xattn.size("heads")?,
            head_dim: xattn.size("dim_head")?,
            norm: NormConfig::BRIDGE,
            fused_key_value: true,
            qk_norm: None,
            feed_forward: FeedForwardConfig::plain(
                xattn.size("ff_mult")? * language.width,
                Activation::Gelu,
            ),
            gate: GateExtent::Scalar,
            only_last_media: true,
        },
        language,
        tokens,
        prompt: PromptConfig::open_flamingo(tokens),
    })
}

fn language(kind: &str, lm: &Fields<'_>) -> Result<LanguageConfig, ParityError> {
    Ok(match kind {
        "llama" => {
            let (width, heads) = (lm.size("hidden_size")?, lm.size("num_attention_heads")?);
            let head_dim = width / heads;
            // transformers 5 moved the base into `rope_parameters`.
            let theta = lm
                .number("rope_theta")
                .or_else(|_| lm.object("rope_parameters").number("rope_theta"))?;
            LanguageConfig {
                width,
                layers: lm.size("num_hidden_layers")?,
                vocab_size: lm.size("vocab_size")?,
                extra_tokens: 0,
                context: lm.size("max_position_embeddings")?,
                embedding: EmbeddingConfig {
                    width,
                    tied_head: false,
                    own_extra_head: false,
                },
                positions: rope(RopeStyle::Halves, theta, head_dim),
                norm: NormConfig::rms(lm.number("rms_norm_eps")? as f32),
                norm_placement: NormPlacement::Before,
                final_norm: true,
                attention: AttentionConfig {
                    heads,
                    kv_heads: lm.size("num_key_value_heads")?,
                    head_dim,
                    fused_qkv: false,
                    qkv_bias: false,
                    output_bias: false,
                    qk_norm: None,
                },
                feed_forward: FeedForwardConfig::swiglu(lm.size("intermediate_size")?),
            }
        }
        "mpt" | "mosaic" => {
            let (width, heads) = (lm.size("d_model")?, lm.size("n_heads")?);
            let norm = NormConfig::layer(lm.number("layer_norm_epsilon")? as f32, false);
            let qk_norm = QkNormConfig {
                extent: QkNormExtent::FullWidth,
                norm,
            };
            LanguageConfig {
                width,
                layers: lm.size("n_layers")?,
                vocab_size: lm.size("vocab_size")?,
                extra_tokens: 0,
                context: lm.size("max_seq_len")?,
                embedding: EmbeddingConfig {
                    width,
                    tied_head: true,
                    own_extra_head: false,
                },
                positions: PositionConfig::Alibi {
                    max_bias: lm.object("attn_config").number("alibi_bias_max")? as f32,
                },
                norm,
                norm_placement: NormPlacement::Before,
                final_norm: true,
                attention: AttentionConfig {
                    heads,
                    kv_heads: heads,
                    head_dim: width / heads,
                    fused_qkv: true,
                    qkv_bias: false,
                    output_bias: false,
                    qk_norm: (kind == "mosaic").then_some(qk_norm),
                },
                feed_forward: FeedForwardConfig::plain(
                    lm.size("expansion_ratio")? * width,
                    Activation::Gelu,
                ),
            }
        }
        "neox" => {
            let (width, heads) = (lm.size("hidden_size")?, lm.size("num_attention_heads")?);
            let head_dim = width / heads;
            let dims = (lm.number("rotary_pct")? * head_dim as f64) as usize;
            LanguageConfig {
                width,
                layers: lm.size("num_hidden_layers")?,
                vocab_size: lm.size("vocab_size")?,
                extra_tokens: 0,
                context: lm.size("max_position_embeddings")?,
                embedding: EmbeddingConfig {
                    width,
                    tied_head: false,
                    own_extra_head: false,
                },
                positions: rope(RopeStyle::Halves, lm.number("rotary_emb_base")?, dims),
                norm: NormConfig::layer(lm.number("layer_norm_eps")? as f32, true),
                norm_placement: NormPlacement::Before,
                final_norm: true,
                attention: AttentionConfig {
                    heads,
                    kv_heads: heads,
                    head_dim,
                    fused_qkv: true,
                    qkv_bias: true,
                    output_bias: true,
                    qk_norm: None,
                },
                feed_forward: FeedForwardConfig {
                    bias: true,
                    ..FeedForwardConfig::plain(lm.size("intermediate_size")?, Activation::Gelu)
                },
            }
        }
        other => return Err(ParityError::Config(format!("unknown kind {other:?}"))),
    })
}

fn rope(style: RopeStyle, theta: f64, dims: usize) -> PositionConfig {
    PositionConfig::Rope {
        style,
        theta: theta as f32,
        dims,
        scaling: RopeScaling::None,
    }
}

/// Typed access to the fields of a JSON object.
struct Fields<'a>(&'a Value);

impl<'a> Fields<'a> {
    /// A nested object; where it is missing, so are its fields.
    fn object(&self, key: &str) -> Fields<'a> {
        Fields(&self.0[key])
    }

    fn size(&self, key: &str) -> Result<usize, ParityError> {
        self.0[key]
            .as_u64()
            .map(|value| value as usize)
            .ok_or_else(|| missing(key))
    }

    fn number(&self, key: &str) -> Result<f64, ParityError> {
        self.0[key].as_f64().ok_or_else(|| missing(key))
    }

    fn text(&self, key: &str) -> Result<&'a str, ParityError> {
        self.0[key].as_str().ok_or_else(|| missing(key))
    }
}

fn missing(key: &str) -> ParityError {
    ParityError::Config(format!("field {key:?} is missing or has another type"))
}
