//! Llama's decoder layer: RMSNorm, grouped-query attention with RoPE, SwiGLU.
//!
//! Rows of the query and key weights stand in llama.cpp's order, in which the
//! two coordinates RoPE rotates together are neighbours.

use burn::tensor::Tensor;
use flamingo_kernels::{AttentionShape, Rope, RopeScaling, RopeStyle, attention, rope_append};

use super::{LayerCache, Placement};
use crate::builder::Weights;
use crate::config::LanguageConfig;
use crate::error::ModelError;
use crate::layers::{Linear, RmsNorm, StackedLinear};

pub(crate) struct Layer {
    attention_norm: RmsNorm,
    query_key_value: StackedLinear,
    output: Linear,
    ffn_norm: RmsNorm,
    gate_up: StackedLinear,
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
            query_key_value: StackedLinear::load(weights, &name("attn_qkv"))?,
            output: Linear::load(weights, &name("attn_output"))?,
            ffn_norm: RmsNorm::load(weights, &name("ffn_norm"), config.norm_eps)?,
            gate_up: StackedLinear::load(weights, &name("ffn_gate_up"))?,
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
        let rows = self
            .query_key_value
            .forward(x.clone(), &self.attention_norm);
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
        let gated = self.gate_up.gated(x.clone(), &self.ffn_norm);
        self.down.add_to(&x, gated, 1.0)
    }
}
