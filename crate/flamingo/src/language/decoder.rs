//! The decoder layer: self-attention and a feed-forward layer on a residual stream, with
//! the norms, positions and projections that the configuration asks for.

use burn::tensor::Tensor;
use flamingo_architecture::config::{self, LanguageConfig, NormPlacement, PositionConfig};
use flamingo_architecture::spec::DecoderLayerSpec;
use flamingo_kernels::{
    Alibi, AttentionShape, Finish, QueryKeyNorm, Rope, RopeScaling, RopeStyle, attention,
    rope_append,
};

use super::{LayerCache, Placement};
use crate::builder::Weights;
use crate::error::ModelError;
use crate::layers::{FeedForward, Gate, Linear, NormLayer, QkNorm};

/// A decoder layer.
pub(crate) struct DecoderLayer {
    norm_placement: NormPlacement,
    attention_norm: NormLayer,
    query_key_value: Linear,
    qk_norm: Option<QueryKeyNorm>,
    output: Linear,
    ffn_norm: NormLayer,
    feed_forward: FeedForward,
    shape: AttentionShape,
    rope: Option<Rope>,
    alibi: Option<Alibi>,
}

impl DecoderLayer {
    pub(crate) fn load(
        weights: &mut Weights,
        config: &LanguageConfig,
        layer: usize,
    ) -> Result<Self, ModelError> {
        let spec = DecoderLayerSpec::of(config, layer);
        let attention = &config.attention;
        let (rope, alibi) = match config.positions {
            PositionConfig::Rope {
                style,
                theta,
                dims,
                scaling,
            } => (Some(rope(style, theta, dims, scaling)), None),
            PositionConfig::Alibi { max_bias } => (None, Some(Alibi { max_bias })),
            PositionConfig::Learned { .. } => (None, None),
        };
        let qk_norm = QkNorm::load(weights, spec.qk_norm.as_ref(), attention.head_dim)?;
        Ok(Self {
            norm_placement: config.norm_placement,
            attention_norm: NormLayer::load(weights, &spec.attention_norm)?,
            query_key_value: Linear::load(weights, &spec.qkv)?,
            qk_norm: qk_norm.as_ref().map(QkNorm::as_operand),
            output: Linear::load(weights, &spec.output)?,
            ffn_norm: NormLayer::load(weights, &spec.ffn_norm)?,
            feed_forward: FeedForward::load(weights, &spec.feed_forward)?,
            shape: AttentionShape {
                heads: attention.heads,
                kv_heads: attention.kv_heads,
                head_dim: attention.head_dim,
            },
            rope,
            alibi,
        })
    }

    /// `[tokens, width]` → `[tokens, width]`, appending to the layer's cache.
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        placement: &Placement,
        cache: &mut LayerCache,
    ) -> Tensor<2> {
        match self.norm_placement {
            NormPlacement::Before => {
                let seen = self.attend(x.clone(), Some(&self.attention_norm), placement, cache);
                let x = self.output.add_to(&x, seen, &Gate::OPEN);
                self.feed_forward
                    .add_to(&x, Some(&self.ffn_norm), &Gate::OPEN)
            }
            NormPlacement::After => {
                let seen = self.attend(x.clone(), None, placement, cache);
                let x = self.output.add_to(&x, seen, &Gate::OPEN);
                let x = self.attention_norm.forward(x);
                let x = self.feed_forward.add_to(&x, None, &Gate::OPEN);
                self.ffn_norm.forward(x)
            }
        }
    }

    /// The output of every head, side by side: `[tokens, heads * head_dim]`.
    fn attend(
        &self,
        x: Tensor<2>,
        norm: Option<&NormLayer>,
        placement: &Placement,
        cache: &mut LayerCache,
    ) -> Tensor<2> {
        let rows = self.query_key_value.fused(x, norm, Finish::Sum);
        let query = rope_append(
            rows,
            &self.shape,
            self.qk_norm.as_ref(),
            &placement.positions,
            self.rope.as_ref(),
            &mut cache.key,
            &mut cache.value,
        );
        attention(
            query,
            cache.key.view(),
            cache.value.view(),
            &self.shape,
            &placement.spans,
            self.alibi,
        )
    }
}

/// The kernels' form of a rotary embedding.
fn rope(
    style: config::RopeStyle,
    theta: f32,
    rotary_dims: usize,
    scaling: config::RopeScaling,
) -> Rope {
    Rope {
        theta,
        rotary_dims,
        style: match style {
            config::RopeStyle::Pairs => RopeStyle::Pairs,
            config::RopeStyle::Halves => RopeStyle::Halves,
        },
        scaling: match scaling {
            config::RopeScaling::None => RopeScaling::None,
            config::RopeScaling::Linear { factor } => RopeScaling::Linear { factor },
            config::RopeScaling::Llama3 {
                factor,
                low_frequency_factor,
                high_frequency_factor,
                original_positions,
            } => RopeScaling::Llama3 {
                factor,
                low_frequency_factor,
                high_frequency_factor,
                original_positions,
            },
        },
    }
}
