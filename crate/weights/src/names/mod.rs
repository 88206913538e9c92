//! The one table between the names of tensors in checkpoints and in a model's file.
//!
//! A model's file names the language model's tensors as llama.cpp does and the rest in
//! that manner: `resampler.…`, `xattn.{layer}.…`, `v.…`; GGUF allows 63 bytes. Checkpoints
//! have the paths of modules in somebody's program. A [`Part`] is the table of one kind of
//! module, such as transformers' LLaMA: one [`Row`] a tensor, read in both directions. A
//! [`Place`] says where in a file's names the part stands.
//!
//! * [`language`], [`bridges`], [`vision`]: the tables
//! * [`import`]: a tensor under its other name

pub mod bridges;
mod import;
pub mod language;
mod table;
pub mod vision;

pub use import::{NameError, import};
pub use table::{Blocks, Found, Group, Numbering, Order, Part, Piece, Place, Row};
