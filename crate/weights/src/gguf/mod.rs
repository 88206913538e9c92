//! GGUF version 3, read incrementally and written.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>. Beyond
//! that document, and as ggml's own loader does, this module asks for tensor
//! data in the order of the tensor list without gaps other than alignment, and
//! knows no nested arrays. Integers are little-endian.
//!
//! [`GgufReader`] reads packed models, whose types are those that the kernels multiply.
//! [`AnyGgufHeaderReader`] reads what stands before the tensors of any file, for whoever
//! converts them.

mod any;
mod error;
mod ggml_type;
mod header;
mod metadata;
mod reader;
mod writer;

use std::ops::RangeInclusive;

pub use any::{AnyGgufHeader, AnyGgufHeaderReader, AnyTensorEntry};
pub use error::GgufError;
pub use ggml_type::GgmlType;
pub use metadata::{Metadata, MetadataArray, MetadataError, MetadataType, MetadataValue};
pub use reader::{GgufHeader, GgufReader, TensorEntry};
pub use writer::{GgufStream, GgufWriter};

/// First four bytes of every GGUF file.
const MAGIC: [u8; 4] = *b"GGUF";

/// The only version written, and the only one read as a packed model.
const VERSION: u32 = 3;

/// The version before, which differs in its number only and is read to be converted.
const OLD_VERSION: u32 = 2;

/// Metadata key that sets the alignment of tensor data.
const ALIGNMENT_KEY: &str = "general.alignment";

/// Alignment of tensor data where `general.alignment` is absent, in bytes.
pub const DEFAULT_ALIGNMENT: u32 = 32;

/// Smallest and largest alignment accepted, in bytes.
pub const ALIGNMENTS: RangeInclusive<u32> = 8..=64 * 1024;

/// Most metadata entries accepted.
pub const MAX_METADATA_ENTRIES: u64 = 4096;

/// Most tensors accepted.
pub const MAX_TENSORS: u64 = 65_536;

/// Longest metadata key accepted, in bytes.
pub const MAX_KEY_BYTES: u64 = 1024;

/// Longest metadata string accepted, in bytes. A `tokenizer.json` takes a few MB.
pub const MAX_STRING_BYTES: u64 = 64 * 1024 * 1024;

/// Most elements of a metadata array. A vocabulary has some hundred thousand.
pub const MAX_ARRAY_ELEMENTS: u64 = 4 * 1024 * 1024;

/// Longest tensor name, in bytes: ggml keeps 64 with the terminating zero.
pub const MAX_NAME_BYTES: u64 = 63;

/// Most dimensions of a tensor, as in ggml.
pub const MAX_DIMENSIONS: u32 = 4;

/// Most bytes before the tensor data: what a reader holds in memory throughout.
pub const MAX_HEADER_BYTES: u64 = 256 * 1024 * 1024;

/// The alignment that `metadata` asks for, in bytes.
fn alignment(metadata: &Metadata) -> Result<u64, GgufError> {
    let value = match metadata.get(ALIGNMENT_KEY) {
        None => DEFAULT_ALIGNMENT,
        Some(_) => metadata.u32(ALIGNMENT_KEY)?,
    };
    if !value.is_power_of_two() || !ALIGNMENTS.contains(&value) {
        return Err(GgufError::Alignment { value });
    }
    Ok(u64::from(value))
}

/// `offset` rounded up to a multiple of `alignment`, a power of two; `None`
/// where that overflows.
fn align_up(offset: u64, alignment: u64) -> Option<u64> {
    offset.checked_next_multiple_of(alignment)
}
