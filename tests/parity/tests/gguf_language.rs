//! Language models in GGUF files, as llama.cpp writes them, in place of those in the files of
//! their own projects.

#![allow(clippy::unwrap_used, clippy::panic)]

mod released;

use std::fs;
use std::path::{Path, PathBuf};

use flamingo::config::{LanguageConfig, PositionConfig, TokensConfig};
use flamingo_convert::import::{Import, ImportError, ImportOptions, StoredAs};
use flamingo_weights::gguf::{GgufWriter, Metadata, MetadataArray, MetadataValue};
use flamingo_weights::{LoadedTensor, TensorType};
use serde_json::json;
use tempfile::TempDir;

use released::{Files, Reference};

/// References, and the value of `general.architecture` that stands for them.
const ARCHITECTURES: [(&str, &str); 5] = [
    ("neox", "gptneox"),
    ("mpt", "mpt"),
    ("mosaic", "mpt"),
    ("llama", "llama"),
    ("llama_gqa", "llama"),
];

/// The settings that llama.cpp's converter writes for a model of these facts.
fn metadata(architecture: &str, config: &LanguageConfig) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.set_string("general.architecture", architecture);
    let key = |end: &str| format!("{architecture}.{end}");
    let sizes = [
        ("block_count", config.layers),
        ("context_length", config.context),
        ("embedding_length", config.width),
        ("feed_forward_length", config.feed_forward.width),
        ("attention.head_count", config.attention.heads),
    ];
    for (end, size) in sizes {
        metadata.set(key(end), MetadataValue::U32(size as u32));
    }
    let eps = match architecture {
        "gptneox" | "mpt" => "attention.layer_norm_epsilon",
        _ => "attention.layer_norm_rms_epsilon",
    };
    metadata.set(key(eps), MetadataValue::F32(config.norm.eps));
    match config.positions {
        PositionConfig::Rope { theta, dims, .. } => {
            let dims = MetadataValue::U32(dims as u32);
            metadata.set(key("rope.dimension_count"), dims);
            // GPT-NeoX' converter leaves it out.
            if architecture != "gptneox" {
                metadata.set(key("rope.freq_base"), MetadataValue::F32(theta));
            }
        }
        PositionConfig::Alibi { max_bias } => {
            let bias = MetadataValue::F32(max_bias);
            metadata.set(key("attention.max_alibi_bias"), bias);
        }
        PositionConfig::Learned { .. } => panic!("llama.cpp has no such model"),
    }
    if architecture == "gptneox" {
        metadata.set(key("use_parallel_residual"), MetadataValue::Bool(false));
    }
    if config.attention.kv_heads != config.attention.heads {
        let heads = MetadataValue::U32(config.attention.kv_heads as u32);
        metadata.set(key("attention.head_count_kv"), heads);
    }
    metadata
}

/// A matrix whose rows lie as llama.cpp's `LlamaModel.permute` puts them:
/// `reshape(heads, 2, half, …).swapaxes(1, 2)`.
fn permuted(values: &[f32], heads: usize, cols: usize) -> Vec<f32> {
    let half = values.len() / cols / heads / 2;
    let row = |head: usize, part: usize, inner: usize| (head * 2 + part) * half + inner;
    let mut out = Vec::new();
    for head in 0..heads {
        for inner in 0..half {
            for part in 0..2 {
                out.extend_from_slice(&values[row(head, part, inner) * cols..][..cols]);
            }
        }
    }
    out
}

