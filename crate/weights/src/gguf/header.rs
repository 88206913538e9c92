//! The part of a GGUF file before the tensor data, parsed field by field.

use std::collections::HashSet;
use std::mem;

use super::any::{AnyGgufHeader, AnyTensorEntry};
use super::ggml_type::GgmlType;
use super::metadata::{Metadata, MetadataArray, MetadataType, MetadataValue};
use super::{
    GgufError, MAGIC, MAX_ARRAY_ELEMENTS, MAX_DIMENSIONS, MAX_HEADER_BYTES, MAX_KEY_BYTES,
    MAX_METADATA_ENTRIES, MAX_NAME_BYTES, MAX_STRING_BYTES, MAX_TENSORS, OLD_VERSION, VERSION,
    align_up, alignment,
};
use crate::TensorError;
use crate::pieces::fill;

/// Which files a parser accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// Those that are loaded as they are: version 3, types that the kernels multiply.
    Packed,
    /// Those that are converted: the version before too, and every type.
    Any,
}

/// Elements of a numeric array that are parsed at a time.
const ARRAY_CHUNK: u64 = 512;

/// A parser that knows at each moment which field comes next and how long it
/// is, so that it takes pieces of any size and looks at no byte twice.
pub(super) struct HeaderParser {
    accepted: Accepted,
    field: Field,
    /// Bytes of `field`.
    need: usize,
    /// The first bytes of `field`, where a piece ended within it.
    carry: Vec<u8>,
    /// Bytes before `field`.
    position: u64,

    metadata: Metadata,
    metadata_count: u64,
    tensors: Vec<AnyTensorEntry>,
    tensor_names: HashSet<String>,
    tensor_count: u64,
    /// Alignment of the tensor data in bytes, known once the metadata is whole.
    alignment: u64,
    /// Where the next tensor must lie in the data section.
    next_offset: u64,

    /// Key of the metadata entry being read.
    key: String,
    /// Value of that entry as far as it is read, where it is an array.
    array: MetadataArray,
    /// Elements that `array` still lacks.
    elements_left: u64,
    /// Description of the tensor being read, as far as it is read.
    tensor: AnyTensorEntry,
}

/// The field that comes next.
#[derive(Clone, Copy)]
enum Field {
    Magic,
    Version,
    TensorCount,
    MetadataCount,
    KeyLength,
    Key,
    ValueType,
    Scalar(MetadataType),
    TextLength,
    Text,
    ElementType,
    ElementCount,
    Numbers,
    ElementLength,
    Element,
    NameLength,
    Name,
    DimensionCount,
    Dimensions,
    TensorType,
    Offset,
    /// None: the header is whole.
    End,
}

/// A field and its length in bytes.
type Next = (Field, usize);

impl HeaderParser {
    pub(super) fn new(accepted: Accepted) -> Self {
        Self {
            accepted,
            field: Field::Magic,
            need: MAGIC.len(),
            carry: Vec::new(),
            position: 0,
            metadata: Metadata::new(),
            metadata_count: 0,
            tensors: Vec::new(),
            tensor_names: HashSet::new(),
            tensor_count: 0,
            alignment: 0,
            next_offset: 0,
            key: String::new(),
            array: MetadataArray::U8(Vec::new()),
            elements_left: 0,
            tensor: AnyTensorEntry {
                name: String::new(),
                ggml_type: GgmlType::F32,
                shape: Vec::new(),
                offset: 0,
                byte_len: 0,
            },
        }
    }

