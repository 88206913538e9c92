//! Llama's decoder layer: RMSNorm, grouped-query attention with RoPE, SwiGLU.
//!
//! Rows of the query and key weights stand in llama.cpp's order, in which the
//! two coordinates RoPE rotates together are neighbours.

use burn::tensor::Tensor;
use flamingo_kernels::{AttentionShape, Rope, RopeStyle, attention, gated_silu, rope};

use super::{LayerCache, Placement};
use crate::builder::Weights;
use crate::config::LanguageConfig;
use crate::error::ModelError;
use crate::layers::{Linear, RmsNorm};

pub(crate) struct Layer {
    attention_norm: RmsNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    ffn_norm: RmsNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
    shape: AttentionShape,
    rope: Rope,
}

impl Layer {
    pub(crate) fn load(
        weights: &mut Weights,
        config: &LanguageConfig,
        rope_theta: f32,
        layer: usize,
    ) -> Result<Self, ModelError> {
        let name = |part: &str| format!("blk.{layer}.{part}");
        Ok(Self {
            attention_norm: RmsNorm::load(weights, &name("attn_norm"), config.norm_eps)?,
            query: Linear::load(weights, &name("attn_q"))?,
            key: Linear::load(weights, &name("attn_k"))?,
            value: Linear::load(weights, &name("attn_v"))?,
            output: Linear::load(weights, &name("attn_output"))?,
            ffn_norm: RmsNorm::load(weights, &name("ffn_norm"), config.norm_eps)?,
            gate: Linear::load(weights, &name("ffn_gate"))?,
            up: Linear::load(weights, &name("ffn_up"))?,
            down: Linear::load(weights, &name("ffn_down"))?,
            shape: AttentionShape {
                heads: config.heads,
                kv_heads: config.kv_heads,
                head_dim: config.head_dim,
            },
            rope: Rope {
                theta: rope_theta,
                rotary_dims: config.head_dim,
                style: RopeStyle::Pairs,
            },
        })
    }

    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        placement: &Placement,
        cache: &mut LayerCache,
    ) -> Tensor<2> {
        let normed = self.attention_norm.forward(x.clone());
        let query = rope(
            self.query.forward(normed.clone()),
            self.shape.heads,
            &placement.positions,
            &self.rope,
        );
        let key = rope(
            self.key.forward(normed.clone()),
            self.shape.kv_heads,
            &placement.positions,
            &self.rope,
        );
        cache.key.append(key);
        cache.value.append(self.value.forward(normed));
        let attended = attention(
            query,
            cache.key.view(),
            cache.value.view(),
            &self.shape,
            &placement.spans,
            None,
        );
        let x = x + self.output.forward(attended);
        let normed = self.ffn_norm.forward(x.clone());
        let gated = gated_silu(self.gate.forward(normed.clone()), self.up.forward(normed));
        x + self.down.forward(gated)
    }
}