/// The language model's tensors as llama.cpp's converter writes them: matrices as
/// `tensor_type`, the rest as `F32`. Embeddings that the checkpoint has are others.
fn tensors(
    weights: impl Iterator<Item = LoadedTensor>,
    architecture: &str,
    config: &LanguageConfig,
    tensor_type: TensorType,
) -> Vec<LoadedTensor> {
    let is_language = |name: &str| {
        let starts = ["blk.", "token_embd.", "output"];
        starts.iter().any(|start| name.starts_with(start))
    };
    let mut tensors = Vec::new();
    for tensor in weights.filter(|tensor| is_language(&tensor.info.name)) {
        let (name, shape) = (&tensor.info.name, &tensor.info.shape);
        let mut values = tensor.to_f32().unwrap();
        let cols = if shape.len() == 2 { shape[1] } else { 1 };
        if architecture == "llama" && name.contains(".attn_q.") {
            values = permuted(&values, config.attention.heads, cols);
        }
        if architecture == "llama" && name.contains(".attn_k.") {
            values = permuted(&values, config.attention.kv_heads, cols);
        }
        let stored = match shape.len() {
            2 => tensor_type,
            _ => TensorType::F32,
        };
        tensors.push(LoadedTensor::from_f32(name.as_str(), stored, shape, &values).unwrap());
    }
    // Order of data is not that of names in llama.cpp's files, nor need it be.
    tensors.sort_by(|a, b| a.info.name.cmp(&b.info.name));
    tensors
}

fn write(path: &Path, metadata: &Metadata, tensors: &[LoadedTensor]) {
    let mut writer = GgufWriter::new(metadata.clone()).unwrap();
    for tensor in tensors {
        writer.push(tensor.clone()).unwrap();
    }
    let mut file = Vec::new();
    writer.write(&mut file).unwrap();
    fs::write(path, file).unwrap();
}

/// A reference whose language model is also in a GGUF file.
struct Both {
    reference: Reference,
    files: Files,
    architecture: &'static str,
}

impl Both {
    fn of(kind: &str, architecture: &'static str) -> Self {
        let reference = Reference::open(kind);
        let mut files = Files::released(&reference, kind);
        // Its bridges are smaller than those of all released models.
        files.options.bridge_head_width = (kind == "llama_gqa").then_some(8);
        Self {
            reference,
            files,
            architecture,
        }
    }

    fn metadata(&self) -> Metadata {
        metadata(self.architecture, &self.reference.config.language)
    }

    fn tensors(&self, tensor_type: TensorType) -> Vec<LoadedTensor> {
        let config = &self.reference.config.language;
        let weights = self.reference.weights.values().cloned();
        let mut tensors = tensors(weights, self.architecture, config, tensor_type);
        for tensor in &mut tensors {
            // Trained ones are in the checkpoint.
            let is_trained = tensor.info.name == "token_embd.weight"
                || (tensor.info.name == "output.weight" && self.architecture == "gptneox");
            if is_trained {
                tensor.data.fill(0);
            }
        }
        tensors
    }

    /// Where the GGUF file is, alone in its folder.
    fn path(&self) -> PathBuf {
        self.files.path("gguf/model.gguf")
    }

    fn write(&self, metadata: &Metadata, tensors: &[LoadedTensor]) -> ImportOptions {
        fs::create_dir_all(self.files.path("gguf")).unwrap();
        write(&self.path(), metadata, tensors);
        ImportOptions {
            language: Some(self.path()),
            ..self.files.options.clone()
        }
    }

    fn open(&self, metadata: &Metadata, tensors: &[LoadedTensor]) -> Result<Import, ImportError> {
        Import::open(&self.write(metadata, tensors))
    }
}

#[test]
fn a_file_of_f32_is_the_language_model_bit_for_bit() {
    for (kind, architecture) in ARCHITECTURES {
        let both = Both::of(kind, architecture);
        let ordinary = both.files.open();
        let tensors = both.tensors(TensorType::F32);
        let import = both.open(&both.metadata(), &tensors).unwrap();
        assert_eq!(import.config(), ordinary.config(), "{kind}");
        assert_eq!(import.family(), ordinary.family(), "{kind}");
        both.reference.check(kind, &import);
        for spec in import.config().tensors() {
            for stored_as in StoredAs::ALL {
                let tensor_type = stored_as.type_of(&spec);
                let found = import.packed(&spec, tensor_type).unwrap();
                let expected = ordinary.packed(&spec, tensor_type).unwrap();
                assert!(found == expected, "{kind}: {} as {stored_as}", spec.name);
            }
        }
    }
}

