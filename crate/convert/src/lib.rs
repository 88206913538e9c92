//! Makes model folders: reads what models are released as, whatever wrote it, and packs it.
//!
//! * [`command`]: the command line
//! * [`pack`]: models made out of pretrained parts
//! * [`import`]: released checkpoints as models, in three steps that know nothing of one
//!   another: [`recognise`] says what files are, `flamingo_weights::names` which tensor is
//!   which, and a table how each is packed
//! * [`model`]: a model's tensors as the shards of a folder
//! * [`output`]: the folder, which is there when it is whole
//! * [`source`]: checkpoints of any kind behind one interface
//! * [`tokenizer`]: tokenizers of any kind as a `tokenizer.json`
//! * [`names`]: names of tensors without what training wrapped around them
//! * `origin`: who published a part, and on which terms
//! * [`listing`]: the tensors of a checkpoint as text
//! * [`ggml`]: GGML's block types, unpacked
//! * [`progress`]: a bar for steps one has to wait for
//!
//! Burn is no dependency of this crate: it compiles in about a minute.

pub mod command;
mod error;
pub mod ggml;
pub mod import;
pub mod listing;
pub mod model;
pub mod names;
mod origin;
pub mod output;
pub mod pack;
pub mod progress;
pub mod recognise;
pub mod source;
pub mod tokenizer;

pub use error::ConvertError;
pub use import::checkpoint;
