//! How a command decodes.

use clap::Args;
use flamingo_runtime::{BeamOptions, Constraint, GenerateOptions, Model};

use crate::failure::Failure;

/// Options of decoding; without any it is greedy.
#[derive(Args)]
pub(crate) struct DecodingArgs {
    /// Longest answer, in tokens
    #[arg(
        long,
        value_name = "N",
        default_value_t = GenerateOptions::default().max_new_tokens
    )]
    max_new_tokens: usize,
    /// Draw tokens instead of taking the likeliest: 1 by the model's own
    /// probabilities, less is sharper, more is flatter
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    temperature: f32,
    /// Draw from this many of the likeliest tokens
    #[arg(long, value_name = "K", default_value_t = 0)]
    top_k: usize,
    /// Draw from the likeliest tokens that together have this probability
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    top_p: f32,
    /// Draw from tokens with at least this share of the likeliest one's probability
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    min_p: f32,
    /// Make tokens less likely that came before: above 1
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    repetition_penalty: f32,
    /// Where draws begin: the same number draws the same again
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// A text that ends the answer; may be given several times
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// A regular expression that the whole answer must match
    #[arg(long, value_name = "REGEX", conflicts_with = "beams")]
    pattern: Option<String>,
    /// Keep this many continuations side by side (beam search)
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=64),
        conflicts_with_all = ["temperature", "top_k", "top_p", "min_p", "repetition_penalty", "stop"]
    )]
    beams: Option<u16>,
    /// Exponent of the length by which a beam's log-probability is divided
    #[arg(long, value_name = "X", default_value_t = 0.0, requires = "beams")]
    length_penalty: f32,
}

/// What the options ask for.
pub(crate) enum Decoding {
    /// Token by token.
    Tokens(Box<GenerateOptions>),
    /// Several continuations side by side.
    Beams(BeamOptions),
}

impl DecodingArgs {
    /// # Errors
    /// Where the pattern cannot be used.
    pub(crate) fn decoding(&self, model: &Model) -> Result<Decoding, Failure> {
        if let Some(beams) = self.beams {
            return Ok(Decoding::Beams(BeamOptions {
                beams: beams.into(),
                length_penalty: self.length_penalty,
                max_new_tokens: self.max_new_tokens,
            }));
        }
        let constraint = self
            .pattern
            .as_deref()
            .map(|pattern| Constraint::regex(pattern, model.tokenizer()))
            .transpose()
            .map_err(|error| Failure::Prompt {
                what: "reading --pattern".to_owned(),
                source: error.into(),
            })?;
        Ok(Decoding::Tokens(Box::new(GenerateOptions {
            max_new_tokens: self.max_new_tokens,
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            seed: self.seed,
            stop: self.stop.clone(),
            constraint,
            ..GenerateOptions::default()
        })))
    }
}
