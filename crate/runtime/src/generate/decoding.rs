//! One generation, token by token.

use super::constraint::Progress;
use super::probability::LogProbabilities;
use super::sampling::Sampler;
use super::stop::{Scanned, StopScanner};
use super::{Alternative, GenerateOptions, StopReason, TokenPiece};
use crate::error::RuntimeError;
use crate::tokenizer::{TextStream, Tokenizer};

/// A generation under way: takes logits, gives tokens.
pub(crate) struct Decoding<'a> {
    tokenizer: &'a Tokenizer,
    options: &'a GenerateOptions,
    sampler: Sampler<'a>,
    constraint: Option<Progress<'a>>,
    stop: StopScanner<'a>,
    stream: TextStream<'a>,
    token_ids: Vec<u32>,
    /// What was shown so far.
    shown: String,
}

/// The state of a generation.
pub(crate) struct Decoded {
    /// The text, of whole characters, without white space around it.
    pub(crate) text: String,
    /// The tokens.
    pub(crate) token_ids: Vec<u32>,
    /// Whether the text is as it had to be; none where anything would do.
    pub(crate) meets_constraint: Option<bool>,
}

/// What a step of decoding has led to.
pub(crate) enum Step {
    /// A token, and whether it is the last.
    Token(TokenPiece, Option<StopReason>),
    /// The end.
    End(StopReason),
}

impl<'a> Decoding<'a> {
    /// A generation that ends at any of the texts in `stop`.
    pub(crate) fn new(
        tokenizer: &'a Tokenizer,
        options: &'a GenerateOptions,
        stop: &'a [String],
    ) -> Self {
        Self {
            tokenizer,
            options,
            sampler: Sampler::new(options),
            constraint: options.constraint.as_ref().map(|it| it.progress()),
            stop: StopScanner::new(stop),
            stream: tokenizer.text_stream(),
            token_ids: Vec::new(),
            shown: String::new(),
        }
    }

    /// Chooses the next token by the logits `[vocab]` behind the last one.
    pub(crate) fn step(&mut self, logits: &[f32]) -> Result<Step, RuntimeError> {
        let logits = LogProbabilities::new(logits)?;
        let ends = self.tokenizer.ends();
        let banned = self.tokenizer.banned();
        let (options, constraint) = (self.options, &self.constraint);
        let allowed = |id: u32| {
            banned.binary_search(&id).is_err()
                && !options.banned.contains(&id)
                && match constraint {
                    None => true,
                    Some(progress) if ends.contains(&id) => progress.may_end(),
                    Some(progress) => progress.allows(id),
                }
        };
        let id = self.sampler.choose(&logits, &self.token_ids, allowed)?;
        if ends.contains(&id) {
            return Ok(Step::End(StopReason::EndOfChunk));
        }
        self.token_ids.push(id);
        if let Some(progress) = &mut self.constraint {
            progress.advance(id);
        }
        let alternatives = logits
            .best(self.options.alternatives, |_| true)
            .into_iter()
            .map(|(id, log_probability)| {
                Ok(Alternative {
                    id,
                    text: self.tokenizer.text_of(id)?,
                    log_probability: log_probability as f32,
                })
            })
            .collect::<Result<_, RuntimeError>>()?;
        let Scanned { mut text, stopped } = self.stop.push(&self.stream.push(id)?);
        let reason = if stopped {
            // What stands behind it is nobody's.
            self.stop.rest();
            Some(StopReason::StopText)
        } else if self.token_ids.len() >= self.options.max_new_tokens {
            text.push_str(&self.stop.rest());
            Some(StopReason::MaxNewTokens)
        } else {
            None
        };
        self.shown.push_str(&text);
        let piece = TokenPiece {
            id,
            text,
            log_probability: logits.of(id) as f32,
            alternatives,
            attention: None,
        };
        Ok(Step::Token(piece, reason))
    }

    /// Ends the generation. The text is what was shown, and what was held back in case a stop
    /// text would come of it: the same whole characters that came out token by token, and
    /// nothing of one that was cut off.
    pub(crate) fn finish(mut self) -> Decoded {
        self.shown.push_str(&self.stop.rest());
        let constraint = self.options.constraint.as_ref();
        Decoded {
            text: self.shown.trim().to_owned(),
            token_ids: self.token_ids,
            meets_constraint: constraint.map(|constraint| constraint.is_met(&self.shown)),
        }
    }
}
