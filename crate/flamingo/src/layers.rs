//! The layers every network here is made of.

use burn::tensor::Tensor;
use flamingo_kernels::{
    Activation, Finish, Fusion, Norm, PackedMatrix, fused_linear, gated, layer_norm, linear,
    rms_norm,
};

use crate::builder::Weights;
use crate::error::ModelError;

/// Epsilon of every layer norm in the bridges (`nn.LayerNorm`'s default).
pub(crate) const BRIDGE_NORM_EPS: f32 = 1e-5;

/// A linear layer over packed weights, `[tokens, in]` → `[tokens, out]`.
pub(crate) struct Linear {
    weight: PackedMatrix,
    bias: Option<Tensor<1>>,
}

impl Linear {
    /// Takes `{name}.weight`.
    pub(crate) fn load(weights: &mut Weights, name: &str) -> Result<Self, ModelError> {
        Ok(Self {
            weight: weights.matrix(&format!("{name}.weight"))?,
            bias: None,
        })
    }

    /// Takes `{name}.weight` and `{name}.bias`.
    pub(crate) fn load_biased(weights: &mut Weights, name: &str) -> Result<Self, ModelError> {
        let mut layer = Self::load(weights, name)?;
        layer.bias = Some(weights.vector(&format!("{name}.bias"))?);
        Ok(layer)
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.fused(x, None, Finish::Sum)
    }

    /// The product with the norm before it and what follows it.
    pub(crate) fn fused(
        &self,
        x: Tensor<2>,
        norm: Option<Norm<'_, Tensor<1>>>,
        finish: Finish<'_, Tensor<1>, Tensor<2>>,
    ) -> Tensor<2> {
        let fusion = Fusion {
            norm,
            bias: self.bias.as_ref(),
            finish,
        };
        fused_linear(x, &self.weight, &fusion)
    }

    /// Adds the product, through a gate, to a residual stream `[tokens, out]`.
    pub(crate) fn add_to(&self, residual: &Tensor<2>, x: Tensor<2>, scale: f32) -> Tensor<2> {
        let finish = Finish::AddTo {
            x: residual,
            scale: scale.into(),
        };
        self.fused(x, None, finish)
    }
}

/// Linear layers that read the same input, one below the other:
/// `[tokens, in]` → `[tokens, sum of out]`.
///
/// Those whose weights are packed alike are one matrix, read in one go.
pub(crate) struct StackedLinear {
    parts: Vec<PackedMatrix>,
}

impl StackedLinear {
    /// Takes the stack of this name.
    pub(crate) fn load(weights: &mut Weights, name: &str) -> Result<Self, ModelError> {
        Ok(Self {
            parts: weights.stack(name)?,
        })
    }

    /// All products, side by side.
    pub(crate) fn forward(&self, x: Tensor<2>, norm: &RmsNorm) -> Tensor<2> {
        if let [one] = &self.parts[..] {
            return fused_linear(x, one, &norm.fusion(Finish::Sum));
        }
        let x = norm.forward(x);
        let products = self.parts.iter().map(|part| linear(x.clone(), part, None));
        Tensor::cat(products.collect(), 1)
    }

    /// `silu` of the first half of the products times the second.
    pub(crate) fn gated(&self, x: Tensor<2>, norm: &RmsNorm) -> Tensor<2> {
        if let [one] = &self.parts[..] {
            return fused_linear(x, one, &norm.fusion(Finish::Gated(Activation::Silu)));
        }
        gated(self.forward(x, norm), Activation::Silu)
    }
}

/// Layer norm over the width, with or without bias.
pub(crate) struct LayerNorm {
    weight: Tensor<1>,
    bias: Option<Tensor<1>>,
    eps: f32,
}

impl LayerNorm {
    /// Takes `{name}.weight` and `{name}.bias`.
    pub(crate) fn load(weights: &mut Weights, name: &str, eps: f32) -> Result<Self, ModelError> {
        let mut norm = Self::load_unbiased(weights, name, eps)?;
        norm.bias = Some(weights.vector(&format!("{name}.bias"))?);
        Ok(norm)
    }

    /// Takes `{name}.weight`.
    pub(crate) fn load_unbiased(
        weights: &mut Weights,
        name: &str,
        eps: f32,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            weight: weights.vector(&format!("{name}.weight"))?,
            bias: None,
            eps,
        })
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        layer_norm(x, &self.weight, self.bias.as_ref(), self.eps)
    }

    /// The norm in front of a product.
    pub(crate) fn before(&self) -> Option<Norm<'_, Tensor<1>>> {
        Some(Norm::Layer {
            weight: &self.weight,
            bias: self.bias.as_ref(),
            eps: self.eps,
        })
    }
}

/// Root-mean-square norm over the width.
pub(crate) struct RmsNorm {
    weight: Tensor<1>,
    eps: f32,
}

impl RmsNorm {
    /// Takes `{name}.weight`.
    pub(crate) fn load(weights: &mut Weights, name: &str, eps: f32) -> Result<Self, ModelError> {
        Ok(Self {
            weight: weights.vector(&format!("{name}.weight"))?,
            eps,
        })
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        rms_norm(x, &self.weight, self.eps)
    }

    fn fusion<'a>(
        &'a self,
        finish: Finish<'a, Tensor<1>, Tensor<2>>,
    ) -> Fusion<'a, Tensor<1>, Tensor<2>> {
        Fusion {
            norm: Some(Norm::Rms {
                weight: &self.weight,
                eps: self.eps,
            }),
            bias: None,
            finish,
        }
    }
}

/// `x + scale * down(activation(up(norm(x))))`: the feed-forward layer of all but llama,
/// with the norm before it and the residual stream around it.
pub(crate) struct FeedForward {
    norm: LayerNorm,
    up: Linear,
    down: Linear,
    activation: Activation,
}

impl FeedForward {
    /// Takes `{prefix}.ffn_up` and `{prefix}.ffn_down` without biases.
    pub(crate) fn load(
        weights: &mut Weights,
        prefix: &str,
        norm: LayerNorm,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            norm,
            up: Linear::load(weights, &format!("{prefix}.ffn_up"))?,
            down: Linear::load(weights, &format!("{prefix}.ffn_down"))?,
            activation,
        })
    }

    /// Takes `{prefix}.ffn_up` and `{prefix}.ffn_down` with biases.
    pub(crate) fn load_biased(
        weights: &mut Weights,
        prefix: &str,
        norm: LayerNorm,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            norm,
            up: Linear::load_biased(weights, &format!("{prefix}.ffn_up"))?,
            down: Linear::load_biased(weights, &format!("{prefix}.ffn_down"))?,
            activation,
        })
    }

    pub(crate) fn forward(&self, x: Tensor<2>, scale: f32) -> Tensor<2> {
        let finish = Finish::Activation(self.activation);
        let inner = self.up.fused(x.clone(), self.norm.before(), finish);
        self.down.add_to(&x, inner, scale)
    }
}

/// Splits `[tokens, parts * width]` into `parts` tensors `[tokens, width]`.
pub(crate) fn split_columns<const N: usize>(x: Tensor<2>) -> [Tensor<2>; N] {
    let [_, columns] = x.dims();
    let width = columns / N;
    core::array::from_fn(|part| x.clone().narrow(1, part * width, width))
}
