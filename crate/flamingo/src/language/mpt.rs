//! MPT's decoder layer: LayerNorm without bias, ALiBi, GELU. MPT-1B also
//! norms queries and keys over their full width before the head split
//! (FLAMINGO.md, trap 4).

use burn::tensor::Tensor;
use flamingo_kernels::{Activation, Alibi, AttentionShape, Finish, attention};

use super::{LayerCache, Placement};
use crate::builder::Weights;
use crate::config::LanguageConfig;
use crate::error::ModelError;
use crate::layers::{FeedForward, LayerNorm, Linear, split_columns};

pub(crate) struct Layer {
    attention_norm: LayerNorm,
    query_key_value: Linear,
    /// Norms of queries and keys.
    query_key_norm: Option<(LayerNorm, LayerNorm)>,
    output: Linear,
    ffn: FeedForward,
    shape: AttentionShape,
    alibi: Alibi,
}

impl Layer {
    pub(crate) fn load(
        weights: &mut Weights,
        config: &LanguageConfig,
        alibi_bias_max: f32,
        qk_norm: bool,
        layer: usize,
    ) -> Result<Self, ModelError> {
        let prefix = format!("blk.{layer}");
        let norm = |weights: &mut Weights, part: &str| {
            LayerNorm::load_unbiased(weights, &format!("{prefix}.{part}"), config.norm_eps)
        };
        Ok(Self {
            attention_norm: norm(weights, "attn_norm")?,
            query_key_value: Linear::load(weights, &format!("{prefix}.attn_qkv"))?,
            query_key_norm: match qk_norm {
                true => Some((norm(weights, "attn_q_norm")?, norm(weights, "attn_k_norm")?)),
                false => None,
            },
            output: Linear::load(weights, &format!("{prefix}.attn_output"))?,
            ffn: {
                let norm = norm(weights, "ffn_norm")?;
                FeedForward::load(weights, &prefix, norm, Activation::GeluErf)?
            },
            shape: AttentionShape {
                heads: config.heads,
                kv_heads: config.kv_heads,
                head_dim: config.head_dim,
            },
            alibi: Alibi {
                max_bias: alibi_bias_max,
            },
        })
    }

    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        placement: &Placement,
        cache: &mut LayerCache,
    ) -> Tensor<2> {
        let norm = self.attention_norm.before();
        let rows = self.query_key_value.fused(x.clone(), norm, Finish::Sum);
        let [query, key, value] = split_columns(rows);
        let (query, key) = match &self.query_key_norm {
            Some((query_norm, key_norm)) => (query_norm.forward(query), key_norm.forward(key)),
            None => (query, key),
        };
        cache.key.append(key);
        cache.value.append(value);
        let attended = attention(
            query,
            cache.key.view(),
            cache.value.view(),
            &self.shape,
            &placement.spans,
            Some(self.alibi),
        );
        let x = self.output.add_to(&x, attended, 1.0);
        self.ffn.forward(x, 1.0)
    }
}
