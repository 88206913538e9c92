//! The writer.

use std::collections::HashSet;
use std::io;

use super::metadata::{Metadata, MetadataArray, MetadataValue};
use super::{
    GgufError, MAGIC, MAX_ARRAY_ELEMENTS, MAX_DIMENSIONS, MAX_KEY_BYTES, MAX_METADATA_ENTRIES,
    MAX_NAME_BYTES, MAX_STRING_BYTES, MAX_TENSORS, VERSION, alignment,
};
use crate::{LoadedTensor, TensorError, TensorInfo};

/// Collects metadata and tensors, and writes them as a GGUF file that
/// [`GgufReader`](super::GgufReader) accepts.
///
/// Tensor data lies in the order of the [`push`](Self::push) calls. The bytes
/// are those that the Python package `gguf` writes for the same content.
pub struct GgufWriter {
    metadata: Metadata,
    alignment: u64,
    tensors: Vec<LoadedTensor>,
    names: HashSet<String>,
}

impl GgufWriter {
    /// A writer without tensors.
    ///
    /// # Errors
    /// Where the metadata is more than the reader accepts.
    pub fn new(metadata: Metadata) -> Result<Self, GgufError> {
        check_metadata(&metadata)?;
        Ok(Self {
            alignment: alignment(&metadata)?,
            metadata,
            tensors: Vec::new(),
            names: HashSet::new(),
        })
    }

    /// Adds a tensor after the others.
    ///
    /// # Errors
    /// Where its name is empty, too long or there already, its shape is empty or
    /// has more than four dimensions, or its data is not as long as its shape says.
    pub fn push(&mut self, tensor: LoadedTensor) -> Result<(), GgufError> {
        let bytes = check_info(&tensor.info, self.tensors.len())?;
        check_length(&tensor, bytes)?;
        let name = &tensor.info.name;
        if !self.names.insert(name.clone()) {
            return Err(GgufError::DuplicateTensor { name: name.clone() });
        }
        self.tensors.push(tensor);
        Ok(())
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        let infos = self.tensors.iter();
        let infos = infos.map(|tensor| (&tensor.info, tensor.data.len()));
        out.write_all(&header(&self.metadata, self.alignment, infos))?;
        for tensor in &self.tensors {
            write_data(out, &tensor.data, self.alignment)?;
        }
        out.flush()
    }
}

/// Writes a GGUF file tensor by tensor, so that none but the one in hand is in memory: the
/// header is made of descriptions, and the data follow in their order.
pub struct GgufStream {
    header: Vec<u8>,
    alignment: u64,
    /// The tensors that have not been written, the last one first.
    waiting: Vec<TensorInfo>,
}

impl GgufStream {
    /// A file with these tensors.
    ///
    /// # Errors
    /// Where the metadata is more than the reader accepts, or [`GgufWriter::push`] would
    /// refuse a tensor of this description.
    pub fn new(metadata: Metadata, mut infos: Vec<TensorInfo>) -> Result<Self, GgufError> {
        check_metadata(&metadata)?;
        let alignment = alignment(&metadata)?;
        let mut names = HashSet::new();
        let mut lengths = Vec::with_capacity(infos.len());
        for (index, info) in infos.iter().enumerate() {
            lengths.push(check_info(info, index)?);
            if !names.insert(info.name.as_str()) {
                return Err(GgufError::DuplicateTensor {
                    name: info.name.clone(),
                });
            }
        }
        let header = header(&metadata, alignment, infos.iter().zip(lengths));
        infos.reverse();
        Ok(Self {
            header,
            alignment,
            waiting: infos,
        })
    }

    /// Writes the header.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn start(&self, out: &mut impl io::Write) -> io::Result<()> {
        out.write_all(&self.header)
    }

    /// Checks that `tensor` is the next one, and writes its data.
    ///
    /// # Errors
    /// Where it is another one than was described, or has another length; and those of
    /// `out`.
    pub fn push(
        &mut self,
        tensor: &LoadedTensor,
        out: &mut impl io::Write,
    ) -> Result<io::Result<()>, GgufError> {
        let expected = self.waiting.pop();
        if expected.as_ref() != Some(&tensor.info) {
            return Err(GgufError::OutOfTurn {
                name: tensor.info.name.clone(),
                expected: expected.map_or_else(|| "none".to_owned(), |info| info.name),
            });
        }
        check_length(tensor, check_info(&tensor.info, 0)?)?;
        Ok(write_data(out, &tensor.data, self.alignment))
    }

    /// How many tensors have not been written.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

/// Checks a description, and returns the bytes of the data.
fn check_info(info: &TensorInfo, index: usize) -> Result<usize, GgufError> {
    let name = &info.name;
    at_most("number of tensors", index + 1, MAX_TENSORS)?;
    at_most(
        format!("length of the name of tensor `{name}`"),
        name.len(),
        MAX_NAME_BYTES,
    )?;
    at_most(
        format!("number of dimensions of tensor `{name}`"),
        info.shape.len(),
        u64::from(MAX_DIMENSIONS),
    )?;
    if name.is_empty() {
        return Err(GgufError::Zero {
            field: format!("length of the name of tensor {index}"),
        });
    }
    if info.shape.is_empty() || info.shape.contains(&0) {
        return Err(GgufError::Zero {
            field: format!("shape of tensor `{name}`"),
        });
    }
    info.byte_len().ok_or_else(|| {
        GgufError::Tensor(TensorError::Shape {
            name: name.clone(),
            tensor_type: info.tensor_type,
            shape: info.shape.clone(),
        })
    })
}

