//! The tensors of the Perceiver Resampler.

use super::cross_attention::key_value;
use super::parts::{FeedForwardSpec, LinearSpec, NormSpec, Parts, QkNormSpec, TensorSpec};
use crate::config::{NormConfig, ResamplerConfig};

/// The Perceiver Resampler.
#[derive(Clone, Debug, PartialEq)]
pub struct ResamplerSpec {
    /// Norm of the vision tokens before their projection.
    pub input_norm: Option<NormSpec>,
    /// Vision width → width.
    pub input_projection: Option<LinearSpec>,
    /// `[latents, width]`.
    pub latents: TensorSpec,
    /// `[max_frames, width]`.
    pub frame_embeddings: Option<TensorSpec>,
    /// `[max_media, width]`.
    pub media_embeddings: Option<TensorSpec>,
    /// The layers in order.
    pub layers: Vec<ResamplerLayerSpec>,
    /// Norm behind the last layer.
    pub norm: NormSpec,
}

/// A layer of the resampler.
#[derive(Clone, Debug, PartialEq)]
pub struct ResamplerLayerSpec {
    /// Norm of the vision tokens.
    pub media_norm: NormSpec,
    /// Norm of the latents.
    pub latents_norm: NormSpec,
    /// Width → queries.
    pub query: LinearSpec,
    /// Width → keys and values, side by side.
    pub key_value: LinearSpec,
    /// Norms of queries and keys.
    pub qk_norm: Option<QkNormSpec>,
    /// Heads' width → width.
    pub output: LinearSpec,
    /// Norm of the feed-forward layer.
    pub ffn_norm: NormSpec,
    /// The feed-forward layer.
    pub feed_forward: FeedForwardSpec,
}

impl ResamplerSpec {
    /// The resampler of this configuration.
    pub fn of(config: &ResamplerConfig) -> Self {
        let (width, input_width) = (config.width, config.input_width);
        let table =
            |name: &str, rows: usize| (rows > 0).then(|| TensorSpec::dense(name, &[rows, width]));
        let projected = config.input_projection;
        Self {
            input_norm: projected.then(|| norm("resampler.input_norm", input_width)),
            input_projection: projected
                .then(|| LinearSpec::new("resampler.input_proj", width, input_width, false)),
            latents: TensorSpec::dense("resampler.latents", &[config.latents, width]),
            frame_embeddings: table("resampler.frame_embd", config.max_frames),
            media_embeddings: table("resampler.media_embd", config.max_media),
            layers: (0..config.depth)
                .map(|layer| ResamplerLayerSpec::of(config, layer))
                .collect(),
            norm: norm("resampler.norm", width),
        }
    }
}

impl ResamplerLayerSpec {
    fn of(config: &ResamplerConfig, layer: usize) -> Self {
        let prefix = format!("resampler.blk.{layer}.");
        let name = |part: &str| format!("{prefix}{part}");
        let (width, inner) = (config.width, config.heads * config.head_dim);
        Self {
            media_norm: norm(&name("norm_media"), width),
            latents_norm: norm(&name("norm_latents"), width),
            query: LinearSpec::new(&name("attn_q"), inner, width, false),
            key_value: key_value(&prefix, inner, width, config.fused_key_value),
            qk_norm: config.qk_norm.as_ref().map(|norm| {
                let heads = (config.heads, config.heads);
                QkNormSpec::new(&prefix, norm, heads, config.head_dim)
            }),
            output: LinearSpec::new(&name("attn_out"), width, inner, false),
            ffn_norm: norm(&name("ffn_norm"), width),
            feed_forward: FeedForwardSpec::new(&prefix, width, &config.feed_forward),
        }
    }
}

fn norm(name: &str, width: usize) -> NormSpec {
    NormSpec::new(name, width, &NormConfig::BRIDGE)
}

impl Parts for ResamplerSpec {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.input_norm.each(visit);
        self.input_projection.each(visit);
        self.latents.each(visit);
        self.frame_embeddings.each(visit);
        self.media_embeddings.each(visit);
        self.layers.each(visit);
        self.norm.each(visit);
    }
}

impl Parts for ResamplerLayerSpec {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.media_norm.each(visit);
        self.latents_norm.each(visit);
        self.query.each(visit);
        self.key_value.each(visit);
        self.qk_norm.each(visit);
        self.output.each(visit);
        self.ffn_norm.each(visit);
        self.feed_forward.each(visit);
    }
}
