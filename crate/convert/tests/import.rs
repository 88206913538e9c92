//! Checkpoints packed as models' folders. Whether a model in them computes what it should is
//! in `tests/parity`.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use flamingo_architecture::config::{
    Activation, ClassToken, FlamingoConfig, GateExtent, NormPlacement, PositionConfig, ResizeMode,
    RopeScaling, RopeStyle, VisionEncoderConfig, VitConfig,
};
use flamingo_convert::checkpoint;
use flamingo_convert::import::{
    CheckpointOptions, Import, ImportError, ImportOptions, PartFact, StoredAs,
};
use flamingo_convert::output::OutputError;
use flamingo_convert::recognise::Family;
use flamingo_convert::tokenizer::TokenizerJson;
use flamingo_weights::gguf::{GgufHeader, GgufReader};
use flamingo_weights::manifest::ModelFolder;
use flamingo_weights::{LoadedTensor, TensorType};
use serde_json::{Value, json};
use tempfile::TempDir;

fn fixture(path: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    fixtures.join(path)
}

/// A tokenizer of so many tokens, some of which are told.
fn tokenizer(folder: &Path, count: u32, told: &[(u32, &str)]) -> PathBuf {
    let mut vocab: HashMap<String, u32> = (0..count)
        .filter(|id| told.iter().all(|(other, _)| other != id))
        .map(|id| (format!("t{id}"), id))
        .collect();
    vocab.extend(told.iter().map(|&(id, token)| (token.to_owned(), id)));
    let path = folder.join("tokenizer.json");
    let json = json!({"version": "1.0", "model": {"type": "BPE", "vocab": vocab, "merges": []}});
    fs::write(&path, json.to_string()).unwrap();
    path
}

/// IDEFICS with a tokenizer that lacks the added tokens.
fn idefics(folder: &Path) -> CheckpointOptions {
    CheckpointOptions {
        files: ImportOptions {
            checkpoint: fixture("golden/idefics"),
            tokenizer: Some(tokenizer(folder, 96, &[])),
            family: Some(Family::IdeficsInstruct),
            ..ImportOptions::default()
        },
        stored_as: StoredAs::Q4_0,
        output: folder.join("model"),
        force: false,
        name: None,
        licence: None,
        part_facts: Vec::new(),
    }
}

/// A model's folder, read as a runtime reads it.
fn read(folder: &Path) -> (GgufHeader, Vec<LoadedTensor>) {
    let folder = ModelFolder::open(folder).unwrap();
    let mut reader = GgufReader::new();
    let mut tensors = Vec::new();
    for shard in folder.shards() {
        reader.push(&shard.unwrap()).unwrap();
        tensors.extend(std::iter::from_fn(|| reader.next_tensor()));
    }
    reader.finish().unwrap();
    (reader.header().unwrap().clone(), tensors)
}

