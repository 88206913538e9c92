//! SentencePiece's `tokenizer.model`, BPE and unigram, as a `tokenizer.json`.
//!
//! Field numbers are those of `sentencepiece_model.proto`. What the library does to a
//! text becomes a chain of normalizers, without a split by words: its own search runs
//! over the whole text too.

use std::collections::{HashMap, HashSet};

use serde_json::{Value as Json, json};

use super::protobuf::{Fields, Value};
use super::{AddedToken, TokenizerError, TokenizerJson};

/// Stands for a space within pieces.
const SPACE: &str = "\u{2581}";

/// Most pieces of a model.
const MAX_PIECES: usize = 4 << 20;

/// Longest piece, in bytes: a piece can be two others in as many ways as it has places.
const MAX_PIECE: usize = 256;

/// Score of what no text is read as; that of any other reading is far above it.
const UNREACHABLE: f64 = -1e6;

/// Least score of a piece: a hundred of them are still above [`UNREACHABLE`].
const LEAST_SCORE: f32 = -1e4;

/// More spaces than a text begins with.
const ALL_SPACES: u32 = u32::MAX;

/// The purpose of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

impl Kind {
    /// The kind of a number, which llama.cpp shares with SentencePiece; `None` where it
    /// means nothing.
    pub(super) fn of(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => return None,
        })
    }
}

/// An entry of the vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) score: f32,
    pub(super) kind: Kind,
}

/// Which search reads a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Unigram,
    Bpe,
}

/// A model, as far as it is needed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model {
    pub(super) pieces: Vec<Piece>,
    pub(super) algorithm: Algorithm,
    /// Whether a space is put before each text.
    pub(super) add_dummy_prefix: bool,
    /// Whether spaces at the ends, and all but one of several, are dropped.
    pub(super) remove_extra_whitespaces: bool,
    /// Rules that replace characters, compiled; empty where there are none.
    pub(super) precompiled_charsmap: Vec<u8>,
}

/// Reads a `tokenizer.model`.
pub(super) fn read(bytes: &[u8]) -> Result<TokenizerJson, TokenizerError> {
    parse(bytes)?.to_json()
}

fn parse(bytes: &[u8]) -> Result<Model, TokenizerError> {
    let mut model = Model {
        pieces: Vec::new(),
        algorithm: Algorithm::Unigram,
        add_dummy_prefix: true,
        remove_extra_whitespaces: true,
        precompiled_charsmap: Vec::new(),
    };
    for field in Fields::of(bytes) {
        match field? {
            (1, Value::Bytes(piece)) => {
                if model.pieces.len() == MAX_PIECES {
                    return Err(malformed("it has too many pieces"));
                }
                model.pieces.push(piece_of(piece)?);
            }
            // The trainer's settings, of which the algorithm is one.
            (2, Value::Bytes(trainer)) => model.read_trainer(trainer)?,
            (3, Value::Bytes(normalizer)) => model.read_normalizer(normalizer)?,
            _ => {}
        }
    }
    if model.pieces.is_empty() {
        return Err(malformed("it has no pieces"));
    }
    Ok(model)
}

fn piece_of(message: &[u8]) -> Result<Piece, TokenizerError> {
    let mut piece = Piece {
        text: String::new(),
        score: 0.0,
        kind: Kind::Normal,
    };
    for field in Fields::of(message) {
        match field? {
            (1, Value::Bytes(text)) => {
                let text = str::from_utf8(text).map_err(|_| malformed("a piece is not UTF-8"))?;
                piece.text = text.to_owned();
            }
            (2, Value::Fixed32(score)) => piece.score = f32::from_le_bytes(score),
            (3, Value::Varint(kind)) => {
                piece.kind = Kind::of(kind).ok_or_else(|| malformed("a piece is of no kind"))?;
            }
            _ => {}
        }
    }
    if piece.text.is_empty() {
        return Err(malformed("a piece has no text"));
    }
    if piece.text.len() > MAX_PIECE {
        return Err(malformed("a piece is too long"));
    }
    Ok(piece)
}

