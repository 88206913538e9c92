//! The default model's pretrained parts against their reference implementations:
//! EfficientNet-Lite2 against PyTorch, SmolLM2 against `transformers`. The
//! expected values are written by the scripts in `tests/parity`.
//!
//! The parts are downloaded by `./x parts`; without them these tests fail.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flamingo::config::ResizeMode;
use flamingo::{Flamingo, FlamingoBuilder, FlamingoConfig, Media, Positions};
use flamingo_kernels::{ComputeDevice, read};
use flamingo_runtime::{ImagePixels, preprocess};
use flamingo_weights::gguf::GgufReader;
use flamingo_weights::manifest::ModelFolder;
use flamingo_weights::safetensors::{SafetensorsReader, SafetensorsTensor};
use futures_lite::future::block_on;
use tempfile::TempDir;

/// Largest error of a feature in f32, as a part of the features' range.
const FEATURE_TOLERANCE: f32 = 1e-3;
/// Smallest cosine between a photo's features with quantized weights and PyTorch's.
const QUANTIZED_COSINE: f64 = 0.999;
/// Largest error of a logit; the two highest are never closer than 0.0136.
const LOGIT_TOLERANCE: f32 = 5e-3;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The default model, packed anew with these options.
fn packed(options: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let cache = std::env::var_os("FLAMINGO_CACHE")
        .map_or_else(|| repository().join(".cache"), PathBuf::from);
    let output = Command::new(env!("CARGO_BIN_EXE_flamingo"))
        .current_dir(repository())
        .args(["convert", "default", "--parts"])
        .arg(cache.join("parts"))
        .arg("--output")
        .arg(folder.path())
        .args(options)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    folder
}

/// The model in a folder on the CPU, changed by `change` and without the
/// tensors its configuration then has no place for.
fn load(folder: &Path, change: impl Fn(&mut FlamingoConfig)) -> Flamingo {
    let mut reader = GgufReader::new();
    let mut builder = None;
    for shard in ModelFolder::open(folder).unwrap().shards() {
        reader.push(&shard.unwrap()).unwrap();
        if builder.is_none()
            && let Some(header) = reader.header()
        {
            let config = header.metadata.string("flamingo.config").unwrap();
            let mut config = FlamingoConfig::from_json(config).unwrap();
            change(&mut config);
            let names = config
                .tensors()
                .into_iter()
                .map(|spec| spec.name)
                .collect::<Vec<_>>();
            builder = Some((
                FlamingoBuilder::new(config, &ComputeDevice::cpu()).unwrap(),
                names,
            ));
        }
        if let Some((builder, names)) = &mut builder {
            while let Some(tensor) = reader.next_tensor() {
                if names.contains(&tensor.info.name) {
                    builder.insert(tensor).unwrap();
                }
            }
        }
    }
    reader.finish().unwrap();
    builder.unwrap().0.build().unwrap()
}

fn expected(part: &str) -> HashMap<String, SafetensorsTensor> {
    let path = repository()
        .join("tests/fixtures")
        .join(part)
        .join("expected.safetensors");
    let mut reader = SafetensorsReader::new();
    reader.push(&fs::read(path).unwrap()).unwrap();
    reader.finish().unwrap();
    std::iter::from_fn(|| reader.next_tensor())
        .map(|tensor| (tensor.entry.name.clone(), tensor))
        .collect()
}

/// For each of the three photos: its name, its features and PyTorch's, both of
/// the pixels that PyTorch saw.
fn features(model: &Flamingo) -> Vec<(String, Vec<f32>, Vec<f32>)> {
    let expected = expected("efficientnet");
    let mut photos = expected
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_suffix(".features")?, tensor)))
        .map(|(photo, tensor)| {
            let vision = &model.config().vision;
            let side = u32::try_from(vision.image_size).unwrap();
            let pixels = expected[&format!("{photo}.pixels")].data.clone();
            let pixels = ImagePixels::from_rgb8(side, side, pixels).unwrap();
            let pixels = preprocess::preprocess(&pixels, vision).unwrap();
            let found = block_on(read(model.encode_image(&pixels).unwrap())).unwrap();
            (photo.to_owned(), found, tensor.to_f32().unwrap())
        })
        .collect::<Vec<_>>();
    photos.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(photos.len(), 3);
    photos
}