/// Names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_checkpoint_becomes_a_folder_in_load_order() {
    let folder = TempDir::new().unwrap();
    let options = idefics(folder.path());
    let report = checkpoint(&options).unwrap();
    assert_eq!(report.family, Family::IdeficsInstruct);
    assert!(report.bytes_read > 1_000_000);
    assert_eq!(report.manifest.summary.licence, "NOASSERTION");
    assert_eq!(report.manifest.summary.name, "IDEFICS instruct: idefics");
    assert_eq!(names(folder.path()), ["model", "tokenizer.json"]);

    let (header, tensors) = read(&options.output);
    let text = header.metadata.string("flamingo.config").unwrap();
    let config = FlamingoConfig::from_json(text).unwrap();
    let import = Import::open(&options.files).unwrap();
    assert_eq!(config, *import.config());
    let specs = config.tensors();
    assert_eq!(tensors.len(), specs.len());
    for (tensor, spec) in tensors.iter().zip(&specs) {
        assert_eq!(tensor.info.name, spec.name);
        assert_eq!(tensor.info.shape, spec.shape);
        assert_eq!(tensor.info.tensor_type, StoredAs::Q4_0.type_of(spec));
        let exact = import.tensor(spec).unwrap().to_f32().unwrap();
        let power: f32 = exact.iter().map(|x| x * x).sum();
        let found = tensor.to_f32().unwrap();
        let error: f32 = exact
            .iter()
            .zip(&found)
            .map(|(a, b)| (a - b) * (a - b))
            .sum();
        // 4 bits of weights drawn from a bell lose less than 1 in 100 of their power.
        let limit = match tensor.info.tensor_type {
            TensorType::F32 => 0.0,
            TensorType::Q4_0 => 0.01,
            _ => 1e-4,
        };
        assert!(error <= limit * power, "{}: {error} of {power}", spec.name);
    }
    for (name, tensor_type) in [
        ("token_embd.weight", TensorType::Q8_0),
        ("output_extra.weight", TensorType::Q8_0),
        ("blk.0.attn_q.weight", TensorType::Q4_0),
        ("xattn.2.attn_k.weight", TensorType::Q4_0),
        ("xattn.2.attn_gate", TensorType::F32),
        ("resampler.blk.1.attn_q.weight", TensorType::Q8_0),
        ("v.blk.0.attn_qkv.weight", TensorType::Q4_0),
        // 147 columns.
        ("v.patch_embd.weight", TensorType::F16),
    ] {
        let tensor = tensors.iter().find(|tensor| tensor.info.name == name);
        assert_eq!(tensor.unwrap().info.tensor_type, tensor_type, "{name}");
    }

    // The tokens that the tokenizer lacked.
    let text = header
        .metadata
        .string("tokenizer.huggingface.json")
        .unwrap();
    let found = TokenizerJson::from_value(serde_json::from_str(text).unwrap()).unwrap();
    let special: Vec<_> = found.special_tokens().collect();
    assert_eq!(
        special,
        [
            (96, "<fake_token_around_image>"),
            (97, "<image>"),
            (98, "<end_of_utterance>"),
        ]
    );
}

#[test]
fn every_way_of_storing_is_read_back() {
    let folder = TempDir::new().unwrap();
    let mut before = 0;
    for stored_as in StoredAs::ALL {
        let options = CheckpointOptions {
            stored_as,
            output: folder.path().join(stored_as.name()),
            name: Some("A name".to_owned()),
            licence: Some("MIT".to_owned()),
            ..idefics(folder.path())
        };
        let report = checkpoint(&options).unwrap();
        assert_eq!(report.manifest.summary.name, "A name");
        assert_eq!(report.manifest.summary.licence, "MIT");
        let (_, tensors) = read(&options.output);
        let bytes = tensors.iter().map(|tensor| tensor.data.len()).sum();
        assert!(bytes > before, "{stored_as}: {bytes}");
        before = bytes;
    }
}

/// The parts in a model's `model.json`: kind, name, source, licence.
fn parts_of(options: &CheckpointOptions) -> Vec<[String; 4]> {
    checkpoint(options).unwrap();
    let folder = ModelFolder::open(&options.output).unwrap();
    let parts = folder.manifest().summary.parts.iter();
    let texts = parts.map(|part| {
        let [name, source, licence] = [&part.name, &part.source, &part.licence];
        [part.kind.name(), name, source, licence].map(str::to_owned)
    });
    texts.collect()
}

/// A copy of the IDEFICS checkpoint that lies in a folder of this name, with these files
/// beside it.
fn idefics_in(folder: &Path, name: &str, files: &[(&str, &str)]) -> CheckpointOptions {
    let mut options = idefics(folder);
    let copy = folder.join(name);
    fs::create_dir_all(&copy).unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(fixture("golden/idefics").join(file), copy.join(file)).unwrap();
    }
    for (file, text) in files {
        fs::write(copy.join(file), text).unwrap();
    }
    options.files.checkpoint = copy;
    options
}

