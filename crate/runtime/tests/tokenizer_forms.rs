//! Tokenizers of released models, small ones of each form, in the runtime
//! (`tests/parity/make_tokenizers.py`).
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use flamingo::config::TokensConfig;
use flamingo_convert::tokenizer::{AddedToken, TokenizerJson};
use flamingo_runtime::Tokenizer;

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/convert");
    folder.join("tokenizers").join(name)
}

/// A text with its ids, and what SentencePiece makes of them.
#[derive(serde::Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    decoded: Option<String>,
}

fn cases(name: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(fixture("encodings.json")).unwrap();
    let mut cases: HashMap<String, Vec<Case>> = serde_json::from_str(&text).unwrap();
    cases.remove(name).unwrap()
}

/// A tokenizer with OpenFlamingo's tokens behind its own.
fn tokenizer(name: &str) -> Tokenizer {
    let mut json = TokenizerJson::open(&fixture(name)).unwrap();
    let first = u32::try_from(json.vocab_size()).unwrap();
    let texts = ["<|endofchunk|>", "<image>", "<PAD>"];
    for (content, id) in texts.into_iter().zip(first..) {
        let special = true;
        json.add(&[AddedToken {
            content,
            id,
            special,
        }])
        .unwrap();
    }
    let tokens = TokensConfig {
        image: first + 1,
        end_of_chunk: first,
    };
    Tokenizer::from_json(&json.to_text(), tokens, json.vocab_size()).unwrap()
}

#[test]
fn a_text_is_encoded_as_it_follows_another() {
    for name in ["neox", "opt", "llama", "unigram"] {
        let tokenizer = tokenizer(name);
        for (before, text) in [("a dog:", "a cat"), ("the", " dog"), ("", "a dog")] {
            let shared = tokenizer.encode(before).unwrap();
            let both = tokenizer.encode(&format!("{before}{text}")).unwrap();
            let behind = tokenizer.encode_behind(before, text).unwrap();
            assert_eq!(
                [shared, behind].concat(),
                both,
                "{name}: {before:?} {text:?}"
            );
        }
    }
    // By itself a text would begin with a space here.
    let tokenizer = tokenizer("llama");
    let behind = tokenizer.encode_behind("a dog:", "a cat").unwrap();
    assert_ne!(behind, tokenizer.encode("a cat").unwrap());
    // What would change the tokens before it stands by itself.
    let alone = tokenizer.encode_behind("a dog:", "").unwrap();
    assert_eq!(alone, tokenizer.encode("").unwrap());
}

/// SentencePiece's text for what it does not know.
const UNKNOWN: char = '\u{2047}';

#[test]
fn ids_and_texts_are_those_of_the_references() {
    for name in ["neox", "opt", "llama", "unigram"] {
        let tokenizer = tokenizer(name);
        for Case { text, ids, decoded } in cases(name) {
            assert_eq!(tokenizer.encode(&text).unwrap(), ids, "{name}: {text:?}");
            let found = tokenizer.decode(&ids).unwrap();
            match decoded {
                Some(decoded) if decoded.contains(UNKNOWN) => {}
                Some(decoded) => assert_eq!(found, decoded, "{name}: {text:?}"),
                // OPT's are all bytes; NeoX composes characters.
                None if name == "opt" => assert_eq!(found, text),
                None => {}
            }
        }
    }
}

#[test]
fn the_bytes_of_tokens_make_the_text() {
    for name in ["neox", "opt", "llama", "unigram"] {
        let tokenizer = tokenizer(name);
        let bytes = tokenizer.token_bytes().unwrap();
        let dropped = tokenizer.spaces_dropped_at_start();
        assert_eq!(dropped > 0, matches!(name, "llama" | "unigram"), "{name}");
        for Case { text, ids, .. } in cases(name) {
            let joined: Vec<u8> = ids
                .iter()
                .flat_map(|&id| bytes[id as usize].to_vec())
                .collect();
            let spaces = joined
                .iter()
                .take(dropped)
                .take_while(|&&byte| byte == b' ')
                .count();
            let joined = String::from_utf8(joined[spaces..].to_vec()).unwrap();
            assert_eq!(joined, tokenizer.decode(&ids).unwrap(), "{name}: {text:?}");
        }
    }
}

#[test]
fn a_byte_fallback_token_is_its_byte() {
    let tokenizer = tokenizer("llama");
    let bytes = tokenizer.token_bytes().unwrap();
    // <unk>, <s>, </s>, then the bytes in order.
    for byte in 0..=255_u8 {
        assert_eq!(&*bytes[3 + usize::from(byte)], [byte]);
    }
    for special in [0, 1, 2] {
        assert!(bytes[special].is_empty());
        assert!(tokenizer.banned().contains(&(special as u32)));
    }
    let euro = tokenizer.encode("€").unwrap();
    assert_eq!(euro[1..], [3 + 0xe2, 3 + 0x82, 3 + 0xac]);
}

#[test]
fn a_stream_gives_out_whole_characters_and_takes_nothing_back() {
    for name in ["neox", "opt", "llama", "unigram"] {
        let tokenizer = tokenizer(name);
        for Case { ids, .. } in cases(name) {
            let mut stream = tokenizer.text_stream();
            let mut text = String::new();
            for &id in &ids {
                text.push_str(&stream.push(id).unwrap());
            }
            let whole = tokenizer.decode(&ids).unwrap();
            assert!(whole.starts_with(&text), "{name}: {text:?} of {whole:?}");
            if !whole.ends_with(char::REPLACEMENT_CHARACTER) {
                assert_eq!(text, whole, "{name}");
            }
        }
    }
    // A token without text in between, and a space behind it that is one.
    let tokenizer = tokenizer("llama");
    let [a] = tokenizer.encode("a").unwrap()[..] else {
        panic!("a piece of one space and a letter");
    };
    let mut stream = tokenizer.text_stream();
    let text: String = [a, 0, a].map(|id| stream.push(id).unwrap()).concat();
    assert_eq!(text, "a a");
    assert_eq!(tokenizer.decode(&[a, 0, a]).unwrap(), text);
    // A byte that makes no character, behind one of several bytes.
    let ids = [
        &tokenizer.encode("€").unwrap()[..],
        &[3 + 0xf0],
        &tokenizer.encode("a").unwrap(),
    ]
    .concat();
    let mut stream = tokenizer.text_stream();
    let text: String = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
    assert_eq!(text, "€\u{fffd} a");
    assert_eq!(tokenizer.decode(&ids).unwrap(), text);
}
