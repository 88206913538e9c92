//! safetensors, read incrementally.
//!
//! Format: <https://github.com/huggingface/safetensors#format>: the length of
//! the header as `u64`, the header as JSON, the data. As the reference
//! implementation does, this module asks that the tensors cover the data
//! section without holes or overlaps; they leave the reader in data order.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use half::{bf16, f16};
use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

use crate::pieces::fill;
use crate::{LoadedTensor, TensorInfo, TensorType};

/// Longest header accepted, in bytes; the reference implementation's limit.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Most tensors accepted.
pub const MAX_TENSORS: usize = 65_536;

/// Most dimensions of a tensor.
pub const MAX_DIMENSIONS: usize = 8;

/// Key of the header that holds free text, not a tensor.
const METADATA_KEY: &str = "__metadata__";

/// Bytes of the length of the header.
const LENGTH_BYTES: usize = 8;

/// Element type of a safetensors tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub enum Dtype {
    /// Truth values, a byte each.
    #[serde(rename = "BOOL")]
    Bool,
    /// Unsigned 8-bit integers.
    U8,
    /// Signed 8-bit integers.
    I8,
    /// Unsigned 16-bit integers.
    U16,
    /// Signed 16-bit integers.
    I16,
    /// Unsigned 32-bit integers.
    U32,
    /// Signed 32-bit integers.
    I32,
    /// Unsigned 64-bit integers.
    U64,
    /// Signed 64-bit integers.
    I64,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of an IEEE 754 binary32.
    #[serde(rename = "BF16")]
    Bf16,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
}

impl Dtype {
    /// Bytes of an element.
    pub const fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

/// A tensor's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafetensorsEntry {
    /// Name.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Sizes, outermost first. Empty for a scalar.
    pub shape: Vec<usize>,
    /// Bytes of the data.
    pub byte_len: usize,
}

/// A tensor in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafetensorsTensor {
    /// Name, type and shape.
    pub entry: SafetensorsEntry,
    /// Little-endian elements, row-major.
    pub data: Vec<u8>,
}

impl SafetensorsTensor {
    /// The elements as `f32`.
    ///
    /// # Errors
    /// Where they are no floats.
    pub fn to_f32(&self) -> Result<Vec<f32>, SafetensorsError> {
        Ok(match self.entry.dtype {
            Dtype::F32 => elements(&self.data, f32::from_le_bytes),
            Dtype::F16 => elements(&self.data, |x| f16::from_le_bytes(x).to_f32()),
            Dtype::Bf16 => elements(&self.data, |x| bf16::from_le_bytes(x).to_f32()),
            Dtype::F64 => elements(&self.data, |x| f64::from_le_bytes(x) as f32),
            _ => return Err(self.wrong_dtype("floats")),
        })
    }

    /// The elements as `i64`.
    ///
    /// # Errors
    /// Where they are not of type `I64`.
    pub fn to_i64(&self) -> Result<Vec<i64>, SafetensorsError> {
        match self.entry.dtype {
            Dtype::I64 => Ok(elements(&self.data, i64::from_le_bytes)),
            _ => Err(self.wrong_dtype("I64")),
        }
    }

    /// The same tensor for a GGUF file: `F32` and `F16` as they are, other
    /// floats as `F32`.
    ///
    /// # Errors
    /// Where the elements are no floats.
    pub fn into_loaded(self) -> Result<LoadedTensor, SafetensorsError> {
        let (tensor_type, data) = match self.entry.dtype {
            Dtype::F32 => (TensorType::F32, self.data),
            Dtype::F16 => (TensorType::F16, self.data),
            _ => {
                let values = self.to_f32()?;
                let data = values.into_iter().flat_map(f32::to_le_bytes).collect();
                (TensorType::F32, data)
            }
        };
        Ok(LoadedTensor {
            info: TensorInfo {
                name: self.entry.name,
                tensor_type,
                shape: self.entry.shape,
            },
            data,
        })
    }

    fn wrong_dtype(&self, expected: &'static str) -> SafetensorsError {
        SafetensorsError::Dtype {
            name: self.entry.name.clone(),
            found: self.entry.dtype,
            expected,
        }
    }
}

fn elements<T, const N: usize>(data: &[u8], f: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks().0.iter().map(|&chunk| f(chunk)).collect()
}

/// Reads a safetensors file whose bytes arrive in pieces of any size.
///
/// Holds the header, the tensor being assembled, and tensors that are whole but
/// not yet taken with [`next_tensor`](Self::next_tensor).
pub struct SafetensorsReader {
    phase: Phase,
    ready: VecDeque<SafetensorsTensor>,
    failed: Option<SafetensorsError>,
}

enum Phase {
    /// The length of the header: its first bytes.
    Length(Vec<u8>),
    /// The header: its length and its first bytes.
    Header { length: usize, buffer: Vec<u8> },
    /// The data: the number of whole tensors and the first bytes of the next.
    Data {
        tensors: Vec<SafetensorsEntry>,
        metadata: BTreeMap<String, String>,
        whole: usize,
        buffer: Vec<u8>,
    },
}

