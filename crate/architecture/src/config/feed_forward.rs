//! Kinds of feed-forward layers.

use serde::{Deserialize, Serialize};

use super::{MAX_SIZE, size};
use crate::error::ConfigError;

/// A feed-forward layer: `down(f(up(x)))`, or gated, `down(f(gate(x)) * up(x))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedForwardConfig {
    /// Inner width.
    pub width: usize,
    /// Whether a second product, through the function, gates the first.
    pub gated: bool,
    /// The function inside.
    pub activation: Activation,
    /// Whether its products have biases.
    pub bias: bool,
}

/// A function of single values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x * (1 + erf(x / √2)) / 2`, PyTorch's `nn.GELU()`.
    Gelu,
    /// GELU approximated by `tanh` (`gelu_pytorch_tanh`, `gelu_new`).
    GeluTanh,
    /// `x * sigmoid(1.702 x)`, OpenAI's CLIP.
    QuickGelu,
    /// `x * sigmoid(x)`.
    Silu,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, 0)²`, the Flamingo paper's bridges (appendix A.1, table 4).
    SquaredRelu,
}

impl FeedForwardConfig {
    /// `down(f(up(x)))` without biases.
    pub fn plain(width: usize, activation: Activation) -> Self {
        Self {
            width,
            gated: false,
            activation,
            bias: false,
        }
    }

    /// `down(silu(gate(x)) * up(x))` without biases (SwiGLU, Shazeer 2020).
    pub fn swiglu(width: usize) -> Self {
        Self {
            width,
            gated: true,
            activation: Activation::Silu,
            bias: false,
        }
    }

    pub(super) fn validate(&self, field: &'static str) -> Result<(), ConfigError> {
        size(field, self.width, MAX_SIZE)
    }
}
