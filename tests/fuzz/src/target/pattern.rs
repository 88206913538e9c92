//! Regular expressions and lists of choices that an answer must match.

use flamingo_runtime::{Constraint, ConstraintError};

use super::{Target, prompt};
use crate::peak_during;

/// The target of patterns.
pub const TARGET: Target = Target {
    name: "pattern",
    words: &[
        b"[a-z]",
        b"\\p{L}",
        b"\\w",
        b"(?i)",
        b"(?s-u)",
        b"(?P<name>",
        b"{1000}",
        b"{0,1000}",
        b"\\b",
        b"$",
        b"^",
        b".*",
        b"|",
        b"&&",
        b"\\x{10ffff}",
    ],
    check,
};

/// Longest pattern, in bytes: an automaton of the largest size takes its time.
const MAX_BYTES: usize = 256;

/// Most bytes allocated for any pattern: three steps of 16 MiB each, which grow by doubling.
const MOST_BYTES: usize = 128 << 20;

fn check(input: &[u8]) -> String {
    let Some(text) = str::from_utf8(input)
        .ok()
        .filter(|_| input.len() <= MAX_BYTES)
    else {
        return "no text".to_owned();
    };
    prompt::with_tokenizer(|tokenizer| {
        // The choices are texts, whatever they spell.
        let choices: Vec<String> = text.split('\n').map(str::to_owned).collect();
        let of_choices = Constraint::choices(&choices, tokenizer).unwrap();
        for choice in &choices {
            assert!(of_choices.is_met(choice), "{choice:?}");
        }
        assert_eq!(
            of_choices.is_met("another"),
            choices.iter().any(|choice| choice == "another")
        );

        let (result, peak) = peak_during(|| Constraint::regex(text, tokenizer));
        assert!(peak <= MOST_BYTES, "{peak} bytes allocated");
        match result {
            Ok(constraint) => format!("whole {}", constraint.is_met("a dog")),
            Err(ConstraintError::Pattern { reason, .. }) => reason,
            Err(error) => error.to_string(),
        }
    })
}
