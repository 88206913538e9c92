//! `gen_ref.py`'s `config.json` as a [`FlamingoConfig`].

use flamingo::FlamingoConfig;
use flamingo::config::{
    BridgeActivation, ClipVitConfig, CrossAttentionConfig, LanguageConfig, LanguageKind,
    ResamplerConfig, ResizeMode, TokensConfig, VisionConfig, VisionEncoderConfig,
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
    Ok(FlamingoConfig {
        vision: VisionConfig {
            image_size: vis.size("image")?,
            resize: ResizeMode::Crop,
            mean: [0.0; 3],
            std: [1.0; 3],
            encoder: VisionEncoderConfig::ClipVit(ClipVitConfig {
                patch_size: vis.size("patch")?,
                width,
                layers: vis.size("layers")?,
                heads: vis.size("heads")?,
                ffn_width: 4 * width,
                norm_eps: 1e-5,
            }),
        },
        resampler: ResamplerConfig {
            input_width: width,
            input_projection: false,
            width,
            depth: perceiver.size("depth")?,
            latents: perceiver.size("num_latents")?,
            heads: perceiver.size("heads")?,
            head_dim: perceiver.size("dim_head")?,
            ffn_mult: perceiver.size("ff_mult")?,
            activation: BridgeActivation::Gelu,
            max_frames: 0,
            max_media: 0,
        },
        language: language(root.text("kind")?, &root.object("lm"))?,
        cross_attention: CrossAttentionConfig {
            every,
            offset: every - 1,
            heads: xattn.size("heads")?,
            head_dim: xattn.size("dim_head")?,
            ffn_mult: xattn.size("ff_mult")?,
            activation: BridgeActivation::Gelu,
            only_last_media: true,
        },
        tokens: TokensConfig {
            image: ids.size("image")? as u32,
            end_of_chunk: ids.size("eoc")? as u32,
        },
    })
}

fn language(kind: &str, lm: &Fields<'_>) -> Result<LanguageConfig, ParityError> {
    Ok(match kind {
        "llama" => {
            let (width, heads) = (lm.size("hidden_size")?, lm.size("num_attention_heads")?);
            // transformers 5 moved the base into `rope_parameters`.
            let rope_theta = lm
                .number("rope_theta")
                .or_else(|_| lm.object("rope_parameters").number("rope_theta"))?;
            LanguageConfig {
                kind: LanguageKind::Llama {
                    rope_theta: rope_theta as f32,
                },
                width,
                layers: lm.size("num_hidden_layers")?,
                heads,
                kv_heads: lm.size("num_key_value_heads")?,
                head_dim: width / heads,
                ffn_width: lm.size("intermediate_size")?,
                vocab_size: lm.size("vocab_size")?,
                extra_tokens: 0,
                context: lm.size("max_position_embeddings")?,
                norm_eps: lm.number("rms_norm_eps")? as f32,
                tied_head: false,
            }
        }
        "mpt" | "mosaic" => {
            let (width, heads) = (lm.size("d_model")?, lm.size("n_heads")?);
            LanguageConfig {
                kind: LanguageKind::Mpt {
                    alibi_bias_max: lm.object("attn_config").number("alibi_bias_max")? as f32,
                    qk_norm: kind == "mosaic",
                },
                width,
                layers: lm.size("n_layers")?,
                heads,
                kv_heads: heads,
                head_dim: width / heads,
                ffn_width: lm.size("expansion_ratio")? * width,
                vocab_size: lm.size("vocab_size")?,
                extra_tokens: 0,
                context: lm.size("max_seq_len")?,
                norm_eps: lm.number("layer_norm_epsilon")? as f32,
                tied_head: true,
            }
        }
        "neox" => {
            let (width, heads) = (lm.size("hidden_size")?, lm.size("num_attention_heads")?);
            let head_dim = width / heads;
            LanguageConfig {
                kind: LanguageKind::GptNeox {
                    rope_theta: lm.number("rotary_emb_base")? as f32,
                    rotary_dims: (lm.number("rotary_pct")? * head_dim as f64) as usize,
                },
                width,
                layers: lm.size("num_hidden_layers")?,
                heads,
                kv_heads: heads,
                head_dim,
                ffn_width: lm.size("intermediate_size")?,
                vocab_size: lm.size("vocab_size")?,
                extra_tokens: 0,
                context: lm.size("max_position_embeddings")?,
                norm_eps: lm.number("layer_norm_eps")? as f32,
                tied_head: false,
            }
        }
        other => return Err(ParityError::Config(format!("unknown kind {other:?}"))),
    })
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
