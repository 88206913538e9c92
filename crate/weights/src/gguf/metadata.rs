//! Metadata: an ordered map of typed values.

use std::fmt;

use indexmap::IndexMap;
use thiserror::Error;

/// Keys and values of a GGUF file, in file order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    entries: IndexMap<String, MetadataValue>,
}

/// One metadata value.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataValue {
    /// Unsigned 8-bit integer.
    U8(u8),
    /// Signed 8-bit integer.
    I8(i8),
    /// Unsigned 16-bit integer.
    U16(u16),
    /// Signed 16-bit integer.
    I16(i16),
    /// Unsigned 32-bit integer.
    U32(u32),
    /// Signed 32-bit integer.
    I32(i32),
    /// 32-bit float.
    F32(f32),
    /// Truth value, stored as one byte 0 or 1.
    Bool(bool),
    /// UTF-8 text.
    String(String),
    /// Values of one type.
    Array(MetadataArray),
    /// Unsigned 64-bit integer.
    U64(u64),
    /// Signed 64-bit integer.
    I64(i64),
    /// 64-bit float.
    F64(f64),
}

/// A metadata array. Arrays of arrays are not supported, as in ggml.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataArray {
    /// Unsigned 8-bit integers.
    U8(Vec<u8>),
    /// Signed 8-bit integers.
    I8(Vec<i8>),
    /// Unsigned 16-bit integers.
    U16(Vec<u16>),
    /// Signed 16-bit integers.
    I16(Vec<i16>),
    /// Unsigned 32-bit integers.
    U32(Vec<u32>),
    /// Signed 32-bit integers.
    I32(Vec<i32>),
    /// 32-bit floats.
    F32(Vec<f32>),
    /// Truth values.
    Bool(Vec<bool>),
    /// UTF-8 texts.
    String(Vec<String>),
    /// Unsigned 64-bit integers.
    U64(Vec<u64>),
    /// Signed 64-bit integers.
    I64(Vec<i64>),
    /// 64-bit floats.
    F64(Vec<f64>),
}

/// Type of a metadata value, with GGUF's number as discriminant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MetadataType {
    /// Unsigned 8-bit integer.
    U8 = 0,
    /// Signed 8-bit integer.
    I8 = 1,
    /// Unsigned 16-bit integer.
    U16 = 2,
    /// Signed 16-bit integer.
    I16 = 3,
    /// Unsigned 32-bit integer.
    U32 = 4,
    /// Signed 32-bit integer.
    I32 = 5,
    /// 32-bit float.
    F32 = 6,
    /// Truth value.
    Bool = 7,
    /// UTF-8 text.
    String = 8,
    /// Values of one type.
    Array = 9,
    /// Unsigned 64-bit integer.
    U64 = 10,
    /// Signed 64-bit integer.
    I64 = 11,
    /// 64-bit float.
    F64 = 12,
}

impl MetadataType {
    const ALL: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::String,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    /// The type with GGUF's number `id`.
    pub(super) fn from_id(id: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(id).ok()?).copied()
    }

    /// GGUF's number of this type.
    pub(super) const fn id(self) -> u32 {
        self as u32
    }

    /// Bytes of a value; `None` for strings and arrays, whose length varies.
    pub(super) const fn fixed_size(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::String | Self::Array => None,
        }
    }
}

impl fmt::Display for MetadataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Array => "array",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F64 => "f64",
        })
    }
}

impl MetadataValue {
    /// Type of this value.
    pub const fn metadata_type(&self) -> MetadataType {
        match self {
            Self::U8(_) => MetadataType::U8,
            Self::I8(_) => MetadataType::I8,
            Self::U16(_) => MetadataType::U16,
            Self::I16(_) => MetadataType::I16,
            Self::U32(_) => MetadataType::U32,
            Self::I32(_) => MetadataType::I32,
            Self::F32(_) => MetadataType::F32,
            Self::Bool(_) => MetadataType::Bool,
            Self::String(_) => MetadataType::String,
            Self::Array(_) => MetadataType::Array,
            Self::U64(_) => MetadataType::U64,
            Self::I64(_) => MetadataType::I64,
            Self::F64(_) => MetadataType::F64,
        }
    }
}

impl MetadataArray {
    /// An array of `element`s without elements; `None` for arrays of arrays.
    pub(super) const fn empty(element: MetadataType) -> Option<Self> {
        Some(match element {
            MetadataType::U8 => Self::U8(Vec::new()),
            MetadataType::I8 => Self::I8(Vec::new()),
            MetadataType::U16 => Self::U16(Vec::new()),
            MetadataType::I16 => Self::I16(Vec::new()),
            MetadataType::U32 => Self::U32(Vec::new()),
            MetadataType::I32 => Self::I32(Vec::new()),
            MetadataType::F32 => Self::F32(Vec::new()),
            MetadataType::Bool => Self::Bool(Vec::new()),
            MetadataType::String => Self::String(Vec::new()),
            MetadataType::U64 => Self::U64(Vec::new()),
            MetadataType::I64 => Self::I64(Vec::new()),
            MetadataType::F64 => Self::F64(Vec::new()),
            MetadataType::Array => return None,
        })
    }

