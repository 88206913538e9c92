//! Gated cross-attention (paper section 2.2): how text looks at images.

use burn::tensor::Tensor;
use flamingo_kernels::{Activation, AttentionShape, Spans, add_scaled, attention};

use crate::builder::Weights;
use crate::config::CrossAttentionConfig;
use crate::error::ModelError;
use crate::layers::{BRIDGE_NORM_EPS, FeedForward, LayerNorm, Linear, split_columns};

/// A gated cross-attention block, standing before one decoder layer.
pub struct GatedCrossAttention {
    norm: LayerNorm,
    query: Linear,
    key_value: Linear,
    output: Linear,
    /// tanh of the trained gate.
    attention_gate: f32,
    ffn_norm: LayerNorm,
    ffn: FeedForward,
    /// tanh of the trained gate.
    ffn_gate: f32,
    shape: AttentionShape,
}

/// The images of a prompt as one cross-attention block sees them: keys and
/// values `[media * latents, heads * head_dim]`, image after image.
#[derive(Clone)]
pub(crate) struct MediaKeyValues {
    key: Tensor<2>,
    value: Tensor<2>,
}

/// The images of a prompt, ready for every cross-attention block. A clone is
/// cheap: it shares the tensors.
#[derive(Clone)]
pub struct Media {
    /// One entry a block, in layer order; empty where there are no images.
    pub(crate) blocks: Vec<MediaKeyValues>,
    /// Number of images and clips.
    pub(crate) count: usize,
}

impl Media {
    /// A prompt without images.
    pub fn none() -> Self {
        Self {
            blocks: Vec::new(),
            count: 0,
        }
    }

    /// Number of images and clips.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Puts the images of `other` behind these.
    pub fn extend(&mut self, other: Self) {
        if self.count == 0 {
            *self = other;
            return;
        }
        for (block, more) in self.blocks.iter_mut().zip(other.blocks) {
            block.key = Tensor::cat(vec![block.key.clone(), more.key], 0);
            block.value = Tensor::cat(vec![block.value.clone(), more.value], 0);
        }
        self.count += other.count;
    }

    /// Forgets all but the first `count` images; does nothing where there are fewer.
    pub fn truncate(&mut self, count: usize) {
        if count >= self.count {
            return;
        }
        if count == 0 {
            *self = Self::none();
            return;
        }
        for block in &mut self.blocks {
            let [rows, _] = block.key.dims();
            let kept = rows / self.count * count;
            block.key = block.key.clone().narrow(0, 0, kept);
            block.value = block.value.clone().narrow(0, 0, kept);
        }
        self.count = count;
    }
}

impl GatedCrossAttention {
    pub(crate) fn load(
        weights: &mut Weights,
        config: &CrossAttentionConfig,
        layer: usize,
    ) -> Result<Self, ModelError> {
        let name = format!("xattn.{layer}");
        Ok(Self {
            norm: LayerNorm::load(weights, &format!("{name}.attn_norm"), BRIDGE_NORM_EPS)?,
            query: Linear::load(weights, &format!("{name}.attn_q"))?,
            key_value: Linear::load(weights, &format!("{name}.attn_kv"))?,
            output: Linear::load(weights, &format!("{name}.attn_out"))?,
            attention_gate: weights.gate(&format!("{name}.attn_gate"))?.tanh(),
            ffn_norm: LayerNorm::load(weights, &format!("{name}.ffn_norm"), BRIDGE_NORM_EPS)?,
            ffn: FeedForward::load(weights, &name, Activation::GeluErf)?,
            ffn_gate: weights.gate(&format!("{name}.ffn_gate_scale"))?.tanh(),
            shape: AttentionShape {
                heads: config.heads,
                kv_heads: config.heads,
                head_dim: config.head_dim,
            },
        })
    }

    /// Keys and values of the latents `[media * latents, width]`, made once
    /// per prompt and used at every step of the decoding.
    pub(crate) fn media_key_values(&self, latents: Tensor<2>) -> MediaKeyValues {
        let [key, value] = split_columns(self.key_value.forward(latents));
        MediaKeyValues { key, value }
    }

    /// What the text `[tokens, width]` reads from its images, before the gate.
    ///
    /// `spans` gives each token the latents it may attend; a token before the
    /// first image has an empty span and reads exactly zero.
    pub(crate) fn attend(
        &self,
        x: Tensor<2>,
        media: Option<&MediaKeyValues>,
        spans: &Spans,
    ) -> Tensor<2> {
        let Some(media) = media else {
            return x.zeros_like();
        };
        let query = self.query.forward(self.norm.forward(x));
        let seen = attention(
            query,
            media.key.clone(),
            media.value.clone(),
            &self.shape,
            spans,
            None,
        );
        self.output.forward(seen)
    }

    /// Adds what was `attended` and the feed-forward layer, each through its
    /// gate. The feed-forward layer runs on every token, seen image or not.
    pub(crate) fn add(&self, x: Tensor<2>, attended: Tensor<2>) -> Tensor<2> {
        let x = add_scaled(x, attended, self.attention_gate);
        let y = self.ffn.forward(self.ffn_norm.forward(x.clone()));
        add_scaled(x, y, self.ffn_gate)
    }
}
