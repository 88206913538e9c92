//! What several test files share.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use serde::de::DeserializeOwned;

/// A JSON file of `tests/fixtures/metrics`.
pub(crate) fn read_fixture<T: DeserializeOwned>(file: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/metrics")
        .join(file);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}
