//! Lines of JSON that say what to evaluate.

use std::fs;

use super::{Target, in_folder};
use crate::items;
use crate::peak_during;

/// The target of items.
pub const TARGET: Target = Target {
    name: "items",
    words: &[
        b"{\"image\": \"a.png\", \"captions\": [\"a dog\"]}\n",
        b"\"frames\": [\"a.png\", \"b.png\"]",
        b"\"answers\": [\"two\"]",
        b"\"label\": \"cat\"",
        b"\"choices\": [\"a\", \"b\"], \"answer\": 1",
        b"\"pattern\": \"[0-9]+\"",
        b"\"shots\": [{\"text\": \"a cat\"}]",
        b"\"question\": \"\"",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\r\n",
        b"[[[[",
    ],
    check,
};

/// Most bytes allocated for each byte of input: an item of one short line.
const BYTES_PER_BYTE: usize = 64;

/// Most bytes allocated for an input of no bytes: a regular expression, whose size the library
/// bounds, while it is compiled.
const BYTES_AT_LEAST: usize = 64 << 20;

fn check(input: &[u8]) -> String {
    in_folder(|folder| {
        let path = folder.join("items.jsonl");
        fs::write(&path, input).unwrap();
        let (result, peak) = peak_during(|| items::read(&path));
        let limit = BYTES_AT_LEAST + BYTES_PER_BYTE * input.len();
        assert!(peak <= limit, "{peak} bytes allocated for {}", input.len());
        match result {
            Ok(items) => {
                let first = items.first().unwrap();
                let kind = first.expected.kind();
                for item in &items {
                    assert!(item.expected.kind() == kind && !item.frames.is_empty());
                    assert_eq!(item.shots.is_some(), first.shots.is_some());
                }
                assert!(items.is_sorted_by(|one, next| one.line < next.line));
                format!("whole {kind:?} {}", first.shots.is_some())
            }
            Err(error) => {
                let message = error.to_string();
                let place = path.display().to_string();
                assert!(message.starts_with(&place) && message.len() < place.len() + 1600);
                message[place.len()..].to_owned()
            }
        }
    })
}
