//! The memory that a conversion takes: that of the tensor in hand, not that of the model.
//!
//! Linux tells it: `RssAnon` of `/proc/PID/status` is what a process holds beside files.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use flamingo_architecture::FlamingoConfig;
use flamingo_convert::import::{Import, ImportOptions};
use flamingo_weights::names::{Blocks, Place, bridges, language, vision};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// Rows of the embedding, which is the largest tensor with the head.
const VOCABULARY: usize = 1 << 18;

/// Width of feed-forward layers.
const INNER: usize = 7 << 14;

/// Bytes of the largest tensor in f32.
const LARGEST: u64 = (VOCABULARY * WIDTH * size_of::<f32>()) as u64;

/// Width of the reference model, which stays.
const WIDTH: usize = 64;

/// Bytes that a conversion may hold beside three tensors of the largest size: the program, its
/// buffers and the tokenizer. 300 MB are promised.
const BESIDE: u64 = 32 << 20;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/golden/idefics")
}

/// The reference model of IDEFICS with a vocabulary and feed-forward layers of another size.
fn enlarged() -> (Value, FlamingoConfig) {
    let golden = golden();
    let import = Import::open(&ImportOptions {
        checkpoint: golden.clone(),
        ..ImportOptions::default()
    });
    let mut config = import.unwrap().config().clone();
    assert_eq!(config.language.width, WIDTH);
    config.language.vocab_size = VOCABULARY;
    config.language.embedding.width = WIDTH;
    config.language.feed_forward.width = INNER;
    config.cross_attention.feed_forward.width = INNER;
    let settings = fs::read(golden.join("config.json")).unwrap();
    let mut settings: Value = serde_json::from_slice(&settings).unwrap();
    settings["vocab_size"] = json!(VOCABULARY);
    settings["intermediate_size"] = json!(INNER);
    (settings, config)
}

/// Writes a checkpoint of zeros, whose file takes no room on most disks, and returns its bytes.
fn write(folder: &Path) -> u64 {
    let (settings, config) = enlarged();
    let every = config.cross_attention.every;
    let blocks = Blocks { every, offset: 0 };
    let places = [
        Place::bare(&bridges::IDEFICS),
        Place::bare(&language::LLAMA),
        Place::behind("model.vision_model.", &vision::TRANSFORMERS_VIT),
    ];
    let (mut header, mut end) = (Map::new(), 0);
    for spec in config.tensors() {
        let mut names = places.iter();
        let names = names.find_map(|place| place.theirs(&spec.name, blocks));
        let (names, _) = names.unwrap_or_else(|| panic!("{}", spec.name));
        let mut shape = spec.shape.clone();
        shape[0] /= names.len();
        let bytes = shape.iter().product::<usize>() * size_of::<f32>();
        for name in names {
            let offsets = [end, end + bytes];
            end += bytes;
            let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": offsets});
            header.insert(name, entry);
        }
    }
    let header = Value::Object(header).to_string();
    let path = folder.join("model.safetensors");
    let mut file = File::create(path).unwrap();
    let length = header.len() as u64;
    file.write_all(&length.to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    let bytes = end as u64;
    file.set_len(8 + length + bytes).unwrap();
    fs::write(folder.join("config.json"), settings.to_string()).unwrap();
    let vocab: Map<String, Value> = (0..96).map(|id| (format!("t{id}"), json!(id))).collect();
    let tokenizer = json!({"model": {"type": "BPE", "vocab": vocab, "merges": []}});
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    bytes
}

/// Bytes that a process holds beside files; `None` once it has ended.
fn anonymous(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The most that a conversion held.
fn most_of(checkpoint: &Path, output: &Path, stored_as: &str) -> u64 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flamingo-convert"))
        .args(["checkpoint", "--family", "idefics", "--type", stored_as])
        .arg("--output")
        .arg(output)
        .arg(checkpoint)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (mut most, mut samples) = (0, 0);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if let Some(bytes) = anonymous(&child) {
            most = most.max(bytes);
            samples += 1;
        }
        thread::sleep(Duration::from_millis(1));
    };
    assert!(status.success(), "{stored_as}");
    assert!(samples > 50, "{stored_as}: {samples} samples");
    most
}

#[test]
fn only_the_tensor_in_hand_is_in_memory() {
    let folder = TempDir::new().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    fs::create_dir(&checkpoint).unwrap();
    let bytes = write(&checkpoint);
    let limit = 3 * LARGEST + BESIDE;
    assert!(bytes > 600_000_000 && bytes > 2 * limit, "{bytes} bytes");
    for stored_as in ["f32", "q4_0"] {
        let output = folder.path().join("model");
        let most = most_of(&checkpoint, &output, stored_as);
        println!(
            "{stored_as}: {} MB of a checkpoint of {} MB whose largest tensor has {} MB",
            most / 1_000_000,
            bytes / 1_000_000,
            LARGEST / 1_000_000
        );
        assert!(most > LARGEST / 2, "{stored_as}: {most} bytes");
        assert!(most <= limit, "{stored_as}: {most} bytes of {limit}");
        fs::remove_dir_all(output).unwrap();
    }
}
