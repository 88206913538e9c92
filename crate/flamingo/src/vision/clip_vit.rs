//! CLIP's vision transformer (Radford et al. 2021) as OpenFlamingo uses it:
//! QuickGELU, and the patch tokens of the last block without the class token
//! and without the final norm (FLAMINGO.md, traps 1 and 2).

use burn::tensor::Tensor;
use flamingo_kernels::{Activation, AttentionShape, Conv2dShape, Finish, Spans, attention, conv2d};

use crate::builder::Weights;
use crate::config::ClipVitConfig;
use crate::error::ModelError;
use crate::layers::{FeedForward, LayerNorm, Linear, split_columns};

/// CLIP ViT up to its last block.
pub struct ClipVit {
    patches: Tensor<2>,
    patch_shape: Conv2dShape,
    /// `[1, width]`
    class: Tensor<2>,
    positions: Tensor<2>,
    pre_norm: LayerNorm,
    blocks: Vec<Block>,
}

struct Block {
    attention_norm: LayerNorm,
    query_key_value: Linear,
    output: Linear,
    ffn: FeedForward,
    shape: AttentionShape,
}

impl ClipVit {
    pub(crate) fn load(
        weights: &mut Weights,
        config: &ClipVitConfig,
        image_size: usize,
    ) -> Result<Self, ModelError> {
        let side = image_size / config.patch_size;
        let blocks = (0..config.layers)
            .map(|layer| {
                let name = format!("v.blk.{layer}");
                let norm = |weights: &mut Weights, part: &str| {
                    LayerNorm::load(weights, &format!("{name}.{part}"), config.norm_eps)
                };
                Ok(Block {
                    attention_norm: norm(weights, "ln1")?,
                    query_key_value: Linear::load_biased(weights, &format!("{name}.attn_qkv"))?,
                    output: Linear::load_biased(weights, &format!("{name}.attn_out"))?,
                    ffn: {
                        let norm = norm(weights, "ln2")?;
                        FeedForward::load_biased(weights, &name, norm, Activation::QuickGelu)?
                    },
                    shape: AttentionShape {
                        heads: config.heads,
                        kv_heads: config.heads,
                        head_dim: config.width / config.heads,
                    },
                })
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(Self {
            patches: weights.table("v.patch_embd.weight")?,
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
            class: weights.vector("v.class_embd")?.unsqueeze(),
            positions: weights.table("v.position_embd.weight")?,
            pre_norm: LayerNorm::load(weights, "v.pre_ln", config.norm_eps)?,
            blocks,
        })
    }

    /// Pixels `[size * size, 3]` to patch tokens `[patches, width]`.
    pub fn forward(&self, pixels: Tensor<2>) -> Tensor<2> {
        let patches = conv2d(pixels, &self.patches, None, None, &self.patch_shape);
        let tokens = Tensor::cat(vec![self.class.clone(), patches], 0) + self.positions.clone();
        let mut tokens = self.pre_norm.forward(tokens);
        for block in &self.blocks {
            tokens = block.forward(tokens);
        }
        let [count, _] = tokens.dims();
        tokens.narrow(0, 1, count - 1)
    }
}

impl Block {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let norm = self.attention_norm.before();
        let rows = self.query_key_value.fused(x.clone(), norm, Finish::Sum);
        let [query, key, value] = split_columns(rows);
        let [tokens, _] = query.dims();
        let spans = Spans::full(tokens, tokens as u32);
        let attended = attention(query, key, value, &self.shape, &spans, None);
        let x = self.output.add_to(&x, attended, 1.0);
        self.ffn.forward(x, 1.0)
    }
}