#[test]
fn vision_features_match_pytorch_in_f32() {
    let folder = packed(&["--f32-vision"]);
    for (photo, found, expected) in features(&load(folder.path(), |_| {})) {
        assert_eq!(found.len(), expected.len());
        let (low, high) = expected
            .iter()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &x| {
                (low.min(x), high.max(x))
            });
        let error = found
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        println!(
            "{photo}: largest error {error:.1e} of a range of {:.2}",
            high - low
        );
        assert!(
            error <= FEATURE_TOLERANCE * (high - low),
            "{photo}: {error}"
        );
    }
}

#[test]
fn quantized_vision_features_point_the_same_way() {
    let folder = packed(&[]);
    for (photo, found, expected) in features(&load(folder.path(), |_| {})) {
        let dot =
            |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum() };
        let norms = dot(&found, &found).sqrt() * dot(&expected, &expected).sqrt();
        let cosine = dot(&found, &expected) / norms;
        println!("{photo}: cosine {cosine:.6}");
        assert!(cosine >= QUANTIZED_COSINE, "{photo}: {cosine}");
    }
}

#[test]
fn photos_become_the_pixels_pillow_makes() {
    let expected = expected("efficientnet");
    let mut photos = 0;
    for (name, tensor) in &expected {
        let Some(photo) = name.strip_suffix(".pixels") else {
            continue;
        };
        let path = repository().join(format!("tests/fixtures/efficientnet/{photo}.webp"));
        let decoded = ImagePixels::decode(&fs::read(path).unwrap()).unwrap();
        let resized = preprocess::resize(&decoded, ResizeMode::Squash, 260, [0; 3]).unwrap();
        let errors = resized
            .data()
            .iter()
            .zip(&tensor.data)
            .map(|(a, b)| a.abs_diff(*b));
        let (largest, sum) = errors.fold((0, 0u32), |(max, sum), error| {
            (max.max(error), sum + u32::from(error))
        });
        let mean = f64::from(sum) / tensor.data.len() as f64;
        println!("{photo}: largest error {largest} levels, mean {mean:.4}");
        // A level from the WebP decoder, a level from the resampler.
        assert!(largest <= 2 && mean <= 0.01, "{photo}: {largest}, {mean}");
        photos += 1;
    }
    assert_eq!(photos, 3);
}

#[test]
fn language_model_matches_transformers() {
    let folder = packed(&[]);
    // Without cross-attention blocks it is SmolLM2 alone.
    let model = load(folder.path(), |config| {
        config.cross_attention.offset = config.language.layers;
    });
    let expected = expected("smollm2");
    let top_ids = expected["top_ids"].to_i64().unwrap();
    let top_logits = expected["top_logits"].to_f32().unwrap();
    let log_sum_exp = expected["log_sum_exp"].to_f32().unwrap();
    let ids = expected["input_ids"].to_i64().unwrap();
    let ids = ids[..log_sum_exp.len()]
        .iter()
        .map(|&id| id as u32)
        .collect::<Vec<_>>();
    let logits = model
        .forward(
            &ids,
            &[],
            &Media::none(),
            &mut model.new_cache(),
            Positions::All,
        )
        .unwrap();
    let logits = block_on(read(logits)).unwrap();
    let vocab = model.config().vocab();
    let own_vocab = model.config().language.vocab_size;
    let (mut logit_error, mut sum_error) = (0f32, 0f32);
    for (position, row) in logits
        .chunks(vocab)
        .map(|row| &row[..own_vocab])
        .enumerate()
    {
        let best = (0..own_vocab)
            .max_by(|&a, &b| row[a].total_cmp(&row[b]))
            .unwrap();
        let kept = top_ids.len() / ids.len();
        let top = position * kept..(position + 1) * kept;
        assert_eq!(best as i64, top_ids[top.start], "position {position}");
        for (&id, logit) in top_ids[top.clone()].iter().zip(&top_logits[top]) {
            logit_error = logit_error.max((row[id as usize] - logit).abs());
        }
        let sum: f64 = row.iter().map(|&x| f64::from(x - row[best]).exp()).sum();
        let found = f64::from(row[best]) + sum.ln();
        sum_error = sum_error.max((found - f64::from(log_sum_exp[position])).abs() as f32);
    }
    println!(
        "{} positions: largest error of a logit {logit_error:.1e}, of a log-sum-exp {sum_error:.1e}",
        ids.len()
    );
    assert!(logit_error <= LOGIT_TOLERANCE && sum_error <= LOGIT_TOLERANCE);
}