#[test]
fn the_folder_of_a_file_stands_for_it() {
    let both = Both::of("llama", "llama");
    both.open(&both.metadata(), &both.tensors(TensorType::F32))
        .unwrap();
    let import = Import::open(&ImportOptions {
        language: Some(both.files.path("gguf")),
        ..both.files.options.clone()
    });
    both.reference.check("folder", &import.unwrap());
}

/// Root mean square of the errors by that of the weights. Measured on these, which are drawn
/// from a bell: 0.0054 to 0.0056.
const Q8_0_ERROR: f64 = 0.006;

#[test]
fn a_file_of_q8_0_loses_what_its_blocks_lose() {
    for (kind, architecture) in ARCHITECTURES {
        let both = Both::of(kind, architecture);
        let tensors = both.tensors(TensorType::Q8_0);
        let import = both.open(&both.metadata(), &tensors).unwrap();
        assert_eq!(import.config(), both.files.open().config(), "{kind}");
        let (mut worst, mut matrices) = (0.0_f64, 0);
        for spec in import.config().tensors() {
            let found = import.tensor(&spec).unwrap();
            let expected = &both.reference.weights[&spec.name];
            let is_stored = tensors.iter().any(|tensor| {
                tensor.info.name == spec.name && tensor.info.tensor_type == TensorType::Q8_0
            });
            let is_trained = spec.name == "token_embd.weight"
                || (spec.name == "output.weight" && architecture == "gptneox");
            if !is_stored || is_trained {
                assert!(found == *expected, "{kind}: {}", spec.name);
                continue;
            }
            matrices += 1;
            let (found, expected) = (found.to_f32().unwrap(), expected.to_f32().unwrap());
            let power = |values: &mut dyn Iterator<Item = f32>| -> f64 {
                values
                    .map(|value| f64::from(value) * f64::from(value))
                    .sum()
            };
            let error = power(&mut found.iter().zip(&expected).map(|(a, b)| a - b));
            let whole = power(&mut expected.iter().copied());
            worst = worst.max((error / whole).sqrt());
            // And as Q8_0 again, blocks are those of the file.
            let packed = import.packed(&spec, TensorType::Q8_0).unwrap();
            assert_eq!(packed.to_f32().unwrap(), found, "{kind}: {}", spec.name);
        }
        println!("{kind}: {worst:.4} of the root mean square, {matrices} matrices");
        assert!(matrices >= 4 * 4, "{kind}: {matrices}");
        assert!(worst > 0.0 && worst <= Q8_0_ERROR, "{kind}: {worst}");
    }
}

/// Biases of queries and keys, fewer heads of keys, and rows that stay as they are.
#[test]
fn qwen2_is_read_without_bridges() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/imports");
    let (qwen2, siglip) = (fixtures.join("qwen2"), fixtures.join("siglip"));
    let tokens = TokensConfig {
        image: 95,
        end_of_chunk: 96,
    };
    let ordinary = Import::bare(&qwen2, &siglip, tokens).unwrap();
    let specs = ordinary.config().tensors();
    let weights = specs.iter().map(|spec| ordinary.tensor(spec).unwrap());
    let language = &ordinary.config().language;
    let folder = TempDir::new().unwrap();
    for architecture in ["qwen2", "llama"] {
        let path = folder.path().join(format!("{architecture}.gguf"));
        let weights = weights.clone();
        let tensors = tensors(weights, architecture, language, TensorType::F32);
        write(&path, &metadata(architecture, language), &tensors);
        let import = Import::bare(&path, &siglip, tokens).unwrap();
        assert_eq!(import.config(), ordinary.config(), "{architecture}");
        for spec in &specs {
            let (found, expected) = (import.tensor(spec), ordinary.tensor(spec));
            assert!(found.unwrap() == expected.unwrap(), "{}", spec.name);
        }
    }
}

