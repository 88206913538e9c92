//! A `tokenizer.json` in memory, and the tokens that are added to it.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::TokenizerError;

/// A token to be added at a given id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedToken<'a> {
    /// Its text.
    pub content: &'a str,
    /// Its id: the row of the embedding.
    pub id: u32,
    /// Whether it stands for something, and is no text: it never comes from text and has
    /// none itself.
    pub special: bool,
}

/// A tokenizer as the crate `tokenizers` reads it.
///
/// Every token is in the vocabulary of its model with its id, where that is a map; so
/// `tokenizers`, which counts ids on for added tokens that are not, gives none of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenizerJson {
    /// All but `added_tokens`.
    value: Map<String, Value>,
    added: BTreeMap<u32, Added>,
    ids: HashMap<String, u32>,
    texts: HashMap<u32, String>,
}

/// An element of `added_tokens`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Added {
    id: u32,
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    special: bool,
}

impl TokenizerJson {
    /// Takes the value of a `tokenizer.json`.
    ///
    /// # Errors
    /// Where it has no vocabulary, or two tokens have one id.
    pub fn from_value(value: Value) -> Result<Self, TokenizerError> {
        let Value::Object(mut value) = value else {
            return Err(TokenizerError::part("text", "no object"));
        };
        let mut ids = HashMap::new();
        let mut texts = HashMap::new();
        for (text, id) in vocabulary(&value)? {
            if let Some(other) = texts.insert(id, text.clone()) {
                return Err(TokenizerError::IdTaken {
                    token: text,
                    id,
                    other,
                });
            }
            if ids.insert(text.clone(), id).is_some() {
                return Err(TokenizerError::Duplicate { token: text });
            }
        }
        let added = value.remove("added_tokens").unwrap_or(Value::Null);
        let added: Option<Vec<Added>> = serde_json::from_value(added)
            .map_err(|error| TokenizerError::part("added_tokens", error.to_string()))?;
        let mut tokenizer = Self {
            value,
            added: BTreeMap::new(),
            ids,
            texts,
        };
        let mut added = added.unwrap_or_default();
        added.sort_by_key(|token| token.id);
        for token in added {
            tokenizer.insert(token)?;
        }
        Ok(tokenizer)
    }

    /// The text of the `tokenizer.json`.
    pub fn to_text(&self) -> String {
        let added = self.added.values().map(|token| {
            json!({
                "id": token.id,
                "content": token.content,
                "single_word": token.single_word,
                "lstrip": token.lstrip,
                "rstrip": token.rstrip,
                "normalized": token.normalized,
                "special": token.special,
            })
        });
        let mut value = self.value.clone();
        value.insert("added_tokens".to_owned(), added.collect());
        Value::Object(value).to_string()
    }

    /// The id of a token by its text.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    /// The text of a token by its id, as it is spelled in the vocabulary.
    pub fn text_of(&self, id: u32) -> Option<&str> {
        self.texts.get(&id).map(String::as_str)
    }

    /// One more than the largest id.
    pub fn vocab_size(&self) -> usize {
        let largest = self.texts.keys().max();
        largest.map_or(0, |&id| id as usize + 1)
    }

    /// Ids and texts of the special tokens, by id.
    pub fn special_tokens(&self) -> impl Iterator<Item = (u32, &str)> {
        let special = self.added.values().filter(|token| token.special);
        special.map(|token| (token.id, token.content.as_str()))
    }

    /// Adds tokens, or says of those that are there already whether they are special.
    ///
    /// # Errors
    /// Where a token is there with another id, or another token has its id; those before
    /// it have been added.
    pub fn add(&mut self, tokens: &[AddedToken<'_>]) -> Result<(), TokenizerError> {
        for token in tokens {
            self.insert(Added {
                id: token.id,
                content: token.content.to_owned(),
                single_word: false,
                lstrip: false,
                rstrip: false,
                normalized: false,
                special: token.special,
            })?;
        }
        Ok(())
    }

    fn insert(&mut self, token: Added) -> Result<(), TokenizerError> {
        let Added { id, content, .. } = &token;
        if let Some(&found) = self.ids.get(content)
            && found != *id
        {
            return Err(TokenizerError::OtherId {
                token: content.clone(),
                id: *id,
                found,
            });
        }
        match self.texts.get(id) {
            Some(other) if other != content => {
                return Err(TokenizerError::IdTaken {
                    token: content.clone(),
                    id: *id,
                    other: other.clone(),
                });
            }
            Some(_) => {}
            None => {
                match self
                    .value
                    .get_mut("model")
                    .and_then(|model| model.get_mut("vocab"))
                {
                    Some(Value::Object(vocab)) => {
                        vocab.insert(content.clone(), Value::from(*id));
                    }
                    // `tokenizers` counts on from its end; within, a text could be read as
                    // the token.
                    Some(Value::Array(_)) => {
                        let next = self.texts.keys().max().map_or(0, |&id| id as usize + 1);
                        if *id as usize != next {
                            return Err(TokenizerError::Gap {
                                token: content.clone(),
                                id: *id,
                                next,
                            });
                        }
                    }
                    _ => return Err(TokenizerError::part("model.vocab", "missing")),
                }
                self.ids.insert(content.clone(), *id);
                self.texts.insert(*id, content.clone());
            }
        }
        self.added.insert(*id, token);
        Ok(())
    }
}

/// Texts and ids of a model's vocabulary.
fn vocabulary(value: &Map<String, Value>) -> Result<Vec<(String, u32)>, TokenizerError> {
    let vocab = value.get("model").and_then(|model| model.get("vocab"));
    let number = |id: &Value| id.as_u64().and_then(|id| u32::try_from(id).ok());
    match vocab {
        Some(Value::Object(vocab)) => vocab
            .iter()
            .map(|(text, id)| Some((text.clone(), number(id)?)))
            .collect::<Option<_>>()
            .ok_or_else(|| TokenizerError::part("model.vocab", "no map of texts to ids")),
        Some(Value::Array(list)) => (0..)
            .zip(list)
            .map(|(id, entry)| Some((entry.get(0)?.as_str()?.to_owned(), id)))
            .collect::<Option<_>>()
            .ok_or_else(|| TokenizerError::part("model.vocab", "no list of texts with scores")),
        _ => Err(TokenizerError::part("model.vocab", "missing")),
    }
}
