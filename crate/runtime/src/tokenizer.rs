//! Text to token ids and back.
//!
//! Special tokens never come from text: `<image>` in a caption someone typed
//! is seven characters, not a place for an image. They enter a prompt by id
//! only, through [`crate::prompt`].

use std::collections::HashMap;

use flamingo::FlamingoConfig;
use flamingo::config::{PromptConfig, TokensConfig};
use flamingo_weights::excerpt::one_line;
use thiserror::Error;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::{Decoder, DecoderWrapper, PostProcessorWrapper};

use crate::tokenizer_steps;

/// Text of the token that stands where an image stands.
pub const IMAGE: &str = "<image>";

/// Text of the token that ends an example.
pub const END_OF_CHUNK: &str = "<|endofchunk|>";

/// Why a `tokenizer.json` does not serve a model.
#[derive(Debug, Error)]
pub enum TokenizerError {
    /// The text is not a tokenizer of the `tokenizers` library.
    #[error("tokenizer.json cannot be read: {0}")]
    Malformed(String),
    /// A token the model cannot do without is not a special token here.
    #[error("tokenizer.json has no special token {token}; was it made for another model?")]
    MissingToken {
        /// Text of the token.
        token: &'static str,
    },
    /// Tokenizer and configuration name different ids for a token.
    #[error("{token} has id {tokenizer} in tokenizer.json and {config} in the configuration")]
    IdMismatch {
        /// Text of the token.
        token: &'static str,
        /// Its id in the tokenizer.
        tokenizer: u32,
        /// Its id in the model's configuration.
        config: u32,
    },
    /// The tokenizer knows tokens the model has no embedding for.
    #[error("token id {id} of tokenizer.json is outside the model's vocabulary of {vocab}")]
    OutsideVocabulary {
        /// The largest id of the tokenizer.
        id: u32,
        /// Size of the model's vocabulary, extra tokens included.
        vocab: usize,
    },
    /// A vocabulary that no id of 32 bits could name.
    #[error("a vocabulary of {vocab} tokens is more than ids of 32 bits can name")]
    Vocabulary {
        /// Size of the model's vocabulary, extra tokens included.
        vocab: usize,
    },
    /// The bytes of single tokens are not known.
    #[error(
        "tokenizer.json decodes tokens in a way this library does not know; \
         only byte-level and SentencePiece tokenizers can be constrained"
    )]
    NotByteLevel,
    /// The library failed on a text.
    #[error("the text cannot be tokenized: {0}")]
    Encode(String),
    /// The library failed on token ids.
    #[error("the tokens cannot be turned into text: {0}")]
    Decode(String),
}

/// The tokenizer of one model.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    tokens: TokensConfig,
    /// Size of the model's vocabulary, extra tokens included.
    vocab: u32,
    /// Ids that end generation.
    ends: Vec<u32>,
    /// Ids that must not be generated, ascending.
    banned: Vec<u32>,
    spelling: Spelling,
}

/// The names of the tokens of an image and of an answer's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SpecialTokens {
    /// [`IMAGE`] and [`END_OF_CHUNK`].
    OpenFlamingo,
    /// As the model has it: IDEFICS and OpenFlamingo 1 end with `</s>`, flamingo-mini has an
    /// image at the token of "<".
    Own,
}

/// How tokens spell their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// A character for each byte, by the table of GPT-2.
    ByteLevel,
    /// As SentencePiece does: U+2581 for a space, and `<0x0A>` for a byte that is in no
    /// piece. So many spaces at the start of a text are dropped.
    SentencePiece { dropped: usize },
    /// In a way that is not known here.
    Other,
}

impl Tokenizer {
    /// Reads the text of a `tokenizer.json` and holds it against the model it
    /// is for: `vocab` tokens, extra tokens included, of which `tokens` are
    /// the two that carry meaning.
    ///
    /// # Errors
    /// Where the text is malformed or made for another model.
    pub fn from_json(
        json: &str,
        tokens: TokensConfig,
        vocab: usize,
    ) -> Result<Self, TokenizerError> {
        Self::read(json, tokens, vocab, SpecialTokens::OpenFlamingo)
    }

