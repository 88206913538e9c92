//! The layers every network here is made of. Each loads itself from its description.

use burn::tensor::Tensor;
use flamingo_architecture::TensorRole;
use flamingo_architecture::config::{self, NormKind, QkNormExtent};
use flamingo_architecture::spec::{FeedForwardSpec, LinearSpec, NormSpec, QkNormSpec, TensorSpec};
use flamingo_kernels::{
    Activation, Finish, Fusion, Norm, NormExtent, PackedMatrix, QueryKeyNorm, Scale, activation,
    add_scaled, fused_linear, gated, head_norm, linear, norm,
};

use crate::builder::Weights;
use crate::error::ModelError;

/// A linear layer over packed weights, or several that read the same input, one below the
/// other: `[tokens, in]` → `[tokens, sum of out]`.
///
/// Those whose weights are packed alike are one matrix, read in one go.
pub(crate) struct Linear {
    parts: Vec<PackedMatrix>,
    bias: Option<Tensor<1>>,
}

impl Linear {
    pub(crate) fn load(weights: &mut Weights, spec: &LinearSpec) -> Result<Self, ModelError> {
        Ok(Self {
            parts: weights.matrices(&spec.weights)?,
            bias: match &spec.biases[..] {
                [] => None,
                biases => Some(weights.vectors(biases)?),
            },
        })
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.fused(x, None, Finish::Sum)
    }

    /// The product with the norm before it and what follows it.
    pub(crate) fn fused(
        &self,
        x: Tensor<2>,
        norm: Option<&NormLayer>,
        finish: Finish<'_, Tensor<1>, Tensor<2>>,
    ) -> Tensor<2> {
        if let [one] = &self.parts[..] {
            let fusion = Fusion {
                norm: norm.map(NormLayer::as_operand),
                bias: self.bias.as_ref(),
                finish,
            };
            return fused_linear(x, one, &fusion);
        }
        let x = match norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        let products = self.parts.iter().map(|part| linear(x.clone(), part, None));
        let product = Tensor::cat(products.collect(), 1);
        let product = match &self.bias {
            Some(bias) => product + bias.clone().unsqueeze(),
            None => product,
        };
        match finish {
            Finish::Sum => product,
            Finish::Activation(function) => activation(product, function),
            Finish::Gated(function) => gated(product, function),
            Finish::AddTo { x, scale } => add_scaled(x.clone(), product, scale),
        }
    }

    /// Adds the product, through a gate, to a residual stream `[tokens, out]`.
    pub(crate) fn add_to(&self, residual: &Tensor<2>, x: Tensor<2>, gate: &Gate) -> Tensor<2> {
        let finish = Finish::AddTo {
            x: residual,
            scale: gate.scale(),
        };
        self.fused(x, None, finish)
    }
}

/// How much of a residual branch is added.
pub(crate) enum Gate {
    /// One number for all channels.
    Scalar(f32),
    /// `[width]`, one number a channel.
    Vector(Box<Tensor<1>>),
}

impl Gate {
    /// The gate of a branch that has none.
    pub(crate) const OPEN: Self = Self::Scalar(1.0);

    /// The tanh of a trained gate.
    pub(crate) fn load(weights: &mut Weights, spec: &TensorSpec) -> Result<Self, ModelError> {
        Ok(match spec.role {
            TensorRole::Gate => Self::Scalar(weights.gate(spec)?.tanh()),
            TensorRole::Dense | TensorRole::Matrix => {
                Self::Vector(Box::new(weights.vector(spec)?.tanh()))
            }
        })
    }

    pub(crate) fn scale(&self) -> Scale<'_, Tensor<1>> {
        match self {
            Self::Scalar(number) => Scale::Number(*number),
            Self::Vector(columns) => Scale::Columns(columns),
        }
    }
}

/// A norm over the width.
pub(crate) struct NormLayer {
    kind: NormKind,
    weight: Tensor<1>,
    bias: Option<Tensor<1>>,
    eps: f32,
}

impl NormLayer {
    pub(crate) fn load(weights: &mut Weights, spec: &NormSpec) -> Result<Self, ModelError> {
        Ok(Self {
            kind: spec.kind,
            weight: weights.vector(&spec.weight)?,
            bias: match &spec.bias {
                Some(bias) => Some(weights.vector(bias)?),
                None => None,
            },
            eps: spec.eps,
        })
    }

