//! The incremental reader.

use std::collections::VecDeque;

use super::any::{AnyGgufHeader, AnyTensorEntry};
use super::header::{Accepted, HeaderParser};
use super::{GgufError, Metadata};
use crate::pieces::fill;
use crate::{LoadedTensor, TensorInfo};

/// What a GGUF file says before its tensor data.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufHeader {
    /// Metadata in file order.
    pub metadata: Metadata,
    /// Tensors in the order of their data.
    pub tensors: Vec<TensorEntry>,
    /// Every tensor starts at a multiple of this many bytes.
    pub alignment: u64,
}

/// A tensor's description and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorEntry {
    /// Name, type and shape. `info.byte_len()` is `Some`.
    pub info: TensorInfo,
    /// Where the data starts, in bytes from the start of the data section.
    pub offset: u64,
}

/// Reads a GGUF file whose bytes arrive in pieces of any size.
///
/// Holds the header, the tensor being assembled, and tensors that are whole but
/// not yet taken with [`next_tensor`](Self::next_tensor). What [a reader of a file of any
/// length](Self::new) has allocated is always a small multiple of the bytes it was given: a
/// tensor moves as it grows. [A reader of a file whose length is known](Self::of_length) has
/// allocated the tensor being assembled, once.
///
/// ```
/// # use flamingo_weights::gguf::{GgufReader, GgufError};
/// # fn read(pieces: &[&[u8]]) -> Result<(), GgufError> {
/// let mut reader = GgufReader::new();
/// for piece in pieces {
///     reader.push(piece)?;
///     while let Some(tensor) = reader.next_tensor() {
///         println!("{}", tensor.info.name);
///     }
/// }
/// reader.finish()
/// # }
/// ```
pub struct GgufReader {
    phase: Phase,
    ready: VecDeque<LoadedTensor>,
    failed: Option<GgufError>,
    /// Bytes of the file, where they are known.
    length: Option<u64>,
}

enum Phase {
    Header(Box<HeaderParser>),
    Data(DataReader),
}

/// Cuts the data section into tensors.
struct DataReader {
    header: GgufHeader,
    /// Number of whole tensors.
    whole: usize,
    /// Bytes of padding before the next tensor, or allowed after the last one.
    padding: u64,
    /// First bytes of the next tensor.
    buffer: Vec<u8>,
    /// Whether a tensor's memory is taken when its first byte arrives.
    allocates_ahead: bool,
}

impl Default for GgufReader {
    fn default() -> Self {
        Self::new()
    }
}

impl GgufReader {
    /// A reader of a file of any length.
    pub fn new() -> Self {
        Self {
            phase: Phase::Header(Box::new(HeaderParser::new(Accepted::Packed))),
            ready: VecDeque::new(),
            failed: None,
            length: None,
        }
    }

    /// A reader of a file of `length` bytes. A header that needs more is refused, and the
    /// memory of each tensor is taken at once.
    pub fn of_length(length: u64) -> Self {
        Self {
            length: Some(length),
            ..Self::new()
        }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// Where the file is malformed; from then on every call gives that error.
    /// Which error it is does not depend on how the file was cut into pieces.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), GgufError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.advance(bytes);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    /// The header, once it is whole.
    pub fn header(&self) -> Option<&GgufHeader> {
        match &self.phase {
            Phase::Header(_) => None,
            Phase::Data(data) => Some(&data.header),
        }
    }

    /// The next whole tensor, in file order.
    pub fn next_tensor(&mut self) -> Option<LoadedTensor> {
        self.ready.pop_front()
    }

    /// Says that the file ends here.
    ///
    /// # Errors
    /// Where something is missing, or the file was malformed before.
    pub fn finish(&self) -> Result<(), GgufError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        match &self.phase {
            Phase::Header(parser) => Err(parser.truncated()),
            Phase::Data(data) => data.finish(),
        }
    }

