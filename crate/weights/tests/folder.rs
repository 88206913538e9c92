//! The published-model folder, written and read back.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::path::Path;

use flamingo_weights::manifest::{
    FolderError, FolderWriter, GpuLimits, MANIFEST_FILE, MAX_SHARD_BYTES, ModelFolder,
    ModelManifest, ModelSummary, ShardError,
};

fn summary() -> ModelSummary {
    ModelSummary {
        name: "test".to_owned(),
        family: None,
        licence: "MIT".to_owned(),
        parts: Vec::new(),
        config: serde_json::json!({}),
        required_gpu_limits: GpuLimits {
            max_buffer_size: 1,
            max_storage_buffer_binding_size: 1,
        },
        estimated_memory_bytes: 1,
    }
}

fn write(folder: &Path, bytes: &[u8], piece: usize) -> ModelManifest {
    let mut writer = FolderWriter::create(folder).unwrap();
    for piece in bytes.chunks(piece) {
        writer.write_all(piece).unwrap();
    }
    writer.finish(summary()).unwrap()
}

fn read(folder: &Path) -> Result<Vec<u8>, FolderError> {
    let shards: Result<Vec<_>, _> = ModelFolder::open(folder)?.shards().collect();
    Ok(shards?.concat())
}

fn files(folder: &Path) -> Vec<String> {
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    files
}

#[test]
fn shards_are_cut_at_16_mib_and_join_to_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..2 * MAX_SHARD_BYTES + 5)
        .map(|i| (i % 251) as u8)
        .collect();
    let manifest = write(folder.path(), &bytes, 5_000_000);
    let lengths: Vec<u64> = manifest.shards.iter().map(|shard| shard.bytes).collect();
    assert_eq!(lengths, [MAX_SHARD_BYTES, MAX_SHARD_BYTES, 5]);
    assert_eq!(manifest.total_bytes, bytes.len() as u64);
    assert_eq!(
        files(folder.path()),
        [
            "model.json",
            "weights-000.bin",
            "weights-001.bin",
            "weights-002.bin"
        ]
    );
    assert_eq!(
        ModelFolder::open(folder.path()).unwrap().manifest(),
        &manifest
    );
    assert!(read(folder.path()).unwrap() == bytes);

    // A smaller model in the same folder leaves nothing of the larger one.
    write(folder.path(), b"abc", 1);
    assert_eq!(files(folder.path()), ["model.json", "weights-000.bin"]);
    assert_eq!(read(folder.path()).unwrap(), b"abc");
}

#[test]
fn a_damaged_shard_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), b"abc", 3);
    let shard = folder.path().join("weights-000.bin");
    for (damaged, is_length) in [(&b"abd"[..], false), (b"ab", true), (b"abcd", true)] {
        fs::write(&shard, damaged).unwrap();
        match read(folder.path()).unwrap_err() {
            FolderError::Shard(ShardError::Length { file, .. }) if is_length => {
                assert_eq!(file, "weights-000.bin");
            }
            FolderError::Shard(ShardError::Hash { file, .. }) if !is_length => {
                assert_eq!(file, "weights-000.bin");
            }
            error => panic!("{error}"),
        }
    }
    fs::remove_file(&shard).unwrap();
    let error = read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("weights-000.bin"), "{error}");
}

#[test]
fn a_folder_is_no_model_until_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), b"abc", 3);
    let mut writer = FolderWriter::create(folder.path()).unwrap();
    writer.write_all(b"new").unwrap();
    assert!(!folder.path().join(MANIFEST_FILE).exists());
    drop(writer);
    assert!(ModelFolder::open(folder.path()).is_err());
}

#[test]
fn a_model_of_no_bytes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let writer = FolderWriter::create(folder.path()).unwrap();
    assert!(matches!(
        writer.finish(summary()),
        Err(FolderError::Manifest(_))
    ));
}