    pub(crate) fn load_optional(
        weights: &mut Weights,
        spec: Option<&NormSpec>,
    ) -> Result<Option<Self>, ModelError> {
        spec.map(|spec| Self::load(weights, spec)).transpose()
    }

    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        norm(x, &self.as_operand())
    }

    /// The norm in front of a product.
    fn as_operand(&self) -> Norm<'_, Tensor<1>> {
        match self.kind {
            NormKind::Rms => Norm::Rms {
                weight: &self.weight,
                eps: self.eps,
            },
            NormKind::Layer => Norm::Layer {
                weight: &self.weight,
                bias: self.bias.as_ref(),
                eps: self.eps,
            },
        }
    }
}

/// Norms of queries and keys before their product.
pub(crate) struct QkNorm {
    extent: QkNormExtent,
    head_dim: usize,
    query: NormLayer,
    key: NormLayer,
}

impl QkNorm {
    pub(crate) fn load(
        weights: &mut Weights,
        spec: Option<&QkNormSpec>,
        head_dim: usize,
    ) -> Result<Option<Self>, ModelError> {
        let Some(spec) = spec else {
            return Ok(None);
        };
        Ok(Some(Self {
            extent: spec.extent,
            head_dim,
            query: NormLayer::load(weights, &spec.query)?,
            key: NormLayer::load(weights, &spec.key)?,
        }))
    }

    /// Queries `[tokens, heads * head_dim]`, normed.
    pub(crate) fn query(&self, rows: Tensor<2>) -> Tensor<2> {
        self.apply(&self.query, rows)
    }

    /// Keys `[tokens, kv_heads * head_dim]`, normed.
    pub(crate) fn key(&self, rows: Tensor<2>) -> Tensor<2> {
        self.apply(&self.key, rows)
    }

    /// Both norms, for queries and keys of one row.
    pub(crate) fn as_operand(&self) -> QueryKeyNorm {
        let extent = match self.extent {
            QkNormExtent::FullWidth => NormExtent::Row,
            QkNormExtent::PerHead => NormExtent::Head,
        };
        QueryKeyNorm::new(extent, self.query.as_operand(), self.key.as_operand())
    }

    fn apply(&self, norm: &NormLayer, rows: Tensor<2>) -> Tensor<2> {
        match self.extent {
            QkNormExtent::FullWidth => norm.forward(rows),
            QkNormExtent::PerHead => {
                let [_, width] = rows.dims();
                head_norm(rows, width / self.head_dim, &norm.as_operand())
            }
        }
    }
}

/// A feed-forward layer: `down(f(up(x)))`, or `down(f(gate(x)) * up(x))`.
pub(crate) struct FeedForward {
    up: Linear,
    down: Linear,
    activation: Activation,
    gated: bool,
}

impl FeedForward {
    pub(crate) fn load(weights: &mut Weights, spec: &FeedForwardSpec) -> Result<Self, ModelError> {
        Ok(Self {
            up: Linear::load(weights, &spec.up)?,
            down: Linear::load(weights, &spec.down)?,
            activation: function(spec.activation),
            gated: spec.gated,
        })
    }

    /// `x + gate * ffn(norm(x))`: with the norm before it and the residual stream
    /// `[tokens, width]` around it.
    pub(crate) fn add_to(&self, x: &Tensor<2>, norm: Option<&NormLayer>, gate: &Gate) -> Tensor<2> {
        let finish = match self.gated {
            true => Finish::Gated(self.activation),
            false => Finish::Activation(self.activation),
        };
        let inner = self.up.fused(x.clone(), norm, finish);
        self.down.add_to(x, inner, gate)
    }
}

/// The kernels' name of a function.
fn function(activation: config::Activation) -> Activation {
    match activation {
        config::Activation::Gelu => Activation::GeluErf,
        config::Activation::GeluTanh => Activation::GeluTanh,
        config::Activation::QuickGelu => Activation::QuickGelu,
        config::Activation::Silu => Activation::Silu,
        config::Activation::Relu => Activation::Relu,
        config::Activation::SquaredRelu => Activation::SquaredRelu,
    }
}

/// Splits `[tokens, sum of widths]` into tensors `[tokens, width]`.
pub(crate) fn split_columns<const N: usize>(x: &Tensor<2>, widths: [usize; N]) -> [Tensor<2>; N] {
    let mut start = 0;
    widths.map(|width| {
        let part = x.clone().narrow(1, start, width);
        start += width;
        part
    })
}
