//! GPT-NeoX's decoder layer as RedPajama-INCITE uses it: LayerNorm with bias,
//! RoPE in halves, GELU, attention and feed-forward one after the other
//! (`use_parallel_residual` false).

use burn::tensor::Tensor;
use flamingo_kernels::{
    Activation, AttentionShape, Finish, Rope, RopeScaling, RopeStyle, attention, rope_append,
};

use super::{LayerCache, Placement};
use crate::builder::Weights;
use crate::config::LanguageConfig;
use crate::error::ModelError;
use crate::layers::{FeedForward, LayerNorm, Linear};

pub(crate) struct Layer {
    attention_norm: LayerNorm,
    query_key_value: Linear,
    output: Linear,
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
        let norm = |weights: &mut Weights, part: &str| {
            LayerNorm::load(weights, &format!("{prefix}.{part}"), config.norm_eps)
        };
        Ok(Self {
            attention_norm: norm(weights, "attn_norm")?,
            query_key_value: Linear::load_biased(weights, &format!("{prefix}.attn_qkv"))?,
            output: Linear::load_biased(weights, &format!("{prefix}.attn_output"))?,
            ffn: {
                let norm = norm(weights, "ffn_norm")?;
                FeedForward::load_biased(weights, &prefix, norm, Activation::GeluErf)?
            },
            shape: AttentionShape {
                heads: config.heads,
                kv_heads: config.kv_heads,
                head_dim: config.head_dim,
            },
            rope: Rope {
                theta: rope_theta,
                rotary_dims,
                style: RopeStyle::Halves,
                scaling: RopeScaling::None,
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
        let query = rope_append(
            rows,
            &self.shape,
            None,
            &placement.positions,
            Some(&self.rope),
            &mut cache.key,
            &mut cache.value,
        );
        let attended = attention(
            query,
            cache.key.view(),
            cache.value.view(),
            &self.shape,
            &placement.spans,
            None,
        );
        let x = self.output.add_to(&x, attended, 1.0);
        self.ffn.forward(x, 1.0)
    }
}
