//! The tensors of a gated cross-attention block.

use super::parts::{FeedForwardSpec, LinearSpec, NormSpec, Parts, QkNormSpec, TensorSpec};
use crate::config::{FlamingoConfig, GateExtent};

/// A gated cross-attention block.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossAttentionSpec {
    /// `[1]` or `[width]`, before its tanh.
    pub attention_gate: TensorSpec,
    /// `[1]` or `[width]`, before its tanh.
    pub ffn_gate: TensorSpec,
    /// Norm of the text before its queries.
    pub attention_norm: NormSpec,
    /// Width → queries.
    pub query: LinearSpec,
    /// Media width → keys and values, side by side.
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

impl CrossAttentionSpec {
    /// The block before decoder layer `layer` of this configuration.
    pub fn of(config: &FlamingoConfig, layer: usize) -> Self {
        let (width, media_width) = (config.language.width, config.media_width());
        let config = &config.cross_attention;
        let prefix = format!("xattn.{layer}.");
        let name = |part: &str| format!("{prefix}{part}");
        let inner = config.heads * config.head_dim;
        let gate = |part: &str| match config.gate {
            GateExtent::Scalar => TensorSpec::gate(name(part)),
            GateExtent::Vector => TensorSpec::dense(name(part), &[width]),
        };
        Self {
            attention_gate: gate("attn_gate"),
            ffn_gate: gate("ffn_gate_scale"),
            attention_norm: NormSpec::new(&name("attn_norm"), width, &config.norm),
            query: LinearSpec::new(&name("attn_q"), inner, width, false),
            key_value: key_value(&prefix, inner, media_width, config.fused_key_value),
            qk_norm: config.qk_norm.as_ref().map(|norm| {
                let heads = (config.heads, config.heads);
                QkNormSpec::new(&prefix, norm, heads, config.head_dim)
            }),
            output: LinearSpec::new(&name("attn_out"), width, inner, false),
            ffn_norm: NormSpec::new(&name("ffn_norm"), width, &config.norm),
            feed_forward: FeedForwardSpec::new(&prefix, width, &config.feed_forward),
        }
    }
}

/// The product into keys and values of `inner` each.
pub(super) fn key_value(prefix: &str, inner: usize, columns: usize, fused: bool) -> LinearSpec {
    let name = |part: &str| format!("{prefix}{part}");
    match fused {
        true => LinearSpec::new(&name("attn_kv"), 2 * inner, columns, false),
        false => {
            let parts = [(name("attn_k"), inner), (name("attn_v"), inner)];
            LinearSpec::stacked(&name("attn_kv"), &parts, columns, false)
        }
    }
}

impl Parts for CrossAttentionSpec {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.attention_gate.each(visit);
        self.ffn_gate.each(visit);
        self.attention_norm.each(visit);
        self.query.each(visit);
        self.key_value.each(visit);
        self.qk_norm.each(visit);
        self.output.each(visit);
        self.ffn_norm.each(visit);
        self.feed_forward.each(visit);
    }
}
