//! Interleaved media and text, and the formats OpenFlamingo was trained on.
//!
//! A prompt is a list of [`Segment`]s. It cannot hold more `<image>` tokens
//! than images and clips, because these are the only things that make one: text
//! never does, whatever it spells.

use flamingo::config::PromptConfig;
pub use flamingo::config::{CAPTION, CLASSIFICATION, HATEFUL_MEMES, Task, VISUAL_QUESTION};
use flamingo_weights::excerpt::Excerpt;
use thiserror::Error;

use crate::tokenizer::{END_OF_CHUNK, IMAGE, Tokenizer, TokenizerError};

/// A piece of a prompt. `M` is an image or clip, encoded or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment<M> {
    /// Plain text.
    Text(String),
    /// An image or a clip; the text after it, up to the next one, sees it.
    Media(M),
    /// The end of an example, `<|endofchunk|>`.
    EndOfChunk,
    /// The end of a question within an example, in dialogues whose every turn ends alike.
    EndOfQuestion,
}

/// Why a prompt cannot be run.
#[derive(Debug, Error)]
pub enum PromptError {
    /// Nothing to continue.
    #[error("the prompt is empty; give it an image or text")]
    Empty,
    /// More tokens than the model's context holds.
    #[error(
        "the prompt has {tokens} tokens ({media} images and clips), the model takes {context}; \
         use fewer or shorter examples"
    )]
    TooLong {
        /// Tokens in the prompt.
        tokens: usize,
        /// Images and clips in the prompt.
        media: usize,
        /// Longest sequence of the model.
        context: usize,
    },
    /// The text behind the examples is longer than the model's context holds by itself.
    #[error(
        "the text has {tokens} tokens and may have {most}, because the model takes {context} in \
         all; shorten it"
    )]
    TextTooLong {
        /// Tokens of the text behind the last example.
        tokens: usize,
        /// Tokens that it may have where there are no examples.
        most: usize,
        /// Longest sequence of the model.
        context: usize,
    },
    /// A template that describes no prompt.
    #[error(
        "the template {} {problem}; OpenFlamingo's for captions is {:?}",
        Excerpt(template),
        CAPTION
    )]
    Template {
        /// The template.
        template: String,
        /// The fault.
        problem: &'static str,
    },
    /// A text cannot be tokenized.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// A prompt as the model takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt<M> {
    /// Token ids.
    pub tokens: Vec<u32>,
    /// For each of `media` its place among the tokens, rising: from there on the text
    /// sees it.
    pub places: Vec<usize>,
    /// The images and clips in order.
    pub media: Vec<M>,
}

impl<M: Clone> Prompt<M> {
    /// Lays out segments as tokens, spelled as the model was trained on, and checks that
    /// they fit into `context` tokens. Neighbouring texts are joined first, so that it
    /// does not matter how a text was cut; so are those of two examples between which no token
    /// stands.
    ///
    /// # Errors
    /// Where the prompt is empty, too long or cannot be tokenized.
    pub fn new(
        segments: &[Segment<M>],
        tokenizer: &Tokenizer,
        spelling: &PromptConfig,
        context: usize,
    ) -> Result<Self, PromptError> {
        let mut prompt = Self {
            tokens: spelling.begin.clone(),
            places: Vec::new(),
            media: Vec::new(),
        };
        let mut text = String::new();
        let mut follows_media = false;
        // Tokens up to the end of the last example, and images and clips up to there.
        let mut examples = (0, 0);
        // An example whose end no token marks ends with its text.
        let mut ends_with_text = false;
        for segment in segments {
            match segment {
                Segment::Text(more) => {
                    text.push_str(more);
                    // Spaces, too, part two images, though they are not written.
                    follows_media &= text.is_empty();
                }
                Segment::Media(media) => {
                    prompt.push_text(&mut text, tokenizer, spelling)?;
                    if ends_with_text {
                        examples = (prompt.tokens.len(), prompt.media.len());
                        ends_with_text = false;
                    }
                    prompt.push_media(media.clone(), follows_media, tokenizer, spelling);
                    follows_media = true;
                }
                Segment::EndOfChunk if spelling.end_of_answer.is_empty() => ends_with_text = true,
                Segment::EndOfQuestion if spelling.end_of_answer.is_empty() => {}
                Segment::EndOfChunk | Segment::EndOfQuestion => {
                    prompt.push_text(&mut text, tokenizer, spelling)?;
                    prompt.tokens.extend(&spelling.end_of_answer);
                    follows_media = false;
                    if matches!(segment, Segment::EndOfChunk) {
                        examples = (prompt.tokens.len(), prompt.media.len());
                    }
                }
            }
        }
        prompt.push_text(&mut text, tokenizer, spelling)?;

        let tokens = prompt.tokens.len();
        if tokens == spelling.begin.len() {
            return Err(PromptError::Empty);
        }
        if tokens <= context {
            return Ok(prompt);
        }
        let media = prompt.media.len();
        let shown = media - examples.1;
        let asked = tokens - examples.0 - shown;
        // Of images alone there is no text to be shortened.
        match asked + shown > context && asked >= shown {
            true => Err(PromptError::TextTooLong {
                tokens: asked,
                most: context.saturating_sub(shown),
                context,
            }),
            false => Err(PromptError::TooLong {
                tokens,
                media,
                context,
            }),
        }
    }