    /// Reads the text of a `tokenizer.json` for the model of this configuration, which may
    /// spell its prompts in its own way.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn for_model(json: &str, config: &FlamingoConfig) -> Result<Self, TokenizerError> {
        let (tokens, prompt) = (config.tokens, &config.prompt);
        let special = match *prompt == PromptConfig::open_flamingo(tokens) {
            true => SpecialTokens::OpenFlamingo,
            false => SpecialTokens::Own,
        };
        let mut tokenizer = Self::read(json, tokens, config.vocab(), special)?;
        tokenizer.ends.extend(&prompt.end_ids);
        tokenizer.banned.extend(&prompt.banned);
        tokenizer.banned.retain(|id| !tokenizer.ends.contains(id));
        tokenizer.banned.sort_unstable();
        tokenizer.banned.dedup();
        Ok(tokenizer)
    }

    fn read(
        json: &str,
        tokens: TokensConfig,
        vocab: usize,
        special: SpecialTokens,
    ) -> Result<Self, TokenizerError> {
        let malformed = |reason: String| TokenizerError::Malformed(one_line(&reason));
        tokenizer_steps::check(json).map_err(malformed)?;
        let mut inner: tokenizers::Tokenizer = json
            .parse()
            .map_err(|error| malformed(format!("{error}")))?;
        // It is for special tokens, which no text brings; of what it takes for granted not all
        // is there.
        inner.with_post_processor(None::<PostProcessorWrapper>);
        // A file may ask for both; a prompt must be neither cut nor filled up.
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|error| malformed(error.to_string()))?;
        // Text is text, whatever it spells.
        inner.set_encode_special_tokens(true);

        let added = inner.get_added_tokens_decoder();
        let is_special = |id: u32| added.get(&id).is_some_and(|token| token.special);
        for (token, config) in [(IMAGE, tokens.image), (END_OF_CHUNK, tokens.end_of_chunk)] {
            let is_own = special == SpecialTokens::Own && inner.id_to_token(config).is_some();
            match inner.token_to_id(token) {
                None if is_own => {}
                // OpenFlamingo 1 writes the one behind shots, and ends with `</s>` itself.
                Some(id) if is_own && token == END_OF_CHUNK && id != config && is_special(id) => {}
                Some(id) if !is_special(id) => return Err(TokenizerError::MissingToken { token }),
                None => return Err(TokenizerError::MissingToken { token }),
                Some(tokenizer) if tokenizer != config => {
                    return Err(TokenizerError::IdMismatch {
                        token,
                        tokenizer,
                        config,
                    });
                }
                Some(_) => {}
            }
        }
        if let Some(id) = inner.get_vocab(true).into_values().max()
            && id as usize >= vocab
        {
            return Err(TokenizerError::OutsideVocabulary { id, vocab });
        }
        let vocab = u32::try_from(vocab).map_err(|_| TokenizerError::Vocabulary { vocab })?;
        let banned = (0..vocab)
            .filter(|&id| id != tokens.end_of_chunk)
            .filter(|&id| is_special(id) || inner.id_to_token(id).is_none())
            .collect();
        let spelling = inner.get_decoder().map_or(Spelling::Other, Spelling::of);
        Ok(Self {
            inner,
            tokens,
            vocab,
            ends: vec![tokens.end_of_chunk],
            banned,
            spelling,
        })
    }

    /// Ids that end generation.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Ids of `<image>` and `<|endofchunk|>`.
    pub fn tokens(&self) -> TokensConfig {
        self.tokens
    }

    /// Ids that are never generated, ascending: every special token but
    /// `<|endofchunk|>`, and rows of the vocabulary without a token.
    pub fn banned(&self) -> &[u32] {
        &self.banned
    }

    /// Token ids of a text, in which nothing is a special token.
    ///
    /// # Errors
    /// Where the library refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self
            .inner
            .encode_fast(text, false)
            .map_err(|error| TokenizerError::Encode(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Ids of `text` as they follow those of `before`, the text that it continues. Some
    /// tokenizers put a space before a text by itself, which a continuation does not have.
    /// If both together do not begin with the ids of `before`, `text` is encoded by itself.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_behind(&self, before: &str, text: &str) -> Result<Vec<u32>, TokenizerError> {
        if !before.is_empty() {
            let shared = self.encode(before)?;
            let both = self.encode(&[before, text].concat())?;
            if let Some(ids) = both.strip_prefix(&shared[..])
                && !ids.is_empty()
            {
                return Ok(ids.to_vec());
            }
        }
        self.encode(text)
    }

    /// Text of token ids; special tokens have none. Bytes that are no UTF-8
    /// become U+FFFD.
    ///
    /// # Errors
    /// Where the library refuses the ids.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        if let Spelling::SentencePiece { dropped } = self.spelling {
            // The library looks at a run of bytes as a whole: one that is no UTF-8 would
            // take back the characters before it, which a stream has given out already.
            let bytes: Vec<u8> = ids.iter().flat_map(|&id| self.piece_bytes(id)).collect();
            let spaces = bytes.iter().take(dropped).take_while(|&&byte| byte == b' ');
            let text = String::from_utf8_lossy(&bytes[spaces.count()..]);
            return Ok(text.into_owned());
        }
        self.inner
            .decode(ids, true)
            .map_err(|error| TokenizerError::Decode(error.to_string()))
    }

    /// Text of token ids up to the last whole character: as [`Self::decode`], without a
    /// character whose last bytes are in tokens that did not come.
    ///
    /// # Errors
    /// Where the library refuses the ids.
    pub fn decode_whole(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let mut stream = self.text_stream();
        ids.iter().map(|&id| stream.push(id)).collect()
    }

    /// Text of a token by itself, special ones included: U+FFFD where it is no whole
    /// character.
    ///
    /// # Errors
    /// Where the library refuses the id.
    pub fn text_of(&self, id: u32) -> Result<String, TokenizerError> {
        if let Spelling::SentencePiece { .. } = self.spelling
            && !self.is_special(id)
        {
            // By itself, a space is not at the start of a text.
            return Ok(String::from_utf8_lossy(&self.piece_bytes(id)).into_owned());
        }
        self.inner
            .decode(&[id], false)
            .map_err(|error| TokenizerError::Decode(error.to_string()))
    }

    /// The bytes of every token's text, by id: none for special tokens and for rows of
    /// the vocabulary without a token.
    ///
    /// # Errors
    /// [`TokenizerError::NotByteLevel`] for tokenizers whose tokens have no bytes of
    /// their own.
    pub fn token_bytes(&self) -> Result<Vec<Box<[u8]>>, TokenizerError> {
        match self.spelling {
            Spelling::ByteLevel => self.byte_level_bytes(),
            Spelling::SentencePiece { .. } => Ok((0..self.vocab)
                .map(|id| self.piece_bytes(id).into())
                .collect()),
            Spelling::Other => Err(TokenizerError::NotByteLevel),
        }
    }

    /// How many spaces at the start of a text have no place in what [`decode`](Self::decode)
    /// gives, where tokens spell a space before each word.
    pub fn spaces_dropped_at_start(&self) -> usize {
        match self.spelling {
            Spelling::SentencePiece { dropped } => dropped,
            Spelling::ByteLevel | Spelling::Other => 0,
        }
    }

    fn byte_level_bytes(&self) -> Result<Vec<Box<[u8]>>, TokenizerError> {
        let bytes: HashMap<char, u8> = byte_level_alphabet().collect();
        let added = self.inner.get_added_tokens_decoder();
        (0..self.vocab)
            .map(|id| match (added.get(&id), self.inner.id_to_token(id)) {
                (Some(token), _) if token.special => Ok(Box::default()),
                (Some(token), _) => Ok(token.content.as_bytes().into()),
                (None, None) => Ok(Box::default()),
                (None, Some(token)) => token
                    .chars()
                    .map(|character| bytes.get(&character).copied())
                    .collect::<Option<_>>()
                    .ok_or(TokenizerError::NotByteLevel),
            })
            .collect()
    }

    /// The bytes of a token that is spelled as SentencePiece does.
    fn piece_bytes(&self, id: u32) -> Vec<u8> {
        match self.inner.id_to_token(id) {
            Some(piece) if !self.is_special(id) => match byte_of(&piece) {
                Some(byte) => vec![byte],
                None => piece.replace(SPACE_OF_PIECES, " ").into_bytes(),
            },
            _ => Vec::new(),
        }
    }

    fn is_special(&self, id: u32) -> bool {
        let added = self.inner.get_added_vocabulary().get_added_tokens_decoder();
        added.get(&id).is_some_and(|token| token.special)
    }

    /// Starts to turn tokens into text as they come.
    pub fn text_stream(&self) -> TextStream<'_> {
        let state = match self.spelling {
            Spelling::SentencePiece { dropped } => StreamState::Bytes {
                pending: Vec::new(),
                spaces_left: dropped,
            },
            Spelling::ByteLevel | Spelling::Other => StreamState::Tokens {
                shown: Vec::new(),
                pending: Vec::new(),
            },
        };
        TextStream {
            tokenizer: self,
            state,
        }
    }
}

