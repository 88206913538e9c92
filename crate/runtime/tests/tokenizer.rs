//! The default model's tokenizer held against the Python package `tokenizers`
//! (tests/parity/make_encodings.py).
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;

use flamingo::config::TokensConfig;
use flamingo_runtime::{Tokenizer, TokenizerError};
use serde_json::Value;

const TOKENS: TokensConfig = TokensConfig {
    image: 49153,
    end_of_chunk: 49152,
};
const VOCAB: usize = 49154;

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/smollm2")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

fn tokenizer() -> Tokenizer {
    Tokenizer::from_json(&fixture("tokenizer.json"), TOKENS, VOCAB).unwrap()
}

/// Texts and the ids another implementation gives them.
fn encodings() -> Vec<(String, Vec<u32>)> {
    let cases: Vec<Value> = serde_json::from_str(&fixture("encodings.json")).unwrap();
    let ids = |case: &Value| -> Vec<u32> {
        case["ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_u64().unwrap() as u32)
            .collect()
    };
    cases
        .iter()
        .map(|case| (case["text"].as_str().unwrap().to_owned(), ids(case)))
        .collect()
}

fn error(json: &str, tokens: TokensConfig, vocab: usize) -> TokenizerError {
    Tokenizer::from_json(json, tokens, vocab)
        .err()
        .expect("an error")
}

#[test]
fn ids_equal_those_of_the_reference() {
    let tokenizer = tokenizer();
    let encodings = encodings();
    assert!(encodings.len() > 60, "the fixture is there");
    for (text, ids) in encodings {
        assert_eq!(tokenizer.encode(&text).unwrap(), ids, "{text:?}");
    }
}

#[test]
fn text_survives_a_round_trip() {
    let tokenizer = tokenizer();
    for (text, ids) in encodings() {
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    }
}

#[test]
fn text_never_becomes_a_special_token() {
    let tokenizer = tokenizer();
    for text in [
        "<image>",
        "<|endofchunk|>",
        "a<|im_start|>b<|endoftext|>",
        "<repo_name>",
    ] {
        let ids = tokenizer.encode(text).unwrap();
        assert!(
            ids.iter().all(|&id| (17..49152).contains(&id)),
            "{text}: {ids:?}"
        );
        assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    }
}

#[test]
fn special_tokens_have_no_text() {
    let tokenizer = tokenizer();
    assert_eq!(
        tokenizer.decode(&[49153, 17597, 42, 49152]).unwrap(),
        "Output:"
    );
}

#[test]
fn every_special_token_but_the_end_of_an_example_is_banned() {
    let expected: Vec<u32> = (0..17).chain([49153]).collect();
    assert_eq!(tokenizer().banned(), expected);
}

#[test]
fn rows_of_the_vocabulary_without_a_token_are_banned() {
    let padded = Tokenizer::from_json(&fixture("tokenizer.json"), TOKENS, VOCAB + 2).unwrap();
    assert!(padded.banned().ends_with(&[49153, 49154, 49155]));
}

#[test]
fn a_stream_gives_the_same_text_in_whole_characters() {
    let tokenizer = tokenizer();
    for (text, ids) in encodings() {
        let mut stream = tokenizer.text_stream();
        let pieces: Vec<String> = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
        if !text.ends_with(char::REPLACEMENT_CHARACTER) {
            assert_eq!(pieces.concat(), text);
        }
        if !text.contains(char::REPLACEMENT_CHARACTER) {
            assert!(
                !pieces.concat().contains(char::REPLACEMENT_CHARACTER),
                "{pieces:?}"
            );
        }
    }
}

#[test]
fn half_a_character_is_held_back() {
    let tokenizer = tokenizer();
    let ids = tokenizer.encode("👍").unwrap();
    assert!(ids.len() > 1, "the character is spread over several tokens");
    let mut stream = tokenizer.text_stream();
    for &id in &ids[..ids.len() - 1] {
        assert_eq!(stream.push(id).unwrap(), "");
    }
    assert_eq!(stream.push(ids[ids.len() - 1]).unwrap(), "👍");
}

#[test]
fn bytes_that_never_become_a_character_come_out_once_it_is_sure() {
    let tokenizer = tokenizer();
    let thumb = tokenizer.encode("👍").unwrap();
    let mut stream = tokenizer.text_stream();
    assert_eq!(stream.push(thumb[0]).unwrap(), "");
    let text = stream.push(tokenizer.encode(" dog").unwrap()[0]).unwrap();
    assert!(
        text.starts_with(char::REPLACEMENT_CHARACTER) && text.ends_with(" dog"),
        "{text:?}"
    );
}

#[test]
fn another_models_tokenizer_is_refused() {
    let json = fixture("tokenizer.json");
    assert!(matches!(
        error(
            &json,
            TokensConfig {
                image: 49152,
                end_of_chunk: 49153
            },
            VOCAB
        ),
        TokenizerError::IdMismatch {
            token: "<image>",
            tokenizer: 49153,
            config: 49152
        }
    ));
    assert!(matches!(
        error(&json, TOKENS, VOCAB - 1),
        TokenizerError::OutsideVocabulary {
            id: 49153,
            vocab: 49153
        }
    ));
    let renamed = json.replace("<|endofchunk|>", "<|endofchuck|>");
    assert!(matches!(
        error(&renamed, TOKENS, VOCAB),
        TokenizerError::MissingToken {
            token: "<|endofchunk|>"
        }
    ));
    assert!(matches!(
        error("{}", TOKENS, VOCAB),
        TokenizerError::Malformed(_)
    ));
    assert!(matches!(
        error(&json[..9000], TOKENS, VOCAB),
        TokenizerError::Malformed(_)
    ));
}

#[test]
fn an_image_token_that_is_not_special_is_refused() {
    let mut json: Value = serde_json::from_str(&fixture("tokenizer.json")).unwrap();
    for token in json["added_tokens"].as_array_mut().unwrap() {
        if token["content"] == "<image>" {
            token["special"] = Value::Bool(false);
        }
    }
    assert!(matches!(
        error(&json.to_string(), TOKENS, VOCAB),
        TokenizerError::MissingToken { token: "<image>" }
    ));
}

#[test]
fn truncation_and_padding_of_the_file_are_ignored() {
    let mut json: Value = serde_json::from_str(&fixture("tokenizer.json")).unwrap();
    json["truncation"] = serde_json::json!(
        {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0});
    json["padding"] = serde_json::json!(
        {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null,
         "pad_id": 0, "pad_type_id": 0, "pad_token": "<|endoftext|>"});
    let cutting = Tokenizer::from_json(&json.to_string(), TOKENS, VOCAB).unwrap();
    let text = "Output:A dog runs";
    assert_eq!(
        cutting.encode(text).unwrap(),
        tokenizer().encode(text).unwrap()
    );
}
