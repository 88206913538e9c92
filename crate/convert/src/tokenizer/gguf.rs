//! Tokenizers in the metadata of GGUF files, as llama.cpp has them.

use flamingo_weights::gguf::Metadata;
use serde_json::{Map, Value, json};

use super::byte_level::{self, gpt2_split, regex_split};
use super::sentencepiece::{Algorithm, Kind, Model, Piece};
use super::{AddedToken, TokenizerError, TokenizerJson};

/// Names under which llama.cpp has the split of GPT-2.
const AS_GPT2: [&str; 6] = ["gpt-2", "mpt", "olmo", "phi-2", "jais", "trillion"];

/// Those of the split of GPT-2 with digits one by one.
const WITH_DIGITS: [&str; 4] = ["smollm", "starcoder", "refact", "command-r"];

/// Those of the split of Llama 3.
const AS_LLAMA3: [&str; 3] = ["llama-bpe", "llama3", "llama-v3"];

/// The split of Llama 3: digits by threes.
const LLAMA3: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}\
                      | ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/// The split of Qwen 2: digits one by one.
const QWEN2: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}\
                     | ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/// Builds the tokenizer that `metadata` describes.
pub(super) fn read(metadata: &Metadata) -> Result<TokenizerJson, TokenizerError> {
    let tokens = metadata.strings("tokenizer.ggml.tokens")?;
    let kinds = metadata.i32s("tokenizer.ggml.token_type")?;
    same_length("types", kinds.len(), tokens.len())?;
    let kinds = kinds
        .iter()
        .map(|&kind| u64::try_from(kind).ok().and_then(Kind::of));
    let kinds: Option<Vec<Kind>> = kinds.collect();
    let kinds =
        kinds.ok_or_else(|| TokenizerError::part("tokenizer.ggml.token_type", "unknown"))?;
    let scores = || {
        let scores = metadata.f32s("tokenizer.ggml.scores")?;
        same_length("scores", scores.len(), tokens.len())?;
        Ok::<_, TokenizerError>(scores)
    };
    let count = without_padding(tokens, &kinds);
    let (kinds, named) = (&kinds[..count], &tokens[..count]);
    match metadata.string("tokenizer.ggml.model")? {
        "gpt2" => byte_level(metadata, named, kinds),
        "llama" => sentencepiece(metadata, named, &scores()?[..count], kinds, Algorithm::Bpe),
        "t5" => sentencepiece(
            metadata,
            named,
            &scores()?[..count],
            kinds,
            Algorithm::Unigram,
        ),
        other => Err(TokenizerError::Unsupported {
            what: format!("a GGUF file's tokenizer of the kind `{other}`"),
        }),
    }
}

/// How many tokens there are before those with which llama.cpp fills up to the number of the
/// embedding's rows: the tokens that a model adds come in their place.
fn without_padding(tokens: &[String], kinds: &[Kind]) -> usize {
    let is_padding = |id: usize| kinds[id] == Kind::Unused && tokens[id] == format!("[PAD{id}]");
    let padding = (0..tokens.len()).rev().take_while(|&id| is_padding(id));
    tokens.len() - padding.count()
}

fn byte_level(
    metadata: &Metadata,
    tokens: &[String],
    kinds: &[Kind],
) -> Result<TokenizerJson, TokenizerError> {
    let merges = metadata.strings("tokenizer.ggml.merges")?;
    let merges = merges.iter().map(|merge| Value::from(merge.as_str()));
    let pre = metadata.string("tokenizer.ggml.pre")?;
    let (split, ignore_merges) = match pre {
        pre if AS_GPT2.contains(&pre) => (gpt2_split(false), false),
        pre if WITH_DIGITS.contains(&pre) => {
            let digits = json!({ "type": "Digits", "individual_digits": true });
            let steps = json!({ "type": "Sequence", "pretokenizers": [digits, gpt2_split(false)] });
            (steps, false)
        }
        pre if AS_LLAMA3.contains(&pre) => (regex_split(LLAMA3), true),
        "qwen2" => (regex_split(QWEN2), false),
        other => {
            return Err(TokenizerError::Unsupported {
                what: format!("the way `{other}` in which a GGUF file says to split text"),
            });
        }
    };
    let mut vocab = Map::new();
    for (id, token) in (0_u32..).zip(tokens) {
        if vocab.insert(token.clone(), Value::from(id)).is_some() {
            return Err(TokenizerError::Duplicate {
                token: token.clone(),
            });
        }
    }
    let mut tokenizer =
        byte_level::tokenizer(Value::Object(vocab), merges.collect(), split, ignore_merges)?;
    for ((id, token), kind) in (0..).zip(tokens).zip(kinds) {
        let special = match kind {
            Kind::Control | Kind::Unknown => true,
            Kind::UserDefined => false,
            Kind::Normal | Kind::Unused | Kind::Byte => continue,
        };
        tokenizer.add(&[AddedToken {
            content: token,
            id,
            special,
        }])?;
    }
    Ok(tokenizer)
}

fn sentencepiece(
    metadata: &Metadata,
    tokens: &[String],
    scores: &[f32],
    kinds: &[Kind],
    algorithm: Algorithm,
) -> Result<TokenizerJson, TokenizerError> {
    let flag = |key: &str, default: bool| match metadata.get(key) {
        None => Ok(default),
        Some(_) => metadata.bool(key),
    };
    let pieces = tokens.iter().zip(scores).zip(kinds);
    let model = Model {
        pieces: pieces
            .map(|((text, &score), &kind)| Piece {
                text: text.clone(),
                score,
                kind,
            })
            .collect(),
        algorithm,
        add_dummy_prefix: flag("tokenizer.ggml.add_space_prefix", true)?,
        remove_extra_whitespaces: flag("tokenizer.ggml.remove_extra_whitespaces", false)?,
        precompiled_charsmap: match metadata.get("tokenizer.ggml.precompiled_charsmap") {
            None => Vec::new(),
            Some(_) => metadata
                .u8s("tokenizer.ggml.precompiled_charsmap")?
                .to_vec(),
        },
    };
    model.to_json()
}

fn same_length(what: &'static str, found: usize, expected: usize) -> Result<(), TokenizerError> {
    if found == expected {
        return Ok(());
    }
    Err(TokenizerError::Length {
        what,
        found,
        expected,
    })
}
