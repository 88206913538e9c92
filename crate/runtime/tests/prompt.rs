//! Prompts as token ids, with the default model's tokenizer.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;

use flamingo::config::{ImageSpelling, PromptConfig, TokensConfig};
use flamingo_runtime::prompt::{
    CAPTION, CLASSIFICATION, Example, HATEFUL_MEMES, Prompt, PromptFormat, Segment,
    VISUAL_QUESTION, answer_tokens,
};
use flamingo_runtime::{PromptError, Tokenizer};

const IMAGE: u32 = 49153;
const END: u32 = 49152;
const NEW_LINE: u32 = 198;
/// Ids of `Output:`.
const OUTPUT: [u32; 2] = [17597, 42];

const TOKENS: TokensConfig = TokensConfig {
    image: IMAGE,
    end_of_chunk: END,
};

fn spelling() -> PromptConfig {
    PromptConfig::open_flamingo(TOKENS)
}

fn tokenizer() -> Tokenizer {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/smollm2/tokenizer.json");
    let tokens = TokensConfig {
        image: IMAGE,
        end_of_chunk: END,
    };
    Tokenizer::from_json(&std::fs::read_to_string(path).unwrap(), tokens, 49154).unwrap()
}

fn example(image: &'static str, question: &str, answer: &str) -> Example<&'static str> {
    Example {
        media: Some(image),
        question: question.to_owned(),
        answer: answer.to_owned(),
    }
}

fn few_shot(
    template: &str,
    examples: impl IntoIterator<Item = Example<&'static str>>,
    image: &'static str,
    question: &str,
) -> Vec<Segment<&'static str>> {
    let format = PromptFormat::parse(template).unwrap();
    let mut prompt = format.examples(examples);
    prompt.extend(format.query(Some(image), question));
    prompt
}

fn text(text: &str) -> Segment<&'static str> {
    Segment::Text(text.to_owned())
}