#[test]
fn a_file_without_a_fact_or_with_another_models_is_refused_by_its_key() {
    for (kind, architecture) in ARCHITECTURES {
        let both = Both::of(kind, architecture);
        let tensors = both.tensors(TensorType::F32);
        let whole = both.metadata();
        // What llama.cpp has a value for.
        let optional = ["feed_forward_length", "attention.head_count_kv"];
        let optional = optional.map(|end| format!("{architecture}.{end}"));
        for (left_out, _) in whole.iter() {
            let is_optional = optional.iter().any(|key| key == left_out)
                || (architecture == "llama" && left_out.contains(".rope."));
            if is_optional {
                continue;
            }
            let mut metadata = Metadata::new();
            for (key, value) in whole.iter().filter(|(key, _)| *key != left_out) {
                metadata.set(key, value.clone());
            }
            let error = both.open(&metadata, &tensors).err().unwrap();
            let is_typed = matches!(
                error,
                ImportError::Field { .. } | ImportError::Unsupported { .. }
            );
            let text = error.to_string();
            assert!(is_typed && text.contains(left_out), "{left_out}: {text}");
        }
        // A list for each layer, as some other models have.
        let mut metadata = whole.clone();
        let heads = format!("{architecture}.attention.head_count");
        let list = MetadataArray::U32(vec![4; 4]);
        metadata.set(heads.as_str(), MetadataValue::Array(list));
        let error = both.open(&metadata, &tensors).err().unwrap();
        assert!(error.to_string().contains(&heads), "{error}");
        for key in ["block_count", "embedding_length", "feed_forward_length"] {
            let key = format!("{architecture}.{key}");
            let mut metadata = whole.clone();
            metadata.set(key.as_str(), MetadataValue::U32(7));
            let error = both.open(&metadata, &tensors).err().unwrap();
            let ImportError::Contradiction {
                field, found: 7, ..
            } = &error
            else {
                panic!("{key}: {error}");
            };
            assert_eq!(*field, key);
        }
    }
}

#[test]
fn what_is_not_computed_here_is_refused_by_its_key() {
    let refuse = |kind: &str, architecture: &'static str, key: &str, value: MetadataValue| {
        let both = Both::of(kind, architecture);
        let mut metadata = both.metadata();
        metadata.set(key, value);
        let error = both.open(&metadata, &both.tensors(TensorType::F32));
        let error = error.err().unwrap();
        let ImportError::Unsupported { field, .. } = &error else {
            panic!("{key}: {error}");
        };
        assert_eq!(field, key);
    };
    let text = |text: &str| MetadataValue::String(text.to_owned());
    let number = MetadataValue::F32;
    refuse("llama", "llama", "general.architecture", text("falcon"));
    refuse("llama", "llama", "llama.rope.scaling.type", text("yarn"));
    refuse(
        "llama",
        "llama",
        "llama.expert_count",
        MetadataValue::U32(8),
    );
    // Heads without a width: one that is told, and more heads than the model is wide.
    for (key, value) in [("key_length", 0), ("head_count", 1 << 20)] {
        let key = format!("llama.attention.{key}");
        refuse("llama", "llama", &key, MetadataValue::U32(value));
    }
    let half = MetadataValue::U32(8);
    refuse("llama", "llama", "llama.rope.dimension_count", half);
    let parallel = MetadataValue::Bool(true);
    refuse("neox", "gptneox", "gptneox.use_parallel_residual", parallel);
    refuse("mpt", "mpt", "mpt.attention.clamp_kqv", number(8.0));
    refuse("mpt", "mpt", "mpt.attention.max_alibi_bias", number(0.0));

    // Frequencies that are stretched as in no model known here.
    let both = Both::of("llama", "llama");
    let mut tensors = both.tensors(TensorType::F32);
    let name = "rope_freqs.weight";
    let PositionConfig::Rope { dims, .. } = both.reference.config.language.positions else {
        panic!("no RoPE");
    };
    let factors = |last: f32| {
        let mut factors = vec![1.0; dims / 2];
        factors[dims / 2 - 1] = last;
        LoadedTensor::from_f32(name, TensorType::F32, &[dims / 2], &factors).unwrap()
    };
    tensors.push(factors(1.0));
    both.open(&both.metadata(), &tensors).unwrap();
    *tensors.last_mut().unwrap() = factors(3.0);
    let error = both.open(&both.metadata(), &tensors).err().unwrap();
    assert!(error.to_string().contains(name), "{error}");
}