impl Model {
    fn read_trainer(&mut self, message: &[u8]) -> Result<(), TokenizerError> {
        for field in Fields::of(message) {
            match field? {
                (3, Value::Varint(1)) => self.algorithm = Algorithm::Unigram,
                (3, Value::Varint(2)) => self.algorithm = Algorithm::Bpe,
                (3, Value::Varint(other)) => {
                    return Err(unsupported(format!(
                        "a SentencePiece model of type {other}"
                    )));
                }
                (24, Value::Varint(1)) => {
                    return Err(unsupported("a space behind each word instead of before it"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_normalizer(&mut self, message: &[u8]) -> Result<(), TokenizerError> {
        for field in Fields::of(message) {
            match field? {
                (2, Value::Bytes(charsmap)) => self.precompiled_charsmap = charsmap.to_vec(),
                (3, Value::Varint(flag)) => self.add_dummy_prefix = flag != 0,
                (4, Value::Varint(flag)) => self.remove_extra_whitespaces = flag != 0,
                (5, Value::Varint(0)) => {
                    return Err(unsupported(
                        "a SentencePiece model that leaves spaces as they are",
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The same as a `tokenizer.json`.
    pub(super) fn to_json(&self) -> Result<TokenizerJson, TokenizerError> {
        // BPE's are the negative numbers of its merges.
        let least = match self.algorithm {
            Algorithm::Unigram => LEAST_SCORE,
            Algorithm::Bpe => f32::MIN,
        };
        for piece in &self.pieces {
            if !piece.score.is_finite() || piece.score < least {
                return Err(malformed("the score of a piece is no number, or too low"));
            }
            let what = match piece.kind {
                Kind::UserDefined => "which the user defined",
                Kind::Unused => "which is unused",
                _ => continue,
            };
            return Err(unsupported(format!("the piece {:?}, {what},", piece.text)));
        }
        let unknown = self
            .pieces
            .iter()
            .position(|piece| piece.kind == Kind::Unknown);
        let has_bytes = self.pieces.iter().any(|piece| piece.kind == Kind::Byte);
        let model = match self.algorithm {
            Algorithm::Bpe => self.bpe(unknown, has_bytes),
            Algorithm::Unigram => self.unigram(unknown, has_bytes)?,
        };
        let mut decoders = vec![
            json!({ "type": "Replace", "pattern": { "String": SPACE }, "content": " " }),
            json!({ "type": "ByteFallback" }),
            json!({ "type": "Fuse" }),
        ];
        if self.add_dummy_prefix {
            let start = match self.remove_extra_whitespaces {
                true => ALL_SPACES,
                false => 1,
            };
            decoders.push(json!({ "type": "Strip", "content": " ", "start": start, "stop": 0 }));
        }
        let mut tokenizer = TokenizerJson::from_value(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [],
            "normalizer": { "type": "Sequence", "normalizers": self.normalizers() },
            "pre_tokenizer": null,
            "post_processor": null,
            "decoder": { "type": "Sequence", "decoders": decoders },
            "model": model,
        }))?;
        for (id, piece) in (0..).zip(&self.pieces) {
            if matches!(piece.kind, Kind::Control | Kind::Unknown) {
                tokenizer.add(&[AddedToken {
                    content: &piece.text,
                    id,
                    special: true,
                }])?;
            }
        }
        Ok(tokenizer)
    }

    fn normalizers(&self) -> Vec<Json> {
        let mut steps = Vec::new();
        if !self.precompiled_charsmap.is_empty() {
            steps.push(json!({
                "type": "Precompiled",
                "precompiled_charsmap": base64(&self.precompiled_charsmap),
            }));
        }
        if self.remove_extra_whitespaces {
            // `Strip` would drop line breaks too.
            let ends = json!({ "Regex": "\\A +| +\\z" });
            steps.push(json!({ "type": "Replace", "pattern": ends, "content": "" }));
            steps.push(
                json!({ "type": "Replace", "pattern": { "Regex": " {2,}" }, "content": " " }),
            );
        }
        if self.add_dummy_prefix {
            steps.push(json!({ "type": "Prepend", "prepend": SPACE }));
        }
        steps.push(json!({ "type": "Replace", "pattern": { "String": " " }, "content": SPACE }));
        steps
    }

    fn bpe(&self, unknown: Option<usize>, has_bytes: bool) -> Json {
        let vocab: serde_json::Map<String, Json> = self
            .pieces
            .iter()
            .zip(0_u32..)
            .map(|(piece, id)| (piece.text.clone(), Json::from(id)))
            .collect();
        json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": unknown.map(|id| &self.pieces[id].text),
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": true,
            "byte_fallback": has_bytes,
            "ignore_merges": false,
            "vocab": vocab,
            "merges": self.merges(),
        })
    }

    /// Which neighbours become one piece: every way in which a piece is two others, the
    /// pieces of higher score first.
    ///
    /// SentencePiece has no list of merges: it merges any two neighbours that are a piece
    /// together.
    fn merges(&self) -> Vec<Json> {
        let is_text = |piece: &&Piece| piece.kind == Kind::Normal;
        let ids: HashMap<&str, usize> = self
            .pieces
            .iter()
            .enumerate()
            .filter(|(_, piece)| is_text(piece))
            .map(|(id, piece)| (piece.text.as_str(), id))
            .collect();
        let mut merges = Vec::new();
        for piece in self.pieces.iter().filter(is_text) {
            for (at, _) in piece.text.char_indices().skip(1) {
                let (left, right) = piece.text.split_at(at);
                if let (Some(&l), Some(&r)) = (ids.get(left), ids.get(right)) {
                    merges.push((piece.score, l, r));
                }
            }
        }
        merges.sort_by(|a, b| {
            let score = b.0.total_cmp(&a.0);
            score.then_with(|| (a.1, a.2).cmp(&(b.1, b.2)))
        });
        let text = |id: usize| &self.pieces[id].text;
        merges
            .iter()
            .map(|&(_, l, r)| json!([text(l), text(r)]))
            .collect()
    }

    /// # Errors
    /// Where a text could be read as a piece that stands for none.
    ///
    /// SentencePiece's search passes over such pieces. That of `tokenizers` takes any, so
    /// a score sees to it that it never does, as long as their characters have pieces of
    /// their own: what has none costs more than everything else.
    fn unigram(&self, unknown: Option<usize>, has_bytes: bool) -> Result<Json, TokenizerError> {
        let is_text = |piece: &&Piece| piece.kind == Kind::Normal;
        let pieces = self.pieces.iter().filter(is_text);
        let texts: HashSet<&str> = pieces.map(|piece| piece.text.as_str()).collect();
        let mut characters = [0; 4];
        for piece in self.pieces.iter().filter(|piece| !is_text(piece)) {
            let mut characters_of = piece.text.chars();
            if !characters_of.all(|c| texts.contains(&*c.encode_utf8(&mut characters))) {
                return Err(unsupported(format!(
                    "a unigram model without a piece for each character of {:?}",
                    piece.text
                )));
            }
        }
        let vocab = self.pieces.iter().map(|piece| {
            let score = match piece.kind {
                Kind::Normal => f64::from(piece.score),
                _ => UNREACHABLE,
            };
            json!([piece.text, score])
        });
        Ok(json!({
            "type": "Unigram",
            "unk_id": unknown,
            "byte_fallback": has_bytes,
            "vocab": vocab.collect::<Vec<_>>(),
        }))
    }
}

/// Bytes as text, as `tokenizers` has them in JSON. Source: RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            text.push(match place <= group.len() {
                true => char::from(LETTERS[(bits >> (18 - 6 * place)) as usize & 63]),
                false => '=',
            });
        }
    }
    text
}

fn malformed(reason: &str) -> TokenizerError {
    TokenizerError::SentencePiece {
        reason: reason.to_owned(),
    }
}

fn unsupported(what: impl Into<String>) -> TokenizerError {
    TokenizerError::Unsupported { what: what.into() }
}
