//! Checkpoints of other projects, imported, on the CPU and on the GPU.
//!
//! `FLAMINGO_GOLDENS=dir` holds the model against another folder of goldens, of IDEFICS
//! (`gen_idefics.py`) and of flamingo-mini.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use flamingo::config::TokensConfig;
use flamingo_convert::import::{Import, ImportOptions};
use flamingo_convert::recognise::Family;
use flamingo_kernels::ComputeDevice;
use flamingo_parity::{Bare, ImportedComparison, MaxError, compare_imported, read_templates};
use futures_lite::future::block_on;
use tempfile::TempDir;

/// Largest absolute error allowed on the CPU.
const CPU_TOLERANCE: f32 = 1e-4;
/// Largest absolute error allowed on the GPU.
const GPU_TOLERANCE: f32 = 1e-3;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

fn gpu() -> ComputeDevice {
    block_on(ComputeDevice::gpu()).expect("a GPU, or Debian's mesa-vulkan-drivers in its place")
}

/// The goldens that have a file of this name, in a folder of goldens or in the folders in it.
fn goldens(with: &str) -> Vec<PathBuf> {
    let folder = std::env::var_os("FLAMINGO_GOLDENS");
    let folder = folder.map_or_else(|| fixtures().join("golden"), PathBuf::from);
    let mut folders = folders(&folder);
    folders.extend(
        folders
            .clone()
            .iter()
            .flat_map(|folder| self::folders(folder)),
    );
    folders.push(folder);
    folders.retain(|path| path.join(with).is_file() && path.join("config.json").is_file());
    folders.sort();
    folders
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_dir()).collect()
}

/// Whether the goldens are those of this repository, whose number is known.
fn are_our_own() -> bool {
    std::env::var_os("FLAMINGO_GOLDENS").is_none()
}

fn check(name: &str, device: &ComputeDevice, found: &ImportedComparison, tolerance: f32) {
    for MaxError {
        name: activation,
        error,
        values,
    } in &found.errors
    {
        println!(
            "{name:<24} {:?} {activation:<24} {error:.1e} over {values}",
            device.kind()
        );
    }
    for error in &found.errors {
        assert!(error.error <= tolerance, "{name}: {error:?}");
        assert!(error.values > 0, "{name}: {error:?}");
    }
    assert!(found.greedy, "{name}: greedy ids");
    assert!(found.generated > 0, "{name}: nothing was generated");
}

fn idefics(golden: &Path, device: &ComputeDevice, tolerance: f32) {
    let name = golden.file_name().unwrap().to_string_lossy();
    let import = Import::open(&ImportOptions {
        checkpoint: golden.to_owned(),
        ..ImportOptions::default()
    })
    .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(import.family(), Family::IdeficsInstruct);
    read_templates(&import).unwrap();
    let base = Import::open(&ImportOptions {
        checkpoint: golden.to_owned(),
        family: Some(Family::Idefics),
        ..ImportOptions::default()
    });
    read_templates(&base.unwrap()).unwrap();
    let expected = fs::read(golden.join("expected.safetensors")).unwrap();
    // Both tokens of an image are banned there.
    let banned = &import.config().prompt.banned;
    let found = block_on(compare_imported(&import, &expected, banned, device));
    check(&name, device, &found.unwrap(), tolerance);
}

fn all_idefics(device: &ComputeDevice, tolerance: f32) {
    let goldens = goldens("model.safetensors");
    assert!(!are_our_own() || goldens.len() == 1, "{goldens:?}");
    for golden in goldens {
        idefics(&golden, device, tolerance);
    }
}

#[test]
fn idefics_matches_on_cpu() {
    all_idefics(&ComputeDevice::cpu(), CPU_TOLERANCE);
}

#[test]
fn idefics_matches_on_gpu() {
    all_idefics(&gpu(), GPU_TOLERANCE);
}

