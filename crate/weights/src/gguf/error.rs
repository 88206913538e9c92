//! What can be wrong with a GGUF file.

use thiserror::Error;

use super::ggml_type::GgmlType;
use super::metadata::MetadataError;
use crate::TensorError;

/// What is wrong with a GGUF file; every variant names the field.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GgufError {
    /// The file does not start with `GGUF`.
    #[error("not a GGUF file: it starts with the bytes {found:02x?}")]
    Magic {
        /// First four bytes.
        found: [u8; 4],
    },
    /// A version that is not read: any but 3, or any but 2 and 3 where a file is to be
    /// converted.
    #[error(
        "GGUF version {found} is not supported; packed models are version 3, \
         version 2 can be converted (both little-endian)"
    )]
    Version {
        /// Version of the file.
        found: u32,
    },
    /// A count or length above its limit.
    #[error("{field} is {value}, more than {limit}")]
    TooLarge {
        /// Which field.
        field: String,
        /// Value in the file.
        value: u64,
        /// Largest value accepted.
        limit: u64,
    },
    /// A count or length of zero where there must be something.
    #[error("{field} is zero or has a zero in it")]
    Zero {
        /// Which field.
        field: String,
    },
    /// Text that is not UTF-8.
    #[error("{field} is not UTF-8")]
    NotUtf8 {
        /// Which field.
        field: String,
    },
    /// A metadata type that does not exist.
    #[error("{field} is {id}, which is no metadata type")]
    MetadataType {
        /// Which field.
        field: String,
        /// The type's number.
        id: u32,
    },
    /// An array of arrays.
    #[error("`{key}` is an array of arrays, which is not supported")]
    NestedArray {
        /// The metadata key.
        key: String,
    },
    /// A truth value that is neither 0 nor 1.
    #[error("{field} is {value}, neither 0 nor 1")]
    Bool {
        /// Which field.
        field: String,
        /// The byte.
        value: u8,
    },
    /// The same metadata key twice.
    #[error("metadata key `{key}` occurs twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A tensor is written that is not the next one described.
    #[error("tensor `{name}` is written where {expected} was described")]
    OutOfTurn {
        /// The tensor.
        name: String,
        /// The one that was described.
        expected: String,
    },
    /// The same tensor name twice.
    #[error("tensor `{name}` occurs twice")]
    DuplicateTensor {
        /// The name.
        name: String,
    },
    /// A metadata value that this module itself needs is of the wrong type.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// An alignment that is no power of two, or out of bounds.
    #[error("`general.alignment` is {value}, no power of two between 8 and 65536")]
    Alignment {
        /// The alignment.
        value: u32,
    },
    /// A tensor type that is not supported.
    #[error(
        "tensor `{name}` has the unsupported GGML type {id}; supported are F32, F16, Q8_0, Q4_0 and Q4_1"
    )]
    TensorType {
        /// Name of the tensor.
        name: String,
        /// GGML's number of the type.
        id: u32,
    },
    /// A tensor type that GGML has given no number that is known here.
    #[error("tensor `{name}` has the GGML type {id}, which is not known here")]
    UnknownType {
        /// Name of the tensor.
        name: String,
        /// GGML's number of the type.
        id: u32,
    },
    /// A tensor to be converted whose shape does not fit its type, or memory.
    #[error(
        "tensor `{name}`: shape {shape:?} is no whole number of {ggml_type} blocks or too large"
    )]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Type of the tensor.
        ggml_type: GgmlType,
        /// Shape of the tensor.
        shape: Vec<usize>,
    },
    /// A tensor whose shape does not fit its type, or memory.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A tensor that does not lie where the tensors before it end.
    #[error(
        "tensor `{name}` has the offset {found}, where the tensors before it end at {expected}"
    )]
    Offset {
        /// Name of the tensor.
        name: String,
        /// Offset in the file.
        found: u64,
        /// Offset by the tensors before it.
        expected: u64,
    },
    /// The data section is larger than any file.
    #[error("the data up to tensor `{name}` is larger than any file")]
    DataTooLarge {
        /// Name of the tensor.
        name: String,
    },
    /// Memory cannot hold a tensor.
    #[error("no memory for the {bytes} bytes of tensor `{name}`")]
    Memory {
        /// Name of the tensor.
        name: String,
        /// Its bytes.
        bytes: usize,
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
