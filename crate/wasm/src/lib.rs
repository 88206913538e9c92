//! The WebAssembly surface of `flamingo-runtime`: the types JavaScript holds,
//! the form in which errors reach it, and nothing else. `web/src/wasm.ts`
//! describes the same surface from the other side.
//!
//! Every function that can fail throws, or rejects with, `{code, message}`
//! ([`error`]). A panic aborts the module; what it said reaches the listener of
//! [`on_panic`] first.

mod device;
mod error;
mod generation;
mod loader;
mod media;
mod model;
mod options;
mod panic;
mod prompt;
mod session;
#[cfg(feature = "webgpu")]
mod start;
mod support_set;
#[cfg(target_feature = "atomics")]
mod thread;
mod types;

pub use device::{Device, select_device};
pub use loader::{ModelLoader, Rehearsal};
pub use media::{EncodedMedia, Frames};
pub use model::Model;
pub use panic::on_panic;
pub use prompt::Prompt;
pub use session::{Examples, Query, Session};
pub use support_set::SupportSet;
#[cfg(target_feature = "atomics")]
pub use thread::{enlist, give_up, serve};
