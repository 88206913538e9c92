//! Every Flamingo model as data.
//!
//! [`config`] says what a model is: independent facts such as the kind of its norms or
//! how it knows positions, never the name of a family. [`spec`] derives from it the
//! tensors of each layer: names, shapes, roles. The layers load themselves from these
//! descriptions, the loader checks files against them, and the converter writes by them,
//! so that no name and no shape is written twice.
//!
//! Nothing here knows a kernel, a device or a file.

pub mod config;
mod error;
pub mod spec;

pub use config::FlamingoConfig;
pub use error::ConfigError;
pub use spec::{TensorRole, TensorSpec};
