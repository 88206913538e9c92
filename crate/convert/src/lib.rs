//! Reads what models are released as, whatever wrote it.
//!
//! * [`ggml`]: GGML's block types, unpacked
//!
//! Burn is no dependency of this crate: it compiles in about a minute.

pub mod ggml;
