//! Tokenizers in every form against the ids of their own libraries
//! (`tests/parity/make_tokenizers.py`).
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use flamingo_convert::tokenizer::{AddedToken, TokenizerError, TokenizerJson};
use tokenizers::Tokenizer;

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
    let text = fs::read_to_string(fixture("encodings.json")).unwrap();
    let mut cases: HashMap<String, Vec<Case>> = serde_json::from_str(&text).unwrap();
    cases.remove(name).unwrap()
}

/// The same by the library that the runtime uses, in which no text is a special token.
fn loaded(tokenizer: &TokenizerJson) -> Tokenizer {
    let mut tokenizer: Tokenizer = tokenizer.to_text().parse().unwrap();
    tokenizer.set_encode_special_tokens(true);
    tokenizer
}

/// The tokens that OpenFlamingo adds.
fn flamingo_tokens(first: u32) -> [AddedToken<'static>; 3] {
    ["<|endofchunk|>", "<image>", "<PAD>"].map(|content| AddedToken {
        content,
        id: first
            + match content {
                "<|endofchunk|>" => 0,
                "<image>" => 1,
                _ => 2,
            },
        special: true,
    })
}

#[test]
fn every_form_gives_the_ids_of_its_own_library() {
    for (path, name) in [
        ("neox/tokenizer.json", "neox"),
        ("neox", "neox"),
        ("opt", "opt"),
        ("opt/vocab.json", "opt"),
        ("opt.gguf", "opt"),
        ("llama", "llama"),
        ("llama/tokenizer.model", "llama"),
        ("llama.gguf", "llama"),
        ("unigram", "unigram"),
        ("unigram.gguf", "unigram"),
    ] {
        let mut tokenizer = TokenizerJson::open(&fixture(path)).unwrap();
        let size = u32::try_from(tokenizer.vocab_size()).unwrap();
        // What is added changes nothing about the text that spells it.
        for added in [false, true] {
            if added {
                tokenizer.add(&flamingo_tokens(size)).unwrap();
            }
            let loaded = loaded(&tokenizer);
            for Case { text, ids, decoded } in cases(name) {
                let found = loaded.encode(text.as_str(), false).unwrap();
                assert_eq!(
                    found.get_ids(),
                    ids,
                    "{path}: {text:?} as {:?}",
                    found.get_tokens()
                );
                // SentencePiece writes U+2047 for what it does not know.
                if let Some(decoded) = decoded.filter(|text| !text.contains('\u{2047}')) {
                    assert_eq!(
                        loaded.decode(&ids, true).unwrap(),
                        decoded,
                        "{path}: {text:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn special_tokens_are_those_that_the_files_name() {
    for (path, special) in [
        ("neox", &[(0, "<|endoftext|>"), (1, "<|padding|>")][..]),
        ("opt", &[(1, "<pad>"), (2, "</s>")]),
        (
            "opt.gguf",
            &[(0, "<s>"), (1, "<pad>"), (2, "</s>"), (3, "<unk>")],
        ),
        ("llama", &[(0, "<unk>"), (1, "<s>"), (2, "</s>")]),
        ("llama.gguf", &[(0, "<unk>"), (1, "<s>"), (2, "</s>")]),
        ("unigram", &[(0, "<unk>"), (1, "<s>"), (2, "</s>")]),
    ] {
        let tokenizer = TokenizerJson::open(&fixture(path)).unwrap();
        let found: Vec<(u32, &str)> = tokenizer.special_tokens().collect();
        assert_eq!(found, special, "{path}");
    }
    // Without a file that names them, the usual ones.
    let folder = tempfile::tempdir().unwrap();
    for file in ["vocab.json", "merges.txt"] {
        fs::copy(fixture("opt").join(file), folder.path().join(file)).unwrap();
    }
    let tokenizer = TokenizerJson::open(folder.path()).unwrap();
    let found: Vec<u32> = tokenizer.special_tokens().map(|(id, _)| id).collect();
    assert_eq!(found, [0, 1, 2, 3]);
}

#[test]
fn tokens_are_added_at_the_ids_that_are_asked_for() {
    for (path, gap) in [("neox", 27), ("opt", 0), ("llama", 5), ("unigram", 0)] {
        let mut tokenizer = TokenizerJson::open(&fixture(path)).unwrap();
        let first = u32::try_from(tokenizer.vocab_size()).unwrap() + gap;
        let tokens = flamingo_tokens(first);
        tokenizer.add(&tokens).unwrap();
        // Once more is the same.
        tokenizer.add(&tokens).unwrap();
        assert_eq!(tokenizer.vocab_size(), first as usize + 3, "{path}");
        let loaded = loaded(&tokenizer);
        for token in tokens {
            assert_eq!(loaded.token_to_id(token.content), Some(token.id), "{path}");
            assert_eq!(tokenizer.text_of(token.id), Some(token.content));
            let added = loaded.get_added_tokens_decoder();
            assert!(added[&token.id].special, "{path}");
        }
        // The tokens that were there keep their ids.
        for id in 0..first - gap {
            let text = tokenizer.text_of(id).unwrap();
            assert_eq!(loaded.token_to_id(text), Some(id), "{path}: {text:?}");
        }
    }
}

#[test]
fn ids_that_contradict_each_other_are_refused() {
    let mut tokenizer = TokenizerJson::open(&fixture("opt")).unwrap();
    let token = |content, id| AddedToken {
        content,
        id,
        special: true,
    };
    assert!(matches!(
        tokenizer.add(&[token("<image>", 2)]).unwrap_err(),
        TokenizerError::IdTaken { id: 2, other, .. } if other == "</s>"
    ));
    assert!(matches!(
        tokenizer.add(&[token("</s>", 900)]).unwrap_err(),
        TokenizerError::OtherId {
            id: 900,
            found: 2,
            ..
        }
    ));
    let mut unigram = TokenizerJson::open(&fixture("unigram")).unwrap();
    let size = unigram.vocab_size();
    assert!(matches!(
        unigram.add(&[token("<image>", size as u32 + 1)]).unwrap_err(),
        TokenizerError::Gap { next, .. } if next == size
    ));
}

#[test]
fn a_tokenizer_json_passes_through_as_it_is() {
    let original = fs::read_to_string(fixture("neox/tokenizer.json")).unwrap();
    let original: serde_json::Value = serde_json::from_str(&original).unwrap();
    let tokenizer = TokenizerJson::open(&fixture("neox")).unwrap();
    let mut copy: serde_json::Value = serde_json::from_str(&tokenizer.to_text()).unwrap();
    // Added tokens have their ids in the vocabulary too.
    let added = original["added_tokens"].as_array().unwrap();
    assert_eq!(copy["added_tokens"].as_array().unwrap().len(), added.len());
    let vocab = copy["model"]["vocab"].as_object_mut().unwrap();
    for token in added {
        let content = token["content"].as_str().unwrap();
        assert_eq!(vocab[content], token["id"]);
        if original["model"]["vocab"].get(content).is_none() {
            vocab.remove(content);
        }
    }
    assert_eq!(copy, original);
}

#[test]
fn what_is_no_tokenizer_is_told() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        TokenizerJson::open(folder.path()).unwrap_err(),
        TokenizerError::EmptyFolder { .. }
    ));
    let path = folder.path().join("file");
    for bytes in [
        &b""[..],
        b"{",
        b"{\"model\": {}}",
        b"{\"a\": \"b\"}",
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x0b",
        b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
        b"GGUF",
    ] {
        fs::write(&path, bytes).unwrap();
        let error = TokenizerJson::open(&path).unwrap_err();
        assert!(
            error.to_string().contains(path.to_str().unwrap()) || bytes.len() > 1,
            "{error}"
        );
    }
    // Merges that are missing, and malformed ones.
    fs::copy(fixture("opt/vocab.json"), &path).unwrap();
    let error = TokenizerJson::open(&path).unwrap_err().to_string();
    assert!(error.contains("merges.txt"), "{error}");
    fs::write(folder.path().join("merges.txt"), "#version: 0.2\na b\nab\n").unwrap();
    let error = TokenizerJson::open(&path).unwrap_err().to_string();
    assert!(error.contains("the line \"ab\""), "{error}");
}
