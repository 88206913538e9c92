//! Models that are well-formed and hostile: small files that ask for all the memory there is. Each
//! is refused, with its cause, before memory is taken.
//!
//! What a file's header can ask for is tried here, step by step as `ModelLoader` reads it, and
//! without a device; `crate/runtime/tests/loading.rs` has some of it with one.
#![allow(clippy::unwrap_used, clippy::panic)]

use flamingo_architecture::FlamingoConfig;
use flamingo_fuzz::{CountingAllocator, peak_during};
use flamingo_runtime::Tokenizer;
use flamingo_weights::gguf::{GgufReader, GgufWriter, Metadata};
use flamingo_weights::{LoadedTensor, TensorInfo, TensorType};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Most bytes allocated for a header of a few kilobytes: it, and its tokenizer as the library
/// keeps it.
const MOST_BYTES: usize = 2 << 20;

/// A configuration for [`tokenizer`].
fn config() -> Value {
    let text = include_str!("../corpus/config/tiny.json");
    let newest = FlamingoConfig::from_json(text).unwrap().to_json();
    let mut config: Value = serde_json::from_str(&newest).unwrap();
    config["language"]["vocab_size"] = json!(298);
    config["tokens"] = json!({"image": 1, "end_of_chunk": 2});
    config["prompt"]["end_of_answer"] = json!([2]);
    config
}

fn tokenizer() -> Value {
    serde_json::from_str(include_str!("../corpus/vocabulary/byte-level.json")).unwrap()
}

fn file(config: &Value, tokenizer: &Value) -> Vec<u8> {
    let mut metadata = Metadata::new();
    metadata.set_string("general.architecture", "flamingo");
    metadata.set_string("flamingo.config", config.to_string());
    metadata.set_string("tokenizer.huggingface.json", tokenizer.to_string());
    let mut file = Vec::new();
    GgufWriter::new(metadata).unwrap().write(&mut file).unwrap();
    file
}

/// Reads the header of a model, writes a short text's tokens, and lists the tensors.
fn read(file: &[u8]) -> Result<usize, String> {
    let mut reader = GgufReader::new();
    reader.push(file).map_err(|error| error.to_string())?;
    let header = reader.header().ok_or("the header breaks off")?;
    let text = |key| {
        header
            .metadata
            .string(key)
            .map_err(|error| error.to_string())
    };
    let config = FlamingoConfig::from_json(text("flamingo.config")?);
    let config = config.map_err(|error| error.to_string())?;
    let tokenizer = Tokenizer::for_model(text("tokenizer.huggingface.json")?, &config);
    let tokenizer = tokenizer.map_err(|error| error.to_string())?;
    let tokens = tokenizer.encode("a photo of a café");
    tokens.map_err(|error| error.to_string())?;
    Ok(config.tensors().len())
}

/// The cause for which a file is refused, in little memory.
fn refusal(file: &[u8]) -> String {
    let (result, peak) = peak_during(|| read(file));
    assert!(
        peak <= MOST_BYTES,
        "{peak} bytes allocated for {}",
        file.len()
    );
    result.expect_err("the file is refused")
}

#[test]
fn the_model_that_the_others_are_made_of_is_read() {
    let (result, peak) = peak_during(|| read(&file(&config(), &tokenizer())));
    assert!(result.unwrap() > 10);
    assert!(peak <= MOST_BYTES, "{peak} bytes allocated");
}

#[test]
fn sizes_at_the_edges_of_numbers() {
    let fields = [
        "/vision/image_size",
        "/vision/encoder/stem_channels",
        "/vision/encoder/head_channels",
        "/vision/encoder/blocks/0/expand",
        "/vision/encoder/blocks/3/output",
        "/resampler/input_width",
        "/resampler/width",
        "/resampler/depth",
        "/resampler/latents",
        "/resampler/heads",
        "/resampler/head_dim",
        "/resampler/max_frames",
        "/resampler/max_media",
        "/resampler/feed_forward/width",
        "/language/width",
        "/language/layers",
        "/language/vocab_size",
        "/language/extra_tokens",
        "/language/context",
        "/language/embedding/width",
        "/language/attention/heads",
        "/language/attention/kv_heads",
        "/language/attention/head_dim",
        "/language/feed_forward/width",
        "/cross_attention/every",
        "/cross_attention/offset",
        "/cross_attention/heads",
        "/cross_attention/head_dim",
        "/cross_attention/feed_forward/width",
        "/tokens/image",
        "/tokens/end_of_chunk",
    ];
    for field in fields {
        for size in [
            1_000_000_000,
            (1 << 31) - 1,
            1 << 31,
            u64::from(u32::MAX),
            1 << 32,
            i64::MAX as u64,
            u64::MAX,
        ] {
            let mut config = config();
            let value = config.pointer_mut(field);
            *value.unwrap_or_else(|| panic!("{field} is no field")) = json!(size);
            let refusal = refusal(&file(&config, &tokenizer()));
            assert!(!refusal.is_empty(), "{field} = {size}");
        }
    }
}

