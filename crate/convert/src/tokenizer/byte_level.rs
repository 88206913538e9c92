//! GPT-2's BPE over bytes: `vocab.json` and `merges.txt`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{AddedToken, MAX_FILE, MERGES, TokenizerError, TokenizerJson, start};

/// Tokens that are special where no file beside `vocab.json` says which ones are.
const USUAL_SPECIALS: [&str; 6] = ["<|endoftext|>", "<s>", "</s>", "<pad>", "<unk>", "<mask>"];

/// The regular expression by which GPT-2 splits text; `tokenizers` has it built in.
pub(super) fn gpt2_split(add_prefix_space: bool) -> Value {
    json!({
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": true,
        "use_regex": true,
    })
}

/// A split by another regular expression, and the bytes as letters.
pub(super) fn regex_split(pattern: &str) -> Value {
    json!({
        "type": "Sequence",
        "pretokenizers": [
            {
                "type": "Split",
                "pattern": { "Regex": pattern },
                "behavior": "Isolated",
                "invert": false,
            },
            {
                "type": "ByteLevel",
                "add_prefix_space": false,
                "trim_offsets": true,
                "use_regex": false,
            },
        ],
    })
}

/// The `tokenizer.json` of a BPE over bytes.
///
/// # Errors
/// Where two tokens have one id.
pub(super) fn tokenizer(
    vocab: Value,
    merges: Vec<Value>,
    pre_tokenizer: Value,
    ignore_merges: bool,
) -> Result<TokenizerJson, TokenizerError> {
    TokenizerJson::from_value(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": null,
        "decoder": {
            "type": "ByteLevel",
            "add_prefix_space": true,
            "trim_offsets": true,
            "use_regex": true,
        },
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": ignore_merges,
            "vocab": vocab,
            "merges": merges,
        },
    }))
}

/// The tokenizer of the vocabulary `vocab`, which was read from `path`, and the files in
/// `folder`.
pub(super) fn open(
    vocab: Value,
    path: &Path,
    folder: &Path,
) -> Result<TokenizerJson, TokenizerError> {
    let merges_path = folder.join(MERGES);
    let merges = merges(&text(&merges_path)?).map_err(TokenizerError::at(&merges_path))?;
    let config: Config = optional(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
    let split = gpt2_split(config.add_prefix_space.unwrap_or(false));
    let mut tokenizer = tokenizer(vocab, merges, split, false).map_err(TokenizerError::at(path))?;

    let added: BTreeMap<String, u32> =
        optional(&folder.join("added_tokens.json"))?.unwrap_or_default();
    let by_id: Vec<(&String, u32)> = added.iter().map(|(text, &id)| (text, id)).collect();
    let described = config.added_tokens_decoder.iter();
    let described = described.map(|(id, token)| (&token.content, *id, token.special));
    let added = by_id.into_iter().map(|(text, id)| (text, id, false));
    let mut tokens: Vec<(String, u32, bool)> = Vec::new();
    for (content, id, special) in added.chain(described) {
        tokens.push((content.clone(), id, special));
    }
    let map: Option<BTreeMap<String, Named>> = optional(&folder.join("special_tokens_map.json"))?;
    let named = map
        .into_iter()
        .flatten()
        .flat_map(|(_, named)| named.texts());
    let mut specials: Vec<String> = named.collect();
    specials.extend(config.texts());
    if tokens.is_empty() && specials.is_empty() {
        specials = USUAL_SPECIALS.map(str::to_owned).to_vec();
    }
    for special in specials {
        let id = tokens
            .iter()
            .find_map(|(content, id, _)| (*content == special).then_some(*id))
            .or_else(|| tokenizer.id_of(&special));
        if let Some(id) = id {
            tokens.push((special, id, true));
        }
    }
    // By id, and the last word on a token is whether it is special.
    tokens.sort_by_key(|&(_, id, special)| (id, special));
    for (content, id, special) in &tokens {
        let token = AddedToken {
            content,
            id: *id,
            special: *special,
        };
        tokenizer.add(&[token]).map_err(TokenizerError::at(path))?;
    }
    Ok(tokenizer)
}

/// The lines of a `merges.txt`, without the one that names its version.
fn merges(text: &str) -> Result<Vec<Value>, TokenizerError> {
    let lines = text.lines().map(|line| line.trim_end_matches('\r'));
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("#version"));
    lines
        .map(|line| match line.split_once(' ') {
            Some((left, right))
                if !left.is_empty() && !right.is_empty() && !right.contains(' ') =>
            {
                Ok(json!([left, right]))
            }
            _ => Err(TokenizerError::part("merges", format!("the line {line:?}"))),
        })
        .collect()
}

/// A `tokenizer_config.json`, as far as it is needed.
#[derive(Default, Deserialize)]
struct Config {
    add_prefix_space: Option<bool>,
    #[serde(default)]
    added_tokens_decoder: BTreeMap<u32, Described>,
    bos_token: Option<Named>,
    eos_token: Option<Named>,
    unk_token: Option<Named>,
    pad_token: Option<Named>,
    additional_special_tokens: Option<Named>,
}

impl Config {
    /// The special tokens that it names.
    fn texts(self) -> impl Iterator<Item = String> {
        let named = [
            self.bos_token,
            self.eos_token,
            self.unk_token,
            self.pad_token,
            self.additional_special_tokens,
        ];
        named.into_iter().flatten().flat_map(Named::texts)
    }
}

#[derive(Deserialize)]
struct Described {
    content: String,
    #[serde(default)]
    special: bool,
}

/// A token, or several, by their texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Text(String),
    Token {
        content: String,
    },
    List(Vec<Named>),
    /// Something that is no token.
    Other(serde::de::IgnoredAny),
}

impl Named {
    fn texts(self) -> Vec<String> {
        match self {
            Self::Text(text) | Self::Token { content: text } => vec![text],
            Self::List(list) => list.into_iter().flat_map(Self::texts).collect(),
            Self::Other(_) => Vec::new(),
        }
    }
}

/// A file that may be missing.
fn optional<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, TokenizerError> {
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = start(path, MAX_FILE)?;
    let value = serde_json::from_slice(&bytes);
    value.map(Some).map_err(|error| TokenizerError::Malformed {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

fn text(path: &Path) -> Result<String, TokenizerError> {
    let bytes = start(path, MAX_FILE)?;
    String::from_utf8(bytes).map_err(|error| TokenizerError::Malformed {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}
