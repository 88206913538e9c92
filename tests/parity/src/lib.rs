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
#[cfg(not(target_family = "wasm"))]
mod imported;
mod matvec;
mod resampler_video;
mod tensors;
#[cfg(target_family = "wasm")]
mod web;

pub use golden::{Comparison, Golden, MaxError};
#[cfg(not(target_family = "wasm"))]
pub use imported::{Bare, ImportedComparison, build, compare_imported, read_templates};
pub use matvec::{Clock, MatvecReport, MatvecSpeed, WallClock, measure_matvecs};
pub use resampler_video::compare_resampler_video;

use flamingo_weights::names::{self, Place};
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
    /// A checkpoint could not be imported.
    #[cfg(not(target_family = "wasm"))]
    #[error(transparent)]
    Import(#[from] flamingo_convert::import::ImportError),
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

/// Where names lie in what `open_flamingo` writes: no two language models share one.
pub(crate) const PLACES: [Place; 5] = [
    Place::bare(&names::bridges::OPEN_FLAMINGO),
    Place::wrapped("lang_encoder.", "decoder_layer.", &names::language::LLAMA),
    Place::wrapped(
        "lang_encoder.",
        "decoder_layer.",
        &names::language::GPT_NEOX,
    ),
    Place::wrapped("lang_encoder.", "decoder_layer.", &names::language::MPT),
    Place::behind("vision_encoder.", &names::vision::OPEN_CLIP),
];
