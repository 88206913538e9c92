//! The language model's tensors.

use super::parts::{FeedForwardSpec, LinearSpec, NormSpec, Parts, QkNormSpec, TensorSpec};
use crate::config::{LanguageConfig, PositionConfig};

/// A language model without its layers.
#[derive(Clone, Debug, PartialEq)]
pub struct LanguageSpec {
    /// `[vocab, embedding width]`.
    pub embedding: TensorSpec,
    /// `[extra, embedding width]`: rows of the tokens that were added to the vocabulary.
    pub extra_embedding: Option<TensorSpec>,
    /// `[context + offset, width]`.
    pub positions: Option<TensorSpec>,
    /// Embedding width → width.
    pub project_in: Option<LinearSpec>,
    /// Norm behind the last layer.
    pub norm: Option<NormSpec>,
    /// Width → embedding width.
    pub project_out: Option<LinearSpec>,
    /// `[vocab, embedding width]`; `None` if the head is the embedding.
    pub head: Option<TensorSpec>,
    /// `[extra, embedding width]`.
    pub extra_head: Option<TensorSpec>,
}

/// A decoder layer.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderLayerSpec {
    /// Norm of the attention.
    pub attention_norm: NormSpec,
    /// Width → queries, keys and values, side by side.
    pub qkv: LinearSpec,
    /// Norms of queries and keys.
    pub qk_norm: Option<QkNormSpec>,
    /// Queries' width → width.
    pub output: LinearSpec,
    /// Norm of the feed-forward layer.
    pub ffn_norm: NormSpec,
    /// The feed-forward layer.
    pub feed_forward: FeedForwardSpec,
}

impl LanguageSpec {
    /// The language model of this configuration.
    pub fn of(config: &LanguageConfig) -> Self {
        let (width, inner) = (config.width, config.embedding.width);
        let (vocab, extra) = (config.vocab_size, config.extra_tokens);
        let table = |name: &str, rows: usize| TensorSpec::matrix(name, rows, inner);
        let projected = config.has_projections();
        let (own_head, has_extra) = (!config.embedding.tied_head, extra > 0);
        let own_extra_head = config.embedding.own_extra_head && has_extra;
        Self {
            embedding: table("token_embd.weight", vocab),
            extra_embedding: has_extra.then(|| table("token_embd_extra.weight", extra)),
            positions: match config.positions {
                PositionConfig::Learned { offset } => Some(TensorSpec::matrix(
                    "position_embd.weight",
                    config.context + offset,
                    width,
                )),
                PositionConfig::Rope { .. } | PositionConfig::Alibi { .. } => None,
            },
            project_in: projected.then(|| LinearSpec::new("token_embd_proj", width, inner, false)),
            norm: config
                .final_norm
                .then(|| NormSpec::new("output_norm", width, &config.norm)),
            project_out: projected.then(|| LinearSpec::new("output_proj", inner, width, false)),
            head: own_head.then(|| table("output.weight", vocab)),
            extra_head: own_extra_head.then(|| table("output_extra.weight", extra)),
        }
    }

    /// Shows `visit` the tensors that are loaded before the layers.
    pub fn each_before_layers<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.embedding.each(visit);
        self.extra_embedding.each(visit);
        self.positions.each(visit);
        self.project_in.each(visit);
    }

    /// Shows `visit` the tensors that are loaded behind the layers.
    pub fn each_behind_layers<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.norm.each(visit);
        self.project_out.each(visit);
        self.head.each(visit);
        self.extra_head.each(visit);
    }
}

impl DecoderLayerSpec {
    /// Decoder layer `layer` of this configuration.
    pub fn of(config: &LanguageConfig, layer: usize) -> Self {
        let prefix = format!("blk.{layer}.");
        let name = |part: &str| format!("{prefix}{part}");
        let (width, attention) = (config.width, &config.attention);
        let (queries, keys) = (attention.query_width(), attention.key_width());
        let qkv = match attention.fused_qkv {
            true => LinearSpec::new(
                &name("attn_qkv"),
                queries + 2 * keys,
                width,
                attention.qkv_bias,
            ),
            false => {
                let parts = [
                    (name("attn_q"), queries),
                    (name("attn_k"), keys),
                    (name("attn_v"), keys),
                ];
                LinearSpec::stacked(&name("attn_qkv"), &parts, width, attention.qkv_bias)
            }
        };
        Self {
            attention_norm: NormSpec::new(&name("attn_norm"), width, &config.norm),
            qkv,
            qk_norm: attention.qk_norm.as_ref().map(|norm| {
                let heads = (attention.heads, attention.kv_heads);
                QkNormSpec::new(&prefix, norm, heads, attention.head_dim)
            }),
            output: LinearSpec::new(&name("attn_output"), width, queries, attention.output_bias),
            ffn_norm: NormSpec::new(&name("ffn_norm"), width, &config.norm),
            feed_forward: FeedForwardSpec::new(&prefix, width, &config.feed_forward),
        }
    }
}

impl Parts for DecoderLayerSpec {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.attention_norm.each(visit);
        self.qkv.each(visit);
        self.qk_norm.each(visit);
        self.output.each(visit);
        self.ffn_norm.each(visit);
        self.feed_forward.each(visit);
    }
}
