//! Answers as the official evaluation compares them.

use super::contractions;

/// Removed, or made a space: see [`without_punctuation`].
const PUNCTUATION: &str = ";/[]\"{}()=+\\_-><@`,?!";

/// Numbers that are written as digits.
const NUMBERS: [(&str, &str); 12] = [
    ("none", "0"),
    ("zero", "0"),
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
];

/// Words that are left out.
const ARTICLES: [&str; 3] = ["a", "an", "the"];

/// An answer without what the official evaluation disregards: punctuation,
/// case, articles, the spelling of numbers up to ten, missing apostrophes and
/// superfluous space.
///
/// It follows the evaluation to the letter. Punctuation between two letters
/// separates them, unless the same mark stands beside a space elsewhere or there
/// is a comma between digits anywhere. Apostrophes and colons stay, and so do
/// points before a digit.
pub fn normalize_answer(answer: &str) -> String {
    let line = answer.replace(['\n', '\t'], " ");
    let text = without_punctuation(line.trim()).to_lowercase();
    let words: Vec<&str> = text
        .split_whitespace()
        .map(in_digits)
        .filter(|word| !ARTICLES.contains(word))
        .map(contractions::restore)
        .collect();
    words.join(" ")
}

/// Marks that stand beside a space somewhere in the text are removed, others
/// become a space; all are removed where digits have a comma between them. Then
/// the points go that no digit follows.
fn without_punctuation(text: &str) -> String {
    let thousands = has_comma_between_digits(text);
    let marks_removed: String = text
        .chars()
        .filter_map(|character| {
            if !PUNCTUATION.contains(character) {
                return Some(character);
            }
            let removed = thousands
                || text.contains(&format!("{character} "))
                || text.contains(&format!(" {character}"));
            (!removed).then_some(' ')
        })
        .collect();
    let mut following = marks_removed.chars().skip(1);
    marks_removed
        .chars()
        .filter(|&character| {
            let before_digit = following.next().is_some_and(|next| next.is_ascii_digit());
            character != '.' || before_digit
        })
        .collect()
}

fn has_comma_between_digits(text: &str) -> bool {
    text.as_bytes()
        .windows(3)
        .any(|bytes| bytes[0].is_ascii_digit() && bytes[1] == b',' && bytes[2].is_ascii_digit())
}

fn in_digits(word: &str) -> &str {
    NUMBERS
        .iter()
        .find(|(name, _)| *name == word)
        .map_or(word, |(_, digits)| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_numbers_and_case_go() {
        assert_eq!(normalize_answer("The Two Dogs and a CAT"), "2 dogs and cat");
        assert_eq!(normalize_answer("none"), "0");
        assert_eq!(normalize_answer("twenty two"), "twenty 2");
        assert_eq!(normalize_answer(" on \t the\nleft "), "on left");
    }

    #[test]
    fn punctuation_separates_or_goes() {
        assert_eq!(normalize_answer("red/white"), "red white");
        assert_eq!(normalize_answer("red, white,blue"), "red whiteblue");
        assert_eq!(normalize_answer("1,000 red/white"), "1000 redwhite");
        assert_eq!(normalize_answer("yes!"), "yes");
        assert_eq!(normalize_answer("?"), "");
    }

    #[test]
    fn points_stay_before_digits() {
        assert_eq!(normalize_answer("2.5 p.m."), "2.5 pm");
        assert_eq!(normalize_answer("v.2."), "v.2");
        assert_eq!(normalize_answer("3:53"), "3:53");
    }

    #[test]
    fn apostrophes_are_restored() {
        assert_eq!(normalize_answer("dont know"), "don't know");
        assert_eq!(normalize_answer("couldntve"), "couldntve");
        assert_eq!(normalize_answer("rocco's"), "rocco's");
    }
}