/// `parts.json` has the configs of the language model and of CLIP, which lie in folders of
/// their own, and the token of an image.
fn flamingo_mini(golden: &Path, device: &ComputeDevice, tolerance: f32) {
    let name = golden.file_name().unwrap().to_string_lossy();
    let parts = fs::read_to_string(golden.join("parts.json")).unwrap();
    let parts: serde_json::Value = serde_json::from_str(&parts).unwrap();
    let folders = TempDir::new().unwrap();
    let folder = |part: &str| {
        let folder = folders.path().join(part);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("config.json"), parts[part].to_string()).unwrap();
        Some(folder)
    };
    let import = Import::open(&ImportOptions {
        checkpoint: golden.join("pytorch_model.bin"),
        language: folder("opt"),
        vision: folder("clip"),
        tokens: Some(TokensConfig {
            image: parts["media_token"].as_u64().unwrap() as u32,
            end_of_chunk: 96,
        }),
        ..ImportOptions::default()
    })
    .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(import.family(), Family::FlamingoMini);
    read_templates(&import).unwrap();
    let expected = fs::read(golden.join("expected.safetensors")).unwrap();
    let found = block_on(compare_imported(&import, &expected, &[], device));
    check(&name, device, &found.unwrap(), tolerance);
}

fn all_flamingo_mini(device: &ComputeDevice, tolerance: f32) {
    let goldens = goldens("parts.json");
    assert!(!are_our_own() || goldens.len() == 3, "{goldens:?}");
    for golden in goldens {
        flamingo_mini(&golden, device, tolerance);
    }
}

#[test]
fn flamingo_mini_matches_on_cpu() {
    all_flamingo_mini(&ComputeDevice::cpu(), CPU_TOLERANCE);
}

#[test]
fn flamingo_mini_matches_on_gpu() {
    all_flamingo_mini(&gpu(), GPU_TOLERANCE);
}

/// Parts that nobody has made a Flamingo of yet: a decoder as Qwen2 (biases of queries, keys and
/// values, few heads of keys, a tied head) and an encoder as SigLIP (no class token,
/// tanh-GELU, a bias of the patches, a norm behind the last block).
fn newcomers(device: &ComputeDevice, tolerance: f32) {
    let (qwen2, siglip) = (
        fixtures().join("imports/qwen2"),
        fixtures().join("imports/siglip"),
    );
    let tokens = TokensConfig {
        image: 95,
        end_of_chunk: 96,
    };
    let import = Import::bare(&qwen2, &siglip, tokens).unwrap_or_else(|error| panic!("{error}"));
    let language = &import.config().language;
    assert!(language.attention.qkv_bias && !language.attention.output_bias);
    assert_eq!(
        (language.attention.heads, language.attention.kv_heads),
        (4, 2)
    );
    assert!(language.embedding.tied_head);
    let bare = Bare {
        import: &import,
        language: &fs::read(qwen2.join("expected.safetensors")).unwrap(),
        vision: &fs::read(siglip.join("expected.safetensors")).unwrap(),
    };
    let found = block_on(bare.compare(device)).unwrap();
    check("qwen2 and siglip", device, &found, tolerance);
}

#[test]
fn newcomers_match_on_cpu() {
    newcomers(&ComputeDevice::cpu(), CPU_TOLERANCE);
}

#[test]
fn newcomers_match_on_gpu() {
    newcomers(&gpu(), GPU_TOLERANCE);
}

/// A prompt without images: every gate on images is shut, the feed-forward layers run.
fn idefics_without_images(device: &ComputeDevice, tolerance: f32) {
    idefics(&fixtures().join("imports/idefics_text"), device, tolerance);
}

#[test]
fn idefics_without_images_matches_on_cpu() {
    idefics_without_images(&ComputeDevice::cpu(), CPU_TOLERANCE);
}

#[test]
fn idefics_without_images_matches_on_gpu() {
    idefics_without_images(&gpu(), GPU_TOLERANCE);
}
