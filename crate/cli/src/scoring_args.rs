//! How given answers are compared, as the commands that compare them take it.

use clap::{Args, ValueEnum};
use flamingo_runtime::ChooseOptions;
use flamingo_runtime::score::Reduction;

/// How the answers of a close-ended task are compared.
#[derive(Args)]
pub(crate) struct ScoringArgs {
    /// What an answer's log-probability is made of
    #[arg(long, value_enum, default_value_t = ReductionChoice::Mean)]
    reduction: ReductionChoice,
    /// Take away what each answer scores when there is no photo
    #[arg(long)]
    calibrated: bool,
    /// Mean over this many orders of the examples
    #[arg(long, value_name = "N", default_value_t = 1)]
    orders: usize,
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
    /// The options that they name.
    pub(crate) fn options(&self) -> ChooseOptions {
        ChooseOptions {
            reduction: match self.reduction {
                ReductionChoice::Sum => Reduction::Sum,
                ReductionChoice::Mean => Reduction::Mean,
            },
            calibrated: self.calibrated,
            orders: self.orders,
        }
    }
}
