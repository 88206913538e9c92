//! The one table between the names of tensors in checkpoints and in a model's file.
//!
//! A model's file names the language model's tensors as llama.cpp does and the rest in
//! that manner: `resampler.…`, `xattn.{layer}.…`, `v.…` (`flamingo_architecture::spec`).
//! Checkpoints have the paths of modules in somebody's program. A [`Part`] is the table
//! of one kind of module, such as transformers' LLaMA: one [`Row`] a tensor, read in both
//! directions. A [`Place`] says where in a file's names the part stands.
//!
//! * [`plain`]: names without what training wrapped around them
//! * [`language`], [`bridges`], [`vision`]: the tables

pub mod bridges;
pub mod language;
mod table;
pub mod vision;
mod wrappers;

pub use table::{Blocks, Found, Group, Numbering, Order, Part, Piece, Place, Row};
pub use wrappers::plain;
