//! How a command decodes.

use clap::Args;
use flamingo_runtime::{BeamOptions, GenerateOptions, Model, Pattern, RuntimeError};

use crate::failure::Failure;

/// Options of decoding; without any it is greedy.
#[derive(Args)]
pub(crate) struct DecodingArgs {
    /// Longest answer, in tokens
    #[arg(
        long,
        value_name = "N",
        default_value_t = GenerateOptions::default().max_new_tokens as u32,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    max_new_tokens: u32,
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

/// Options that have been checked, before a model is loaded.
pub(crate) struct CheckedDecoding {
    decoding: Decoding,
    pattern: Option<Pattern>,
}

impl DecodingArgs {
    /// Checks the options.
    ///
    /// # Errors
    /// Where a number makes no sense or the pattern cannot be used.
    pub(crate) fn check(&self) -> Result<CheckedDecoding, Failure> {
        let refused = |source: RuntimeError| Failure::Prompt {
            what: "the options of decoding".to_owned(),
            source,
        };
        if let Some(beams) = self.beams {
            let options = BeamOptions {
                beams: beams.into(),
                length_penalty: self.length_penalty,
                max_new_tokens: self.max_new_tokens as usize,
            };
            options.check().map_err(refused)?;
            return Ok(CheckedDecoding {
                decoding: Decoding::Beams(options),
                pattern: None,
            });
        }
        let pattern = self.pattern.as_deref().map(Pattern::regex).transpose();
        let options = GenerateOptions {
            max_new_tokens: self.max_new_tokens as usize,
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            seed: self.seed,
            stop: self.stop.clone(),
            ..GenerateOptions::default()
        };
        options.check().map_err(refused)?;
        Ok(CheckedDecoding {
            decoding: Decoding::Tokens(Box::new(options)),
            pattern: pattern.map_err(|error| pattern_refused(error.into()))?,
        })
    }

    /// Everything that decides what is decoded, by name.
    pub(crate) fn settings(&self) -> serde_json::Value {
        serde_json::json!({
            "max_new_tokens": self.max_new_tokens,
            "temperature": self.temperature,
            "top_k": self.top_k,
            "top_p": self.top_p,
            "min_p": self.min_p,
            "repetition_penalty": self.repetition_penalty,
            "seed": self.seed,
            "stop": self.stop,
            "pattern": self.pattern,
            "beams": self.beams,
            "length_penalty": self.length_penalty,
        })
    }
}

impl CheckedDecoding {
    /// The same over the tokens of a model.
    ///
    /// # Errors
    /// Where the model's tokens cannot be constrained.
    pub(crate) fn over(self, model: &Model) -> Result<Decoding, Failure> {
        let Some(pattern) = self.pattern else {
            return Ok(self.decoding);
        };
        let constraint = pattern
            .over(model.tokenizer())
            .map_err(|error| pattern_refused(error.into()))?;
        Ok(match self.decoding {
            Decoding::Tokens(mut options) => {
                options.constraint = Some(constraint);
                Decoding::Tokens(options)
            }
            beams => beams,
        })
    }
}

fn pattern_refused(source: RuntimeError) -> Failure {
    Failure::Prompt {
        what: "reading --pattern".to_owned(),
        source,
    }
}
