//! Facts of resamplers and cross-attention blocks.

use flamingo_architecture::config::{
    Activation, CrossAttentionConfig, FeedForwardConfig, GateExtent, LanguageConfig, NormConfig,
    QkNormConfig, QkNormExtent, ResamplerConfig,
};

use super::family::Layout;
use super::fields::Fields;
use super::language::activation;
use super::shapes::Shapes;
use crate::import::ImportError;
use flamingo_weights::names::Blocks;

/// Heads of bridges: their width is settled by the program that trained them, or told by
/// its config.
#[derive(Clone, Copy)]
struct Heads {
    resampler: usize,
    cross_attention: usize,
}

/// Width of a head in OpenFlamingo's and Otter's bridges (`src/helpers.py`).
const OPEN_FLAMINGO_HEAD: usize = 64;

/// The facts that differ among bridges.
struct Differences {
    head_width: Heads,
    resampler_activation: Activation,
    block_norm: NormConfig,
    block_activation: Activation,
    resampler_qk_norm: NormConfig,
}

/// Facts of the bridges in a checkpoint of this layout, around this language model.
pub(crate) fn facts(
    layout: Layout,
    fields: Option<&Fields>,
    shapes: &Shapes<'_>,
    language: &LanguageConfig,
    head_width: Option<usize>,
) -> Result<(Option<ResamplerConfig>, CrossAttentionConfig), ImportError> {
    let blocks = blocks(layout, fields, shapes)?;
    let mut differences = differences(layout, fields, language)?;
    if let Some(width) = head_width {
        differences.head_width = Heads {
            resampler: width,
            cross_attention: width,
        };
    }
    let first = format!("xattn.{}.", blocks.offset);
    let of_block = |name: &str| format!("{first}{name}");
    let gated = shapes.has(&of_block("ffn_gate.weight"));
    let inner = shapes.rows(&of_block("attn_q.weight"));
    let head_dim = differences.head_width.cross_attention.max(1);
    let gate = shapes.of(&of_block("attn_gate")).unwrap_or_default();
    let cross_attention = CrossAttentionConfig {
        every: blocks.every,
        offset: blocks.offset,
        heads: inner / head_dim,
        head_dim,
        norm: differences.block_norm,
        fused_key_value: shapes.has(&of_block("attn_kv.weight")),
        qk_norm: shapes
            .has(&of_block("attn_q_norm.weight"))
            .then_some(QkNormConfig {
                extent: QkNormExtent::PerHead,
                norm: differences.block_norm,
            }),
        feed_forward: FeedForwardConfig {
            width: shapes.rows(&of_block("ffn_up.weight")),
            gated,
            activation: differences.block_activation,
            bias: false,
        },
        gate: match gate.iter().all(|&size| size <= 1) || gate.contains(&0) {
            true => GateExtent::Scalar,
            false => GateExtent::Vector,
        },
        only_last_media: true,
    };
    let resampler = shapes.has("resampler.latents").then(|| {
        let width = shapes.cols("resampler.latents");
        let projected = shapes.has("resampler.input_proj.weight");
        let layers = shapes.numbers("resampler.blk.", ".ffn_up.weight");
        let head_dim = differences.head_width.resampler.max(1);
        ResamplerConfig {
            input_width: match projected {
                true => shapes.cols("resampler.input_proj.weight"),
                false => width,
            },
            input_projection: projected,
            width,
            depth: layers.last().map_or(0, |last| last.saturating_add(1)),
            latents: shapes.rows("resampler.latents"),
            heads: shapes.rows("resampler.blk.0.attn_q.weight") / head_dim,
            head_dim,
            fused_key_value: shapes.has("resampler.blk.0.attn_kv.weight"),
            qk_norm: shapes
                .has("resampler.blk.0.attn_q_norm.weight")
                .then_some(QkNormConfig {
                    extent: QkNormExtent::PerHead,
                    norm: differences.resampler_qk_norm,
                }),
            feed_forward: FeedForwardConfig::plain(
                shapes.rows("resampler.blk.0.ffn_up.weight"),
                differences.resampler_activation,
            ),
            max_frames: shapes.rows("resampler.frame_embd"),
            max_media: shapes.rows("resampler.media_embd"),
        }
    });
    Ok((resampler, cross_attention))
}

