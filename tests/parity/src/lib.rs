//! Holds the model against reference activations.
//!
//! A *golden* is a folder written by `gen_ref.py`: a tiny model made with the
//! real `open_flamingo` package (`config.json`, `model_full.safetensors`) and
//! what it computes (`expected.safetensors`). [`Golden::compare`] runs the same
//! inputs through this project's model and reports the largest absolute error
//! of every activation, and whether the generated ids are the same. It takes
//! bytes, not files, so that one harness serves native tests and the browser.
//!
//! It also measures the products of decoding against Burn's own ([`measure_matvecs`]).

mod config;
mod cube;
mod golden;
mod matvec;
mod resampler_video;
mod tensors;
#[cfg(target_family = "wasm")]
mod web;

pub use golden::{Comparison, Golden, MaxError};
pub use matvec::{Clock, MatvecReport, MatvecSpeed, WallClock, measure_matvecs};
pub use resampler_video::compare_resampler_video;

use flamingo::FlamingoConfig;
use flamingo_weights::names::HeadCounts;
use thiserror::Error;

/// Why a golden could not be read or run.
#[derive(Debug, Error)]
pub enum ParityError {
    /// `config.json` is not what `gen_ref.py` writes.
    #[error("config.json: {0}")]
    Config(String),
    /// A tensor of the golden is missing or has another type or shape.
    #[error("expected.safetensors: {0}")]
    Expected(String),
    /// A safetensors file could not be read.
    #[error(transparent)]
    Safetensors(#[from] flamingo_weights::safetensors::SafetensorsError),
    /// A tensor has no place in the table of names.
    #[error(transparent)]
    Name(#[from] flamingo_weights::names::NameError),
    /// The model could not be built or run.
    #[error(transparent)]
    Model(#[from] flamingo::ModelError),
    /// A search or a score failed.
    #[error(transparent)]
    Runtime(#[from] flamingo_runtime::RuntimeError),
    /// Weights were refused.
    #[error(transparent)]
    Weights(#[from] flamingo_kernels::KernelError),
    /// What is asked of a GPU was asked of a CPU.
    #[error("this is measured on WebGPU only")]
    NoGpu,
    /// Two kernels that should make the same numbers do not.
    #[error("{name}: the product in WGSL and the one in #[cube] differ")]
    Differ {
        /// The product.
        name: &'static str,
    },
    /// The page's clock of the GPU gave no time.
    #[error("the clock of the GPU: {0}")]
    Clock(String),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] flamingo_kernels::DeviceError),
}

/// What the table of names must know of a model to reorder its rows.
pub(crate) fn head_counts(config: &FlamingoConfig) -> HeadCounts {
    HeadCounts {
        heads: config.language.attention.heads,
        kv_heads: config.language.attention.kv_heads,
    }
}
