//! The program as one runs it, and a tiny model for it.
#![allow(
    dead_code,
    reason = "each test file is a crate of its own and uses a part"
)]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../runtime/tests/support/mod.rs"]
pub(crate) mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use flamingo_weights::manifest::{FolderWriter, GpuLimits, ModelPart, ModelSummary, PartKind};
use serde_json::Value;
use support::TinyModel;

/// The tiny model as a file, wide enough to need two shards.
pub(crate) fn gguf() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let mut config = TinyModel::config();
        config.language.width = 48;
        config.language.embedding.width = 48;
        config.cross_attention.feed_forward.width = 96;
        TinyModel::with_config(config).gguf()
    })
}

/// The tiny model as a folder, in a folder of its own that a test may damage.
pub(crate) fn model() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = FolderWriter::create(folder.path()).unwrap();
    writer.write_all(gguf()).unwrap();
    let limits = GpuLimits {
        max_buffer_size: 1,
        max_storage_buffer_binding_size: 1,
    };
    let manifest = writer
        .finish(ModelSummary {
            name: "tiny for tests".to_owned(),
            family: None,
            licence: "CC0-1.0".to_owned(),
            parts: vec![ModelPart {
                kind: PartKind::Language,
                name: "random numbers".to_owned(),
                source: "this test".to_owned(),
                licence: "CC0-1.0".to_owned(),
            }],
            config: Value::Null,
            required_gpu_limits: limits,
            estimated_memory_bytes: 30_000_000,
        })
        .unwrap();
    assert_eq!(manifest.shards.len(), 2);
    folder
}

pub(crate) fn photo(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/images")
        .join(name)
}

pub(crate) fn flamingo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flamingo"));
    command.args(arguments).env_remove("FLAMINGO_MODEL");
    command
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Standard output of a run that went well.
pub(crate) fn success(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    stdout(output)
}

/// Standard error of a run that ended with this exit code.
pub(crate) fn failure(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
    assert!(!stderr(output).contains("panicked"), "{}", stderr(output));
    stderr(output)
}

pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