    fn advance(&mut self, bytes: &[u8]) -> Result<(), GgufError> {
        let mut rest = bytes;
        if let Phase::Header(parser) = &mut self.phase {
            let taken = parser.push(rest)?;
            rest = &rest[taken..];
            if !parser.is_whole() {
                return Ok(());
            }
            let (header, padding) = parser.finish();
            let data_start = header.data_start;
            let header = packed(header)?;
            if let Some(length) = self.length {
                check_length(&header, data_start, length)?;
            }
            self.phase = Phase::Data(DataReader {
                header,
                whole: 0,
                padding,
                buffer: Vec::new(),
                allocates_ahead: self.length.is_some(),
            });
        }
        if let Phase::Data(data) = &mut self.phase {
            data.push(rest, &mut self.ready)?;
        }
        Ok(())
    }
}

/// The header of a file all of whose types the kernels multiply.
fn packed(header: AnyGgufHeader) -> Result<GgufHeader, GgufError> {
    let entry = |entry: AnyTensorEntry| match entry.ggml_type.packed() {
        Some(tensor_type) => Ok(TensorEntry {
            info: TensorInfo {
                name: entry.name,
                tensor_type,
                shape: entry.shape,
            },
            offset: entry.offset,
        }),
        None => Err(GgufError::TensorType {
            name: entry.name,
            id: entry.ggml_type.id(),
        }),
    };
    Ok(GgufHeader {
        metadata: header.metadata,
        tensors: header
            .tensors
            .into_iter()
            .map(entry)
            .collect::<Result<_, _>>()?,
        alignment: header.alignment,
    })
}

/// Checks that a file of `length` bytes holds all tensors that its header names.
fn check_length(header: &GgufHeader, data_start: u64, length: u64) -> Result<(), GgufError> {
    let Some(TensorEntry { info, offset }) = header.tensors.last() else {
        return Ok(());
    };
    // No offset of a header passes what 64 bits count.
    let end = data_start.saturating_add(offset + info.byte_len().expect(COUNTED) as u64);
    match end.checked_sub(length) {
        None | Some(0) => Ok(()),
        Some(missing) => Err(GgufError::Truncated {
            field: format!("the data of tensor `{}`", info.name),
            missing,
        }),
    }
}

/// Why a tensor's bytes can be counted.
const COUNTED: &str = "invariant: a header is refused if it has a tensor without a length";

impl DataReader {
    fn push(&mut self, bytes: &[u8], ready: &mut VecDeque<LoadedTensor>) -> Result<(), GgufError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let skipped = usize::try_from(self.padding).map_or(rest.len(), |n| n.min(rest.len()));
            self.padding -= skipped as u64;
            rest = &rest[skipped..];
            if rest.is_empty() {
                break;
            }
            let Some(TensorEntry { info, .. }) = self.header.tensors.get(self.whole) else {
                return Err(GgufError::TrailingBytes);
            };
            let length = info.byte_len().expect(COUNTED);
            if self.allocates_ahead && self.buffer.is_empty() {
                let reserved = self.buffer.try_reserve_exact(length);
                reserved.map_err(|_| GgufError::Memory {
                    name: info.name.clone(),
                    bytes: length,
                })?;
            }
            fill(&mut self.buffer, &mut rest, length);
            if self.buffer.len() == length {
                ready.push_back(LoadedTensor {
                    info: info.clone(),
                    data: std::mem::take(&mut self.buffer),
                });
                self.whole += 1;
                self.padding =
                    (length as u64).next_multiple_of(self.header.alignment) - length as u64;
            }
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), GgufError> {
        // Padding after the last tensor may be there or not.
        let Some(TensorEntry { info, .. }) = self.header.tensors.get(self.whole) else {
            return Ok(());
        };
        let length = info.byte_len().expect(COUNTED);
        Err(GgufError::Truncated {
            field: format!("the data of tensor `{}`", info.name),
            missing: self.padding + (length - self.buffer.len()) as u64,
        })
    }
}