#[test]
fn parts_are_told_as_far_as_their_files_say_them() {
    const UNKNOWN: &str = "NOASSERTION";
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let card = "---\nlicense: mit\n---\n# A model\n";
    let options = idefics_in(path, "mine", &[("README.md", card)]);
    let tokenizer = path.file_name().unwrap().to_str().unwrap();
    assert_eq!(
        parts_of(&options),
        [
            ["checkpoint", "mine", UNKNOWN, "MIT"],
            ["vision", "within mine", UNKNOWN, "MIT"],
            ["language", "within mine", UNKNOWN, "MIT"],
            ["tokenizer", tokenizer, UNKNOWN, UNKNOWN],
        ]
    );

    // A released repository is known by its folder's name; what its card says comes first.
    let options = CheckpointOptions {
        force: true,
        ..idefics_in(path, "Idefics-9b-Instruct", &[])
    };
    let hub = "https://huggingface.co/HuggingFaceM4/idefics-9b-instruct";
    let name = "HuggingFaceM4/idefics-9b-instruct";
    assert_eq!(
        parts_of(&options)[0],
        ["checkpoint", name, hub, "LicenseRef-LLaMA"]
    );
    let other = "---\nlicense: other\nlicense_name: idefics\n---\n";
    let options = CheckpointOptions {
        force: true,
        ..idefics_in(path, "Idefics-9b-Instruct", &[("README.md", other)])
    };
    assert_eq!(
        parts_of(&options)[0],
        ["checkpoint", name, hub, "LicenseRef-idefics"]
    );

    // By its settings; the tokenizer beside it is of the same repository.
    let mut settings: Value =
        serde_json::from_slice(&fs::read(fixture("golden/idefics/config.json")).unwrap()).unwrap();
    settings["_name_or_path"] = json!("somebody/tuned");
    settings["vision_config"]["_name_or_path"] = json!("openai/clip-vit-large-patch14");
    let mut options = CheckpointOptions {
        force: true,
        ..idefics_in(path, "x", &[("config.json", &settings.to_string())])
    };
    options.files.tokenizer = Some(self::tokenizer(&path.join("x"), 96, &[]));
    let tuned = [
        "somebody/tuned",
        "https://huggingface.co/somebody/tuned",
        UNKNOWN,
    ];
    let clip = "openai/clip-vit-large-patch14";
    let expected = [
        ["checkpoint", tuned[0], tuned[1], tuned[2]],
        [
            "vision",
            clip,
            &format!("https://huggingface.co/{clip}"),
            "MIT",
        ],
        ["language", "within somebody/tuned", tuned[1], tuned[2]],
        ["tokenizer", tuned[0], tuned[1], tuned[2]],
    ];
    assert_eq!(parts_of(&options), expected);
}

#[test]
fn what_somebody_says_of_a_part_stands_above_its_files() {
    let folder = TempDir::new().unwrap();
    let fact = |text: &str| text.parse::<PartFact>().unwrap();
    let options = CheckpointOptions {
        part_facts: vec![
            fact("checkpoint.licence=MIT"),
            fact("vision.licence=MIT"),
            fact("language.licence=LicenseRef-LLaMA"),
            fact("language.source=https://example.org/a=b"),
            fact("tokenizer.name=LLaMA's tokenizer"),
            fact("tokenizer.licence=Apache-2.0 OR MIT"),
        ],
        ..idefics(folder.path())
    };
    let parts = parts_of(&options);
    assert_eq!(parts[2][2], "https://example.org/a=b");
    assert_eq!(parts[3][1], "LLaMA's tokenizer");
    let manifest = ModelFolder::open(&options.output).unwrap();
    assert_eq!(
        manifest.manifest().summary.licence,
        "MIT AND LicenseRef-LLaMA AND (Apache-2.0 OR MIT)"
    );
    for text in [
        "",
        "language=MIT",
        "bridges.licence=MIT",
        "language.price=1",
        "vision.name=",
    ] {
        let error = text.parse::<PartFact>().unwrap_err().to_string();
        assert!(error.contains("PART.FIELD=TEXT"), "{error}");
    }
}

fn is_there(error: &ImportError) -> bool {
    matches!(error, ImportError::Output(OutputError::Exists { .. }))
}

fn is_foreign(error: &ImportError) -> bool {
    matches!(error, ImportError::Output(OutputError::Foreign { .. }))
}

