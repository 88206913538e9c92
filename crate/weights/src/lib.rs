//! Weights of Flamingo models: how they are stored, named, checked and read.
//!
//! Everything that comes from outside enters the workspace through this crate,
//! so every parser here is incremental (bytes arrive in pieces of any size,
//! tensors leave as soon as they are whole), bounded (named limits, and memory
//! that grows with the bytes that arrived, never with a number read from them)
//! and exact about what is wrong (an error names the field).
//!
//! * [`tensor`]: block types, shapes, tensors in memory
//! * [`blocks`]: GGML's block layouts, to and from `f32`
//! * [`gguf`]: GGUF version 3, read and written
//! * [`safetensors`]: safetensors, read
//! * [`names`]: the one table between OpenFlamingo's tensor names and GGUF's
//! * [`manifest`]: the published-model folder, `model.json` and its shards
//! * [`text`]: texts that people wrote, in whatever encoding their editor chose
//! * [`excerpt`]: quoting them in a message, within bounds

pub mod blocks;
pub mod excerpt;
pub mod gguf;
pub mod manifest;
pub mod names;
mod pieces;
pub mod safetensors;
pub mod tensor;
pub mod text;

pub use tensor::{LoadedTensor, TensorError, TensorInfo, TensorType};
