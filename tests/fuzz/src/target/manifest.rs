//! `model.json`.

use flamingo_weights::manifest::{MAX_SHARD_BYTES, ModelManifest};

use super::Target;
use crate::peak_during;

/// The target of `model.json`.
pub const TARGET: Target = Target {
    name: "manifest",
    words: &[
        b"\"file\":\"../x\"",
        b"\"bytes\":16777216",
        b"\"total_bytes\":",
        b"18446744073709551615",
        b"-1",
        b"1e308",
        b"[[[[",
        b"{\"a\":",
        b"null",
    ],
    check,
};

/// Most bytes allocated for each byte of input: the free part of the file is kept
/// as a tree of values.
const BYTES_PER_BYTE: usize = 64;

/// Most bytes allocated for an input of no bytes.
const BYTES_AT_LEAST: usize = 16 * 1024;

fn check(input: &[u8]) -> String {
    let (result, peak) = peak_during(|| ModelManifest::from_json(input));
    let limit = BYTES_AT_LEAST + BYTES_PER_BYTE * input.len();
    assert!(peak <= limit, "{peak} bytes allocated for {}", input.len());
    let manifest = match result {
        Ok(manifest) => manifest,
        Err(error) => return error.to_string(),
    };
    for shard in &manifest.shards {
        assert!(shard.bytes <= MAX_SHARD_BYTES);
        assert!(!shard.file.contains(['/', '\\', ':', '?', '#', '%']) && shard.file != "..");
    }
    // Floats of the free part may change in their last digit, as serde_json reads them.
    let comparable = |mut manifest: ModelManifest| {
        manifest.summary.config = serde_json::Value::Null;
        manifest
    };
    let again = ModelManifest::from_json(manifest.to_json().unwrap().as_bytes()).unwrap();
    assert_eq!(comparable(again), comparable(manifest));
    "whole".to_owned()
}