fn check_length(tensor: &LoadedTensor, expected: usize) -> Result<(), GgufError> {
    match tensor.data.len() {
        found if found == expected => Ok(()),
        found => Err(GgufError::Tensor(TensorError::DataLength {
            name: tensor.info.name.clone(),
            expected,
            found,
        })),
    }
}

/// Writes a tensor's data, and zeros up to where the next one may begin.
fn write_data(out: &mut impl io::Write, data: &[u8], alignment: u64) -> io::Result<()> {
    out.write_all(data)?;
    out.write_all(&vec![0; padded(data.len(), alignment) - data.len()])
}

/// All before the data of the first tensor; `infos` come with the bytes of their data.
fn header<'a>(
    metadata: &Metadata,
    alignment: u64,
    infos: impl ExactSizeIterator<Item = (&'a TensorInfo, usize)>,
) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    put_count(&mut out, infos.len());
    put_count(&mut out, metadata.len());
    for (key, value) in metadata.iter() {
        put_text(&mut out, key);
        out.extend_from_slice(&value.metadata_type().id().to_le_bytes());
        put_value(&mut out, value);
    }
    let mut offset = 0;
    for (info, bytes) in infos {
        put_text(&mut out, &info.name);
        // At most MAX_DIMENSIONS.
        out.extend_from_slice(&(info.shape.len() as u32).to_le_bytes());
        for &size in info.shape.iter().rev() {
            put_count(&mut out, size);
        }
        out.extend_from_slice(&info.tensor_type.ggml_id().to_le_bytes());
        put_count(&mut out, offset);
        offset += padded(bytes, alignment);
    }
    out.resize(padded(out.len(), alignment), 0);
    out
}

fn padded(length: usize, alignment: u64) -> usize {
    // One of ALIGNMENTS, so it fits.
    length.next_multiple_of(alignment as usize)
}

fn check_metadata(metadata: &Metadata) -> Result<(), GgufError> {
    at_most(
        "number of metadata entries",
        metadata.len(),
        MAX_METADATA_ENTRIES,
    )?;
    for (key, value) in metadata.iter() {
        at_most(
            format!("length of metadata key `{key}`"),
            key.len(),
            MAX_KEY_BYTES,
        )?;
        if key.is_empty() {
            return Err(GgufError::Zero {
                field: "length of a metadata key".to_owned(),
            });
        }
        match value {
            MetadataValue::String(text) => {
                at_most(format!("length of `{key}`"), text.len(), MAX_STRING_BYTES)?;
            }
            MetadataValue::Array(array) => {
                at_most(
                    format!("number of elements of `{key}`"),
                    array.len(),
                    MAX_ARRAY_ELEMENTS,
                )?;
                if let MetadataArray::String(texts) = array {
                    for text in texts {
                        at_most(
                            format!("length of an element of `{key}`"),
                            text.len(),
                            MAX_STRING_BYTES,
                        )?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn at_most(field: impl Into<String>, value: usize, limit: u64) -> Result<(), GgufError> {
    let value = value as u64;
    if value > limit {
        return Err(GgufError::TooLarge {
            field: field.into(),
            value,
            limit,
        });
    }
    Ok(())
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u64).to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &MetadataValue) {
    match value {
        MetadataValue::U8(x) => out.extend_from_slice(&x.to_le_bytes()),
        MetadataValue::I8(x) => out.extend_from_slice(&x.to_le_bytes()),
        MetadataValue::U16(x) => out.extend_from_slice(&x.to_le_bytes()),
        MetadataValue::I16(x) => out.extend_from_slice(&x.to_le_bytes()),
        MetadataValue::U32(x) => out.extend_from_slice(&x.to_le_bytes()),
        MetadataValue::I32(x) => out.extend_from_slice(&x.to_le_bytes()),
        MetadataValue::F32(x) => out.extend_from_slice(&x.to_le_bytes()),
        MetadataValue::Bool(x) => out.push(u8::from(*x)),
        MetadataValue::String(x) => put_text(out, x),
        MetadataValue::Array(x) => put_array(out, x),
        MetadataValue::U64(x) => out.extend_from_slice(&x.to_le_bytes()),
        MetadataValue::I64(x) => out.extend_from_slice(&x.to_le_bytes()),
        MetadataValue::F64(x) => out.extend_from_slice(&x.to_le_bytes()),
    }
}

fn put_array(out: &mut Vec<u8>, array: &MetadataArray) {
    fn put<T: Copy, const N: usize>(out: &mut Vec<u8>, values: &[T], f: impl Fn(T) -> [u8; N]) {
        out.extend(values.iter().flat_map(|&x| f(x)));
    }
    out.extend_from_slice(&array.element_type().id().to_le_bytes());
    put_count(out, array.len());
    match array {
        MetadataArray::U8(x) => out.extend_from_slice(x),
        MetadataArray::I8(x) => put(out, x, i8::to_le_bytes),
        MetadataArray::U16(x) => put(out, x, u16::to_le_bytes),
        MetadataArray::I16(x) => put(out, x, i16::to_le_bytes),
        MetadataArray::U32(x) => put(out, x, u32::to_le_bytes),
        MetadataArray::I32(x) => put(out, x, i32::to_le_bytes),
        MetadataArray::F32(x) => put(out, x, f32::to_le_bytes),
        MetadataArray::Bool(x) => put(out, x, |x| [u8::from(x)]),
        MetadataArray::String(x) => x.iter().for_each(|text| put_text(out, text)),
        MetadataArray::U64(x) => put(out, x, u64::to_le_bytes),
        MetadataArray::I64(x) => put(out, x, i64::to_le_bytes),
        MetadataArray::F64(x) => put(out, x, f64::to_le_bytes),
    }
}
