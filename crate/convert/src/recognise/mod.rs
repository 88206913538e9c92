//! Recognises a checkpoint: its family, and all facts of the model in it.
//!
//! Names and shapes of tensors say most; the settings beside them (`config.json`) or in the
//! same file (GGUF) say what they do not, and are held against them. Nothing here reads a
//! number of a weight.
//!
//! * [`Family`]: who trained the bridges, and on which prompts
//! * `language`, `vision`, `bridges`: the facts of each part
//! * `gguf`: the same of language models in GGUF files
//! * `prompt`: how prompts are spelled

pub(crate) mod bridges;
mod family;
mod fields;
pub(crate) mod gguf;
pub(crate) mod language;
pub(crate) mod prompt;
mod shapes;
pub(crate) mod vision;

pub(crate) use family::Layout;
pub use family::{Family, UnknownFamily};
pub(crate) use fields::Fields;
pub(crate) use shapes::Shapes;
