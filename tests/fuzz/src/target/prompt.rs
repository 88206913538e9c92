//! Templates, and the prompts that they make of texts.

use flamingo_architecture::config::{PromptConfig, TokensConfig};
use flamingo_runtime::prompt::{Example, Prompt, Segment};
use flamingo_runtime::{PromptFormat, Tokenizer};

use super::Target;

/// The target of templates and prompts.
pub const TARGET: Target = Target {
    name: "prompt",
    words: &[
        b"<image>",
        b"{question}",
        b"{answer}",
        b"<|endofchunk|>",
        b"\0",
        b"<",
        b"\xe2\x96\x81",
    ],
    check,
};

/// Longest prompt, in tokens.
const CONTEXT: usize = 64;

const TOKENS: TokensConfig = TokensConfig {
    image: 1,
    end_of_chunk: 2,
};

thread_local! {
    static TOKENIZER: Tokenizer = Tokenizer::from_json(
        include_str!("../../corpus/vocabulary/byte-level.json"),
        TOKENS,
        300,
    )
    .unwrap();
}

/// Runs `f` with a small tokenizer.
pub(super) fn with_tokenizer<T>(f: impl FnOnce(&Tokenizer) -> T) -> T {
    TOKENIZER.with(f)
}

/// The input is a template, a question and an answer, with a byte of 0 between them.
fn check(input: &[u8]) -> String {
    let Ok(text) = str::from_utf8(input) else {
        return "no text".to_owned();
    };
    let mut texts = text.splitn(3, '\0');
    let mut next = || texts.next().unwrap_or("a dog");
    let (template, question, answer) = (next(), next(), next());
    let format = match PromptFormat::parse(template) {
        Ok(format) => format,
        Err(error) => return error.to_string(),
    };
    let example = Example {
        media: Some(0),
        question: question.to_owned(),
        answer: answer.to_owned(),
    };
    let mut segments = format.examples([example]);
    segments.extend(format.query(Some(1), question));
    let prompt = with_tokenizer(|tokenizer| {
        let spelling = PromptConfig::open_flamingo(TOKENS);
        Prompt::new(&segments, tokenizer, &spelling, CONTEXT)
    });
    let prompt = match prompt {
        Ok(prompt) => prompt,
        Err(error) => return error.to_string(),
    };
    assert!(prompt.tokens.len() <= CONTEXT);
    // Only images make tokens of images, and only the end of an example or question
    // makes one of it.
    let places_of = |id| {
        let tokens = prompt.tokens.iter().enumerate();
        let found = tokens.filter(|&(_, &token)| token == id);
        found.map(|(place, _)| place).collect::<Vec<_>>()
    };
    assert_eq!(places_of(TOKENS.image), prompt.places);
    assert_eq!(prompt.places.len(), prompt.media.len());
    // That of the question too, in the example and in what is asked, if the template says so.
    let ends_questions = segments.contains(&Segment::EndOfQuestion);
    let ends = if ends_questions { 3 } else { 1 };
    assert_eq!(places_of(TOKENS.end_of_chunk).len(), ends);
    format!("whole {}", prompt.media.len())
}
