//! Reads what models are released as, whatever wrote it.
//!
//! * [`source`]: checkpoints of any kind behind one interface
//! * [`tokenizer`]: tokenizers of any kind as a `tokenizer.json`
//! * [`names`]: names of tensors without what training wrapped around them
//! * [`listing`]: the tensors of a checkpoint as text
//! * [`ggml`]: GGML's block types, unpacked
//!
//! Burn is no dependency of this crate: it compiles in about a minute.

pub mod ggml;
pub mod listing;
pub mod names;
pub mod source;
pub mod tokenizer;
