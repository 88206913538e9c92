//! The tokenizer as the text of a Hugging Face `tokenizer.json`, rebuilt from
//! the metadata of the language model's GGUF file.

use std::path::Path;

use flamingo_architecture::config::TokensConfig;
use flamingo_weights::gguf::Metadata;
use serde::{Serialize, Serializer};

use super::PackError;

/// Token types of llama.cpp (`llama_token_type`).
const CONTROL: i32 = 3;

/// Ends an example.
const END_OF_CHUNK: &str = "<|endofchunk|>";

/// Stands where an image stands.
const IMAGE: &str = "<image>";

/// Ids of the added tokens: the first ones after the language model's own, in
/// the order in which OpenFlamingo adds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) end_of_chunk: u32,
    pub(super) image: u32,
}

impl Tokens {
    /// How many tokens are added.
    pub(super) const COUNT: usize = 2;

    /// The ids after a vocabulary of `size` tokens.
    pub(super) fn after(size: u32) -> Self {
        Self {
            end_of_chunk: size,
            image: size.saturating_add(1),
        }
    }

    /// The same for a model's configuration.
    pub(super) fn config(self) -> TokensConfig {
        TokensConfig {
            image: self.image,
            end_of_chunk: self.end_of_chunk,
        }
    }
}

/// The text of `tokenizer.json`: GPT-2's byte-level BPE after splitting digits
/// one by one, which is what llama.cpp calls `gpt2` and `smollm`; control tokens
/// and the added ones are special.
pub(super) fn from_gguf(
    metadata: &Metadata,
    path: &Path,
    added: Tokens,
) -> Result<String, PackError> {
    let error = PackError::metadata(path);
    expect(metadata, path, "tokenizer.ggml.model", "gpt2")?;
    expect(metadata, path, "tokenizer.ggml.pre", "smollm")?;
    let tokens = metadata.strings("tokenizer.ggml.tokens").map_err(&error)?;
    let types = metadata.i32s("tokenizer.ggml.token_type").map_err(&error)?;
    let merges = metadata.strings("tokenizer.ggml.merges").map_err(&error)?;
    for (key, length) in [
        ("tokenizer.ggml.tokens", tokens.len()),
        ("tokenizer.ggml.token_type", types.len()),
    ] {
        if length != added.end_of_chunk as usize {
            return Err(PackError::MetadataValue {
                path: path.to_owned(),
                key,
                found: format!("a list of {length}"),
                expected: format!("one of {}, the vocabulary's size", added.end_of_chunk),
            });
        }
    }
    let control = (0..)
        .zip(tokens)
        .zip(types)
        .filter(|&(_, &kind)| kind == CONTROL);
    let added = [(added.end_of_chunk, END_OF_CHUNK), (added.image, IMAGE)];
    let special = control
        .map(|((id, token), _)| (id, token.as_str()))
        .chain(added);
    let tokenizer = TokenizerJson {
        version: "1.0",
        truncation: (),
        padding: (),
        added_tokens: special
            .map(|(id, content)| AddedToken::special(id, content))
            .collect(),
        normalizer: (),
        pre_tokenizer: Steps {
            kind: "Sequence",
            pretokenizers: [
                Step::Digits {
                    individual_digits: true,
                },
                Step::ByteLevel(ByteLevel {
                    add_prefix_space: false,
                    ..ByteLevel::GPT2
                }),
            ],
        },
        post_processor: (),
        decoder: Step::ByteLevel(ByteLevel::GPT2),
        model: Bpe {
            kind: "BPE",
            dropout: (),
            unk_token: (),
            continuing_subword_prefix: (),
            end_of_word_suffix: (),
            fuse_unk: false,
            byte_fallback: false,
            ignore_merges: false,
            vocab: tokens,
            merges,
        },
    };
    serde_json::to_string(&tokenizer).map_err(PackError::Json)
}

/// Checks that the text under `key` is `expected`.
pub(super) fn expect(
    metadata: &Metadata,
    path: &Path,
    key: &'static str,
    expected: &str,
) -> Result<(), PackError> {
    let found = metadata.string(key).map_err(PackError::metadata(path))?;
    if found != expected {
        return Err(PackError::MetadataValue {
            path: path.to_owned(),
            key,
            found: format!("`{found}`"),
            expected: format!("`{expected}`"),
        });
    }
    Ok(())
}

/// What the crate `tokenizers` reads, in the order in which it writes it.
#[derive(Serialize)]
struct TokenizerJson<'a> {
    version: &'a str,
    truncation: (),
    padding: (),
    added_tokens: Vec<AddedToken<'a>>,
    normalizer: (),
    pre_tokenizer: Steps<'a>,
    post_processor: (),
    decoder: Step,
    model: Bpe<'a>,
}

#[derive(Serialize)]
struct AddedToken<'a> {
    id: u32,
    content: &'a str,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

impl<'a> AddedToken<'a> {
    fn special(id: u32, content: &'a str) -> Self {
        Self {
            id,
            content,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: true,
        }
    }
}

#[derive(Serialize)]
struct Steps<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    pretokenizers: [Step; 2],
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Step {
    Digits { individual_digits: bool },
    ByteLevel(ByteLevel),
}

#[derive(Serialize)]
struct ByteLevel {
    add_prefix_space: bool,
    trim_offsets: bool,
    use_regex: bool,
}

impl ByteLevel {
    const GPT2: Self = Self {
        add_prefix_space: true,
        trim_offsets: true,
        use_regex: true,
    };
}

#[derive(Serialize)]
struct Bpe<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    dropout: (),
    unk_token: (),
    continuing_subword_prefix: (),
    end_of_word_suffix: (),
    fuse_unk: bool,
    byte_fallback: bool,
    ignore_merges: bool,
    #[serde(serialize_with = "token_to_id")]
    vocab: &'a [String],
    merges: &'a [String],
}

fn token_to_id<S: Serializer>(tokens: &&[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(tokens.iter().zip(0_u32..))
}
