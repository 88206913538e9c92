//! The header of any GGUF file, packed model or not.

use super::header::{Accepted, HeaderParser};
use super::{GgmlType, GgufError, Metadata};

/// The header of any GGUF file.
#[derive(Clone, Debug, PartialEq)]
pub struct AnyGgufHeader {
    /// Metadata in file order.
    pub metadata: Metadata,
    /// Tensors in the order of their data, without overlaps.
    pub tensors: Vec<AnyTensorEntry>,
    /// Every tensor starts at a multiple of this many bytes.
    pub alignment: u64,
    /// Where the data section starts, in bytes from the start of the file.
    pub data_start: u64,
}

/// A tensor's description and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyTensorEntry {
    /// Name.
    pub name: String,
    /// How the elements are stored.
    pub ggml_type: GgmlType,
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Where the data starts, in bytes from the start of the data section.
    pub offset: u64,
    /// Bytes of the data.
    pub byte_len: usize,
}

/// Reads the header of any GGUF file whose bytes arrive in pieces of any size.
///
/// Its allocations are always a small multiple of the bytes it was given.
pub struct AnyGgufHeaderReader {
    parser: HeaderParser,
    header: Option<AnyGgufHeader>,
}

impl Default for AnyGgufHeaderReader {
    fn default() -> Self {
        Self::new()
    }
}

impl AnyGgufHeaderReader {
    /// A reader that has seen no byte.
    pub fn new() -> Self {
        Self {
            parser: HeaderParser::new(Accepted::Any),
            header: None,
        }
    }

    /// Takes the next bytes of the file and returns the header once it is whole; bytes
    /// behind it are passed over.
    ///
    /// # Errors
    /// Where the header is malformed.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<&AnyGgufHeader>, GgufError> {
        if self.header.is_none() {
            self.parser.push(bytes)?;
            if self.parser.is_whole() {
                self.header = Some(self.parser.finish().0);
            }
        }
        Ok(self.header.as_ref())
    }

    /// The header, where the file has one.
    ///
    /// # Errors
    /// Where it is not whole.
    pub fn finish(self) -> Result<AnyGgufHeader, GgufError> {
        self.header.ok_or_else(|| self.parser.truncated())
    }
}
