//! The WebAssembly surface of `flamingo-runtime`: the types JavaScript holds,
//! the form in which errors reach it, and nothing else. `web/src/wasm.ts`
//! describes the same surface from the other side.
//!
//! Every function that can fail throws, or rejects with, `{code, message}`
//! ([`error`]). A panic aborts the module; what it said reaches the listener of
//! [`on_panic`] first.

mod device;
mod error;
mod loader;
mod model;
mod panic;
mod start;
mod types;

pub use device::{Device, select_device};
pub use loader::ModelLoader;
pub use model::{EncodedImage, Model, Shots};
pub use panic::on_panic;
