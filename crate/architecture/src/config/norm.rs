//! Kinds of norms.

use serde::{Deserialize, Serialize};

use super::positive;
use crate::error::ConfigError;

/// A norm over the width.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormConfig {
    /// The statistic that a row is divided by.
    pub kind: NormKind,
    /// Whether a bias is added; only a layer norm can have one.
    pub bias: bool,
    /// Added to the variance or the mean square.
    pub eps: f32,
}

/// The statistic that a norm divides a row by before it scales it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// Divides by the root of the mean square (RMSNorm).
    Rms,
    /// Subtracts the mean and divides by the standard deviation (LayerNorm).
    Layer,
}

/// A norm of queries and keys before their product.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QkNormConfig {
    /// The values that are normalised together.
    pub extent: QkNormExtent,
    /// The norm.
    pub norm: NormConfig,
}

/// The values that a norm of queries and keys takes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QkNormExtent {
    /// All heads together, before they are split (MPT-1B).
    FullWidth,
    /// Each head by itself, all with the same weights (IDEFICS, Qwen3).
    PerHead,
}

impl NormConfig {
    /// Layer norm with bias and PyTorch's epsilon: the norm of OpenFlamingo's bridges.
    pub const BRIDGE: Self = Self {
        kind: NormKind::Layer,
        bias: true,
        eps: super::BRIDGE_NORM_EPS,
    };

    /// RMSNorm.
    pub fn rms(eps: f32) -> Self {
        Self {
            kind: NormKind::Rms,
            bias: false,
            eps,
        }
    }

    /// LayerNorm.
    pub fn layer(eps: f32, bias: bool) -> Self {
        Self {
            kind: NormKind::Layer,
            bias,
            eps,
        }
    }

    pub(super) fn validate(&self, field: &'static str) -> Result<(), ConfigError> {
        positive(field, self.eps)?;
        if self.bias && self.kind == NormKind::Rms {
            return Err(ConfigError::Contradiction("an RMS norm has no bias"));
        }
        Ok(())
    }
}
