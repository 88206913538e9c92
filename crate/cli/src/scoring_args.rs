//! How given answers are compared, as the commands that compare them take it.

use clap::{Args, ValueEnum};
use flamingo_runtime::score::Reduction;
use flamingo_runtime::{ChooseOptions, RESEMBLANCE};

use crate::failure::Failure;

/// How the answers of a close-ended task are compared.
#[derive(Args)]
pub(crate) struct ScoringArgs {
    /// What an answer's log-probability is made of
    #[arg(long, value_enum, default_value_t = ReductionChoice::Mean)]
    reduction: ReductionChoice,
    /// Take away what each answer scores when there is no photo: helps with sentences, some of
    /// which are said more often, and harms with words that the examples bind to photos
    #[arg(long)]
    calibrated: bool,
    /// Mean over this many orders of the examples
    #[arg(long, value_name = "N", default_value_t = 1)]
    orders: usize,
    /// How much the vote of the examples counts, by how much their photos look like this one,
    /// where the likelihood counts 1; 0 takes no vote. There is one if each answer has an
    /// example with a photo, and no example has another text or another question
    #[arg(long, value_name = "WEIGHT", default_value_t = RESEMBLANCE)]
    resemblance: f32,
}

/// What `--reduction` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReductionChoice {
    /// The sum over its tokens
    Sum,
    /// The mean over its tokens
    Mean,
}

impl ScoringArgs {
    /// The options that they name, checked before a model is loaded.
    ///
    /// # Errors
    /// Where a number makes no sense.
    pub(crate) fn check(&self) -> Result<ChooseOptions, Failure> {
        let options = ChooseOptions {
            reduction: match self.reduction {
                ReductionChoice::Sum => Reduction::Sum,
                ReductionChoice::Mean => Reduction::Mean,
            },
            calibrated: self.calibrated,
            orders: self.orders,
            resemblance: self.resemblance,
        };
        options.check().map_err(|source| Failure::Prompt {
            what: "the options of scoring".to_owned(),
            source,
        })?;
        Ok(options)
    }

    /// Everything that decides what is scored, by name.
    pub(crate) fn settings(&self) -> serde_json::Value {
        serde_json::json!({
            "reduction": match self.reduction {
                ReductionChoice::Sum => "sum",
                ReductionChoice::Mean => "mean",
            },
            "calibrated": self.calibrated,
            "orders": self.orders,
            "resemblance": self.resemblance,
        })
    }
}