    /// Parses what it can of `bytes` and returns how many bytes that took: all,
    /// unless the header ends before them.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<usize, GgufError> {
        let mut rest = bytes;
        while !self.is_whole() {
            if self.carry.is_empty() && rest.len() >= self.need {
                let (field, after) = rest.split_at(self.need);
                rest = after;
                self.take_field(field)?;
                continue;
            }
            fill(&mut self.carry, &mut rest, self.need);
            if self.carry.len() < self.need {
                break;
            }
            let mut carry = mem::take(&mut self.carry);
            self.take_field(&carry)?;
            carry.clear();
            self.carry = carry;
        }
        Ok(bytes.len() - rest.len())
    }

    pub(super) const fn is_whole(&self) -> bool {
        matches!(self.field, Field::End)
    }

    /// The header, and the number of padding bytes between it and the data.
    /// Only for a parser that [`is_whole`](Self::is_whole).
    pub(super) fn finish(&mut self) -> (AnyGgufHeader, u64) {
        // MAX_HEADER_BYTES keeps this far from overflow.
        let data_start = self.position.next_multiple_of(self.alignment);
        let header = AnyGgufHeader {
            metadata: mem::take(&mut self.metadata),
            tensors: mem::take(&mut self.tensors),
            alignment: self.alignment,
            data_start,
        };
        (header, data_start - self.position)
    }

    /// The error of a file that ends here.
    pub(super) fn truncated(&self) -> GgufError {
        GgufError::Truncated {
            field: self.describe(),
            missing: (self.need - self.carry.len()) as u64,
        }
    }

    fn take_field(&mut self, bytes: &[u8]) -> Result<(), GgufError> {
        let (field, need) = self.parse(bytes)?;
        self.field = field;
        self.need = need;
        self.position += bytes.len() as u64;
        let header_bytes = self.position + need as u64;
        if header_bytes > MAX_HEADER_BYTES {
            return Err(GgufError::TooLarge {
                field: format!("number of bytes up to the {}", self.describe()),
                value: header_bytes,
                limit: MAX_HEADER_BYTES,
            });
        }
        Ok(())
    }

    /// Takes the bytes of the current field and says which comes next.
    fn parse(&mut self, bytes: &[u8]) -> Result<Next, GgufError> {
        match self.field {
            Field::Magic => {
                let found = array(bytes);
                if found != MAGIC {
                    return Err(GgufError::Magic { found });
                }
                Ok((Field::Version, 4))
            }
            Field::Version => {
                let found = u32::from_le_bytes(array(bytes));
                let known = match self.accepted {
                    Accepted::Packed => found == VERSION,
                    Accepted::Any => (OLD_VERSION..=VERSION).contains(&found),
                };
                if !known {
                    return Err(GgufError::Version { found });
                }
                Ok((Field::TensorCount, 8))
            }
            Field::TensorCount => {
                self.tensor_count = self.count(bytes, MAX_TENSORS)?;
                Ok((Field::MetadataCount, 8))
            }
            Field::MetadataCount => {
                self.metadata_count = self.count(bytes, MAX_METADATA_ENTRIES)?;
                self.next_entry()
            }
            Field::KeyLength => {
                let length = self.count(bytes, MAX_KEY_BYTES)?;
                self.not_empty(length)?;
                Ok((Field::Key, length as usize))
            }
            Field::Key => {
                let key = self.text(bytes)?;
                if self.metadata.get(&key).is_some() {
                    return Err(GgufError::DuplicateKey { key });
                }
                self.key = key;
                Ok((Field::ValueType, 4))
            }
            Field::ValueType => {
                let value_type = self.metadata_type(bytes)?;
                Ok(match (value_type, value_type.fixed_size()) {
                    (_, Some(size)) => (Field::Scalar(value_type), size),
                    (MetadataType::Array, None) => (Field::ElementType, 4),
                    (_, None) => (Field::TextLength, 8),
                })
            }
            Field::Scalar(value_type) => {
                let value = self.scalar(value_type, bytes)?;
                self.end_entry(value)
            }
            Field::TextLength => {
                let length = self.count(bytes, MAX_STRING_BYTES)?;
                Ok((Field::Text, length as usize))
            }
            Field::Text => {
                let text = self.text(bytes)?;
                self.end_entry(MetadataValue::String(text))
            }
            Field::ElementType => {
                let element = self.metadata_type(bytes)?;
                self.array =
                    MetadataArray::empty(element).ok_or_else(|| GgufError::NestedArray {
                        key: self.key.clone(),
                    })?;
                Ok((Field::ElementCount, 8))
            }
            Field::ElementCount => {
                self.elements_left = self.count(bytes, MAX_ARRAY_ELEMENTS)?;
                self.next_elements()
            }
            Field::Numbers => {
                if self.array.element_type() == MetadataType::Bool {
                    self.only_truths(bytes)?;
                }
                let before = self.array.len();
                push_numbers(&mut self.array, bytes);
                self.elements_left -= (self.array.len() - before) as u64;
                self.next_elements()
            }
            Field::ElementLength => {
                let length = self.count(bytes, MAX_STRING_BYTES)?;
                Ok((Field::Element, length as usize))
            }
            Field::Element => {
                let text = self.text(bytes)?;
                if let MetadataArray::String(texts) = &mut self.array {
                    texts.push(text);
                }
                self.elements_left -= 1;
                self.next_elements()
            }
            Field::NameLength => {
                let length = self.count(bytes, MAX_NAME_BYTES)?;
                self.not_empty(length)?;
                Ok((Field::Name, length as usize))
            }
            Field::Name => {
                let name = self.text(bytes)?;
                if !self.tensor_names.insert(name.clone()) {
                    return Err(GgufError::DuplicateTensor { name });
                }
                self.tensor.name = name;
                Ok((Field::DimensionCount, 4))
            }
            Field::DimensionCount => {
                let count = u32::from_le_bytes(array(bytes));
                if count > MAX_DIMENSIONS {
                    return Err(self.too_large(u64::from(count), u64::from(MAX_DIMENSIONS)));
                }
                self.not_empty(u64::from(count))?;
                Ok((Field::Dimensions, count as usize * 8))
            }
            Field::Dimensions => {
                self.tensor.shape.clear();
                // Innermost first in the file.
                for &size in bytes.as_chunks().0.iter().rev() {
                    let size = u64::from_le_bytes(size);
                    self.not_empty(size)?;
                    let size = usize::try_from(size)
                        .map_err(|_| self.too_large(size, usize::MAX as u64))?;
                    self.tensor.shape.push(size);
                }
                Ok((Field::TensorType, 4))
            }
            Field::TensorType => {
                let id = u32::from_le_bytes(array(bytes));
                self.tensor.ggml_type = self.tensor_type(id)?;
                Ok((Field::Offset, 8))
            }
            Field::Offset => {
                let offset = u64::from_le_bytes(array(bytes));
                self.end_tensor(offset)
            }
            Field::End => Ok((Field::End, 0)),
        }
    }

    fn next_entry(&mut self) -> Result<Next, GgufError> {
        if (self.metadata.len() as u64) < self.metadata_count {
            return Ok((Field::KeyLength, 8));
        }
        self.alignment = alignment(&self.metadata)?;
        Ok(self.next_tensor())
    }

    fn end_entry(&mut self, value: MetadataValue) -> Result<Next, GgufError> {
        self.metadata.set(mem::take(&mut self.key), value);
        self.next_entry()
    }

    /// The next elements of the array being read, or what follows a whole one.
    fn next_elements(&mut self) -> Result<Next, GgufError> {
        if self.elements_left == 0 {
            let array = mem::replace(&mut self.array, MetadataArray::U8(Vec::new()));
            return self.end_entry(MetadataValue::Array(array));
        }
        Ok(match self.array.element_type().fixed_size() {
            Some(size) => (
                Field::Numbers,
                self.elements_left.min(ARRAY_CHUNK) as usize * size,
            ),
            None => (Field::ElementLength, 8),
        })
    }

    fn next_tensor(&self) -> Next {
        if (self.tensors.len() as u64) < self.tensor_count {
            (Field::NameLength, 8)
        } else {
            (Field::End, 0)
        }
    }

    /// The type with GGML's number `id`, where it is accepted.
    fn tensor_type(&self, id: u32) -> Result<GgmlType, GgufError> {
        let name = || self.tensor.name.clone();
        let known = GgmlType::from_id(id);
        match self.accepted {
            Accepted::Any => known.ok_or_else(|| GgufError::UnknownType { name: name(), id }),
            Accepted::Packed => known
                .filter(|known| known.packed().is_some())
                .ok_or_else(|| GgufError::TensorType { name: name(), id }),
        }
    }

    fn end_tensor(&mut self, offset: u64) -> Result<Next, GgufError> {
        let mut entry = self.tensor.clone();
        let Some(bytes) = entry.ggml_type.byte_len(&entry.shape) else {
            let AnyTensorEntry {
                name,
                ggml_type,
                shape,
                ..
            } = entry;
            return Err(match ggml_type.packed() {
                Some(tensor_type) => GgufError::Tensor(TensorError::Shape {
                    name,
                    tensor_type,
                    shape,
                }),
                None => GgufError::Shape {
                    name,
                    ggml_type,
                    shape,
                },
            });
        };
        if offset != self.next_offset {
            return Err(GgufError::Offset {
                name: entry.name,
                found: offset,
                expected: self.next_offset,
            });
        }
        let end = offset
            .checked_add(bytes as u64)
            .and_then(|end| align_up(end, self.alignment));
        let Some(end) = end else {
            return Err(GgufError::DataTooLarge { name: entry.name });
        };
        self.next_offset = end;
        entry.offset = offset;
        entry.byte_len = bytes;
        self.tensors.push(entry);
        Ok(self.next_tensor())
    }

    /// The current field as a `u64` that must be at most `limit`.
    fn count(&self, bytes: &[u8], limit: u64) -> Result<u64, GgufError> {
        let value = u64::from_le_bytes(array(bytes));
        if value > limit {
            return Err(self.too_large(value, limit));
        }
        Ok(value)
    }

    fn too_large(&self, value: u64, limit: u64) -> GgufError {
        GgufError::TooLarge {
            field: self.describe(),
            value,
            limit,
        }
    }

    fn not_empty(&self, value: u64) -> Result<(), GgufError> {
        if value == 0 {
            return Err(GgufError::Zero {
                field: self.describe(),
            });
        }
        Ok(())
    }

    fn text(&self, bytes: &[u8]) -> Result<String, GgufError> {
        match str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(GgufError::NotUtf8 {
                field: self.describe(),
            }),
        }
    }

    fn metadata_type(&self, bytes: &[u8]) -> Result<MetadataType, GgufError> {
        let id = u32::from_le_bytes(array(bytes));
        MetadataType::from_id(id).ok_or_else(|| GgufError::MetadataType {
            field: self.describe(),
            id,
        })
    }

    fn only_truths(&self, bytes: &[u8]) -> Result<(), GgufError> {
        match bytes.iter().find(|&&byte| byte > 1) {
            None => Ok(()),
            Some(&value) => Err(GgufError::Bool {
                field: self.describe(),
                value,
            }),
        }
    }

    /// A value of fixed size.
    fn scalar(&self, value_type: MetadataType, bytes: &[u8]) -> Result<MetadataValue, GgufError> {
        Ok(match value_type {
            MetadataType::U8 => MetadataValue::U8(u8::from_le_bytes(array(bytes))),
            MetadataType::I8 => MetadataValue::I8(i8::from_le_bytes(array(bytes))),
            MetadataType::U16 => MetadataValue::U16(u16::from_le_bytes(array(bytes))),
            MetadataType::I16 => MetadataValue::I16(i16::from_le_bytes(array(bytes))),
            MetadataType::U32 => MetadataValue::U32(u32::from_le_bytes(array(bytes))),
            MetadataType::I32 => MetadataValue::I32(i32::from_le_bytes(array(bytes))),
            MetadataType::F32 => MetadataValue::F32(f32::from_le_bytes(array(bytes))),
            MetadataType::U64 => MetadataValue::U64(u64::from_le_bytes(array(bytes))),
            MetadataType::I64 => MetadataValue::I64(i64::from_le_bytes(array(bytes))),
            MetadataType::F64 => MetadataValue::F64(f64::from_le_bytes(array(bytes))),
            MetadataType::Bool => {
                self.only_truths(bytes)?;
                MetadataValue::Bool(bytes == [1])
            }
            MetadataType::String | MetadataType::Array => {
                return Err(GgufError::MetadataType {
                    field: self.describe(),
                    id: value_type.id(),
                });
            }
        })
    }

    /// The current field in words.
    fn describe(&self) -> String {
        let entry = self.metadata.len();
        let key = &self.key;
        let tensor = self.tensors.len();
        let name = &self.tensor.name;
        match self.field {
            Field::Magic => "magic".to_owned(),
            Field::Version => "version".to_owned(),
            Field::TensorCount => "number of tensors".to_owned(),
            Field::MetadataCount => "number of metadata entries".to_owned(),
            Field::KeyLength => format!("length of metadata key {entry}"),
            Field::Key => format!("metadata key {entry}"),
            Field::ValueType => format!("type of `{key}`"),
            Field::Scalar(_) | Field::Text | Field::Numbers => format!("value of `{key}`"),
            Field::TextLength => format!("length of `{key}`"),
            Field::ElementType => format!("element type of `{key}`"),
            Field::ElementCount => format!("number of elements of `{key}`"),
            Field::ElementLength => {
                format!("length of element {} of `{key}`", self.array.len())
            }
            Field::Element => format!("element {} of `{key}`", self.array.len()),
            Field::NameLength => format!("length of the name of tensor {tensor}"),
            Field::Name => format!("name of tensor {tensor}"),
            Field::DimensionCount => format!("number of dimensions of tensor `{name}`"),
            Field::Dimensions => format!("shape of tensor `{name}`"),
            Field::TensorType => format!("type of tensor `{name}`"),
            Field::Offset => format!("offset of tensor `{name}`"),
            Field::End => "end of the header".to_owned(),
        }
    }
}