impl Default for SafetensorsReader {
    fn default() -> Self {
        Self::new()
    }
}

impl SafetensorsReader {
    /// A reader that has seen no byte.
    pub fn new() -> Self {
        Self {
            phase: Phase::Length(Vec::new()),
            ready: VecDeque::new(),
            failed: None,
        }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// Where the file is malformed; from then on every call gives that error.
    /// Which error it is does not depend on how the file was cut into pieces.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), SafetensorsError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.advance(bytes);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    /// All tensors in data order, once the header is whole.
    pub fn header(&self) -> Option<&[SafetensorsEntry]> {
        match &self.phase {
            Phase::Length(_) | Phase::Header { .. } => None,
            Phase::Data { tensors, .. } => Some(tensors),
        }
    }

    /// The free text under a key of the header's `__metadata__`; `None` if there is none, or
    /// the header is not whole.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        match &self.phase {
            Phase::Length(_) | Phase::Header { .. } => None,
            Phase::Data { metadata, .. } => metadata.get(key).map(String::as_str),
        }
    }

    /// The next whole tensor, in data order.
    pub fn next_tensor(&mut self) -> Option<SafetensorsTensor> {
        self.ready.pop_front()
    }

    /// Says that the file ends here.
    ///
    /// # Errors
    /// Where something is missing, or the file was malformed before.
    pub fn finish(&self) -> Result<(), SafetensorsError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let (field, missing) = match &self.phase {
            Phase::Length(buffer) => (
                "the length of the header".to_owned(),
                LENGTH_BYTES - buffer.len(),
            ),
            Phase::Header { length, buffer } => ("the header".to_owned(), length - buffer.len()),
            Phase::Data {
                tensors,
                whole,
                buffer,
                ..
            } => match tensors.get(*whole) {
                None => return Ok(()),
                Some(entry) => (
                    format!("the data of tensor `{}`", entry.name),
                    entry.byte_len - buffer.len(),
                ),
            },
        };
        Err(SafetensorsError::Truncated {
            field,
            missing: missing as u64,
        })
    }

    fn advance(&mut self, bytes: &[u8]) -> Result<(), SafetensorsError> {
        let mut rest = bytes;
        loop {
            match &mut self.phase {
                Phase::Length(buffer) => {
                    fill(buffer, &mut rest, LENGTH_BYTES);
                    let Ok(length) = <[u8; LENGTH_BYTES]>::try_from(buffer.as_slice()) else {
                        return Ok(());
                    };
                    let length = u64::from_le_bytes(length);
                    if length > MAX_HEADER_BYTES {
                        return Err(SafetensorsError::HeaderTooLarge { length });
                    }
                    self.phase = Phase::Header {
                        length: length as usize,
                        buffer: Vec::new(),
                    };
                }
                Phase::Header { length, buffer } => {
                    fill(buffer, &mut rest, *length);
                    if buffer.len() < *length {
                        return Ok(());
                    }
                    let (tensors, metadata) = parse_header(buffer)?;
                    self.phase = Phase::Data {
                        tensors,
                        metadata,
                        whole: 0,
                        buffer: Vec::new(),
                    };
                }
                Phase::Data {
                    tensors,
                    whole,
                    buffer,
                    ..
                } => {
                    while let Some(entry) = tensors.get(*whole) {
                        fill(buffer, &mut rest, entry.byte_len);
                        if buffer.len() < entry.byte_len {
                            return Ok(());
                        }
                        self.ready.push_back(SafetensorsTensor {
                            entry: entry.clone(),
                            data: std::mem::take(buffer),
                        });
                        *whole += 1;
                    }
                    return if rest.is_empty() {
                        Ok(())
                    } else {
                        Err(SafetensorsError::TrailingBytes)
                    };
                }
            }
        }
    }
}

/// The tensors of a header in data order, every size checked, and its free text.
fn parse_header(
    json: &[u8],
) -> Result<(Vec<SafetensorsEntry>, BTreeMap<String, String>), SafetensorsError> {
    let header: Header =
        serde_json::from_slice(json).map_err(|error| SafetensorsError::Header {
            message: error.to_string(),
        })?;
    let mut raw: Vec<(String, RawEntry)> = header.tensors.into_iter().collect();
    raw.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut expected = 0;
    let mut tensors = Vec::with_capacity(raw.len());
    for (name, entry) in raw {
        let (start, end) = entry.data_offsets;
        if start != expected {
            return Err(SafetensorsError::Offset {
                name,
                found: start,
                expected,
            });
        }
        let Some(byte_len) = entry.byte_len().filter(|&bytes| {
            start
                .checked_add(bytes as u64)
                .is_some_and(|by_shape| by_shape == end)
        }) else {
            return Err(SafetensorsError::DataLength {
                name,
                dtype: entry.dtype,
                shape: entry.shape.0,
                offsets: entry.data_offsets,
            });
        };
        expected = end;
        tensors.push(SafetensorsEntry {
            name,
            dtype: entry.dtype,
            shape: entry.shape.0,
            byte_len,
        });
    }
    Ok((tensors, header.metadata))
}

