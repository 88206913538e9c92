//! The layers every network here is made of.

use burn::tensor::Tensor;
use flamingo_kernels::{Activation, PackedMatrix, activation, layer_norm, linear, rms_norm};

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
        linear(x, &self.weight, self.bias.as_ref())
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
}

/// `down(activation(up(x)))`: the feed-forward layer of all but llama.
pub(crate) struct FeedForward {
    up: Linear,
    down: Linear,
    activation: Activation,
}

impl FeedForward {
    /// Takes `{prefix}.ffn_up` and `{prefix}.ffn_down` without biases.
    pub(crate) fn load(
        weights: &mut Weights,
        prefix: &str,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            up: Linear::load(weights, &format!("{prefix}.ffn_up"))?,
            down: Linear::load(weights, &format!("{prefix}.ffn_down"))?,
            activation,
        })
    }

    /// Takes `{prefix}.ffn_up` and `{prefix}.ffn_down` with biases.
    pub(crate) fn load_biased(
        weights: &mut Weights,
        prefix: &str,
        activation: Activation,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            up: Linear::load_biased(weights, &format!("{prefix}.ffn_up"))?,
            down: Linear::load_biased(weights, &format!("{prefix}.ffn_down"))?,
            activation,
        })
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.down
            .forward(activation(self.up.forward(x), self.activation))
    }
}

/// Splits `[tokens, parts * width]` into `parts` tensors `[tokens, width]`.
pub(crate) fn split_columns<const N: usize>(x: Tensor<2>) -> [Tensor<2>; N] {
    let [_, columns] = x.dims();
    let width = columns / N;
    core::array::from_fn(|part| x.clone().narrow(1, part * width, width))
}