#[test]
fn nothing_is_replaced_unless_told() {
    let folder = TempDir::new().unwrap();
    let mut options = idefics(folder.path());
    fs::create_dir(&options.output).unwrap();
    // An empty folder is no model.
    checkpoint(&options).unwrap();
    let manifest = fs::read(options.output.join("model.json")).unwrap();
    let error = checkpoint(&options).unwrap_err();
    assert!(is_there(&error), "{error}");

    options.force = true;
    options.stored_as = StoredAs::Q8_0;
    checkpoint(&options).unwrap();
    assert_ne!(
        fs::read(options.output.join("model.json")).unwrap(),
        manifest
    );
    assert_eq!(names(folder.path()), ["model", "tokenizer.json"]);
    read(&options.output);

    // What is no model stays, forced or not.
    let photos = folder.path().join("photos");
    fs::create_dir(&photos).unwrap();
    fs::write(photos.join("1.jpg"), "a photo").unwrap();
    options.output = photos.clone();
    let error = checkpoint(&options).unwrap_err();
    assert!(is_foreign(&error), "{error}");
    options.output = photos.join("1.jpg");
    let error = checkpoint(&options).unwrap_err();
    assert!(is_foreign(&error), "{error}");
    assert_eq!(names(&photos), ["1.jpg"]);
}

