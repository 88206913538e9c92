//! Tokenizers as a model's file holds them, read by the library that runs them.

use flamingo_architecture::config::TokensConfig;
use flamingo_runtime::Tokenizer;

use super::Target;
use crate::peak_during;

/// The target of the tokenizers of models.
pub const TARGET: Target = Target {
    name: "vocabulary",
    words: &[
        b"\"type\":\"BPE\"",
        b"\"type\":\"Unigram\"",
        b"\"type\":\"WordPiece\"",
        b"\"type\":\"WordLevel\"",
        b"\"type\":\"ByteLevel\"",
        b"\"type\":\"Metaspace\"",
        b"\"type\":\"Sequence\"",
        b"\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(a*)*b\"},\"content\":\"\"",
        b"\"type\":\"Split\"",
        b"\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"",
        b"\"type\":\"TemplateProcessing\"",
        b"\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0",
        b"\"unk_id\":0",
        b"\"unk_token\":\"a\"",
        b"\"byte_fallback\":true",
        b"\"continuing_subword_prefix\":\"##\"",
        b"\"max_input_chars_per_word\":0",
        b"\"dropout\":1.0",
        b"4294967295",
        b"null",
        b"[]",
        b"{}",
    ],
    check,
};

/// Most bytes allocated for each byte of input: the library's tables of texts and ids.
const BYTES_PER_BYTE: usize = 512;

/// Most bytes allocated for an input of no bytes: regular expressions, caches.
const BYTES_AT_LEAST: usize = 64 << 20;

/// Tokens of the model that the tokenizer is for.
const VOCABULARY: usize = 300;

/// Spaces, letters, a character of several bytes, names of special tokens.
const TEXT: &str = "  A photo of a café\n<image><|endofchunk|> 12";

fn check(input: &[u8]) -> String {
    let Ok(json) = str::from_utf8(input) else {
        return "no text".to_owned();
    };
    let (fate, peak) = peak_during(|| read(json));
    let limit = BYTES_AT_LEAST + BYTES_PER_BYTE * input.len();
    assert!(peak <= limit, "{peak} bytes allocated for {}", input.len());
    fate
}

fn read(json: &str) -> String {
    let tokens = TokensConfig {
        image: 1,
        end_of_chunk: 2,
    };
    let tokenizer = match Tokenizer::from_json(json, tokens, VOCABULARY) {
        Ok(tokenizer) => tokenizer,
        Err(error) => return error.to_string(),
    };
    let bytes = tokenizer.token_bytes();
    if let Ok(bytes) = &bytes {
        assert_eq!(bytes.len(), VOCABULARY);
    }
    let ids = match tokenizer.encode(TEXT) {
        Ok(ids) => ids,
        Err(error) => return error.to_string(),
    };
    for &id in &ids {
        assert!((id as usize) < VOCABULARY, "{id}");
    }
    let text = tokenizer.decode(&ids);
    let whole = tokenizer.decode_whole(&ids);
    for id in 0..VOCABULARY as u32 {
        let _ = tokenizer.text_of(id);
    }
    format!("whole {} {} {}", bytes.is_ok(), text.is_ok(), whole.is_ok())
}
