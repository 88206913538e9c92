//! GPT-NeoX's decoder layer as RedPajama-INCITE uses it: LayerNorm with bias,
//! RoPE in halves, GELU, attention and feed-forward one after the other
//! (`use_parallel_residual` false).

use burn::tensor::Tensor;
use flamingo_kernels::{Activation, AttentionShape, Rope, RopeStyle, attention, rope};

use super::{LayerCache, Placement};
use crate::builder::Weights;
use crate::config::LanguageConfig;
use crate::error::ModelError;
use crate::layers::{FeedForward, LayerNorm, Linear, split_columns};

pub(crate) struct Layer {
    attention_norm: LayerNorm,
    query_key_value: Linear,
    output: Linear,
    ffn_norm: LayerNorm,
    ffn: FeedForward,
    shape: AttentionShape,
    rope: Rope,
}

impl Layer {
    pub(crate) fn load(
        weights: &mut Weights,
        config: &LanguageConfig,
        rope_theta: f32,
        rotary_dims: usize,
        layer: usize,
    ) -> Result<Self, ModelError> {
        let prefix = format!("blk.{layer}");
        Ok(Self {
            attention_norm: LayerNorm::load(
                weights,
                &format!("{prefix}.attn_norm"),
                config.norm_eps,
            )?,
            query_key_value: Linear::load_biased(weights, &format!("{prefix}.attn_qkv"))?,
            output: Linear::load_biased(weights, &format!("{prefix}.attn_output"))?,
            ffn_norm: LayerNorm::load(weights, &format!("{prefix}.ffn_norm"), config.norm_eps)?,
            ffn: FeedForward::load_biased(weights, &prefix, Activation::GeluErf)?,
            shape: AttentionShape {
                heads: config.heads,
                kv_heads: config.kv_heads,
                head_dim: config.head_dim,
            },
            rope: Rope {
                theta: rope_theta,
                rotary_dims,
                style: RopeStyle::Halves,
            },
        })
    }

    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        placement: &Placement,
        cache: &mut LayerCache,
    ) -> Tensor<2> {
        let positions = &placement.positions;
        let heads = self.shape.heads;
        let normed = self.attention_norm.forward(x.clone());
        let [query, key, value] = split_columns(self.query_key_value.forward(normed));
        cache.key.append(rope(key, heads, positions, &self.rope));
        cache.value.append(value);
        let attended = attention(
            rope(query, heads, positions, &self.rope),
            cache.key.view(),
            cache.value.view(),
            &self.shape,
            &placement.spans,
            None,
        );
        let x = x + self.output.forward(attended);
        x.clone() + self.ffn.forward(self.ffn_norm.forward(x))
    }
}
