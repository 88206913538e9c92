//! The parts of layers: tensors, and the few modules that every network shares.

use crate::config::{
    Activation, FeedForwardConfig, NormConfig, NormKind, QkNormConfig, QkNormExtent,
};

/// How a tensor is held once loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorRole {
    /// Weight of a linear layer or embedding table, kept in its packed blocks.
    Matrix,
    /// Small parameters (norms, biases, embeddings, convolution kernels), held as f32.
    Dense,
    /// A gate of one number, held by the host.
    Gate,
}

/// One tensor of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name in the GGUF container.
    pub name: String,
    /// Shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// How it is held.
    pub role: TensorRole,
    /// The stack that it is a part of, in the order of the list: matrices that read the
    /// same input lie one below the other, and so do their biases.
    pub stack: Option<String>,
}

/// Anything made of tensors.
pub trait Parts {
    /// Shows `visit` every tensor, in load order.
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec));
}

/// A linear layer, or several that read the same input and are computed as one:
/// `[tokens, in]` → `[tokens, sum of out]`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearSpec {
    /// Weights `[out, in]`, one below the other.
    pub weights: Vec<TensorSpec>,
    /// Biases `[out]`, as many as weights; empty if there are none.
    pub biases: Vec<TensorSpec>,
}

/// A norm over the width.
#[derive(Clone, Debug, PartialEq)]
pub struct NormSpec {
    /// The statistic that it divides by.
    pub kind: NormKind,
    /// Added to the variance or the mean square.
    pub eps: f32,
    /// `[width]`.
    pub weight: TensorSpec,
    /// `[width]`.
    pub bias: Option<TensorSpec>,
}

/// Norms of queries and keys.
#[derive(Clone, Debug, PartialEq)]
pub struct QkNormSpec {
    /// The values that are normalised together.
    pub extent: QkNormExtent,
    /// Of the queries.
    pub query: NormSpec,
    /// Of the keys.
    pub key: NormSpec,
}

/// A feed-forward layer.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedForwardSpec {
    /// The product into the inner width, below the gate's if it is gated.
    pub up: LinearSpec,
    /// The product back.
    pub down: LinearSpec,
    /// The function inside.
    pub activation: Activation,
    /// Whether `up` begins with a gate.
    pub gated: bool,
}

impl TensorSpec {
    /// Rows and columns of a matrix; `None` for any other shape.
    pub fn rows_and_columns(&self) -> Option<(usize, usize)> {
        match self.shape[..] {
            [rows, columns] => Some((rows, columns)),
            _ => None,
        }
    }

    /// A packed matrix.
    pub(super) fn matrix(name: impl Into<String>, rows: usize, columns: usize) -> Self {
        Self::new(name, &[rows, columns], TensorRole::Matrix)
    }

    /// Values held as f32.
    pub(super) fn dense(name: impl Into<String>, shape: &[usize]) -> Self {
        Self::new(name, shape, TensorRole::Dense)
    }

    /// A gate of one number.
    pub(super) fn gate(name: impl Into<String>) -> Self {
        Self::new(name, &[1], TensorRole::Gate)
    }

    fn new(name: impl Into<String>, shape: &[usize], role: TensorRole) -> Self {
        Self {
            name: name.into(),
            shape: shape.to_vec(),
            role,
            stack: None,
        }
    }
}

impl LinearSpec {
    /// `{name}.weight`, and `{name}.bias` if it has one.
    pub(super) fn new(name: &str, rows: usize, columns: usize, bias: bool) -> Self {
        let biases = bias.then(|| TensorSpec::dense(format!("{name}.bias"), &[rows]));
        Self {
            weights: vec![TensorSpec::matrix(format!("{name}.weight"), rows, columns)],
            biases: biases.into_iter().collect(),
        }
    }

    /// Layers of so many rows each that read the same input; `name` is the stack's.
    pub(super) fn stacked(
        name: &str,
        parts: &[(String, usize)],
        columns: usize,
        bias: bool,
    ) -> Self {
        let weights = parts.iter().map(|(part, rows)| TensorSpec {
            stack: Some(format!("{name}.weight")),
            ..TensorSpec::matrix(format!("{part}.weight"), *rows, columns)
        });
        let biases = parts
            .iter()
            .filter(|_| bias)
            .map(|(part, rows)| TensorSpec {
                stack: Some(format!("{name}.bias")),
                ..TensorSpec::dense(format!("{part}.bias"), &[*rows])
            });
        Self {
            weights: weights.collect(),
            biases: biases.collect(),
        }
    }
}

impl NormSpec {
    /// `{name}.weight`, and `{name}.bias` if it has one.
    pub(super) fn new(name: &str, width: usize, config: &NormConfig) -> Self {
        let bias = || TensorSpec::dense(format!("{name}.bias"), &[width]);
        Self {
            kind: config.kind,
            eps: config.eps,
            weight: TensorSpec::dense(format!("{name}.weight"), &[width]),
            bias: config.bias.then(bias),
        }
    }
}

impl QkNormSpec {
    /// `{prefix}attn_q_norm` and `{prefix}attn_k_norm`, of heads of `head_dim`.
    pub(super) fn new(
        prefix: &str,
        config: &QkNormConfig,
        (heads, kv_heads): (usize, usize),
        head_dim: usize,
    ) -> Self {
        let norm = |part: &str, heads: usize| {
            let width = match config.extent {
                QkNormExtent::FullWidth => heads * head_dim,
                QkNormExtent::PerHead => head_dim,
            };
            NormSpec::new(&format!("{prefix}{part}"), width, &config.norm)
        };
        Self {
            extent: config.extent,
            query: norm("attn_q_norm", heads),
            key: norm("attn_k_norm", kv_heads),
        }
    }
}

impl FeedForwardSpec {
    /// `{prefix}ffn_up` and `{prefix}ffn_down`, and `{prefix}ffn_gate` if it is gated.
    pub(super) fn new(prefix: &str, width: usize, config: &FeedForwardConfig) -> Self {
        let name = |part: &str| format!("{prefix}{part}");
        let (inner, bias) = (config.width, config.bias);
        let up = match config.gated {
            true => {
                let parts = [(name("ffn_gate"), inner), (name("ffn_up"), inner)];
                LinearSpec::stacked(&name("ffn_gate_up"), &parts, width, bias)
            }
            false => LinearSpec::new(&name("ffn_up"), inner, width, bias),
        };
        Self {
            up,
            down: LinearSpec::new(&name("ffn_down"), width, inner, bias),
            activation: config.activation,
            gated: config.gated,
        }
    }
}

impl Parts for TensorSpec {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        visit(self);
    }
}

impl<P: Parts> Parts for Option<P> {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        if let Some(part) = self {
            part.each(visit);
        }
    }
}

impl<P: Parts> Parts for [P] {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        for part in self {
            part.each(visit);
        }
    }
}

impl Parts for LinearSpec {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.weights.each(visit);
        self.biases.each(visit);
    }
}

impl Parts for NormSpec {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.weight.each(visit);
        self.bias.each(visit);
    }
}

impl Parts for QkNormSpec {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.query.each(visit);
        self.key.each(visit);
    }
}

impl Parts for FeedForwardSpec {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a TensorSpec)) {
        self.up.each(visit);
        self.down.each(visit);
    }
}
