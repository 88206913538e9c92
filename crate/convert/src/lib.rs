//! Reads what models are released as, whatever wrote it.
//!
//! Burn is no dependency of this crate: it compiles in about a minute.
