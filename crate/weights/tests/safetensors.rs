//! safetensors against files of the Python package, and against malformed ones.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use flamingo_weights::TensorType;
use flamingo_weights::safetensors::{
    Dtype, MAX_HEADER_BYTES, SafetensorsEntry, SafetensorsError, SafetensorsReader,
    SafetensorsTensor,
};
use support::{read_fixture, read_safetensors};

/// A file with this header and `data` bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 7);
    bytes
}

fn error(bytes: &[u8]) -> SafetensorsError {
    let run = |piece: usize| {
        let mut reader = SafetensorsReader::new();
        let pushed = bytes.chunks(piece).try_for_each(|piece| reader.push(piece));
        pushed.and_then(|()| reader.finish()).unwrap_err()
    };
    let whole = run(usize::MAX);
    assert_eq!(run(1), whole, "byte by byte");
    whole
}

#[test]
fn reads_a_reference_dump() {
    let tensors = read_safetensors(
        &read_fixture("golden/mosaic/expected.safetensors"),
        usize::MAX,
    );
    let find = |name: &str| {
        tensors
            .iter()
            .find(|tensor| tensor.entry.name == name)
            .unwrap()
    };
    let ids = find("input_ids");
    assert_eq!(ids.entry.shape, [2, 10]);
    // As `gen_ref.py` makes them.
    let expected = [
        5, 97, 7, 8, 9, 96, 97, 11, 12, 13, 98, 98, 98, 20, 21, 97, 22, 23, 24, 25,
    ];
    assert_eq!(ids.to_i64().unwrap(), expected);
    let logits = find("logits");
    assert_eq!(logits.entry.shape, [2, 10, 99]);
    assert_eq!(logits.to_f32().unwrap().len(), 1980);
    assert_eq!(
        ids.to_f32().unwrap_err().to_string(),
        "tensor `input_ids` holds I64, not floats"
    );
    assert!(logits.to_i64().is_err());
}

#[test]
fn pieces_of_any_size_give_the_same_tensors() {
    let bytes = read_fixture("golden/resampler_video/expected.safetensors");
    let whole = read_safetensors(&bytes, usize::MAX);
    assert_eq!(whole.len(), 6);
    for piece in [1, 7, 1000] {
        assert!(
            read_safetensors(&bytes, piece) == whole,
            "pieces of {piece} bytes"
        );
    }
}

#[test]
fn converts_every_float_type() {
    let tensor = |dtype, data: &[u8]| SafetensorsTensor {
        entry: SafetensorsEntry {
            name: "t".to_owned(),
            dtype,
            shape: vec![1],
            byte_len: data.len(),
        },
        data: data.to_vec(),
    };
    for (dtype, data, tensor_type) in [
        (Dtype::F32, &1.5_f32.to_le_bytes()[..], TensorType::F32),
        (Dtype::F16, &[0x00, 0x3e], TensorType::F16),
        (Dtype::Bf16, &[0xc0, 0x3f], TensorType::F32),
        (Dtype::F64, &1.5_f64.to_le_bytes(), TensorType::F32),
    ] {
        let tensor = tensor(dtype, data);
        assert_eq!(tensor.to_f32(), Ok(vec![1.5]), "{dtype:?}");
        let loaded = tensor.into_loaded().unwrap();
        assert_eq!(loaded.info.tensor_type, tensor_type, "{dtype:?}");
        assert_eq!(loaded.to_f32(), Ok(vec![1.5]), "{dtype:?}");
    }
    assert!(tensor(Dtype::I32, &[0; 4]).into_loaded().is_err());
}

#[test]
fn tensors_leave_in_data_order_and_metadata_is_skipped() {
    let header = r#"{"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]},
        "__metadata__":{"format":"pt"},
        "empty":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]},
        "scalar":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   "#;
    let tensors = read_safetensors(&file(header, 6), 1);
    let names: Vec<&str> = tensors
        .iter()
        .map(|tensor| tensor.entry.name.as_str())
        .collect();
    assert_eq!(names, ["scalar", "empty", "b"]);
}