/// Stands for a space in SentencePiece's pieces.
const SPACE_OF_PIECES: char = '\u{2581}';

/// The byte that a piece `<0x0A>` stands for.
fn byte_of(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    let is_byte = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| is_byte)
}

impl Spelling {
    /// The spelling that a decoder reads: GPT-2's; that of SentencePiece, as step after
    /// step or as the one step `Metaspace`.
    fn of(decoder: &DecoderWrapper) -> Self {
        let steps = match decoder {
            DecoderWrapper::ByteLevel(_) => return Self::ByteLevel,
            DecoderWrapper::Sequence(sequence) => sequence.get_decoders(),
            single => std::slice::from_ref(single),
        };
        let (mut is_spaced, mut dropped) = (false, 0);
        for step in steps {
            match step {
                DecoderWrapper::ByteLevel(_) if steps.len() == 1 => return Self::ByteLevel,
                DecoderWrapper::Replace(_) if writes_spaces(step) => is_spaced = true,
                DecoderWrapper::Metaspace(metaspace)
                    if metaspace.get_replacement() == SPACE_OF_PIECES =>
                {
                    is_spaced = true;
                    if metaspace.get_prepend_scheme() != PrependScheme::Never {
                        dropped = 1;
                    }
                }
                DecoderWrapper::Strip(strip) if strip.content == ' ' && strip.stop == 0 => {
                    dropped = strip.start;
                }
                DecoderWrapper::ByteFallback(_) | DecoderWrapper::Fuse(_) => {}
                _ => return Self::Other,
            }
        }
        match is_spaced {
            true => Self::SentencePiece { dropped },
            false => Self::Other,
        }
    }
}

