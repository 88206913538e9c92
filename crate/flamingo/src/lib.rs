//! Flamingo (Alayrac et al., NeurIPS 2022) as pure forward passes.
//!
//! A model is three networks and two bridges, and the modules are named after
//! them: [`vision`] encoder → [`resampler`] → [`cross_attention`] inside a
//! [`language`] model. [`Flamingo`] puts them together; [`FlamingoBuilder`]
//! makes one from tensors that arrive one by one.
//!
//! Nothing here knows a file, a browser or a tokenizer. Activations are
//! `[tokens, width]` in f32, one sequence at a time; weights keep the block
//! format they were stored in.

mod builder;
pub mod cross_attention;
mod error;
pub mod language;
mod layers;
mod model;
pub mod resampler;
pub mod vision;

pub use builder::FlamingoBuilder;
pub use cross_attention::Media;
pub use error::{ModelError, WeightError};
pub use flamingo_architecture::{ConfigError, FlamingoConfig, TensorRole, TensorSpec, config};
pub use language::{BranchToken, Branches, KvCache};
pub use model::{Flamingo, Observation, Positions};
