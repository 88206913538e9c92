//! Regular expressions of ECMAScript, which schemas have, as those of the `regex` crates.

/// White space of ECMAScript's `\s`.
const SPACE: &str = r"\t\n\x0b\x0c\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}";

/// `pattern` so that the `regex` crates read it as ECMAScript does with its flag `u`: `\d`,
/// `\w` and `\s` with their own characters, a dot without the ends of lines.
///
/// # Errors
/// The name of a feature that these crates lack: look-around, a back reference, a word boundary.
pub(super) fn translated(pattern: &str) -> Result<String, &'static str> {
    let mut written = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                let escaped = characters.next().ok_or("a backslash at its end")?;
                let class = |inside: &str, negated: bool| match (in_class, negated) {
                    (true, false) => inside.to_owned(),
                    (_, true) => format!("[^{inside}]"),
                    (false, false) => format!("[{inside}]"),
                };
                match escaped {
                    'd' | 'D' => written += &class("0-9", escaped == 'D'),
                    'w' | 'W' => written += &class("A-Za-z0-9_", escaped == 'W'),
                    's' | 'S' => written += &class(SPACE, escaped == 'S'),
                    'b' | 'B' => return Err("a word boundary"),
                    'k' | '1'..='9' => return Err("a back reference"),
                    'p' | 'P' => return Err("a class of Unicode"),
                    'c' => return Err("a control escape"),
                    '0' => written.push_str(r"\x00"),
                    'v' => written.push_str(r"\x0b"),
                    'f' => written.push_str(r"\x0c"),
                    'n' | 'r' | 't' => {
                        written.push('\\');
                        written.push(escaped);
                    }
                    'x' | 'u' => {
                        written.push('\\');
                        written.push(escaped);
                    }
                    other if other.is_ascii_alphanumeric() => return Err("an unknown escape"),
                    other => written += &literal(other),
                }
            }
            '[' if in_class => written.push_str(r"\["),
            '[' => {
                in_class = true;
                written.push('[');
                if characters.next_if_eq(&'^').is_some() {
                    written.push('^');
                }
                if characters.peek() == Some(&']') {
                    return Err("an empty class");
                }
            }
            ']' if in_class => {
                in_class = false;
                written.push(']');
            }
            '&' | '~' if in_class => written += &literal(character),
            '-' if in_class && characters.peek() == Some(&'-') => written.push_str(r"\-"),
            '.' if !in_class => written.push_str(r"[^\n\r\u{2028}\u{2029}]"),
            '(' if !in_class && characters.peek() == Some(&'?') => {
                let rest: String = characters.clone().take(3).collect();
                match rest.get(..2) {
                    Some("?:") => written.push('('),
                    Some("?<") if !matches!(rest.get(2..3), Some("=" | "!")) => written.push('('),
                    _ => return Err("look-around or a flag"),
                }
            }
            other => written.push(other),
        }
    }
    Ok(written)
}

/// A character that stands for itself.
fn literal(character: char) -> String {
    format!(r"\x{{{:x}}}", u32::from(character))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::generate::Pattern;

    #[test]
    fn classes_have_their_own_characters() {
        let matches = |pattern: &str, text: &str| {
            Pattern::regex(&translated(pattern).unwrap())
                .unwrap()
                .is_met(text)
        };
        assert!(matches(r"^\d{2}$", "42"));
        assert!(!matches(r"\d", "٣"));
        assert!(matches(r"[\w.]+", "a_b.c"));
        assert!(!matches(r"\w", "é"));
        assert!(matches(r"\W", "é"));
        assert!(matches(r"a\sb", "a\u{feff}b"));
        assert!(matches(r"[^\S]", " "));
        assert!(!matches("a.b", "a\u{2028}b"));
        assert!(matches(r"[[\]&&~--]+", "[]&~-"));
        assert!(matches(r"(?<year>\d+)\/\-", "12/-"));
        assert!(matches(r"\u00e9\x41", "éA"));
    }

    #[test]
    fn what_has_no_automaton_is_named() {
        for (pattern, what) in [
            (r"(?=a)b", "look-around or a flag"),
            (r"(?<!a)b", "look-around or a flag"),
            (r"(a)\1", "a back reference"),
            (r"\bword", "a word boundary"),
            (r"a\", "a backslash at its end"),
        ] {
            assert_eq!(translated(pattern), Err(what), "{pattern}");
        }
    }
}