#[test]
fn every_malformed_field_is_named() {
    let tensor = |body: &str| format!(r#"{{"t":{body}}}"#);
    let good = r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    let cases = [
        (tensor("3"), 8, "tensor `t`: invalid type"),
        (
            tensor(r#"{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}"#),
            2,
            "F8_E4M3",
        ),
        (
            tensor(r#"{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}"#),
            8,
            "tensor `t`",
        ),
        (tensor(r#"{"dtype":"F32","shape":[2]}"#), 8, "data_offsets"),
        (
            tensor(r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8],"extra":1}"#),
            8,
            "extra",
        ),
        (
            tensor(r#"{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}"#),
            4,
            "at most 8 sizes",
        ),
        (
            tensor(r#"{"dtype":"F32","shape":[3],"data_offsets":[0,8]}"#),
            8,
            "tensor `t`: the bytes (0, 8) are not those of F32 [3]",
        ),
        (
            tensor(r#"{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}"#),
            0,
            "tensor `t`: the bytes (0, 0)",
        ),
        // A size of 0 makes no number of the others.
        (
            tensor(r#"{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}"#),
            0,
            "tensor `t`: the bytes (0, 0)",
        ),
        (
            tensor(r#"{"dtype":"F32","shape":[2],"data_offsets":[8,0]}"#),
            8,
            "tensor `t` starts at byte 8",
        ),
        (
            tensor(r#"{"dtype":"U8","shape":[0],"data_offsets":[1,1]}"#),
            0,
            "tensor `t` starts at byte 1",
        ),
        (
            format!(r#"{{"t":{good},"u":{good}}}"#),
            8,
            "tensor `u` starts at byte 0",
        ),
        (
            format!(r#"{{"t":{good},"t":{good}}}"#),
            8,
            "tensor `t` occurs twice",
        ),
        ("[]".to_owned(), 0, "an object of tensors"),
        ("{".to_owned(), 0, "header: EOF"),
        (
            format!(r#"{{"t":{good}}}"#),
            9,
            "goes on after the last tensor",
        ),
        (
            format!(r#"{{"t":{good}}}"#),
            5,
            "ends in the data of tensor `t`, 3 bytes",
        ),
    ];
    for (header, data, named) in cases {
        let error = error(&file(&header, data)).to_string();
        assert!(
            error.contains(named),
            "{error:?} does not contain {named:?}"
        );
    }
    assert_eq!(
        error(&(MAX_HEADER_BYTES + 1).to_le_bytes()),
        SafetensorsError::HeaderTooLarge {
            length: MAX_HEADER_BYTES + 1
        }
    );
    assert!(
        error(&[0; 3])
            .to_string()
            .contains("the length of the header")
    );
    assert!(
        error(&[9, 0, 0, 0, 0, 0, 0, 0, b'{'])
            .to_string()
            .contains("ends in the header")
    );
}

#[test]
fn deep_json_is_an_error_not_a_stack_overflow() {
    let deep = format!(r#"{{"__metadata__":{}"#, "[".repeat(2_000_000));
    assert!(error(&file(&deep, 0)).to_string().contains("header"));
    let deep = format!(r#"{{"t":{{"dtype":{}"#, "[".repeat(2_000_000));
    assert!(error(&file(&deep, 0)).to_string().contains("header"));
}

#[test]
fn free_text_is_kept_and_what_is_no_text_says_nothing() {
    let read = |metadata: &str| {
        let tensor = r#""a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#;
        let mut reader = SafetensorsReader::new();
        let header = format!(r#"{{"__metadata__":{metadata},{tensor}}}"#);
        assert_eq!(reader.metadata("license"), None);
        reader.push(&file(&header, 1)).unwrap();
        reader.finish().unwrap();
        reader.metadata("license").map(str::to_owned)
    };
    let text = read(r#"{"format":"pt","license":"mit","n":{"a":[1]}}"#);
    assert_eq!(text.as_deref(), Some("mit"));
    for none in [r#"{"license":1}"#, "{}", "[]", "null", r#""mit""#] {
        assert_eq!(read(none), None, "{none}");
    }
}
