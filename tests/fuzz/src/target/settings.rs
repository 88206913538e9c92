//! The settings beside a checkpoint (`config.json`), held against its tensors.

use std::fs;

use flamingo_architecture::config::TokensConfig;
use flamingo_convert::import::{Import, ImportOptions};

use super::{Target, in_folder};
use crate::peak_during;

/// The target of settings.
pub const TARGET: Target = Target {
    name: "settings",
    words: &[
        b"\"hidden_size\": ",
        b"\"num_attention_heads\": 0",
        b"\"num_key_value_heads\": 3",
        b"\"additional_vocab_size\": ",
        b"\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0}",
        b"\"rope_theta\": 1e39",
        b"\"head_dim\": 0",
        b"\"use_resampler\": false",
        b"\"vision_config\": {}",
        b"\"perceiver_config\": null",
        b"\"cross_layer_interval\": 0",
        b"\"patch_size\": 0",
        b"\"image_size\": ",
        b"18446744073709551615",
        b"4294967296",
        b"1000000000",
        b"-1",
        b"null",
        b"{}",
        b"[[[[",
    ],
    check,
};

/// A small IDEFICS.
const WEIGHTS: &[u8] = include_bytes!("../../../fixtures/golden/idefics/model.safetensors");

/// Most bytes allocated for each byte of input: values of JSON, each of which is copied with the
/// objects around it.
const BYTES_PER_BYTE: usize = 256;

/// Most bytes allocated for an input of no bytes: the list of the checkpoint's tensors.
const BYTES_AT_LEAST: usize = 2 << 20;

fn check(input: &[u8]) -> String {
    in_folder(|folder| {
        let folder = folder.join("idefics");
        let weights = folder.join("model.safetensors");
        if !weights.exists() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(weights, WEIGHTS).unwrap();
        }
        fs::write(folder.join("config.json"), input).unwrap();
        let options = ImportOptions {
            checkpoint: folder,
            tokens: Some(TokensConfig {
                image: 97,
                end_of_chunk: 2,
            }),
            ..ImportOptions::default()
        };
        let (result, peak) = peak_during(|| Import::open(&options));
        let limit = BYTES_AT_LEAST + BYTES_PER_BYTE * input.len();
        assert!(peak <= limit, "{peak} bytes allocated for {}", input.len());
        match result {
            Ok(import) => {
                import.config().validate().unwrap();
                format!("whole {}", import.family())
            }
            Err(error) => error.to_string(),
        }
    })
}
