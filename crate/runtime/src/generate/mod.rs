//! Decoding: which token comes next, and when to stop.

pub mod beam;
mod constraint;
mod decoding;
mod probability;
mod sampling;
mod stop;

use std::ops::RangeInclusive;

use serde::Serialize;

use crate::attention_map::AttentionMap;
use crate::error::RuntimeError;

pub use beam::{BeamOptions, Hypothesis};
pub use constraint::{Constraint, ConstraintError, Pattern};
pub(crate) use decoding::{Decoded, Decoding, Step};
pub(crate) use probability::LogProbabilities;

/// What a caller may choose about decoding. The default is greedy.
#[derive(Clone, Debug)]
pub struct GenerateOptions {
    /// Stop after this many tokens, if `<|endofchunk|>` has not come before.
    pub max_new_tokens: usize,
    /// 0 takes the likeliest token always; above, tokens are drawn, from the model's
    /// own distribution at 1, a sharper one below, a flatter one above.
    pub temperature: f32,
    /// Draw from the likeliest `top_k` tokens only; 0 from all.
    pub top_k: usize,
    /// Draw from the fewest likeliest tokens that together have this probability
    /// (nucleus sampling, Holtzman et al. 2020); 1 from all.
    pub top_p: f32,
    /// Draw from tokens only that have at least this share of the likeliest one's
    /// probability; 0 from all.
    pub min_p: f32,
    /// Makes tokens that were generated before less likely where above 1 (Keskar et
    /// al. 2019). Tokens of the prompt do not count, or examples could not be
    /// followed.
    pub repetition_penalty: f32,
    /// Where draws begin: the same seed draws the same tokens from the same logits.
    pub seed: u64,
    /// Texts that end the generation; none of them is part of it.
    pub stop: Vec<String>,
    /// Tokens that are never generated, besides special ones.
    pub banned: Vec<u32>,
    /// What the whole text must be like.
    pub constraint: Option<Constraint>,
    /// How many of the likeliest tokens to report at each step.
    pub alternatives: usize,
    /// Whether to report where each token looked.
    pub attention: bool,
}

impl Default for GenerateOptions {
    /// Greedy, 40 new tokens: twice OpenFlamingo's evaluation, so that a caption ends
    /// where it ends and not in the middle.
    fn default() -> Self {
        Self {
            max_new_tokens: 40,
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            seed: 0,
            stop: Vec::new(),
            banned: Vec::new(),
            constraint: None,
            alternatives: 0,
            attention: false,
        }
    }
}

impl GenerateOptions {
    /// Whether every number is one that makes sense.
    ///
    /// # Errors
    /// Where one does not; decoding says the same, once a model is there.
    pub fn check(&self) -> Result<(), RuntimeError> {
        let ranges = [
            ("temperature", self.temperature, 0.0..=f32::MAX),
            ("top_p", self.top_p, 0.0..=1.0),
            ("min_p", self.min_p, 0.0..=1.0),
            (
                "repetition_penalty",
                self.repetition_penalty,
                f32::MIN_POSITIVE..=f32::MAX,
            ),
        ];
        for (option, value, range) in ranges {
            check_range(option, value, range)?;
        }
        match self.stop.iter().any(String::is_empty) {
            true => Err(RuntimeError::EmptyStop),
            false => Ok(()),
        }
    }
}

/// Whether an option is within its range.
pub(crate) fn check_range(
    option: &'static str,
    value: f32,
    range: RangeInclusive<f32>,
) -> Result<(), RuntimeError> {
    match range.contains(&value) {
        true => Ok(()),
        false => Err(RuntimeError::Option {
            option,
            value,
            least: *range.start(),
            most: *range.end(),
        }),
    }
}

/// A token that could have come, and how likely it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alternative {
    /// Its id.
    pub id: u32,
    /// Its text, U+FFFD where that is no whole character.
    pub text: String,
    /// Natural logarithm of its probability, over the whole vocabulary.
    pub log_probability: f32,
}

/// A token as it comes.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenPiece {
    /// Its id.
    pub id: u32,
    /// The text it completes: whole characters, often none or several. What may turn
    /// out to be a stop text comes later or never.
    pub text: String,
    /// Natural logarithm of the model's probability for it, over the whole
    /// vocabulary, before any sampling option changes it.
    pub log_probability: f32,
    /// The likeliest tokens in its place, as many as were asked for.
    pub alternatives: Vec<Alternative>,
    /// Where in the last image the model looked when it chose the token, if that was
    /// asked for and there is an image.
    pub attention: Option<AttentionMap>,
}

/// Why decoding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model ended the example.
    EndOfChunk,
    /// One of [`GenerateOptions::stop`] came.
    StopText,
    /// [`GenerateOptions::max_new_tokens`] were generated.
    MaxNewTokens,
    /// The model's context is full.
    ContextFull,
    /// The caller's callback said so.
    Aborted,
}

/// How long the steps took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Timings {
    /// Encoding the last image of the prompt, from the file's bytes to its
    /// latents; it happened before decoding, perhaps long before. 0 where the
    /// prompt has no image.
    pub encode_ms: f64,
    /// Reading the prompt: its images' keys and values, and its tokens.
    pub prefill_ms: f64,
    /// From the request to the first token, encoding not counted.
    pub first_token_ms: f64,
    /// Mean over the tokens after the first, 0 where there are none.
    pub decode_ms_per_token: f64,
}

/// What the model said.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// The text, without white space around it: the whole characters that came out token
    /// by token.
    pub text: String,
    /// The tokens, without `<|endofchunk|>`.
    pub token_ids: Vec<u32>,
    /// How many tokens of the prompt were known from before and not read again.
    pub reused_tokens: usize,
    /// How long it took.
    pub timings: Timings,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// Whether the text is as [`GenerateOptions::constraint`] has it; none without one. A
    /// text that was cut off before its end may not be.
    pub meets_constraint: Option<bool>,
}
