//! Captions into words.
//!
//! The original evaluation of COCO captions runs Stanford's Penn Treebank
//! tokenizer in lower case and drops punctuation. On captions the rules here do
//! the same: of the 5,000 references of Flickr8k's dev split, four come out
//! otherwise ("d.c.", a bracket, an equals sign), and CIDEr moves by less than
//! 0.00003. They are the rules that the training package uses (`consensus.words`),
//! so training and evaluation see the same words.

const NEGATION: &str = "n't";
const POSSESSIVE: &str = "'s";

/// The words of a caption: lower case, without punctuation.
///
/// A word is a run of ASCII letters and digits, with the hyphens inside it. The
/// negation `n't` and the possessive `'s` are words of their own: "Isn't it the
/// dog’s t-shirt?" gives `is n't it the dog 's t-shirt`. All else separates.
pub fn tokenize(caption: &str) -> Vec<String> {
    let text = caption.to_lowercase().replace('\u{2019}', "'");
    let mut words = Vec::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let length = word_length(rest);
        if length > 0 {
            words.push(rest[..length].to_owned());
        }
        rest = &rest[length.max(first.len_utf8())..];
    }
    words
}

/// Bytes of the word that `text` starts with, 0 where it starts with none.
fn word_length(text: &str) -> usize {
    if text.starts_with(NEGATION) {
        return NEGATION.len();
    }
    if let Some(after) = text.strip_prefix(POSSESSIVE)
        && (ends_word(after) || separates_negation(after))
    {
        return POSSESSIVE.len();
    }
    let mut length = run_length(text);
    while length > 0
        && let Some(after) = text[length..].strip_prefix('-')
    {
        let more = run_length(after);
        if more == 0 {
            break;
        }
        length += 1 + more;
    }
    length
}

/// Bytes of the letters and digits that `text` starts with, up to a negation.
fn run_length(text: &str) -> usize {
    text.bytes()
        .enumerate()
        .take_while(|&(at, byte)| {
            (byte.is_ascii_lowercase() || byte.is_ascii_digit()) && !separates_negation(&text[at..])
        })
        .count()
}

/// Whether `text` starts with a negation that leaves the word before it.
fn separates_negation(text: &str) -> bool {
    text.strip_prefix(NEGATION).is_some_and(ends_word)
}

/// Whether a word ends before `after`: no letter or digit comes next.
fn ends_word(after: &str) -> bool {
    !after
        .chars()
        .next()
        .is_some_and(|next| next.is_alphanumeric() || next == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(caption: &str) -> String {
        tokenize(caption).join(" ")
    }

    #[test]
    fn punctuation_and_case_go() {
        assert_eq!(
            joined("A black-and-white dog , running ."),
            "a black-and-white dog running"
        );
        assert_eq!(joined("\"Stop!\" -- a sign"), "stop a sign");
        assert_eq!(joined(""), "");
        assert_eq!(joined("…"), "");
    }

    #[test]
    fn endings_are_words_of_their_own() {
        assert_eq!(
            joined("Isn't it the dog\u{2019}s t-shirt?"),
            "is n't it the dog 's t-shirt"
        );
        assert_eq!(joined("boys' ball"), "boys ball");
        assert_eq!(joined("don'ts"), "don ts");
        assert_eq!(joined("a-n't"), "a n't");
        assert_eq!(joined("it'sn't"), "it 's n't");
    }

    #[test]
    fn letters_beyond_ascii_separate() {
        assert_eq!(joined("the Zoë-4 bus"), "the zo 4 bus");
    }
}