#[test]
fn pictures_that_become_more_numbers_than_memory_holds() {
    let mut config = config();
    config["vision"]["image_size"] = json!(4096);
    let refusal = refusal(&file(&config, &tokenizer()));
    assert!(refusal.contains("the number of vision tokens"), "{refusal}");
}

#[test]
fn vocabularies_of_one() {
    let mut config = config();
    config["language"]["vocab_size"] = json!(1);
    config["language"]["extra_tokens"] = json!(0);
    let refused = refusal(&file(&config, &tokenizer()));
    assert!(refused.contains("outside the vocabulary"), "{refused}");
    // Two are the least; the tokenizer's are more.
    config["language"]["extra_tokens"] = json!(1);
    config["tokens"] = json!({"image": 0, "end_of_chunk": 1});
    config["prompt"]["end_of_answer"] = json!([1]);
    let refused = refusal(&file(&config, &tokenizer()));
    assert!(refused.contains("<image> has id 1"), "{refused}");

    let mut single = tokenizer();
    single["added_tokens"] = json!([]);
    single["model"]["vocab"] = json!({"a": 0});
    single["model"]["merges"] = json!([]);
    let refused = refusal(&file(&self::config(), &single));
    assert!(refused.contains("no special token <image>"), "{refused}");
}

#[test]
fn tokenizers_that_explode() {
    let sequence = |kind: &str, steps: &str, step: &Value| {
        let mut tokenizer = tokenizer();
        tokenizer[kind] = json!({"type": "Sequence", steps: vec![step; 40]});
        refusal(&file(&config(), &tokenizer))
    };
    let double = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
    let bytes = json!({
        "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true
    });
    for refusal in [
        sequence("normalizer", "normalizers", &double),
        sequence("pre_tokenizer", "pretokenizers", &bytes),
        sequence("decoder", "decoders", &double),
    ] {
        assert!(refusal.contains("4096 times as long"), "{refusal}");
    }
}

#[test]
fn headers_that_promise_more_than_comes() {
    let number = u64::to_le_bytes;
    let start = |tensors: u64, entries: u64| {
        [&b"GGUF\x03\0\0\0"[..], &number(tensors), &number(entries)].concat()
    };
    let entry = |kind: u32, value: &[u8]| {
        let key = b"general.name";
        [&number(12)[..], key, &kind.to_le_bytes(), value].concat()
    };
    const STRING: u32 = 8;
    const ARRAY: u32 = 9;
    for size in [
        1 << 31,
        u64::from(u32::MAX),
        1 << 32,
        u64::MAX / 8,
        u64::MAX,
    ] {
        let tensor = |dimensions: u32, sizes: &[u64]| {
            let sizes: Vec<u8> = sizes.iter().copied().flat_map(number).collect();
            let name = [&number(1)[..], b"a"].concat();
            [&name[..], &dimensions.to_le_bytes(), &sizes, &[0; 12]].concat()
        };
        for file in [
            start(size, 0),
            start(0, size),
            [start(0, 1), number(size).to_vec()].concat(),
            [start(0, 1), entry(STRING, &number(size))].concat(),
            [
                start(0, 1),
                entry(ARRAY, &[&STRING.to_le_bytes()[..], &number(size)].concat()),
            ]
            .concat(),
            [start(1, 0), number(size).to_vec()].concat(),
            [start(1, 0), tensor(u32::MAX, &[])].concat(),
            [start(1, 0), tensor(1, &[size])].concat(),
            [start(1, 0), tensor(4, &[size; 4])].concat(),
        ] {
            let refusal = refusal(&file);
            assert!(!refusal.is_empty());
        }
    }
}

#[test]
fn a_tensor_of_a_file_of_known_length_is_never_moved() {
    const BYTES: usize = 8 << 20;
    let mut writer = GgufWriter::new(Metadata::new()).unwrap();
    let info = TensorInfo {
        name: "token_embd.weight".to_owned(),
        tensor_type: TensorType::F32,
        shape: vec![2, BYTES / 8],
    };
    let data = vec![1; BYTES];
    writer.push(LoadedTensor { info, data }).unwrap();
    let mut file = Vec::new();
    writer.write(&mut file).unwrap();

    let (tensor, peak) = peak_during(|| {
        let mut reader = GgufReader::of_length(file.len() as u64);
        for piece in file.chunks(1 << 16) {
            reader.push(piece).unwrap();
        }
        reader.next_tensor().unwrap()
    });
    assert_eq!(tensor.data.len(), BYTES);
    assert!(peak < BYTES + (1 << 16), "{peak} bytes allocated");
}