/// The first `N` bytes: a field is handed over with exactly the bytes it needs.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[..N]);
    array
}

/// Appends little-endian numbers. Arrays of strings take none.
fn push_numbers(array: &mut MetadataArray, bytes: &[u8]) {
    fn extend<T, const N: usize>(values: &mut Vec<T>, bytes: &[u8], f: impl Fn([u8; N]) -> T) {
        values.extend(bytes.as_chunks().0.iter().map(|&chunk| f(chunk)));
    }
    match array {
        MetadataArray::U8(values) => values.extend_from_slice(bytes),
        MetadataArray::I8(values) => extend(values, bytes, i8::from_le_bytes),
        MetadataArray::U16(values) => extend(values, bytes, u16::from_le_bytes),
        MetadataArray::I16(values) => extend(values, bytes, i16::from_le_bytes),
        MetadataArray::U32(values) => extend(values, bytes, u32::from_le_bytes),
        MetadataArray::I32(values) => extend(values, bytes, i32::from_le_bytes),
        MetadataArray::F32(values) => extend(values, bytes, f32::from_le_bytes),
        MetadataArray::Bool(values) => values.extend(bytes.iter().map(|&byte| byte != 0)),
        MetadataArray::String(_) => {}
        MetadataArray::U64(values) => extend(values, bytes, u64::from_le_bytes),
        MetadataArray::I64(values) => extend(values, bytes, i64::from_le_bytes),
        MetadataArray::F64(values) => extend(values, bytes, f64::from_le_bytes),
    }
}
