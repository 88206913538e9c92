//! Quoting what people gave, within bounds.
//!
//! A message that repeats a text of a hundred thousand words hides its own cause. What is quoted
//! is therefore one line of a bounded length.

use std::fmt::{self, Display, Formatter, Write};

/// Most characters of a quoted text.
const MOST_QUOTED: usize = 80;

/// Most characters of a message that another library made, which may quote its input.
const MOST_TOLD: usize = 300;

/// A text in quotation marks, on one line; its beginning and its length where it is long.
///
/// ```
/// use flamingo_weights::excerpt::Excerpt;
///
/// assert_eq!(Excerpt("a\nb").to_string(), r#""a\nb""#);
/// let long = "word ".repeat(1000);
/// let quoted = Excerpt(&long).to_string();
/// assert!(quoted.ends_with("…\" (5000 characters)") && quoted.len() < 120);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excerpt<'a>(pub &'a str);

impl Display for Excerpt<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        f.write_char('"')?;
        for character in characters.by_ref().take(MOST_QUOTED) {
            write!(f, "{}", character.escape_debug())?;
        }
        match characters.count() {
            0 => f.write_char('"'),
            more => write!(f, "…\" ({} characters)", MOST_QUOTED + more),
        }
    }
}

/// A message on one line: control characters become spaces, and of a long one the beginning and
/// the end stay, between which "…" stands.
///
/// ```
/// use flamingo_weights::excerpt::one_line;
///
/// assert_eq!(one_line("no such\nfield"), "no such field");
/// let long = one_line(&format!("unknown field {} at line 1", "x".repeat(10_000)));
/// assert!(long.starts_with("unknown field x") && long.ends_with(" at line 1"));
/// assert_eq!(long.chars().count(), 301);
/// ```
pub fn one_line(message: &str) -> String {
    let plain = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    let count = message.chars().count();
    if count <= MOST_TOLD {
        return message.chars().map(plain).collect();
    }
    let end = MOST_TOLD / 3;
    let mut line: String = message.chars().take(MOST_TOLD - end).map(plain).collect();
    line.push('…');
    line.extend(message.chars().skip(count - end).map(plain));
    line
}