fn layout(segments: &[Segment<&'static str>]) -> Prompt<&'static str> {
    Prompt::new(segments, &tokenizer(), &spelling(), 2048).unwrap()
}

#[test]
fn a_caption_without_examples_is_image_and_cue() {
    let prompt = layout(&few_shot(CAPTION, [], "photo", ""));
    assert_eq!(prompt.tokens, [IMAGE, OUTPUT[0], OUTPUT[1]]);
    assert_eq!(prompt.media, ["photo"]);
}

#[test]
fn captions_follow_openflamingos_format() {
    let examples = [
        example("first", "", " A dog runs\n"),
        example("second", "", "A cat"),
    ];
    let prompt = layout(&few_shot(CAPTION, examples, "photo", ""));
    let tokenizer = tokenizer();
    let mut expected = vec![IMAGE];
    expected.extend(tokenizer.encode("Output:A dog runs").unwrap());
    expected.extend([END, NEW_LINE, IMAGE]);
    expected.extend(tokenizer.encode("Output:A cat").unwrap());
    expected.extend([END, NEW_LINE, IMAGE, OUTPUT[0], OUTPUT[1]]);
    assert_eq!(prompt.tokens, expected);
    assert_eq!(prompt.media, ["first", "second", "photo"]);
}

#[test]
fn questions_follow_openflamingos_format() {
    let examples = [example("first", "How many?", "2")];
    let prompt = layout(&few_shot(
        VISUAL_QUESTION,
        examples,
        "photo",
        "What colour?",
    ));
    let tokenizer = tokenizer();
    let mut expected = vec![IMAGE];
    expected.extend(
        tokenizer
            .encode("Question:How many? Short answer:2")
            .unwrap(),
    );
    expected.extend([END, NEW_LINE, IMAGE]);
    expected.extend(
        tokenizer
            .encode("Question:What colour? Short answer:")
            .unwrap(),
    );
    assert_eq!(prompt.tokens, expected);
}

#[test]
fn typed_special_tokens_stay_text_and_need_no_image() {
    let examples = [example("first", "", "an <image> of <|endofchunk|><image>")];
    let prompt = layout(&few_shot(CAPTION, examples, "photo", ""));
    assert_eq!(prompt.tokens.iter().filter(|&&id| id == IMAGE).count(), 2);
    assert_eq!(prompt.tokens.iter().filter(|&&id| id == END).count(), 1);
    assert_eq!(prompt.media.len(), 2);
}

#[test]
fn it_does_not_matter_how_a_text_is_cut() {
    let whole = layout(&[text("Output:A dog runs"), Segment::EndOfChunk]);
    let cut = layout(&[
        text("Outp"),
        text("ut:A do"),
        text(""),
        text("g runs"),
        Segment::EndOfChunk,
    ]);
    assert_eq!(whole, cut);
}

#[test]
fn text_may_stand_before_the_first_image_or_without_one() {
    let prompt = layout(&[
        text("A dog runs"),
        Segment::Media("photo"),
        Segment::Media("other"),
    ]);
    assert_eq!(prompt.tokens, [49, 2767, 7313, IMAGE, IMAGE]);
    assert_eq!(prompt.media, ["photo", "other"]);
    assert_eq!(layout(&[text("Output:")]).tokens, OUTPUT);
}

#[test]
fn a_prompt_of_nothing_is_refused() {
    for segments in [vec![], vec![text("")]] {
        let error = Prompt::new(&segments, &tokenizer(), &spelling(), 2048).unwrap_err();
        assert!(matches!(error, PromptError::Empty), "{error:?}");
    }
}

#[test]
fn a_prompt_longer_than_the_context_is_refused() {
    let segments = few_shot(CAPTION, [], "photo", "");
    assert!(Prompt::new(&segments, &tokenizer(), &spelling(), 3).is_ok());
    let error = Prompt::new(&segments, &tokenizer(), &spelling(), 2).unwrap_err();
    assert!(
        matches!(
            error,
            PromptError::TextTooLong {
                tokens: 2,
                most: 1,
                context: 2
            }
        ),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "the text has 2 tokens and may have 1, because the model takes 2 in all; shorten it"
    );
    let segments = few_shot(CAPTION, [example("first", "", "A dog runs")], "photo", "");
    let error = Prompt::new(&segments, &tokenizer(), &spelling(), 4).unwrap_err();
    assert!(
        error.to_string().contains("use fewer or shorter examples"),
        "{error}"
    );
    // Images alone have no text that could be shortened.
    let error = Prompt::new(
        &vec![Segment::Media("photo"); 5],
        &tokenizer(),
        &spelling(),
        4,
    )
    .unwrap_err();
    assert!(
        matches!(
            error,
            PromptError::TooLong {
                tokens: 5,
                media: 5,
                context: 4
            }
        ),
        "{error:?}"
    );
}

#[test]
fn classes_stand_without_a_separator_and_memes_with_their_text() {
    let examples = [example("first", "", "tench")];
    let prompt = layout(&few_shot(CLASSIFICATION, examples, "photo", ""));
    let tokenizer = tokenizer();
    let mut expected = vec![IMAGE];
    expected.extend(tokenizer.encode("Output:tench").unwrap());
    expected.extend([END, IMAGE, OUTPUT[0], OUTPUT[1]]);
    assert_eq!(prompt.tokens, expected);

    let prompt = layout(&few_shot(HATEFUL_MEMES, [], "photo", "hello"));
    let cue = "is an image with: 'hello' written on it. Is it hateful? Answer:";
    assert_eq!(prompt.tokens[0], IMAGE);
    assert_eq!(prompt.tokens[1..], tokenizer.encode(cue).unwrap());
}

#[test]
fn an_example_of_text_only_has_no_image_token() {
    let format = PromptFormat::parse(CAPTION).unwrap();
    let only_text = Example::<&str> {
        media: None,
        question: String::new(),
        answer: "A dog runs".to_owned(),
    };
    let mut prompt = format.examples([only_text.clone(), only_text]);
    prompt.extend(format.query(Some("photo"), ""));
    let prompt = layout(&prompt);
    let mut shot = tokenizer().encode("Output:A dog runs").unwrap();
    shot.extend([END, NEW_LINE]);
    let expected = [&shot[..], &shot[..], &[IMAGE, OUTPUT[0], OUTPUT[1]]].concat();
    assert_eq!(prompt.tokens, expected);
    assert_eq!(prompt.media, ["photo"]);
}

/// A dialogue whose every turn ends with the same token.
#[test]
fn a_question_may_end_as_an_answer_does() {
    let template = "User:<image>{question}<|endofchunk|>\nAssistant: {answer}<|endofchunk|>\n";
    let examples = [example("shot", "What is it?", "A dog")];
    let segments = few_shot(template, examples, "photo", "And here?");
    let prompt = Prompt::new(&segments, &tokenizer(), &spelling(), 2048).unwrap();
    let words = |text: &str| tokenizer().encode(text).unwrap();
    let expected = [
        words("User:"),
        vec![IMAGE],
        words("What is it?"),
        vec![END],
        words("\nAssistant: A dog"),
        vec![END],
        words("\nUser:"),
        vec![IMAGE],
        words("And here?"),
        vec![END],
        words("\nAssistant: "),
    ];
    assert_eq!(prompt.tokens, expected.concat());

    // The end of a question is not that of an example.
    let error = Prompt::new(&segments, &tokenizer(), &spelling(), 8).unwrap_err();
    assert!(matches!(error, PromptError::TextTooLong { .. }), "{error}");
}

/// Neighbouring texts without a token between them become one.
#[test]
fn examples_without_an_end_of_their_own_are_joined() {
    let spelling = PromptConfig {
        end_of_answer: Vec::new(),
        ..spelling()
    };
    let blind = |answer: &str| Example {
        media: None,
        question: String::new(),
        answer: answer.to_owned(),
    };
    let format = PromptFormat::parse("<image>Output: {answer}<|endofchunk|>\n\n").unwrap();
    let mut segments = format.examples([blind("A dog"), blind("A cat")]);
    segments.extend(format.query(Some("photo"), ""));
    let prompt = Prompt::new(&segments, &tokenizer(), &spelling, 2048).unwrap();
    let mut expected = tokenizer()
        .encode("Output: A dog\n\nOutput: A cat\n\n")
        .unwrap();
    let most = expected.len();
    expected.push(IMAGE);
    expected.extend(tokenizer().encode("Output: ").unwrap());
    assert_eq!(prompt.tokens, expected);

    // The examples are too long, not what is asked.
    let error = Prompt::new(&segments, &tokenizer(), &spelling, most).unwrap_err();
    assert!(matches!(error, PromptError::TooLong { .. }), "{error}");
}

/// The space between a question and its answer belongs to the answer, if texts are trimmed.
#[test]
fn an_answer_has_the_tokens_that_it_has_in_an_example() {
    let spelling = PromptConfig {
        trim_texts: true,
        ..spelling()
    };
    let format = PromptFormat::parse("<image>Output: {answer}<|endofchunk|>").unwrap();
    let prompt = format.query(Some("photo"), "");
    let bare = [Segment::Media("photo"), text("Output:")];
    for (prompt, answer) in [
        (&prompt[..], "A dog"),
        (&prompt, "A dog "),
        (&bare, " A dog "),
    ] {
        let found = answer_tokens(prompt, answer, &tokenizer(), &spelling).unwrap();
        let whole = format.examples([example("photo", "", answer)]);
        let whole = Prompt::new(&whole, &tokenizer(), &spelling, 2048).unwrap();
        let before = Prompt::new(prompt, &tokenizer(), &spelling, 2048).unwrap();
        let expected = [before.tokens, found, vec![END]].concat();
        assert_eq!(whole.tokens, expected, "{answer:?}");
    }
    let empty = answer_tokens(&prompt, " ", &tokenizer(), &spelling).unwrap();
    assert!(empty.is_empty(), "{empty:?}");
    // Behind an image there is nothing that it continues.
    let bare = [Segment::Media("photo")];
    let found = answer_tokens(&bare, " A dog ", &tokenizer(), &spelling).unwrap();
    assert_eq!(found, tokenizer().encode("A dog").unwrap());
}

#[test]
fn a_template_without_its_places_is_refused() {
    for (template, problem) in [
        ("<image>Output:<|endofchunk|>", "has no {answer}"),
        ("{answer}{answer}<|endofchunk|>", "the same place twice"),
        ("<image>{answer}", "right behind {answer}"),
        ("{answer} <|endofchunk|>", "right behind {answer}"),
        ("{answer}<|endofchunk|><image>", "behind <|endofchunk|>"),
        ("<|endofchunk|>{answer}", "right behind {answer}"),
        (
            "<|endofchunk|><|endofchunk|>{answer}<|endofchunk|>",
            "the same place twice",
        ),
        (
            "{answer}<|endofchunk|><|endofchunk|>",
            "the same place twice",
        ),
    ] {
        let error = PromptFormat::parse(template).unwrap_err().to_string();
        assert!(error.contains(problem), "{template}: {error}");
    }
}

/// IDEFICS: a token on both sides of an image, which neighbours share, `<s>` in front, and
/// texts without the spaces around them.
#[test]
fn an_image_is_spelled_as_the_model_was_trained_on() {
    let around = 7;
    let spelling = PromptConfig {
        begin: vec![1],
        image: ImageSpelling {
            before: vec![around],
            behind: vec![around],
            shared: true,
        },
        trim_texts: true,
        end_of_answer: Vec::new(),
        ..spelling()
    };
    let layout = |segments: &[Segment<&'static str>]| {
        Prompt::new(segments, &tokenizer(), &spelling, 2048).unwrap()
    };
    let words = |text: &str| tokenizer().encode(text).unwrap();

    let prompt = layout(&[
        text(" Two photos: "),
        Segment::Media("first"),
        Segment::Media("second"),
        text(" What is it? "),
        Segment::EndOfChunk,
        Segment::Media("third"),
    ]);
    let mut expected = vec![1];
    expected.extend(words("Two photos:"));
    let first = expected.len() + 1;
    expected.extend([around, IMAGE, around, IMAGE, around]);
    expected.extend(words("What is it?"));
    let third = expected.len() + 1;
    expected.extend([around, IMAGE, around]);
    assert_eq!(prompt.tokens, expected);
    assert_eq!(prompt.places, [first, first + 2, third]);
    assert_eq!(prompt.media, ["first", "second", "third"]);

    let bare = layout(&[text("No photo")]);
    assert_eq!(bare.tokens, [&[1][..], &words("No photo")].concat());
    assert!(bare.places.is_empty());
}

/// flamingo-mini: an image is the tokens of the text `<image>`, and stands at the first.
#[test]
fn an_image_may_be_spelled_with_ordinary_tokens() {
    let spelling = PromptConfig {
        image: ImageSpelling {
            before: Vec::new(),
            behind: vec![11, 12],
            shared: false,
        },
        ..spelling()
    };
    let segments = [Segment::Media("first"), Segment::Media("second")];
    let prompt = Prompt::new(&segments, &tokenizer(), &spelling, 2048).unwrap();
    assert_eq!(prompt.tokens, [IMAGE, 11, 12, IMAGE, 11, 12]);
    assert_eq!(prompt.places, [0, 3]);
}

/// Ids before every prompt are no prompt.
#[test]
fn the_beginning_alone_is_empty() {
    let spelling = PromptConfig {
        begin: vec![1],
        ..spelling()
    };
    let segments: [Segment<&str>; 1] = [Segment::Text(String::new())];
    let error = Prompt::new(&segments, &tokenizer(), &spelling, 2048).unwrap_err();
    assert!(matches!(error, PromptError::Empty), "{error}");
}