    /// Puts a text behind the prompt and leaves an empty one.
    fn push_text(
        &mut self,
        text: &mut String,
        tokenizer: &Tokenizer,
        spelling: &PromptConfig,
    ) -> Result<(), PromptError> {
        let bare = match spelling.trim_texts {
            true => text.trim_matches(' '),
            false => text,
        };
        self.tokens.extend(tokenizer.encode(bare)?);
        text.clear();
        Ok(())
    }

    /// Puts an image or clip behind the prompt, which may end with another one.
    fn push_media(
        &mut self,
        media: M,
        follows_media: bool,
        tokenizer: &Tokenizer,
        spelling: &PromptConfig,
    ) {
        let image = &spelling.image;
        if !(image.shared && follows_media) {
            self.tokens.extend(&image.before);
        }
        self.places.push(self.tokens.len());
        self.tokens.push(tokenizer.tokens().image);
        self.tokens.extend(&image.behind);
        self.media.push(media);
    }
}

/// Token ids of an answer behind a prompt. If texts are trimmed, so is the text that the
/// prompt ends with together with the answer, as it is in an example: the space between both
/// belongs to the answer then.
///
/// # Errors
/// If a text cannot be tokenized.
pub fn answer_tokens<M>(
    segments: &[Segment<M>],
    answer: &str,
    tokenizer: &Tokenizer,
    spelling: &PromptConfig,
) -> Result<Vec<u32>, TokenizerError> {
    let before = text_at_end(segments, spelling);
    if !spelling.trim_texts {
        return tokenizer.encode_behind(&before, answer);
    }
    let both = [&before, answer].concat();
    let (both, before) = (both.trim_matches(' '), before.trim_matches(' '));
    match both.strip_prefix(before) {
        Some(behind) => tokenizer.encode_behind(before, behind),
        None => tokenizer.encode(both),
    }
}

/// The text that a prompt ends with, behind its last image and the last token that ends a
/// question or an answer.
fn text_at_end<M>(segments: &[Segment<M>], spelling: &PromptConfig) -> String {
    let ends_are_tokens = !spelling.end_of_answer.is_empty();
    let mut texts: Vec<&str> = segments
        .iter()
        .rev()
        .map_while(|segment| match segment {
            Segment::Text(text) => Some(text.as_str()),
            Segment::EndOfChunk | Segment::EndOfQuestion if !ends_are_tokens => Some(""),
            Segment::Media(_) | Segment::EndOfChunk | Segment::EndOfQuestion => None,
        })
        .collect();
    texts.reverse();
    texts.concat()
}

/// An image or clip with what should be said about it, as an example in a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example<M> {
    /// The image or clip; none in an example of text only, two of which are the
    /// paper's zero-shot prompt (section 3.2).
    pub media: Option<M>,
    /// The question about it; empty where the format asks none.
    pub question: String,
    /// What the model should answer.
    pub answer: String,
}

const QUESTION: &str = "{question}";
const ANSWER: &str = "{answer}";

