//! The configuration of a model, which lies in its GGUF file as JSON.

use flamingo_architecture::FlamingoConfig;

use super::Target;
use crate::peak_during;

/// The target of configurations.
pub const TARGET: Target = Target {
    name: "config",
    words: &[
        b"1048576",
        b"18446744073709551615",
        b"-1",
        b"0",
        b"1e39",
        b"\"kind\":\"clip_vit\"",
        b"\"family\":\"gpt_neox\"",
        b"[[[[",
        b"null",
    ],
    check,
};

/// Most bytes allocated for each byte of input.
const BYTES_PER_BYTE: usize = 16;

/// Most bytes allocated for an input of no bytes.
const BYTES_AT_LEAST: usize = 16 * 1024;

fn check(input: &[u8]) -> String {
    let Ok(text) = str::from_utf8(input) else {
        return "no text".to_owned();
    };
    let (result, peak) = peak_during(|| FlamingoConfig::from_json(text));
    let limit = BYTES_AT_LEAST + BYTES_PER_BYTE * input.len();
    assert!(peak <= limit, "{peak} bytes allocated for {}", input.len());
    let config = match result {
        Ok(config) => config,
        Err(error) => return error.to_string(),
    };
    // Sizes that pass are safe to multiply and to list.
    assert!(config.vision_tokens() > 0);
    for spec in config.tensors() {
        let elements = spec
            .shape
            .iter()
            .try_fold(1_usize, |n, &size| n.checked_mul(size));
        assert!(
            elements.is_some_and(|n| n > 0),
            "{}: {:?}",
            spec.name,
            spec.shape
        );
    }
    // So is the small model that a device rehearses with.
    config.abridged().validate().unwrap();
    "whole".to_owned()
}
