//! GGUF against files of the Python package `gguf` (`tests/parity/gguf_blocks.py`),
//! and against malformed ones.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use flamingo_weights::gguf::{
    GgufError, GgufReader, GgufStream, GgufWriter, MAX_ARRAY_ELEMENTS, MAX_METADATA_ENTRIES,
    MAX_TENSORS, Metadata, MetadataArray, MetadataError, MetadataValue,
};
use flamingo_weights::{LoadedTensor, TensorInfo, TensorType};
use support::{read_fixture, read_gguf};

fn write(metadata: Metadata, tensors: Vec<LoadedTensor>) -> Vec<u8> {
    let mut writer = GgufWriter::new(metadata).unwrap();
    for tensor in tensors {
        writer.push(tensor).unwrap();
    }
    let mut bytes = Vec::new();
    writer.write(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_file_written_tensor_by_tensor_has_the_same_bytes() {
    let (header, tensors) = read_gguf(&read_fixture("gguf/blocks.gguf"), usize::MAX);
    let metadata = header.metadata;
    let infos = tensors.iter().map(|tensor| tensor.info.clone());
    let infos: Vec<TensorInfo> = infos.collect();
    let mut bytes = Vec::new();
    let mut stream = GgufStream::new(metadata.clone(), infos.clone()).unwrap();
    stream.start(&mut bytes).unwrap();
    for tensor in &tensors {
        stream.push(tensor, &mut bytes).unwrap().unwrap();
    }
    assert_eq!(stream.waiting(), 0);
    assert!(tensors.len() > 3);
    assert!(bytes == write(metadata.clone(), tensors.clone()));

    // Only what was described, in its turn and whole.
    let mut stream = GgufStream::new(metadata.clone(), infos.clone()).unwrap();
    let error = stream.push(&tensors[1], &mut bytes).unwrap_err();
    assert!(
        matches!(&error, GgufError::OutOfTurn { expected, .. } if *expected == infos[0].name),
        "{error}"
    );
    let mut stream = GgufStream::new(metadata.clone(), infos.clone()).unwrap();
    let mut short = tensors[0].clone();
    short.data.pop();
    assert!(stream.push(&short, &mut bytes).is_err());
    let twice = vec![infos[0].clone(), infos[0].clone()];
    let error = GgufStream::new(metadata, twice).err().unwrap();
    assert!(
        matches!(error, GgufError::DuplicateTensor { .. }),
        "{error}"
    );
}

#[test]
fn reads_every_metadata_type_of_the_python_package() {
    let (header, _) = read_gguf(&read_fixture("gguf/blocks.gguf"), usize::MAX);
    let metadata = header.metadata;
    assert_eq!(metadata.string("general.architecture"), Ok("flamingo"));
    let expected = [
        ("uint8", MetadataValue::U8(255)),
        ("int8", MetadataValue::I8(127)),
        ("uint16", MetadataValue::U16(u16::MAX)),
        ("int16", MetadataValue::I16(i16::MAX)),
        ("uint32", MetadataValue::U32(u32::MAX)),
        ("int32", MetadataValue::I32(i32::MAX)),
        ("float32", MetadataValue::F32(1.0e20)),
        ("bool", MetadataValue::Bool(false)),
        ("string", MetadataValue::String("Größe 🦩".to_owned())),
        ("uint64", MetadataValue::U64(u64::MAX)),
        ("int64", MetadataValue::I64(i64::MAX)),
        ("float64", MetadataValue::F64(1.0e300)),
    ];
    for (name, value) in expected {
        assert_eq!(
            metadata.get(&format!("test.{name}")),
            Some(&value),
            "{name}"
        );
    }
    let expected = [
        ("uint8", MetadataArray::U8(vec![0, 255])),
        ("int8", MetadataArray::I8(vec![-128, 127])),
        ("uint16", MetadataArray::U16(vec![0, u16::MAX])),
        ("int16", MetadataArray::I16(vec![i16::MIN, i16::MAX])),
        ("uint32", MetadataArray::U32(vec![0, u32::MAX])),
        ("int32", MetadataArray::I32(vec![i32::MIN, i32::MAX])),
        ("float32", MetadataArray::F32(vec![-0.5, 1.0e20])),
        ("bool", MetadataArray::Bool(vec![true, false])),
        (
            "string",
            MetadataArray::String(vec![String::new(), "Größe 🦩".to_owned()]),
        ),
        ("uint64", MetadataArray::U64(vec![0, u64::MAX])),
        ("int64", MetadataArray::I64(vec![i64::MIN, i64::MAX])),
        ("float64", MetadataArray::F64(vec![-0.1, 1.0e300])),
    ];
    for (name, array) in expected {
        assert_eq!(
            metadata.get(&format!("test.{name}.array")),
            Some(&MetadataValue::Array(array)),
            "{name}"
        );
    }
    let many = (0..2000).collect();
    assert_eq!(
        metadata.get("test.many"),
        Some(&MetadataValue::Array(MetadataArray::U16(many)))
    );
}

#[test]
fn typed_getters_say_what_is_wrong() {
    let mut metadata = Metadata::new();
    metadata.set_string("text", "x");
    metadata.set("number", MetadataValue::U32(7));
    metadata.set("list", MetadataValue::Array(MetadataArray::I32(vec![1])));
    assert_eq!(metadata.u32("number"), Ok(7));
    assert_eq!(metadata.i32s("list"), Ok([1].as_slice()));
    assert_eq!(
        metadata.string("absent"),
        Err(MetadataError::Missing {
            key: "absent".to_owned()
        })
    );
    for (error, text) in [
        (
            metadata.string("number").unwrap_err(),
            "metadata key `number` holds the type u32, not a string",
        ),
        (
            metadata.u32("text").unwrap_err(),
            "metadata key `text` holds the type string, not a u32",
        ),
        (
            metadata.f32("list").unwrap_err(),
            "metadata key `list` holds the type array of i32, not an f32",
        ),
        (
            metadata.strings("list").unwrap_err(),
            "metadata key `list` holds the type array of i32, not an array of strings",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn quantizes_and_dequantizes_as_the_python_package_does() {
    let (_, tensors) = read_gguf(&read_fixture("gguf/blocks.gguf"), usize::MAX);
    let find = |name: &str| {
        tensors
            .iter()
            .find(|tensor| tensor.info.name == name)
            .unwrap()
    };
    let source = find("source");
    let values = source.to_f32().unwrap();
    assert_eq!(values.len(), 32 * 96);
    for tensor_type in TensorType::ALL {
        let expected = find(&format!("packed.{tensor_type}"));
        assert_eq!(expected.info.tensor_type, tensor_type);
        let name = expected.info.name.as_str();
        let packed = LoadedTensor::from_f32(name, tensor_type, &source.info.shape, &values);
        assert_eq!(packed.as_ref(), Ok(expected), "{tensor_type}");

        let unpacked = find(&format!("unpacked.{tensor_type}"));
        // Compared as bytes, so that the sign of a zero counts.
        let found: Vec<u8> = expected
            .to_f32()
            .unwrap()
            .into_iter()
            .flat_map(f32::to_le_bytes)
            .collect();
        assert_eq!(found, unpacked.data, "{tensor_type}");
    }
}

#[test]
fn shapes_are_outermost_first_and_data_is_aligned() {
    let (header, tensors) = read_gguf(&read_fixture("gguf/shapes.gguf"), usize::MAX);
    assert_eq!(header.alignment, 64);
    let shapes: Vec<&[usize]> = tensors
        .iter()
        .map(|tensor| tensor.info.shape.as_slice())
        .collect();
    let expected: [&[usize]; 5] = [&[1], &[5], &[3, 7], &[2, 3, 5], &[2, 1, 3, 4]];
    assert_eq!(shapes, expected);
    for (entry, tensor) in header.tensors.iter().zip(&tensors) {
        assert_eq!(entry.info, tensor.info);
        assert_eq!(entry.offset % 64, 0);
        let values = tensor.to_f32().unwrap();
        assert!(
            values.iter().enumerate().all(|(i, &x)| x == i as f32),
            "{values:?}"
        );
    }
}

#[test]
fn writes_what_the_python_package_writes() {
    for file in ["gguf/blocks.gguf", "gguf/shapes.gguf"] {
        let bytes = read_fixture(file);
        let (header, tensors) = read_gguf(&bytes, usize::MAX);
        assert!(write(header.metadata, tensors) == bytes, "{file} differs");
    }
}

#[test]
fn pieces_of_any_size_give_the_same_tensors() {
    let bytes = read_fixture("gguf/blocks.gguf");
    let whole = read_gguf(&bytes, usize::MAX);
    for piece in [1, 3, 31, 4096] {
        assert!(read_gguf(&bytes, piece) == whole, "pieces of {piece} bytes");
    }
}

#[test]
fn a_tensor_leaves_with_its_last_byte() {
    let bytes = read_fixture("gguf/shapes.gguf");
    let (header, tensors) = read_gguf(&bytes, usize::MAX);
    let data_bytes: usize = tensors
        .iter()
        .map(|t| t.data.len().next_multiple_of(64))
        .sum();
    let start = bytes.len() - data_bytes;
    let end = start + header.tensors[2].offset as usize + tensors[2].data.len();

    let mut reader = GgufReader::new();
    reader.push(&bytes[..end - 1]).unwrap();
    assert_eq!(std::iter::from_fn(|| reader.next_tensor()).count(), 2);
    reader.push(&bytes[end - 1..end]).unwrap();
    assert_eq!(reader.next_tensor().as_ref(), Some(&tensors[2]));
}

#[test]
fn a_file_cut_anywhere_is_an_error_that_names_the_field() {
    let bytes = read_fixture("gguf/shapes.gguf");
    let (_, tensors) = read_gguf(&bytes, usize::MAX);
    let last = tensors.last().unwrap();
    // The padding after the last tensor may be missing.
    let end = bytes.len() - (last.data.len().next_multiple_of(64) - last.data.len());
    for cut in 0..end {
        let mut reader = GgufReader::new();
        reader.push(&bytes[..cut]).unwrap();
        let error = reader.finish().unwrap_err();
        assert!(
            matches!(error, GgufError::Truncated { .. }),
            "cut at {cut}: {error}"
        );
    }
    for cut in end..=bytes.len() {
        let mut reader = GgufReader::new();
        reader.push(&bytes[..cut]).unwrap();
        assert_eq!(reader.finish(), Ok(()));
    }
    let mut reader = GgufReader::new();
    reader.push(&bytes[..end - 5]).unwrap();
    assert_eq!(
        reader.finish().unwrap_err().to_string(),
        "the file ends in the data of tensor `2x1x3x4`, 5 bytes or more too early"
    );
}

#[test]
fn a_header_that_needs_more_than_the_file_has_is_refused_before_the_data() {
    let bytes = read_fixture("gguf/shapes.gguf");
    let (header, tensors) = read_gguf(&bytes, usize::MAX);
    let last = tensors.last().unwrap();
    let end = bytes.len() - (last.data.len().next_multiple_of(64) - last.data.len());
    let start = end - header.tensors.last().unwrap().offset as usize - last.data.len();

    let mut reader = GgufReader::of_length(end as u64 - 5);
    assert_eq!(
        reader.push(&bytes[..start]).unwrap_err().to_string(),
        "the file ends in the data of tensor `2x1x3x4`, 5 bytes or more too early"
    );
    for length in [end, bytes.len()] {
        let mut reader = GgufReader::of_length(length as u64);
        reader.push(&bytes[..length]).unwrap();
        assert_eq!(
            std::iter::from_fn(|| reader.next_tensor()).count(),
            tensors.len()
        );
        assert_eq!(reader.finish(), Ok(()));
    }
}

#[test]
fn bytes_after_the_last_tensor_are_an_error() {
    let mut bytes = read_fixture("gguf/shapes.gguf");
    bytes.push(0);
    let mut reader = GgufReader::new();
    assert_eq!(reader.push(&bytes), Err(GgufError::TrailingBytes));
    // The reader stays in that error.
    assert_eq!(reader.push(&[]), Err(GgufError::TrailingBytes));
    assert_eq!(reader.finish(), Err(GgufError::TrailingBytes));
}

/// A GGUF file put together field by field, well-formed or not.
struct Raw(Vec<u8>);

impl Raw {
    fn new(tensors: u64, entries: u64) -> Self {
        Self(b"GGUF\x03\0\0\0".to_vec()).u64(tensors).u64(entries)
    }

    fn u32(mut self, x: u32) -> Self {
        self.0.extend(x.to_le_bytes());
        self
    }

    fn u64(mut self, x: u64) -> Self {
        self.0.extend(x.to_le_bytes());
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.u64(text.len() as u64).bytes(text.as_bytes())
    }

    fn tensor(self, name: &str, shape: &[u64], type_id: u32, offset: u64) -> Self {
        let start = self.text(name).u32(shape.len() as u32);
        let dimensions = shape.iter().fold(start, |raw, &size| raw.u64(size));
        dimensions.u32(type_id).u64(offset)
    }

    fn error(&self) -> String {
        let mut reader = GgufReader::new();
        let error = reader.push(&self.0).unwrap_err();
        let mut by_byte = GgufReader::new();
        let first = self.0.chunks(1).find_map(|byte| by_byte.push(byte).err());
        assert_eq!(first.as_ref(), Some(&error), "byte by byte");
        error.to_string()
    }
}

#[test]
fn every_malformed_field_is_named() {
    let cases = [
        (
            Raw(b"GGML".to_vec()),
            "it starts with the bytes [47, 47, 4d, 4c]",
        ),
        (Raw(b"GGUF\x02\0\0\0".to_vec()), "version 2"),
        (Raw::new(MAX_TENSORS + 1, 0), "number of tensors is 65537"),
        (
            Raw::new(0, MAX_METADATA_ENTRIES + 1),
            "number of metadata entries",
        ),
        (Raw::new(0, 1).u64(u64::MAX), "length of metadata key 0"),
        (Raw::new(0, 1).u64(0), "length of metadata key 0"),
        (
            Raw::new(0, 1).u64(1).bytes(b"\xff"),
            "metadata key 0 is not UTF-8",
        ),
        (Raw::new(0, 1).text("a").u32(13), "type of `a` is 13"),
        (
            Raw::new(0, 1).text("a").u32(7).bytes(&[2]),
            "value of `a` is 2",
        ),
        (
            Raw::new(0, 1).text("a").u32(8).u64(u64::MAX),
            "length of `a`",
        ),
        (
            Raw::new(0, 1).text("a").u32(8).u64(1).bytes(b"\x80"),
            "value of `a` is not UTF-8",
        ),
        (
            Raw::new(0, 1).text("a").u32(9).u32(13),
            "element type of `a` is 13",
        ),
        (
            Raw::new(0, 1).text("a").u32(9).u32(9),
            "`a` is an array of arrays",
        ),
        (
            Raw::new(0, 1)
                .text("a")
                .u32(9)
                .u32(0)
                .u64(MAX_ARRAY_ELEMENTS + 1),
            "number of elements of `a`",
        ),
        (
            Raw::new(0, 1).text("a").u32(9).u32(7).u64(2).bytes(&[1, 3]),
            "value of `a` is 3",
        ),
        (
            Raw::new(0, 1)
                .text("a")
                .u32(9)
                .u32(8)
                .u64(2)
                .text("x")
                .u64(u64::MAX),
            "length of element 1 of `a`",
        ),
        (
            Raw::new(0, 2).text("a").u32(0).bytes(&[1]).text("a"),
            "metadata key `a` occurs twice",
        ),
        (
            Raw::new(0, 1).text("general.alignment").u32(4).u32(24),
            "`general.alignment` is 24",
        ),
        (
            Raw::new(0, 1).text("general.alignment").u32(4).u32(1 << 31),
            "`general.alignment` is 2147483648",
        ),
        (
            Raw::new(0, 1).text("general.alignment").u32(0).bytes(&[32]),
            "`general.alignment` holds the type u8",
        ),
        (
            Raw::new(1, 0).u64(64),
            "length of the name of tensor 0 is 64",
        ),
        (Raw::new(1, 0).u64(0), "length of the name of tensor 0"),
        (
            Raw::new(1, 0).text("t").u32(5),
            "number of dimensions of tensor `t` is 5",
        ),
        (
            Raw::new(1, 0).text("t").u32(0),
            "number of dimensions of tensor `t`",
        ),
        (
            Raw::new(1, 0).tensor("t", &[4, 0], 0, 0),
            "shape of tensor `t` is zero or has a zero",
        ),
        (
            Raw::new(1, 0).tensor("t", &[4], 99, 0),
            "tensor `t` has the unsupported GGML type 99",
        ),
        (
            Raw::new(1, 0).tensor("t", &[33], 8, 0),
            "tensor `t`: shape [33] is no whole number of Q8_0 blocks",
        ),
        (
            Raw::new(1, 0).tensor("t", &[1 << 32, 1 << 32], 0, 0),
            "tensor `t`: shape [4294967296, 4294967296]",
        ),
        (
            Raw::new(1, 0).tensor("t", &[4], 0, 32),
            "tensor `t` has the offset 32",
        ),
        (
            Raw::new(2, 0)
                .tensor("t", &[9], 0, 0)
                .tensor("u", &[1], 0, 32),
            "tensor `u` has the offset 32, where the tensors before it end at 64",
        ),
        (
            Raw::new(2, 0).tensor("t", &[9], 0, 0).text("t"),
            "tensor `t` occurs twice",
        ),
        (
            Raw::new(2, 0)
                .tensor("t", &[1 << 61], 0, 0)
                .tensor("u", &[1 << 61], 0, 1 << 63),
            "up to tensor `u` is larger than any file",
        ),
    ];
    for (raw, named) in cases {
        let error = raw.error();
        assert!(
            error.contains(named),
            "{error:?} does not contain {named:?}"
        );
    }
}

#[test]
fn a_claimed_length_is_waited_for_without_room_for_it() {
    // Lengths within the limits, but without the bytes.
    let text = Raw::new(0, 1).text("a").u32(8).u64(60 << 20);
    let tensor = Raw::new(1, 0).tensor("t", &[1 << 40], 0, 0).bytes(&[0; 40]);
    for raw in [text, tensor] {
        let mut reader = GgufReader::new();
        reader.push(&raw.0).unwrap();
        assert!(matches!(reader.finish(), Err(GgufError::Truncated { .. })));
    }
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    let tensor = |name: &str, shape: &[usize], bytes: usize| LoadedTensor {
        info: TensorInfo {
            name: name.to_owned(),
            tensor_type: TensorType::F32,
            shape: shape.to_vec(),
        },
        data: vec![0; bytes],
    };
    let mut writer = GgufWriter::new(Metadata::new()).unwrap();
    writer.push(tensor("t", &[2], 8)).unwrap();
    for (bad, named) in [
        (tensor("t", &[2], 8), "`t` occurs twice"),
        (
            tensor("u", &[2], 9),
            "tensor `u`: 9 bytes of data, 8 by its shape",
        ),
        (tensor("u", &[], 4), "shape of tensor `u`"),
        (tensor("u", &[0], 0), "shape of tensor `u`"),
        (
            tensor("u", &[1, 1, 1, 1, 1], 4),
            "number of dimensions of tensor `u`",
        ),
        (tensor("", &[1], 4), "length of the name of tensor 1"),
        (tensor(&"x".repeat(64), &[1], 4), "length of the name"),
        (tensor("u", &[usize::MAX, 2], 4), "tensor `u`: shape"),
    ] {
        let error = writer.push(bad).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    let mut metadata = Metadata::new();
    metadata.set("general.alignment", MetadataValue::U32(12));
    assert_eq!(
        GgufWriter::new(metadata).err(),
        Some(GgufError::Alignment { value: 12 })
    );
    let mut metadata = Metadata::new();
    metadata.set_string("", "x");
    assert!(GgufWriter::new(metadata).is_err());
}

#[test]
fn a_file_without_tensors_is_whole_after_its_header() {
    let mut metadata = Metadata::new();
    metadata.set_string("general.architecture", "flamingo");
    let bytes = write(metadata.clone(), Vec::new());
    let (header, tensors) = read_gguf(&bytes, 1);
    assert_eq!(header.metadata, metadata);
    assert!(tensors.is_empty());
}