/// How a task is put to the model, as a template: the text of one example with
/// `<image>`, `{question}`, `{answer}` and `<|endofchunk|>` in their places. What
/// stands behind `<|endofchunk|>` separates examples. A dialogue, whose every turn ends alike,
/// has a `<|endofchunk|>` before the answer too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptFormat {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Media,
    Question,
    Answer,
    EndOfChunk,
    EndOfQuestion,
}

impl PromptFormat {
    /// Reads a template, such as [`CAPTION`].
    ///
    /// # Errors
    /// Where a place is missing, there twice, or behind the answer's `<|endofchunk|>`.
    pub fn parse(template: &str) -> Result<Self, PromptError> {
        let problem = |problem| PromptError::Template {
            template: template.to_owned(),
            problem,
        };
        let mut parts = Vec::new();
        let mut rest = template;
        while !rest.is_empty() {
            let places = [
                (IMAGE, Part::Media),
                (QUESTION, Part::Question),
                (ANSWER, Part::Answer),
                (END_OF_CHUNK, Part::EndOfChunk),
            ];
            let next = places
                .into_iter()
                .filter_map(|(mark, part)| Some((rest.find(mark)?, mark, part)))
                .min_by_key(|(position, ..)| *position);
            let Some((position, mark, mut part)) = next else {
                parts.push(Part::Text(rest.to_owned()));
                break;
            };
            if position > 0 {
                parts.push(Part::Text(rest[..position].to_owned()));
            }
            if part == Part::EndOfChunk && !parts.contains(&Part::Answer) {
                part = Part::EndOfQuestion;
            }
            if parts.contains(&part) {
                return Err(problem("has the same place twice"));
            }
            if parts.contains(&Part::EndOfChunk) {
                return Err(problem("has a place behind <|endofchunk|>"));
            }
            parts.push(part);
            rest = &rest[position + mark.len()..];
        }
        let answer = parts.iter().position(|part| *part == Part::Answer);
        let end = parts.iter().position(|part| *part == Part::EndOfChunk);
        match (answer, end) {
            (None, _) => Err(problem("has no {answer}")),
            (Some(answer), Some(end)) if end == answer + 1 => Ok(Self { parts }),
            _ => Err(problem("has no <|endofchunk|> right behind {answer}")),
        }
    }

    /// Whether there is a place for a question.
    pub fn asks(&self) -> bool {
        self.parts.contains(&Part::Question)
    }

    /// Examples, in the order given, each with its answer and separator.
    ///
    /// Questions and answers are trimmed, as OpenFlamingo's evaluation does.
    pub fn examples<M>(&self, examples: impl IntoIterator<Item = Example<M>>) -> Vec<Segment<M>> {
        examples
            .into_iter()
            .flat_map(|example| {
                let Example {
                    mut media,
                    question,
                    answer,
                } = example;
                self.segments(&self.parts, &mut media, &question, &answer)
            })
            .collect()
    }

    /// What is asked of the model: an example up to its answer.
    pub fn query<M>(&self, mut media: Option<M>, question: &str) -> Vec<Segment<M>> {
        let answer = self.parts.iter().position(|part| *part == Part::Answer);
        let before = &self.parts[..answer.unwrap_or(self.parts.len())];
        self.segments(before, &mut media, question, "")
    }

    /// What follows an answer that the model gave, before the next example.
    pub fn after_answer<M>(&self) -> Vec<Segment<M>> {
        let answer = self.parts.iter().position(|part| *part == Part::Answer);
        let after = &self.parts[answer.map_or(0, |answer| answer + 1)..];
        self.segments(after, &mut None, "", "")
    }

    fn segments<M>(
        &self,
        parts: &[Part],
        media: &mut Option<M>,
        question: &str,
        answer: &str,
    ) -> Vec<Segment<M>> {
        parts
            .iter()
            .filter_map(|part| match part {
                Part::Text(text) => Some(Segment::Text(text.clone())),
                Part::Media => media.take().map(Segment::Media),
                Part::Question => Some(Segment::Text(question.trim().to_owned())),
                Part::Answer => Some(Segment::Text(answer.trim().to_owned())),
                Part::EndOfChunk => Some(Segment::EndOfChunk),
                Part::EndOfQuestion => Some(Segment::EndOfQuestion),
            })
            .collect()
    }
}