/// The header's JSON object, refused where a name occurs twice.
struct Header {
    tensors: IndexMap<String, RawEntry>,
    metadata: BTreeMap<String, String>,
}

/// A value of the free text; those that are no text say nothing here.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum FreeText {
    Text(String),
    Other(IgnoredAny),
}

/// The free text; where it is no object, it says nothing here.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum FreeTexts {
    Object(BTreeMap<String, FreeText>),
    Other(IgnoredAny),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    dtype: Dtype,
    shape: Shape,
    /// Start and end, in bytes from the start of the data section.
    data_offsets: (u64, u64),
}

impl RawEntry {
    /// Bytes by shape and type; `None` where some of the sizes multiplied do not fit a `usize`,
    /// even if another one is 0.
    fn byte_len(&self) -> Option<usize> {
        let sizes = &self.shape.0;
        let mut counted = sizes.iter().copied().filter(|&size| size > 0);
        let bytes = counted.try_fold(self.dtype.size(), |bytes, size| bytes.checked_mul(size))?;
        Some(if sizes.contains(&0) { 0 } else { bytes })
    }
}

/// At most [`MAX_DIMENSIONS`] sizes.
struct Shape(Vec<usize>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;

        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let (mut tensors, mut metadata) = (IndexMap::new(), BTreeMap::new());
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA_KEY {
                        if let FreeTexts::Object(texts) = map.next_value()? {
                            metadata = texts
                                .into_iter()
                                .filter_map(|(key, text)| match text {
                                    FreeText::Text(text) => Some((key, text)),
                                    FreeText::Other(_) => None,
                                })
                                .collect();
                        }
                        continue;
                    }
                    let entry = map
                        .next_value::<RawEntry>()
                        .map_err(|error| A::Error::custom(format!("tensor `{name}`: {error}")))?;
                    if tensors.contains_key(&name) {
                        return Err(A::Error::custom(format!("tensor `{name}` occurs twice")));
                    }
                    if tensors.len() == MAX_TENSORS {
                        return Err(A::Error::custom(format!("more than {MAX_TENSORS} tensors")));
                    }
                    tensors.insert(name, entry);
                }
                Ok(Header { tensors, metadata })
            }
        }

        deserializer.deserialize_map(HeaderVisitor)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShapeVisitor;

        impl<'de> Visitor<'de> for ShapeVisitor {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX_DIMENSIONS} sizes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
                let mut shape = Vec::new();
                while let Some(size) = seq.next_element()? {
                    if shape.len() == MAX_DIMENSIONS {
                        return Err(A::Error::invalid_length(MAX_DIMENSIONS + 1, &self));
                    }
                    shape.push(size);
                }
                Ok(Shape(shape))
            }
        }

        deserializer.deserialize_seq(ShapeVisitor)
    }
}

/// What is wrong with a safetensors file; every variant names the field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SafetensorsError {
    /// A header longer than [`MAX_HEADER_BYTES`].
    #[error("the header's length is {length} bytes, more than {MAX_HEADER_BYTES}")]
    HeaderTooLarge {
        /// Length in the file.
        length: u64,
    },
    /// A header that is no JSON object of tensors.
    #[error("header: {message}")]
    Header {
        /// What is wrong, and where.
        message: String,
    },
    /// A tensor that does not lie where the tensors before it end.
    #[error(
        "tensor `{name}` starts at byte {found}, where the tensors before it end at {expected}"
    )]
    Offset {
        /// Name of the tensor.
        name: String,
        /// Start in the file.
        found: u64,
        /// Start by the tensors before it.
        expected: u64,
    },
    /// A tensor with more or fewer bytes than its shape and type ask for.
    #[error("tensor `{name}`: the bytes {offsets:?} are not those of {dtype:?} {shape:?}")]
    DataLength {
        /// Name of the tensor.
        name: String,
        /// Element type.
        dtype: Dtype,
        /// Shape.
        shape: Vec<usize>,
        /// Start and end in the data section.
        offsets: (u64, u64),
    },
    /// A tensor of another element type than is needed.
    #[error("tensor `{name}` holds {found:?}, not {expected}")]
    Dtype {
        /// Name of the tensor.
        name: String,
        /// Element type in the file.
        found: Dtype,
        /// What is needed.
        expected: &'static str,
    },
    /// The bytes ended too early.
    #[error("the file ends in {field}, {missing} bytes or more too early")]
    Truncated {
        /// Which field was being read.
        field: String,
        /// Bytes that this field still lacks.
        missing: u64,
    },
    /// Bytes after the last tensor.
    #[error("the file goes on after the last tensor")]
    TrailingBytes,
}
