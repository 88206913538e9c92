//! GGML's types against the Python package `gguf` (`tests/parity/make_ggml.py`).
#![allow(clippy::unwrap_used)]

use std::path::Path;

use flamingo_convert::ggml::{self, GgmlError};
use flamingo_weights::gguf::{AnyGgufHeaderReader, GgmlType};

/// Types of files whose blocks the package unpacks.
const TYPES: [GgmlType; 24] = [
    GgmlType::BF16,
    GgmlType::Q4_0,
    GgmlType::Q4_1,
    GgmlType::Q5_0,
    GgmlType::Q5_1,
    GgmlType::Q8_0,
    GgmlType::Q2_K,
    GgmlType::Q3_K,
    GgmlType::Q4_K,
    GgmlType::Q5_K,
    GgmlType::Q6_K,
    GgmlType::TQ1_0,
    GgmlType::TQ2_0,
    GgmlType::MXFP4,
    GgmlType::NVFP4,
    GgmlType::IQ2_XXS,
    GgmlType::IQ2_XS,
    GgmlType::IQ2_S,
    GgmlType::IQ3_XXS,
    GgmlType::IQ3_S,
    GgmlType::IQ1_S,
    GgmlType::IQ1_M,
    GgmlType::IQ4_NL,
    GgmlType::IQ4_XS,
];

#[test]
fn every_type_unpacks_as_in_the_python_package() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/convert/ggml.gguf");
    let file = std::fs::read(path).unwrap();
    let mut reader = AnyGgufHeaderReader::new();
    reader.push(&file).unwrap();
    let header = reader.finish().unwrap();
    let bytes_of = |name: &str, expected: GgmlType| {
        let entry = header.tensors.iter().find(|entry| entry.name == name);
        let entry = entry.unwrap();
        assert_eq!(entry.ggml_type, expected);
        assert_eq!(entry.shape, [2, 512]);
        let start = (header.data_start + entry.offset) as usize;
        &file[start..][..entry.byte_len]
    };
    for ggml_type in TYPES {
        let mut values = vec![0.0; 1024];
        ggml::dequantize(
            ggml_type,
            bytes_of(ggml_type.name(), ggml_type),
            &mut values,
        )
        .unwrap();
        let expected = bytes_of(&format!("{ggml_type}.values"), GgmlType::F32);
        for (index, (value, expected)) in values.iter().zip(expected.as_chunks().0).enumerate() {
            let expected = f32::from_le_bytes(*expected);
            assert!(
                value.to_bits() == expected.to_bits() || (*value == 0.0 && expected == 0.0),
                "{ggml_type}, element {index}: {value} instead of {expected}"
            );
        }
    }
}

#[test]
fn plain_numbers_keep_their_values() {
    let mut value = [0.0];
    for (ggml_type, bytes) in [
        (GgmlType::I8, (-3_i8).to_le_bytes().to_vec()),
        (GgmlType::I16, (-3_i16).to_le_bytes().to_vec()),
        (GgmlType::I32, (-3_i32).to_le_bytes().to_vec()),
        (GgmlType::I64, (-3_i64).to_le_bytes().to_vec()),
        (GgmlType::F64, (-3_f64).to_le_bytes().to_vec()),
    ] {
        ggml::dequantize(ggml_type, &bytes, &mut value).unwrap();
        assert_eq!(value, [-3.0], "{ggml_type}");
    }
}

#[test]
fn types_without_weights_and_wrong_lengths_are_refused() {
    for ggml_type in [GgmlType::Q8_1, GgmlType::Q8_K, GgmlType::Q1_0] {
        let packed = vec![0; ggml_type.block_bytes()];
        let mut values = vec![0.0; ggml_type.block_len()];
        assert_eq!(
            ggml::dequantize(ggml_type, &packed, &mut values),
            Err(GgmlError::NoWeights { ggml_type })
        );
    }
    for (bytes, elements) in [(209, 256), (210, 255), (210, 512)] {
        assert_eq!(
            ggml::dequantize(GgmlType::Q6_K, &vec![0; bytes], &mut vec![0.0; elements]),
            Err(GgmlError::Length {
                ggml_type: GgmlType::Q6_K,
                bytes,
                elements
            })
        );
    }
}
