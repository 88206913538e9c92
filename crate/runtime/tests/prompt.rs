//! Prompts as token ids, with the default model's tokenizer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use flamingo::config::TokensConfig;
use flamingo_runtime::prompt::{CAPTION, Example, Prompt, Segment, VISUAL_QUESTION};
use flamingo_runtime::{PromptError, Tokenizer};

const IMAGE: u32 = 49153;
const END: u32 = 49152;
const NEW_LINE: u32 = 198;
/// Ids of `Output:`.
const OUTPUT: [u32; 2] = [17597, 42];

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
        image,
        question: question.to_owned(),
        answer: answer.to_owned(),
    }
}

fn text(text: &str) -> Segment<&'static str> {
    Segment::Text(text.to_owned())
}

fn layout(segments: &[Segment<&'static str>]) -> Prompt<&'static str> {
    Prompt::new(segments, &tokenizer(), 2048).unwrap()
}

#[test]
fn a_caption_without_examples_is_image_and_cue() {
    let prompt = layout(&CAPTION.few_shot([], "photo", ""));
    assert_eq!(prompt.tokens, [IMAGE, OUTPUT[0], OUTPUT[1]]);
    assert_eq!(prompt.images, ["photo"]);
}

#[test]
fn captions_follow_openflamingos_format() {
    let examples = [
        example("first", "", " A dog runs\n"),
        example("second", "", "A cat"),
    ];
    let prompt = layout(&CAPTION.few_shot(examples, "photo", ""));
    let tokenizer = tokenizer();
    let mut expected = vec![IMAGE];
    expected.extend(tokenizer.encode("Output:A dog runs").unwrap());
    expected.extend([END, NEW_LINE, IMAGE]);
    expected.extend(tokenizer.encode("Output:A cat").unwrap());
    expected.extend([END, NEW_LINE, IMAGE, OUTPUT[0], OUTPUT[1]]);
    assert_eq!(prompt.tokens, expected);
    assert_eq!(prompt.images, ["first", "second", "photo"]);
}

#[test]
fn questions_follow_openflamingos_format() {
    let examples = [example("first", "How many?", "2")];
    let prompt = layout(&VISUAL_QUESTION.few_shot(examples, "photo", "What colour?"));
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
    let prompt = layout(&CAPTION.few_shot(examples, "photo", ""));
    assert_eq!(prompt.tokens.iter().filter(|&&id| id == IMAGE).count(), 2);
    assert_eq!(prompt.tokens.iter().filter(|&&id| id == END).count(), 1);
    assert_eq!(prompt.images.len(), 2);
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
        Segment::Image("photo"),
        Segment::Image("other"),
    ]);
    assert_eq!(prompt.tokens, [49, 2767, 7313, IMAGE, IMAGE]);
    assert_eq!(prompt.images, ["photo", "other"]);
    assert_eq!(layout(&[text("Output:")]).tokens, OUTPUT);
}

#[test]
fn a_prompt_of_nothing_is_refused() {
    for segments in [vec![], vec![text("")]] {
        let error = Prompt::new(&segments, &tokenizer(), 2048).unwrap_err();
        assert!(matches!(error, PromptError::Empty), "{error:?}");
    }
}

#[test]
fn a_prompt_longer_than_the_context_is_refused() {
    let segments = CAPTION.few_shot([], "photo", "");
    assert!(Prompt::new(&segments, &tokenizer(), 3).is_ok());
    let error = Prompt::new(&segments, &tokenizer(), 2).unwrap_err();
    assert!(
        matches!(
            error,
            PromptError::TooLong {
                tokens: 3,
                images: 1,
                context: 2
            }
        ),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("use fewer or shorter examples"),
        "{error}"
    );
}