/// No blocks: the first one would stand behind the last layer.
pub(crate) fn none(language: &LanguageConfig) -> CrossAttentionConfig {
    CrossAttentionConfig {
        every: 1,
        offset: language.layers,
        heads: language.attention.heads,
        head_dim: language.attention.head_dim,
        norm: NormConfig::BRIDGE,
        fused_key_value: true,
        qk_norm: None,
        feed_forward: FeedForwardConfig::plain(language.width, Activation::Gelu),
        gate: GateExtent::Scalar,
        only_last_media: true,
    }
}

/// Before which layers blocks stand.
pub(crate) fn blocks(
    layout: Layout,
    fields: Option<&Fields>,
    shapes: &Shapes<'_>,
) -> Result<Blocks, ImportError> {
    let said = |key: &str| match fields {
        Some(fields) => fields.size(key),
        None => Ok(None),
    };
    let every = match layout {
        // Before layer i where (i + 1) % n is 0: the first block tells n.
        Layout::OpenFlamingo => {
            let layers = shapes.numbers("xattn.", ".attn_q.weight");
            let every = layers.first().map_or(1, |first| first.saturating_add(1));
            return Ok(Blocks {
                every,
                offset: every - 1,
            });
        }
        Layout::Idefics => said("cross_layer_interval")?,
        Layout::FlamingoMini => said("xattn_every")?,
    };
    Ok(Blocks {
        every: every.unwrap_or(1).max(1),
        offset: 0,
    })
}

fn differences(
    layout: Layout,
    fields: Option<&Fields>,
    language: &LanguageConfig,
) -> Result<Differences, ImportError> {
    let number = |fields: Option<&Fields>, key: &str, default: usize| match fields {
        Some(fields) => Ok::<_, ImportError>(fields.size(key)?.unwrap_or(default)),
        None => Ok(default),
    };
    Ok(match layout {
        Layout::OpenFlamingo => Differences {
            head_width: Heads {
                resampler: OPEN_FLAMINGO_HEAD,
                cross_attention: OPEN_FLAMINGO_HEAD,
            },
            resampler_activation: Activation::Gelu,
            block_norm: NormConfig::BRIDGE,
            block_activation: Activation::Gelu,
            resampler_qk_norm: NormConfig::BRIDGE,
        },
        // `IdeficsConfig`: blocks have the language model's heads, norm and function.
        Layout::Idefics => {
            let perceiver = fields.and_then(|fields| fields.object("perceiver_config"));
            Differences {
                head_width: Heads {
                    resampler: number(perceiver.as_ref(), "resampler_head_dim", 96)?,
                    cross_attention: language.attention.head_dim,
                },
                resampler_activation: Activation::Relu,
                block_norm: language.norm,
                block_activation: language.feed_forward.activation,
                resampler_qk_norm: NormConfig::BRIDGE,
            }
        }
        // `FlamingoConfig` of flamingo-mini.
        Layout::FlamingoMini => {
            let function = |key: &str| match fields {
                Some(fields) => activation(fields, key, "gelu"),
                None => Ok(Activation::Gelu),
            };
            Differences {
                head_width: Heads {
                    resampler: number(fields, "resampler_dim_head", 64)?,
                    cross_attention: number(fields, "xattn_dim_head", 64)?,
                },
                resampler_activation: function("resampler_act")?,
                block_norm: NormConfig::BRIDGE,
                block_activation: function("xattn_act")?,
                resampler_qk_norm: NormConfig::BRIDGE,
            }
        }
    })
}