#[test]
fn a_language_model_of_another_kind_is_refused() {
    let (mpt, neox) = (Both::of("mpt", "mpt"), Both::of("neox", "gptneox"));
    let tensors = neox.tensors(TensorType::F32);
    let options = ImportOptions {
        language: neox.write(&neox.metadata(), &tensors).language,
        ..mpt.files.options.clone()
    };
    let error = Import::open(&options).err().unwrap().to_string();
    assert!(
        error.contains("has a GPT-NeoX, 4 layers of width 64"),
        "{error}"
    );
    // Layers in the checkpoint itself are described by no metadata of another kind.
    released::write(&mpt.files.options.checkpoint, &mpt.reference.dump);
    let error = Import::open(&options).err().unwrap();
    let ImportError::Unsupported { field, known, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(
        (field.as_str(), known.as_str()),
        ("general.architecture", "an MPT")
    );
}

/// A tokenizer of 96 tokens; llama.cpp fills the rows up with tokens of its own.
fn with_tokenizer(metadata: &mut Metadata) {
    let tokens = (0..96).map(|id| format!("t{id}"));
    let padding = (96..99).map(|id| format!("[PAD{id}]"));
    let kinds = (0..99).map(|id| if id < 96 { 1 } else { 5 });
    for (key, array) in [
        (
            "tokens",
            MetadataArray::String(tokens.chain(padding).collect()),
        ),
        ("token_type", MetadataArray::I32(kinds.collect())),
        ("merges", MetadataArray::String(Vec::new())),
    ] {
        let key = format!("tokenizer.ggml.{key}");
        metadata.set(key, MetadataValue::Array(array));
    }
    metadata.set_string("tokenizer.ggml.model", "gpt2");
    metadata.set_string("tokenizer.ggml.pre", "mpt");
}

#[test]
fn a_file_brings_its_own_tokenizer() {
    let both = Both::of("mpt", "mpt");
    let mut metadata = both.metadata();
    with_tokenizer(&mut metadata);
    let options = both.write(&metadata, &both.tensors(TensorType::F32));
    let import = Import::open(&options).unwrap();
    let tokenizer = import.tokenizer().unwrap();
    assert_eq!(tokenizer.text_of(95), Some("t95"));
    assert_eq!(tokenizer.id_of("<|endofchunk|>"), Some(96));
    assert_eq!(tokenizer.id_of("<image>"), Some(97));
    assert_eq!(tokenizer.id_of("[PAD96]"), None);
    both.reference.check("own tokenizer", &import);
    let kinds: Vec<&str> = import
        .origins()
        .iter()
        .map(|part| part.kind.name())
        .collect();
    assert_eq!(kinds, ["checkpoint", "vision", "language", "tokenizer"]);

    // One that is named, or lies beside it, comes first.
    let vocab: serde_json::Map<_, _> = (0..96).map(|id| (format!("u{id}"), json!(id))).collect();
    let named = json!({"model": {"type": "BPE", "vocab": vocab, "merges": []}}).to_string();
    let path = both.files.path("tokenizer.json");
    fs::write(&path, &named).unwrap();
    let other = Import::open(&ImportOptions {
        tokenizer: Some(path),
        ..options.clone()
    });
    let other = other.unwrap();
    assert_eq!(other.tokenizer().unwrap().text_of(95), Some("u95"));
    fs::write(both.files.path("gguf/tokenizer.json"), &named).unwrap();
    let beside = Import::open(&ImportOptions {
        language: Some(both.files.path("gguf")),
        ..options
    });
    let beside = beside.unwrap();
    assert_eq!(beside.tokenizer().unwrap().text_of(95), Some("u95"));
}
