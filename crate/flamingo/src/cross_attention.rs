//! Gated cross-attention (paper section 2.2): how text looks at images.

use std::ops::Range;

use burn::tensor::{Device, Tensor};
use flamingo_architecture::FlamingoConfig;
use flamingo_architecture::spec::CrossAttentionSpec;
use flamingo_kernels::{
    AttentionShape, Finish, Spans, add_scaled, attention, attention_weights, contiguous,
};

use crate::builder::Weights;
use crate::error::ModelError;
use crate::layers::{FeedForward, Gate, Linear, NormLayer, QkNorm, split_columns};

/// A gated cross-attention block, standing before one decoder layer.
pub struct GatedCrossAttention {
    attention_gate: Gate,
    ffn_gate: Gate,
    attention_norm: NormLayer,
    query: Linear,
    key_value: Linear,
    qk_norm: Option<QkNorm>,
    output: Linear,
    ffn_norm: NormLayer,
    feed_forward: FeedForward,
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
    ///
    /// # Errors
    /// [`ModelError::OtherModel`] if another model made them; nothing is changed then.
    pub fn extend(&mut self, other: Self) -> Result<(), ModelError> {
        if self.count == 0 {
            *self = other;
            return Ok(());
        }
        if other.count == 0 {
            return Ok(());
        }
        let alike = self.blocks.iter().zip(&other.blocks).all(|(a, b)| {
            let ([rows_a, width_a], [rows_b, width_b]) = (a.key.dims(), b.key.dims());
            width_a == width_b
                && rows_a / self.count == rows_b / other.count
                && a.key.device() == b.key.device()
        });
        if !alike || self.blocks.len() != other.blocks.len() {
            return Err(ModelError::OtherModel { what: "the images" });
        }
        for (block, more) in self.blocks.iter_mut().zip(other.blocks) {
            block.key = Tensor::cat(vec![block.key.clone(), more.key], 0);
            block.value = Tensor::cat(vec![block.value.clone(), more.value], 0);
        }
        self.count += other.count;
        Ok(())
    }

    /// Whether these are images for `blocks` cross-attention blocks whose keys are `width`
    /// wide, of `latents` rows each, on `device`.
    pub(crate) fn fits(
        &self,
        blocks: usize,
        latents: usize,
        width: usize,
        device: &Device,
    ) -> bool {
        let rows = self.count * latents;
        self.count == 0
            || self.blocks.len() == blocks
                && self
                    .blocks
                    .iter()
                    .all(|block| block.key.dims() == [rows, width] && block.key.device() == *device)
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
        config: &FlamingoConfig,
        layer: usize,
    ) -> Result<Self, ModelError> {
        let spec = CrossAttentionSpec::of(config, layer);
        let config = &config.cross_attention;
        Ok(Self {
            attention_gate: Gate::load(weights, &spec.attention_gate)?,
            ffn_gate: Gate::load(weights, &spec.ffn_gate)?,
            attention_norm: NormLayer::load(weights, &spec.attention_norm)?,
            query: Linear::load(weights, &spec.query)?,
            key_value: Linear::load(weights, &spec.key_value)?,
            qk_norm: QkNorm::load(weights, spec.qk_norm.as_ref(), config.head_dim)?,
            output: Linear::load(weights, &spec.output)?,
            ffn_norm: NormLayer::load(weights, &spec.ffn_norm)?,
            feed_forward: FeedForward::load(weights, &spec.feed_forward)?,
            shape: AttentionShape {
                heads: config.heads,
                kv_heads: config.heads,
                head_dim: config.head_dim,
            },
        })
    }

    /// Keys and values of the media `[rows, media width]`, made once per prompt and used
    /// at every step of the decoding.
    pub(crate) fn media_key_values(&self, media: Tensor<2>) -> MediaKeyValues {
        let rows = self.key_value.forward(media);
        let width = self.shape.kv_heads * self.shape.head_dim;
        let [key, value] = split_columns(&rows, [width; 2]).map(contiguous);
        let key = match &self.qk_norm {
            Some(norm) => norm.key(key),
            None => key,
        };
        MediaKeyValues { key, value }
    }

    /// Adds to the text `[tokens, width]` what it reads from its images, and the
    /// feed-forward layer, each through its gate.
    ///
    /// `spans` gives each token the latents it may attend; a token before the first
    /// image has an empty span and reads exactly zero. The feed-forward layer runs on
    /// every token, seen image or not.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        media: Option<&MediaKeyValues>,
        spans: &Spans,
    ) -> Tensor<2> {
        let x = match media {
            Some(media) => {
                let seen = self.look(x.clone(), media, spans);
                self.output.add_to(&x, seen, &self.attention_gate)
            }
            None => x,
        };
        self.feed(&x)
    }

    /// As [`Self::forward`], and what was read from the images before its gate.
    pub(crate) fn forward_observed(
        &self,
        x: Tensor<2>,
        media: Option<&MediaKeyValues>,
        spans: &Spans,
    ) -> (Tensor<2>, Tensor<2>) {
        let read = match media {
            Some(media) => self.output.forward(self.look(x.clone(), media, spans)),
            None => x.zeros_like(),
        };
        let y = add_scaled(x, read.clone(), self.attention_gate.scale());
        (self.feed(&y), read)
    }

    /// Adds the feed-forward layer through its gate.
    fn feed(&self, x: &Tensor<2>) -> Tensor<2> {
        self.feed_forward
            .add_to(x, Some(&self.ffn_norm), &self.ffn_gate)
    }

    /// How the text `[tokens, width]` shares its attention among the latents in these
    /// rows of `media`: `[tokens, latents]`, the mean over the heads.
    pub(crate) fn weights(
        &self,
        x: Tensor<2>,
        media: &MediaKeyValues,
        latents: Range<usize>,
    ) -> Tensor<2> {
        let query = self.queries(x);
        let keys = media.key.clone().narrow(0, latents.start, latents.len());
        attention_weights(query, keys, &self.shape)
    }

    /// The output of every head, side by side: `[tokens, heads * head_dim]`.
    fn look(&self, x: Tensor<2>, media: &MediaKeyValues, spans: &Spans) -> Tensor<2> {
        let query = self.queries(x);
        let (key, value) = (media.key.clone(), media.value.clone());
        attention(query, key, value, &self.shape, spans, None)
    }

    /// The text's queries, `[tokens, heads * head_dim]`.
    fn queries(&self, x: Tensor<2>) -> Tensor<2> {
        let query = self.query.fused(x, Some(&self.attention_norm), Finish::Sum);
        match &self.qk_norm {
            Some(norm) => norm.query(query),
            None => query,
        }
    }
}
