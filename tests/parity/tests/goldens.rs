//! Parity with `open_flamingo`, on the CPU and on the GPU.
//!
//! `FLAMINGO_GOLDENS=dir` holds the model against another folder of goldens.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use flamingo_kernels::ComputeDevice;
use flamingo_parity::{Comparison, Golden, MaxError, compare_resampler_video};
use futures_lite::future::block_on;

/// Largest absolute error allowed on the CPU.
const CPU_TOLERANCE: f32 = 1e-4;
/// Largest absolute error allowed on the GPU.
const GPU_TOLERANCE: f32 = 1e-3;

fn folder() -> PathBuf {
    std::env::var_os("FLAMINGO_GOLDENS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/golden"),
        PathBuf::from,
    )
}

/// The goldens of `gen_ref.py`: every folder that holds a whole model of OpenFlamingo.
fn models() -> Vec<PathBuf> {
    let folder = folder();
    let mut found = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("model_full.safetensors").is_file())
        .collect::<Vec<_>>();
    found.sort();
    let named = std::env::var_os("FLAMINGO_GOLDENS").is_some();
    assert!(named || found.len() == 5, "{found:?}");
    found
}

fn gpu() -> ComputeDevice {
    block_on(ComputeDevice::gpu()).expect("a GPU, or Debian's mesa-vulkan-drivers in its place")
}

fn compare(golden: &Path, device: &ComputeDevice, tolerance: f32) {
    let config = fs::read_to_string(golden.join("config.json")).unwrap();
    let weights = fs::read(golden.join("model_full.safetensors")).unwrap();
    let expected = fs::read(golden.join("expected.safetensors")).unwrap();
    let golden_name = golden.file_name().unwrap().to_string_lossy();
    let golden = Golden::read(&config, &weights, &expected).unwrap();
    let found = block_on(golden.compare(device)).unwrap();
    print(&golden_name, device, &found.errors);
    let Comparison {
        greedy_cached,
        greedy_uncached,
        beams,
        zero_before_image,
        zero_gates_identity,
        surplus_image_refused,
        ..
    } = found;
    assert!(
        found.max_error() <= tolerance,
        "{golden_name}: error {}",
        found.max_error()
    );
    assert!(greedy_cached, "{golden_name}: greedy ids with KV cache");
    assert!(
        greedy_uncached,
        "{golden_name}: greedy ids without KV cache"
    );
    assert!(beams, "{golden_name}: ids of the best beam");
    assert!(
        zero_before_image,
        "{golden_name}: text before the first image"
    );
    assert!(zero_gates_identity, "{golden_name}: gates at zero");
    assert!(
        surplus_image_refused,
        "{golden_name}: more <image> tokens than images"
    );
}

fn print(golden: &str, device: &ComputeDevice, errors: &[MaxError]) {
    for MaxError {
        name,
        error,
        values,
    } in errors
    {
        println!(
            "{golden:<12} {:?} {name:<28} {error:.1e} over {values}",
            device.kind()
        );
    }
}

#[test]
fn models_match_on_cpu() {
    for golden in models() {
        compare(&golden, &ComputeDevice::cpu(), CPU_TOLERANCE);
    }
}

#[test]
fn models_match_on_gpu() {
    let device = gpu();
    for golden in models() {
        compare(&golden, &device, GPU_TOLERANCE);
    }
}

fn resampler_video(device: &ComputeDevice, tolerance: f32) {
    let folder = folder().join("resampler_video");
    let weights = fs::read(folder.join("model.safetensors")).unwrap();
    let expected = fs::read(folder.join("expected.safetensors")).unwrap();
    let errors = block_on(compare_resampler_video(&weights, &expected, device)).unwrap();
    print("resampler_video", device, &errors);
    for MaxError { name, error, .. } in errors {
        assert!(error <= tolerance, "{name}: error {error}");
    }
}

#[test]
fn resampler_video_matches_on_cpu() {
    resampler_video(&ComputeDevice::cpu(), CPU_TOLERANCE);
}

#[test]
fn resampler_video_matches_on_gpu() {
    resampler_video(&gpu(), GPU_TOLERANCE);
}
