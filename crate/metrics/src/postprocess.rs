//! What a model generated, into what is scored, as OpenFlamingo does.
//!
//! A model that misses the end of its example goes on with the next one. So the
//! text is cut where the prompt's own words return (`open_flamingo.eval` 2.0.1;
//! not done here: the stemming that it adds for OK-VQA).

/// A caption: what comes before `Output`, without double quotes and outer space.
pub fn caption(generation: &str) -> String {
    before(generation, "Output")
        .replace('"', "")
        .trim()
        .to_owned()
}

/// An answer: what comes before `Question`, `Answer` or `Short`, of that what
/// comes before a comma and space, without outer space.
pub fn vqa_answer(generation: &str) -> &str {
    let answer = ["Question", "Answer", "Short"]
        .iter()
        .fold(generation, |text, word| before(text, word));
    before(answer, ", ").trim()
}

fn before<'a>(text: &'a str, word: &str) -> &'a str {
    text.split_once(word).map_or(text, |(before, _)| before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_end_where_the_next_example_begins() {
        assert_eq!(
            caption("A \"red\" dog runs. Output:A cat"),
            "A red dog runs."
        );
        assert_eq!(caption(" a dog\n"), "a dog");
        assert_eq!(caption("Output:"), "");
        assert_eq!(caption("output"), "output");
    }

    #[test]
    fn answers_end_at_the_prompts_words_and_at_commas() {
        assert_eq!(vqa_answer("yes\nQuestion:Is it? Short answer:no"), "yes");
        assert_eq!(vqa_answer(" two Short answer:Question"), "two");
        assert_eq!(vqa_answer("red, white and blue"), "red");
        assert_eq!(vqa_answer("1,000"), "1,000");
        assert_eq!(vqa_answer("Answer: a, b"), "");
    }
}
