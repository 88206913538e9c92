//! Exact match: questions with one right answer.

/// Whether an answer is the expected one, upper or lower case and however
/// spaced.
///
/// For sources with one short answer a question (COCO-QA) and for made-up words.
/// Nothing else is forgiven: "a dog" is not "dog", nor is "dog.".
pub fn exact_match(answer: &str, expected: &str) -> bool {
    let [answer, expected] = [answer, expected].map(str::to_lowercase);
    answer.split_whitespace().eq(expected.split_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_space_are_forgiven_and_nothing_else() {
        assert!(exact_match(" Traffic\n light ", "traffic light"));
        assert!(exact_match("", " "));
        assert!(!exact_match("a dog", "dog"));
        assert!(!exact_match("dog.", "dog"));
        assert!(!exact_match("traffic light", "trafficlight"));
    }
}
