//! The tensors of a vision transformer.

use super::parts::{FeedForwardSpec, LinearSpec, NormSpec, Parts, TensorSpec};
use crate::config::{NormConfig, NormKind, VitConfig};

/// A vision transformer.
#[derive(Clone, Debug, PartialEq)]
pub struct VitSpec {
    /// `[width]`.
    pub class: Option<TensorSpec>,
    /// `[tokens, width]`.
    pub positions: TensorSpec,
    /// `[width, 3 * patch * patch]`.
    pub patches: TensorSpec,
    /// `[width]`.
    pub patch_bias: Option<TensorSpec>,
    /// Norm before the first block.
    pub norm_before: Option<NormSpec>,
    /// The blocks in order.
    pub blocks: Vec<VitBlockSpec>,
    /// Norm behind the last block.
    pub norm_after: Option<NormSpec>,
}

/// A block of a vision transformer.
#[derive(Clone, Debug, PartialEq)]
pub struct VitBlockSpec {
    /// Norm of the attention.
    pub attention_norm: NormSpec,
    /// Width → queries, keys and values, side by side.
    pub qkv: LinearSpec,
    /// Width → width.
    pub output: LinearSpec,
    /// Norm of the feed-forward layer.
    pub ffn_norm: NormSpec,
    /// The feed-forward layer.
    pub feed_forward: FeedForwardSpec,
}

impl VitSpec {
    /// The encoder of this configuration for square images of this side, in pixels.
    pub fn of(config: &VitConfig, image_size: usize) -> Self {
        let width = config.width;
        let tokens = config.patches(image_size) + usize::from(config.has_class_token());
        let norm = NormConfig {
            kind: NormKind::Layer,
            bias: true,
            eps: config.norm_eps,
        };
        Self {
            class: config
                .has_class_token()
                .then(|| TensorSpec::dense("v.class_embd", &[width])),
            positions: TensorSpec::dense("v.position_embd.weight", &[tokens, width]),
            patches: TensorSpec::dense(
                "v.patch_embd.weight",
                &[width, 3 * config.patch_size * config.patch_size],
            ),
            patch_bias: config
                .patch_bias
                .then(|| TensorSpec::dense("v.patch_embd.bias", &[width])),
            norm_before: config
                .norm_before
                .then(|| NormSpec::new("v.pre_ln", width, &norm)),
            blocks: (0..config.layers)
                .map(|layer| VitBlockSpec::of(config, &norm, layer))
                .collect(),
            norm_after: config
                .norm_after
                .then(|| NormSpec::new("v.post_ln", width, &norm)),
        }
    }
}

impl VitBlockSpec {
    fn of(config: &VitConfig, norm: &NormConfig, layer: usize) -> Self {
        let prefix = format!("v.blk.{layer}.");
        let name = |part: &str| format!("{prefix}{part}");
        let width = config.width;
        Self {
            attention_norm: NormSpec::new(&name("ln1"), width, norm),
            qkv: LinearSpec::new(&name("attn_qkv"), 3 * width, width, true),
            output: LinearSpec::new(&name("attn_out"), width, width, true),
            ffn_norm: NormSpec::new(&name("ln2"), width, norm),
            feed_forward: FeedForwardSpec::new(&prefix, width, &config.feed_forward),
        }
    }
}

impl Parts for VitSpec {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.class.each(visit);
        self.positions.each(visit);
        self.patches.each(visit);
        self.patch_bias.each(visit);
        self.norm_before.each(visit);
        self.blocks.each(visit);
        self.norm_after.each(visit);
    }
}

impl Parts for VitBlockSpec {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.attention_norm.each(visit);
        self.qkv.each(visit);
        self.output.each(visit);
        self.ffn_norm.each(visit);
        self.feed_forward.each(visit);
    }
}
