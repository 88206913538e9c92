//! Tokenizers of any form.

use std::fs;
use std::path::Path;

use flamingo_convert::tokenizer::{AddedToken, TokenizerJson};

use super::{Target, in_folder};
use crate::peak_during;

/// The target of tokenizers to be converted.
pub const TARGET: Target = Target {
    name: "tokenizer",
    words: &[
        b"\x0a\x08\x0a\x01a\x15\0\0\0\xc0\x18\x01",
        b"\x0a\x06<0x41>",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\xe2\x96\x81",
        b"{\"model\":{\"vocab\":{",
        b"{\"model\":{\"vocab\":[[\"a\",0]]",
        b"\"added_tokens\":[{\"id\":4294967295,\"content\":\"a\"}]",
        b"tokenizer.ggml.model",
    ],
    check,
};

/// Most bytes allocated for each byte of input: values of JSON, and merges, of which a
/// piece of few bytes can have several.
const BYTES_PER_BYTE: usize = 2048;

/// Most bytes allocated for an input of no bytes: pieces of files.
const BYTES_AT_LEAST: usize = 512 * 1024;

fn read(path: &Path) -> String {
    let mut tokenizer = match TokenizerJson::open(path) {
        Ok(tokenizer) => tokenizer,
        Err(error) => return error.to_string(),
    };
    let id = u32::try_from(tokenizer.vocab_size()).unwrap_or(u32::MAX);
    let added = tokenizer.add(&[AddedToken {
        content: "<image>",
        id,
        special: true,
    }]);
    if added.is_ok() {
        assert_eq!(tokenizer.text_of(id), Some("<image>"));
    }
    // What was written can be read, and is the same then.
    let again = TokenizerJson::from_value(serde_json::from_str(&tokenizer.to_text()).unwrap());
    assert_eq!(again.unwrap(), tokenizer);
    format!("whole {}", added.is_ok())
}

fn check(input: &[u8]) -> String {
    in_folder(|folder| {
        let path = folder.join("input");
        fs::write(folder.join("merges.txt"), "#version: 0.2\na b\n").unwrap();
        fs::write(&path, input).unwrap();
        let (fate, peak) = peak_during(|| read(&path));
        let limit = BYTES_AT_LEAST + BYTES_PER_BYTE * input.len();
        assert!(peak <= limit, "{peak} bytes allocated for {}", input.len());
        fate
    })
}