    /// Type of the elements.
    pub const fn element_type(&self) -> MetadataType {
        match self {
            Self::U8(_) => MetadataType::U8,
            Self::I8(_) => MetadataType::I8,
            Self::U16(_) => MetadataType::U16,
            Self::I16(_) => MetadataType::I16,
            Self::U32(_) => MetadataType::U32,
            Self::I32(_) => MetadataType::I32,
            Self::F32(_) => MetadataType::F32,
            Self::Bool(_) => MetadataType::Bool,
            Self::String(_) => MetadataType::String,
            Self::U64(_) => MetadataType::U64,
            Self::I64(_) => MetadataType::I64,
            Self::F64(_) => MetadataType::F64,
        }
    }

    /// Number of elements.
    pub const fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::I8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::String(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether there is no element.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Metadata {
    /// Metadata without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a string.
    pub fn set_string(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.set(key, MetadataValue::String(value.into()));
    }

    /// Sets a value; one that was there under `key` is replaced in its place.
    pub fn set(&mut self, key: impl Into<String>, value: MetadataValue) {
        self.entries.insert(key.into(), value);
    }

    /// The value under `key`, of whatever type.
    pub fn get(&self, key: &str) -> Option<&MetadataValue> {
        self.entries.get(key)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Keys and values in file order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &MetadataValue)> {
        self.entries
            .iter()
            .map(|(key, value)| (key.as_str(), value))
    }

    /// The string under `key`.
    ///
    /// # Errors
    /// Where `key` is missing or holds another type.
    pub fn string(&self, key: &str) -> Result<&str, MetadataError> {
        match self.require(key)? {
            MetadataValue::String(value) => Ok(value),
            other => Err(wrong_type(key, "a string", other)),
        }
    }

    /// The `u32` under `key`.
    ///
    /// # Errors
    /// Where `key` is missing or holds another type.
    pub fn u32(&self, key: &str) -> Result<u32, MetadataError> {
        match self.require(key)? {
            MetadataValue::U32(value) => Ok(*value),
            other => Err(wrong_type(key, "a u32", other)),
        }
    }

    /// The `f32` under `key`.
    ///
    /// # Errors
    /// Where `key` is missing or holds another type.
    pub fn f32(&self, key: &str) -> Result<f32, MetadataError> {
        match self.require(key)? {
            MetadataValue::F32(value) => Ok(*value),
            other => Err(wrong_type(key, "an f32", other)),
        }
    }

    /// The array of strings under `key`.
    ///
    /// # Errors
    /// Where `key` is missing or holds another type.
    pub fn strings(&self, key: &str) -> Result<&[String], MetadataError> {
        match self.require(key)? {
            MetadataValue::Array(MetadataArray::String(values)) => Ok(values),
            other => Err(wrong_type(key, "an array of strings", other)),
        }
    }

    /// The array of `i32` under `key`.
    ///
    /// # Errors
    /// Where `key` is missing or holds another type.
    pub fn i32s(&self, key: &str) -> Result<&[i32], MetadataError> {
        match self.require(key)? {
            MetadataValue::Array(MetadataArray::I32(values)) => Ok(values),
            other => Err(wrong_type(key, "an array of i32", other)),
        }
    }

    /// The list of `f32` under `key`.
    ///
    /// # Errors
    /// Where there is none, or one of another type.
    pub fn f32s(&self, key: &str) -> Result<&[f32], MetadataError> {
        match self.require(key)? {
            MetadataValue::Array(MetadataArray::F32(values)) => Ok(values),
            other => Err(wrong_type(key, "an array of f32", other)),
        }
    }

    /// The list of bytes under `key`.
    ///
    /// # Errors
    /// Where there is none, or one of another type.
    pub fn u8s(&self, key: &str) -> Result<&[u8], MetadataError> {
        match self.require(key)? {
            MetadataValue::Array(MetadataArray::U8(values)) => Ok(values),
            other => Err(wrong_type(key, "an array of u8", other)),
        }
    }

    /// The truth value under `key`.
    ///
    /// # Errors
    /// Where there is none, or one of another type.
    pub fn bool(&self, key: &str) -> Result<bool, MetadataError> {
        match self.require(key)? {
            MetadataValue::Bool(value) => Ok(*value),
            other => Err(wrong_type(key, "a bool", other)),
        }
    }

    fn require(&self, key: &str) -> Result<&MetadataValue, MetadataError> {
        self.get(key).ok_or_else(|| MetadataError::Missing {
            key: key.to_owned(),
        })
    }
}

fn wrong_type(key: &str, expected: &'static str, found: &MetadataValue) -> MetadataError {
    let found = match found {
        MetadataValue::Array(array) => format!("array of {}", array.element_type()),
        value => value.metadata_type().to_string(),
    };
    MetadataError::WrongType {
        key: key.to_owned(),
        expected,
        found,
    }
}

/// A metadata value that is not there, or not of the type that is needed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MetadataError {
    /// No such key.
    #[error("metadata key `{key}` is missing")]
    Missing {
        /// The key.
        key: String,
    },
    /// The key holds another type.
    #[error("metadata key `{key}` holds the type {found}, not {expected}")]
    WrongType {
        /// The key.
        key: String,
        /// The type asked for.
        expected: &'static str,
        /// The path that is taken.
        found: String,
    },
}
