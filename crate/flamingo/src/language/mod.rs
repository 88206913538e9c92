//! The frozen language models, one decoder layer each, and their KV cache.

mod branches;
mod cache;
mod gpt_neox;
mod llama;
mod mpt;

use burn::tensor::Tensor;
use flamingo_kernels::{KeyValueBuffer, PackedMatrix, RowPositions, Spans, embed, linear};

use crate::builder::Weights;
use crate::config::{LanguageConfig, LanguageKind};
use crate::error::ModelError;
use crate::layers::{LayerNorm, RmsNorm};

pub use branches::{BranchToken, Branches};
pub use cache::KvCache;

/// A decoder layer of any family.
#[expect(
    clippy::large_enum_variant,
    reason = "every layer of a model is of one variant"
)]
pub(crate) enum DecoderLayer {
    Llama(llama::Layer),
    Mpt(mpt::Layer),
    GptNeox(gpt_neox::Layer),
}

/// Keys and values of one layer, `[positions, kv_heads * head_dim]` each.
pub(crate) struct LayerCache {
    pub(crate) key: KeyValueBuffer,
    pub(crate) value: KeyValueBuffer,
}

/// Where new tokens stand in the sequence and what they may attend.
pub(crate) struct Placement {
    /// Their positions.
    pub(crate) positions: RowPositions,
    /// Keys each new token may attend.
    pub(crate) spans: Spans,
}

impl DecoderLayer {
    fn load(
        weights: &mut Weights,
        config: &LanguageConfig,
        layer: usize,
    ) -> Result<Self, ModelError> {
        match config.kind {
            LanguageKind::Llama { rope_theta } => {
                llama::Layer::load(weights, config, rope_theta, layer).map(Self::Llama)
            }
            LanguageKind::Mpt {
                alibi_bias_max,
                qk_norm,
            } => mpt::Layer::load(weights, config, alibi_bias_max, qk_norm, layer).map(Self::Mpt),
            LanguageKind::GptNeox {
                rope_theta,
                rotary_dims,
            } => gpt_neox::Layer::load(weights, config, rope_theta, rotary_dims, layer)
                .map(Self::GptNeox),
        }
    }

    /// `[tokens, width]` → `[tokens, width]`, appending to the layer's cache.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        placement: &Placement,
        cache: &mut LayerCache,
    ) -> Tensor<2> {
        match self {
            Self::Llama(layer) => layer.forward(x, placement, cache),
            Self::Mpt(layer) => layer.forward(x, placement, cache),
            Self::GptNeox(layer) => layer.forward(x, placement, cache),
        }
    }
}

#[cfg_attr(
    feature = "webgpu",
    expect(clippy::large_enum_variant, reason = "a model has one")
)]
enum FinalNorm {
    Rms(RmsNorm),
    Layer(LayerNorm),
}

/// A language model without the blocks between its layers.
pub(crate) struct LanguageModel {
    embedding: PackedMatrix,
    /// Rows of the tokens that were added to the vocabulary.
    extra_embedding: Option<PackedMatrix>,
    pub(crate) layers: Vec<DecoderLayer>,
    norm: FinalNorm,
    /// Output head where it is not the embedding.
    head: Option<PackedMatrix>,
}

impl LanguageModel {
    pub(crate) fn load(weights: &mut Weights, config: &LanguageConfig) -> Result<Self, ModelError> {
        let name = "output_norm";
        let norm = match config.kind {
            LanguageKind::Llama { .. } => {
                FinalNorm::Rms(RmsNorm::load(weights, name, config.norm_eps)?)
            }
            LanguageKind::Mpt { .. } => {
                FinalNorm::Layer(LayerNorm::load_unbiased(weights, name, config.norm_eps)?)
            }
            LanguageKind::GptNeox { .. } => {
                FinalNorm::Layer(LayerNorm::load(weights, name, config.norm_eps)?)
            }
        };
        Ok(Self {
            embedding: weights.matrix("token_embd.weight")?,
            extra_embedding: match config.extra_tokens {
                0 => None,
                _ => Some(weights.matrix("token_embd_extra.weight")?),
            },
            layers: (0..config.layers)
                .map(|layer| DecoderLayer::load(weights, config, layer))
                .collect::<Result<_, _>>()?,
            norm,
            head: match config.tied_head {
                true => None,
                false => Some(weights.matrix("output.weight")?),
            },
        })
    }

    /// Token ids to `[tokens, width]`. Ids have been checked against the vocabulary.
    pub(crate) fn embed(&self, tokens: &[u32]) -> Tensor<2> {
        let Some(extra) = &self.extra_embedding else {
            return embed(&self.embedding, tokens);
        };
        let first_extra = self.embedding.rows() as u32;
        // Runs of ordinary and of extra tokens come from one table each.
        let runs = tokens
            .chunk_by(|a, b| (*a < first_extra) == (*b < first_extra))
            .map(|run| match run.first() {
                Some(&id) if id >= first_extra => {
                    let rows = run.iter().map(|id| id - first_extra).collect::<Vec<_>>();
                    embed(extra, &rows)
                }
                _ => embed(&self.embedding, run),
            })
            .collect::<Vec<_>>();
        Tensor::cat(runs, 0)
    }

    /// `[tokens, width]` after the last layer to logits `[tokens, vocab]`.
    pub(crate) fn logits(&self, x: Tensor<2>) -> Tensor<2> {
        let x = match &self.norm {
            FinalNorm::Rms(norm) => norm.forward(x),
            FinalNorm::Layer(norm) => norm.forward(x),
        };
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        match &self.extra_embedding {
            None => linear(x, head, None),
            Some(extra) => Tensor::cat(
                vec![linear(x.clone(), head, None), linear(x, extra, None)],
                1,
            ),
        }
    }
}
