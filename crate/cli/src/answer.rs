//! What a command prints of an answer.

use std::io::{self, Write};

use flamingo_runtime::{Generation, Hypothesis, StopReason, Timings};
use serde::Serialize;
use thiserror::Error;

/// An answer, however it was decoded.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) token_ids: Vec<u32>,
    stop_reason: StopReason,
    /// Of a beam only.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    /// Of an answer that was decoded token by token only.
    #[serde(skip_serializing_if = "Option::is_none")]
    timings: Option<Timings>,
    /// Of an answer that a pattern constrains only.
    #[serde(skip_serializing_if = "Option::is_none")]
    matches_pattern: Option<bool>,
}

/// The reason why an answer was cut off before it matched its pattern.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// It had no more tokens.
    #[error(
        "the text does not match --pattern, because it ends after {tokens} tokens; allow more \
         with --max-new-tokens, or give a pattern that ends sooner"
    )]
    TooShort {
        /// How many it has.
        tokens: usize,
    },
    /// A text came that ends it.
    #[error("the text does not match --pattern, because a --stop text ends it; leave that out")]
    Stopped,
    /// The model's context is full.
    #[error(
        "the text does not match --pattern, because the model's context is full; use fewer or \
         shorter examples"
    )]
    ContextFull,
}

impl From<Generation> for Answer {
    fn from(generation: Generation) -> Self {
        Self {
            text: generation.text,
            token_ids: generation.token_ids,
            stop_reason: generation.stop_reason,
            score: None,
            timings: Some(generation.timings),
            matches_pattern: generation.meets_constraint,
        }
    }
}

impl Answer {
    /// The best of a search.
    pub(crate) fn best(hypotheses: Vec<(String, Hypothesis)>) -> Self {
        let (text, best) = hypotheses
            .into_iter()
            .next()
            .expect("invariant: a search that succeeds has found a text");
        Self {
            text,
            token_ids: best.token_ids,
            stop_reason: match best.ended {
                true => StopReason::EndOfChunk,
                false => StopReason::MaxNewTokens,
            },
            score: Some(best.score),
            timings: None,
            matches_pattern: None,
        }
    }

    /// The reason why it does not match its pattern, if it does not.
    pub(crate) fn unmet(&self) -> Option<Unmet> {
        if self.matches_pattern != Some(false) {
            return None;
        }
        Some(match self.stop_reason {
            StopReason::StopText => Unmet::Stopped,
            StopReason::ContextFull => Unmet::ContextFull,
            // The end itself comes only where the pattern allows it, and nobody aborts here.
            StopReason::MaxNewTokens | StopReason::EndOfChunk | StopReason::Aborted => {
                Unmet::TooShort {
                    tokens: self.token_ids.len(),
                }
            }
        })
    }
}

/// A line of JSON: the file's name, then what is known of it.
pub(crate) fn json_line(
    out: &mut impl Write,
    file: &str,
    known: &impl Serialize,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        file: &'a str,
        #[serde(flatten)]
        known: &'a T,
    }
    serde_json::to_writer(&mut *out, &Line { file, known })?;
    writeln!(out)
}
