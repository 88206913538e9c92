//! The pre-norm vision transformer (Dosovitskiy et al. 2021): CLIP's (Radford et al. 2021)
//! and SigLIP's (Zhai et al. 2023).

use burn::tensor::Tensor;
use flamingo_architecture::config::{ClassToken, VitConfig};
use flamingo_architecture::spec::{VitBlockSpec, VitSpec};
use flamingo_kernels::{AttentionShape, Conv2dShape, Finish, Spans, attention, conv2d};

use super::VisionEncoder;
use crate::builder::Weights;
use crate::error::ModelError;
use crate::layers::{FeedForward, Gate, Linear, NormLayer, split_columns};

/// A vision transformer up to its last block.
pub struct Vit {
    patches: Tensor<2>,
    patch_bias: Option<Tensor<1>>,
    patch_shape: Conv2dShape,
    /// `[1, width]`
    class: Option<Tensor<2>>,
    class_token: ClassToken,
    positions: Tensor<2>,
    norm_before: Option<NormLayer>,
    blocks: Vec<Block>,
    norm_after: Option<NormLayer>,
}

struct Block {
    attention_norm: NormLayer,
    query_key_value: Linear,
    output: Linear,
    ffn_norm: NormLayer,
    feed_forward: FeedForward,
    shape: AttentionShape,
}

impl Vit {
    pub(crate) fn load(
        weights: &mut Weights,
        config: &VitConfig,
        image_size: usize,
    ) -> Result<Self, ModelError> {
        let spec = VitSpec::of(config, image_size);
        let side = image_size / config.patch_size;
        let class = spec.class.as_ref();
        let patch_bias = spec.patch_bias.as_ref();
        let blocks = spec.blocks.iter();
        Ok(Self {
            class: class
                .map(|spec| weights.vector(spec).map(Tensor::unsqueeze))
                .transpose()?,
            class_token: config.class_token,
            positions: weights.table(&spec.positions)?,
            patches: weights.table(&spec.patches)?,
            patch_bias: patch_bias.map(|spec| weights.vector(spec)).transpose()?,
            patch_shape: Conv2dShape {
                in_h: image_size,
                in_w: image_size,
                c_in: 3,
                c_out: config.width,
                kernel: config.patch_size,
                stride: config.patch_size,
                pad_top: 0,
                pad_left: 0,
                out_h: side,
                out_w: side,
                groups: 1,
            },
            norm_before: NormLayer::load_optional(weights, spec.norm_before.as_ref())?,
            blocks: blocks
                .map(|block| Block::load(weights, config, block))
                .collect::<Result<_, _>>()?,
            norm_after: NormLayer::load_optional(weights, spec.norm_after.as_ref())?,
        })
    }
}

impl VisionEncoder for Vit {
    fn forward(&self, pixels: Tensor<2>) -> Tensor<2> {
        let bias = self.patch_bias.as_ref();
        let patches = conv2d(pixels, &self.patches, bias, None, &self.patch_shape);
        let tokens = match &self.class {
            Some(class) => Tensor::cat(vec![class.clone(), patches], 0),
            None => patches,
        };
        let mut tokens = tokens + self.positions.clone();
        if let Some(norm) = &self.norm_before {
            tokens = norm.forward(tokens);
        }
        for block in &self.blocks {
            tokens = block.forward(tokens);
        }
        if self.class_token == ClassToken::Dropped {
            let [count, _] = tokens.dims();
            tokens = tokens.narrow(0, 1, count - 1);
        }
        match &self.norm_after {
            Some(norm) => norm.forward(tokens),
            None => tokens,
        }
    }
}

impl Block {
    fn load(
        weights: &mut Weights,
        config: &VitConfig,
        spec: &VitBlockSpec,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            attention_norm: NormLayer::load(weights, &spec.attention_norm)?,
            query_key_value: Linear::load(weights, &spec.qkv)?,
            output: Linear::load(weights, &spec.output)?,
            ffn_norm: NormLayer::load(weights, &spec.ffn_norm)?,
            feed_forward: FeedForward::load(weights, &spec.feed_forward)?,
            shape: AttentionShape {
                heads: config.heads,
                kv_heads: config.heads,
                head_dim: config.width / config.heads,
            },
        })
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let norm = Some(&self.attention_norm);
        let rows = self.query_key_value.fused(x.clone(), norm, Finish::Sum);
        let [tokens, width] = x.dims();
        let [query, key, value] = split_columns(&rows, [width; 3]);
        let spans = Spans::full(tokens, tokens as u32);
        let seen = attention(query, key, value, &self.shape, &spans, None);
        let x = self.output.add_to(&x, seen, &Gate::OPEN);
        self.feed_forward
            .add_to(&x, Some(&self.ffn_norm), &Gate::OPEN)
    }
}