/// Whether a step writes a space for each [`SPACE_OF_PIECES`] and leaves all else; the
/// library does not tell what it replaces.
fn writes_spaces(step: &DecoderWrapper) -> bool {
    let written = step.decode_chain(vec![format!("{SPACE_OF_PIECES}a b{SPACE_OF_PIECES}")]);
    written.is_ok_and(|written| written == [" a b "])
}

/// The character that stands for each byte in the vocabulary of a byte-level
/// tokenizer: itself where it is a visible one of Latin-1, else the next one free
/// from U+0100 on. Source: GPT-2, `encoder.py`, `bytes_to_unicode`.
fn byte_level_alphabet() -> impl Iterator<Item = (char, u8)> {
    let mut free = '\u{100}'..;
    (0..=u8::MAX).filter_map(move |byte| {
        let visible = matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
        let character = if visible {
            Some(char::from(byte))
        } else {
            free.next()
        };
        Some((character?, byte))
    })
}

/// Text of tokens that come one by one. See [`Tokenizer::text_stream`].
///
/// A character may be spread over several tokens; it comes out whole, with
/// the last of them. All that came out is a prefix of [`Tokenizer::decode`]
/// over the same tokens.
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    state: StreamState,
}

enum StreamState {
    /// For tokens whose text the library makes.
    Tokens {
        /// The tokens whose text came out last. Decoders look at neighbours (a leading
        /// space may depend on what stands before), so new tokens are decoded after
        /// these; older ones no longer matter.
        shown: Vec<u32>,
        /// Tokens since then, which do not end with a whole character yet.
        pending: Vec<u32>,
    },
    /// For tokens whose bytes are known.
    Bytes {
        /// The first bytes of a character.
        pending: Vec<u8>,
        /// Spaces that have no place in the text, as it has not begun yet.
        spaces_left: usize,
    },
}

impl TextStream<'_> {
    /// Takes the next token and returns the text it completes, often empty
    /// or more than one character.
    ///
    /// # Errors
    /// Where the library refuses the tokens.
    pub fn push(&mut self, id: u32) -> Result<String, TokenizerError> {
        let tokenizer = self.tokenizer;
        match &mut self.state {
            StreamState::Tokens { shown, pending } => {
                pending.push(id);
                let before = tokenizer.decode(shown)?;
                let both = tokenizer.decode(&[&shown[..], pending].concat())?;
                match both.strip_prefix(&before) {
                    Some(new) if !new.ends_with(char::REPLACEMENT_CHARACTER) => {
                        *shown = std::mem::take(pending);
                        Ok(new.to_owned())
                    }
                    _ => Ok(String::new()),
                }
            }
            StreamState::Bytes {
                pending,
                spaces_left,
            } => {
                let bytes = tokenizer.piece_bytes(id);
                let spaces = bytes.iter().take(*spaces_left);
                let spaces = spaces.take_while(|&&byte| byte == b' ').count();
                *spaces_left = match spaces == bytes.len() {
                    true => *spaces_left - spaces,
                    false => 0,
                };
                pending.extend_from_slice(&bytes[spaces..]);
                Ok(take_characters(pending))
            }
        }
    }
}

/// Takes all characters off the front of `bytes` but one that may still become whole.
fn take_characters(bytes: &mut Vec<u8>) -> String {
    let mut whole = 0;
    while let Err(error) = std::str::from_utf8(&bytes[whole..]) {
        whole += error.valid_up_to();
        match error.error_len() {
            Some(length) => whole += length,
            None => break,
        }
    }
    if std::str::from_utf8(&bytes[whole..]).is_ok() {
        whole = bytes.len();
    }
    let rest = bytes.split_off(whole);
    let text = String::from_utf8_lossy(bytes).into_owned();
    *bytes = rest;
    text
}