/// A copy of the IDEFICS checkpoint in which a tensor's bytes are changed.
fn damaged(folder: &Path, name: &str, value: f32) -> PathBuf {
    let copy = folder.join("damaged");
    fs::create_dir(&copy).unwrap();
    fs::copy(
        fixture("golden/idefics/config.json"),
        copy.join("config.json"),
    )
    .unwrap();
    let mut bytes = fs::read(fixture("golden/idefics/model.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let start = header[name]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[8 + length + start..][..4].copy_from_slice(&value.to_le_bytes());
    fs::write(copy.join("model.safetensors"), bytes).unwrap();
    copy
}

#[test]
fn what_fails_on_its_way_leaves_nothing_and_takes_nothing() {
    let folder = TempDir::new().unwrap();
    let mut options = idefics(folder.path());
    checkpoint(&options).unwrap();
    let manifest = fs::read(options.output.join("model.json")).unwrap();

    let name = "model.layers.3.mlp.down_proj.weight";
    options.files.checkpoint = damaged(folder.path(), name, f32::INFINITY);
    options.force = true;
    let error = checkpoint(&options).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("blk.3.ffn_down.weight"), "{text}");
    assert!(text.contains("--type f32"), "{text}");
    assert_eq!(names(folder.path()), ["damaged", "model", "tokenizer.json"]);
    assert_eq!(
        fs::read(options.output.join("model.json")).unwrap(),
        manifest
    );
    // And what a run that was cut off left is gone after the next.
    let partial = folder.path().join(".model.partial");
    fs::create_dir_all(partial.join("new")).unwrap();
    fs::write(partial.join("lock"), "").unwrap();
    fs::write(partial.join("new/weights-000.bin"), "x").unwrap();
    options.files.checkpoint = fixture("golden/idefics");
    checkpoint(&options).unwrap();
    assert_eq!(names(folder.path()), ["damaged", "model", "tokenizer.json"]);
}

#[test]
fn a_model_without_tokenizer_is_not_written() {
    let folder = TempDir::new().unwrap();
    let mut options = idefics(folder.path());
    options.files.tokenizer = None;
    let error = checkpoint(&options).unwrap_err();
    assert!(matches!(error, ImportError::NoTokenizer { .. }), "{error}");
    assert_eq!(names(folder.path()), ["tokenizer.json"]);
}

#[test]
fn the_program_converts_and_says_what_it_made() {
    let folder = TempDir::new().unwrap();
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flamingo-convert"));
        command.args(["checkpoint", "--type", "q8_0", "--tokenizer"]);
        command.arg(tokenizer(folder.path(), 96, &[]));
        command.arg("--output").arg(folder.path().join("model"));
        command.args(more).arg(fixture("golden/idefics"));
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, said, _) = run(&["--family", "idefics-instruct", "--licence", "MIT"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("IDEFICS instruct: idefics"), "{said}");
    assert!(said.contains("flamingo check "), "{said}");
    read(&folder.path().join("model"));
    let (code, _, said) = run(&["--family", "idefics-instruct"]);
    assert_eq!(code, Some(3));
    assert!(said.contains("--force"), "{said}");
    let (code, _, said) = run(&["--force", "--family", "otter"]);
    assert_eq!(code, Some(3));
    assert!(
        said.contains("has the tensors of IDEFICS, not of Otter"),
        "{said}"
    );
    read(&folder.path().join("model"));
    let (code, _, said) = run(&["--family", "otters"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("open-flamingo"), "{said}");
}

#[test]
fn idefics_is_told_by_its_settings_and_tensors() {
    let options = ImportOptions {
        checkpoint: fixture("golden/idefics"),
        ..ImportOptions::default()
    };
    let import = Import::open(&options).unwrap();
    let config = import.config();
    let (language, blocks) = (&config.language, &config.cross_attention);
    assert_eq!((language.vocab_size, language.extra_tokens), (96, 3));
    assert_eq!(
        (language.width, language.layers, language.context),
        (64, 4, 128)
    );
    assert!(!language.embedding.tied_head);
    assert_eq!(
        language.positions,
        PositionConfig::Rope {
            style: RopeStyle::Halves,
            theta: 10_000.0,
            dims: 16,
            scaling: RopeScaling::None,
        }
    );
    assert_eq!((blocks.every, blocks.offset), (2, 0));
    assert_eq!((blocks.heads, blocks.head_dim), (4, 16));
    assert!(blocks.feed_forward.gated && blocks.qk_norm.is_some());
    assert_eq!(blocks.gate, GateExtent::Scalar);
    assert_eq!(blocks.norm.eps, 1e-6);
    let resampler = config.resampler.as_ref().unwrap();
    assert_eq!((resampler.latents, resampler.depth), (8, 2));
    assert_eq!((resampler.heads, resampler.head_dim), (4, 16));
    assert_eq!(resampler.feed_forward.activation, Activation::Relu);
    assert_eq!(config.vision.resize, ResizeMode::Squash);
    assert_eq!(config.vision.image_size, 28);
    let vit = vit(config);
    assert_eq!(vit.class_token, ClassToken::Kept);
    assert!(vit.norm_before && !vit.norm_after);
    assert_eq!(vit.feed_forward.activation, Activation::Gelu);

    // Dialogues by its three added tokens; with a tokenizer that knows of two, none.
    assert_eq!(import.family(), Family::IdeficsInstruct);
    assert_eq!(config.tokens.end_of_chunk, 98);
    let folder = TempDir::new().unwrap();
    let told = [(96, "<fake_token_around_image>"), (97, "<image>")];
    let options = ImportOptions {
        tokenizer: Some(tokenizer(folder.path(), 98, &told)),
        ..options
    };
    let import = Import::open(&options).unwrap();
    assert_eq!(import.family(), Family::Idefics);
    let config = import.config();
    assert_eq!((config.tokens.image, config.tokens.end_of_chunk), (97, 2));
    assert_eq!(config.prompt.begin, [1]);
    assert_eq!(config.prompt.image.before, [96]);
    assert_eq!(config.prompt.image.behind, [96]);
    assert!(config.prompt.image.shared && config.prompt.trim_texts);
    assert_eq!(config.prompt.banned, [96, 97]);
    // A shot ends with an empty line, not with a token.
    assert!(config.prompt.end_of_answer.is_empty());
    let caption = &config.prompt.templates.caption;
    assert_eq!(caption, "<image>Caption: {answer}<|endofchunk|>\n\n");
}

fn vit(config: &FlamingoConfig) -> &VitConfig {
    match &config.vision.encoder {
        VisionEncoderConfig::Vit(vit) => vit,
        VisionEncoderConfig::EfficientNetLite(_) => panic!("no vision transformer"),
    }
}

#[test]
fn flamingo_mini_is_told_by_its_settings_and_tensors() {
    let folder = TempDir::new().unwrap();
    let golden = fixture("golden/flamingo_mini_opt350");
    let parts = fs::read_to_string(golden.join("parts.json")).unwrap();
    let parts: Value = serde_json::from_str(&parts).unwrap();
    let part = |name: &str| {
        let folder = folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("config.json"), parts[name].to_string()).unwrap();
        Some(folder)
    };
    let spelled = [(0, "<s>"), (2, "</s>"), (40, "<"), (41, "image"), (42, ">")];
    let mut options = ImportOptions {
        checkpoint: golden.join("pytorch_model.bin"),
        language: part("opt"),
        vision: part("clip"),
        tokenizer: Some(tokenizer(folder.path(), 90, &spelled)),
        ..ImportOptions::default()
    };
    let import = Import::open(&options).unwrap();
    let config = import.config();
    assert_eq!(import.family(), Family::FlamingoMini);
    let language = &config.language;
    assert_eq!(language.norm_placement, NormPlacement::After);
    assert!(!language.final_norm && language.embedding.tied_head);
    assert_eq!((language.width, language.embedding.width), (64, 32));
    assert_eq!(language.context, 64);
    assert_eq!(language.positions, PositionConfig::Learned { offset: 2 });
    let resampler = config.resampler.as_ref().unwrap();
    assert_eq!((resampler.max_frames, resampler.latents), (4, 8));
    assert!(!resampler.fused_key_value && config.cross_attention.fused_key_value);
    assert_eq!(resampler.feed_forward.activation, Activation::SquaredRelu);
    assert_eq!(
        (config.cross_attention.every, config.cross_attention.offset),
        (1, 0)
    );
    assert_eq!(vit(config).class_token, ClassToken::Kept);
    assert_eq!(vit(config).feed_forward.activation, Activation::QuickGelu);
    // `<image>` in ordinary tokens, and one that was added behind the others.
    assert_eq!((config.tokens.image, config.tokens.end_of_chunk), (40, 90));
    assert_eq!(config.prompt.image.behind, [41, 42]);
    assert_eq!(config.prompt.begin, [2]);
    assert_eq!(config.prompt.end_of_answer, [90, 2]);

    // No rule of rows tells these ids, and without `<` there is no place for an image.
    options.tokenizer = None;
    let error = Import::open(&options).err().unwrap();
    assert!(matches!(error, ImportError::NoTokenizer { .. }), "{error}");
    options.tokenizer = Some(tokenizer(folder.path(), 90, &[]));
    let error = Import::open(&options).err().unwrap();
    assert!(
        matches!(error, ImportError::MissingToken { token: "<", .. }),
        "{error}"
    );

    // Its own settings name OPT-350M, which is another model than this small one.
    options.language = None;
    options.tokenizer = Some(tokenizer(folder.path(), 90, &spelled));
    let settings = golden.join("config.json");
    assert!(settings.is_file());
    let text = Import::open(&options).err().unwrap().to_string();
    assert!(
        text.contains("facebook/opt-350m: `hidden_size` is 1024"),
        "{text}"
    );
}

#[test]
fn settings_that_contradict_the_tensors_or_are_not_computed_here_are_told() {
    let folder = TempDir::new().unwrap();
    let copy = folder.path();
    let model = "model.safetensors";
    fs::copy(fixture("imports/qwen2").join(model), copy.join(model)).unwrap();
    let settings = fs::read_to_string(fixture("imports/qwen2/config.json")).unwrap();
    let settings: Value = serde_json::from_str(&settings).unwrap();
    let tokens = flamingo_architecture::config::TokensConfig {
        image: 1,
        end_of_chunk: 2,
    };
    let open = |field: &str, value: Value| {
        let mut settings = settings.clone();
        settings[field] = value;
        fs::write(copy.join("config.json"), settings.to_string()).unwrap();
        Import::bare(copy, &fixture("imports/siglip"), tokens)
    };
    for (field, value, told) in [
        ("model_type", json!("gemma"), "llama, mistral, qwen2"),
        ("hidden_size", json!(128), "`hidden_size` is 128"),
        ("num_hidden_layers", json!(4), "`num_hidden_layers` is 4"),
        (
            "num_attention_heads",
            json!(null),
            "`num_attention_heads` must be",
        ),
        (
            "num_attention_heads",
            json!("four"),
            "must be a whole number",
        ),
        (
            "num_key_value_heads",
            json!(4),
            "`num_key_value_heads` is 4",
        ),
        ("hidden_act", json!("mish"), "`hidden_act` is \"mish\""),
        (
            "rope_scaling",
            json!({"rope_type": "yarn", "factor": 2.0}),
            "`rope_scaling.rope_type` is \"yarn\"",
        ),
        (
            "rope_scaling",
            json!({"rope_type": "linear"}),
            "`rope_scaling.factor` must be a number",
        ),
    ] {
        let text = open(field, value).err().unwrap().to_string();
        assert!(text.contains(told), "{text}");
        assert!(text.contains("config.json"), "{text}");
    }
    let scaling = json!({"rope_type": "linear", "factor": 2.0});
    let import = open("rope_scaling", scaling).unwrap();
    let PositionConfig::Rope { theta, scaling, .. } = import.config().language.positions else {
        panic!("{:?}", import.config().language.positions);
    };
    assert_eq!(theta, 1e6);
    assert_eq!(scaling, RopeScaling::Linear { factor: 2.0 });
    // A window that is used is as far as a model here looks back.
    let import = open("sliding_window", json!(16)).unwrap();
    assert_eq!(import.config().language.context, 64);
    let mut windowed = settings.clone();
    windowed["sliding_window"] = json!(16);
    windowed["use_sliding_window"] = json!(true);
    fs::write(copy.join("config.json"), windowed.to_string()).unwrap();
    let import = Import::bare(copy, &fixture("imports/siglip"), tokens).unwrap();
    assert_eq!(import.config().language.context, 16);
    fs::write(copy.join("config.json"), "{").unwrap();
    let error = Import::bare(copy, &fixture("imports/siglip"), tokens)
        .err()
        .unwrap();
    assert!(matches!(error, ImportError::Json { .. }), "{error}");
}

/// Values that no field expects all of.
fn hostile() -> Vec<Value> {
    vec![
        json!(0),
        json!(1),
        json!(-1),
        json!(0.5),
        json!(1e300),
        json!(u64::MAX),
        json!(true),
        json!("relu"),
        json!(null),
        json!({}),
    ]
}

/// Every settings in which one field, or one of an object within, has another value.
fn altered(settings: &Value) -> Vec<Value> {
    let Value::Object(fields) = settings else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for (key, value) in fields {
        for other in altered(value).into_iter().chain(hostile()) {
            let mut fields = fields.clone();
            fields.insert(key.clone(), other);
            all.push(Value::Object(fields));
        }
    }
    all
}

#[test]
fn whatever_settings_say_is_a_model_or_an_error() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, settings: &Value| {
        let folder = folder.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("config.json");
        // Some file systems wait for the disk where a file is written over.
        drop(fs::remove_file(&path));
        fs::write(path, settings.to_string()).unwrap();
        folder
    };
    let read = |path: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(fixture(path)).unwrap()).unwrap()
    };
    let (mut models, mut errors) = (0, 0);
    let mut count = |result: Result<Import, ImportError>| match result {
        Ok(import) => {
            import.config().validate().unwrap();
            models += 1;
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            errors += 1;
        }
    };

    let model = folder.path().join("idefics");
    fs::create_dir(&model).unwrap();
    let weights = "model.safetensors";
    fs::copy(fixture("golden/idefics").join(weights), model.join(weights)).unwrap();
    for settings in altered(&read("golden/idefics/config.json")) {
        let checkpoint = write("idefics", &settings);
        count(Import::open(&ImportOptions {
            checkpoint,
            ..ImportOptions::default()
        }));
    }

    let golden = "golden/flamingo_mini_opt350";
    let parts = read(&format!("{golden}/parts.json"));
    let model = folder.path().join("mini");
    fs::create_dir(&model).unwrap();
    let weights = "pytorch_model.bin";
    fs::copy(fixture(golden).join(weights), model.join(weights)).unwrap();
    let own = read(&format!("{golden}/config.json"));
    let settings = altered(&own)
        .into_iter()
        .map(|own| (own, parts["opt"].clone()));
    let of_opt = altered(&parts["opt"])
        .into_iter()
        .map(|opt| (own.clone(), opt));
    for (own, opt) in settings.chain(of_opt) {
        count(Import::open(&ImportOptions {
            checkpoint: write("mini", &own),
            language: Some(write("opt", &opt)),
            vision: Some(write("clip", &parts["clip"])),
            tokens: Some(flamingo_architecture::config::TokensConfig {
                image: 40,
                end_of_chunk: 96,
            }),
            ..ImportOptions::default()
        }));
    }
    assert!(
        models > 100 && errors > 200,
        "{models} models, {errors} errors"
    );
}
