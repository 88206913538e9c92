//! Interleaved images and text, and the formats OpenFlamingo was trained on.
//!
//! A prompt is a list of [`Segment`]s. It cannot hold more `<image>` tokens
//! than images, because an image is the only thing that makes one: text never
//! does, whatever it spells.

use thiserror::Error;

use crate::tokenizer::{Tokenizer, TokenizerError};

/// A piece of a prompt. `I` is the image, encoded or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment<I> {
    /// Plain text.
    Text(String),
    /// An image; the text after it, up to the next one, sees it.
    Image(I),
    /// The end of an example, `<|endofchunk|>`.
    EndOfChunk,
}

/// Why a prompt cannot be run.
#[derive(Debug, Error)]
pub enum PromptError {
    /// Nothing to continue.
    #[error("the prompt is empty; give it an image or text")]
    Empty,
    /// More tokens than the model's context holds.
    #[error(
        "the prompt has {tokens} tokens ({images} images), the model takes {context}; \
         use fewer or shorter examples"
    )]
    TooLong {
        /// Tokens in the prompt.
        tokens: usize,
        /// Images in the prompt.
        images: usize,
        /// Longest sequence of the model.
        context: usize,
    },
    /// A text cannot be tokenized.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// A prompt as the model takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt<I> {
    /// Token ids, with one `<image>` for each of `images`.
    pub tokens: Vec<u32>,
    /// The images in order.
    pub images: Vec<I>,
}

impl<I: Clone> Prompt<I> {
    /// Lays out segments as tokens and checks that they fit into `context`
    /// tokens. Neighbouring texts are joined first, so that it does not matter
    /// how a text was cut.
    ///
    /// # Errors
    /// Where the prompt is empty, too long or cannot be tokenized.
    pub fn new(
        segments: &[Segment<I>],
        tokenizer: &Tokenizer,
        context: usize,
    ) -> Result<Self, PromptError> {
        let mut prompt = Self {
            tokens: Vec::new(),
            images: Vec::new(),
        };
        let mut text = String::new();
        for segment in segments {
            let marker = match segment {
                Segment::Text(more) => {
                    text.push_str(more);
                    continue;
                }
                Segment::Image(image) => {
                    prompt.images.push(image.clone());
                    tokenizer.tokens().image
                }
                Segment::EndOfChunk => tokenizer.tokens().end_of_chunk,
            };
            prompt.tokens.extend(tokenizer.encode(&text)?);
            prompt.tokens.push(marker);
            text.clear();
        }
        prompt.tokens.extend(tokenizer.encode(&text)?);

        match prompt.tokens.len() {
            0 => Err(PromptError::Empty),
            tokens if tokens > context => Err(PromptError::TooLong {
                tokens,
                images: prompt.images.len(),
                context,
            }),
            _ => Ok(prompt),
        }
    }
}

/// An image with what should be said about it, as an example in a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example<I> {
    /// The image.
    pub image: I,
    /// The question about it; empty where the format asks none.
    pub question: String,
    /// What the model should answer.
    pub answer: String,
}

/// How a task is put to the model: `<image>`, the cue, the answer,
/// `<|endofchunk|>`, the separator; for the query, up to the cue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptFormat {
    /// Text between image and question.
    pub before_question: &'static str,
    /// Text between question and answer.
    pub before_answer: &'static str,
    /// Text after each example.
    pub separator: &'static str,
}

/// OpenFlamingo's captions: `<image>Output:{caption}<|endofchunk|>`.
/// Source: open_flamingo/eval/models/open_flamingo.py, `get_caption_prompt`.
pub const CAPTION: PromptFormat = PromptFormat {
    before_question: "",
    before_answer: "Output:",
    separator: "\n",
};

/// OpenFlamingo's questions: `<image>Question:{question} Short answer:{answer}<|endofchunk|>`.
/// Source: open_flamingo/eval/models/open_flamingo.py, `get_vqa_prompt`.
pub const VISUAL_QUESTION: PromptFormat = PromptFormat {
    before_question: "Question:",
    before_answer: " Short answer:",
    separator: "\n",
};

impl PromptFormat {
    /// A prompt of examples and a query, in the order given. Questions and
    /// answers are trimmed, as OpenFlamingo's evaluation does.
    pub fn few_shot<I>(
        &self,
        examples: impl IntoIterator<Item = Example<I>>,
        image: I,
        question: &str,
    ) -> Vec<Segment<I>> {
        let cue = |question: &str| {
            format!(
                "{}{}{}",
                self.before_question,
                question.trim(),
                self.before_answer
            )
        };
        let mut segments = Vec::new();
        for Example {
            image,
            question,
            answer,
        } in examples
        {
            segments.push(Segment::Image(image));
            segments.push(Segment::Text(cue(&question) + answer.trim()));
            segments.push(Segment::EndOfChunk);
            segments.push(Segment::Text(self.separator.to_owned()));
        }
        segments.push(Segment::Image(image));
        segments.push(Segment::Text(cue(question)));
        segments
    }
}
