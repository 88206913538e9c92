//! Close-ended tasks: how likely a model finds given answers (paper, appendix A.2).

use flamingo::{BranchToken, Branches, Flamingo, KvCache, Media, Positions};
use serde::Serialize;

use crate::error::RuntimeError;
use crate::generate::LogProbabilities;
use crate::model::read_checked;
use crate::prefix::ReadPrompt;

/// Tokens that go through the model at once: their logits are all read back.
const ROWS_AT_ONCE: usize = 64;

/// What an answer's log-probability is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// The sum over its tokens: the probability of the answer as a whole.
    Sum,
    /// The mean over its tokens, as OpenFlamingo's evaluation has it: long answers
    /// are not at a disadvantage.
    #[default]
    Mean,
}

/// Log-probabilities of the tokens of an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnswerScore {
    /// Natural logarithm of the probability of each token behind those before it.
    pub log_probabilities: Vec<f64>,
}

impl AnswerScore {
    /// The answer's log-probability.
    pub fn reduce(&self, reduction: Reduction) -> f64 {
        let sum: f64 = self.log_probabilities.iter().sum();
        match reduction {
            Reduction::Sum => sum,
            Reduction::Mean => sum / self.log_probabilities.len().max(1) as f64,
        }
    }
}

/// Scores answers, given as tokens, behind a prompt that has been read. All answers go
/// through the model together, and the prompt's keys and values are there once. The
/// prompt's cache is given back as it was.
///
/// # Errors
/// Where an answer is longer than the context leaves room for, holds an `<image>`, or
/// the device fails.
pub async fn score(
    prompt: ReadPrompt<'_>,
    answers: &[Vec<u32>],
) -> Result<(Vec<AnswerScore>, KvCache), RuntimeError> {
    let ReadPrompt {
        flamingo,
        media,
        cache,
        logits,
    } = prompt;
    let first = LogProbabilities::new(&logits)?;
    let mut scores: Vec<AnswerScore> = answers
        .iter()
        .map(|answer| AnswerScore {
            log_probabilities: answer.first().map(|&id| first.of(id)).into_iter().collect(),
        })
        .collect();
    let mut branches = Branches::new(cache);
    let mut batch = Batch::default();
    for (index, answer) in answers.iter().enumerate() {
        batch.add(index, answer);
        if batch.tokens.len() >= ROWS_AT_ONCE {
            batch
                .run(flamingo, media, &mut branches, &mut scores)
                .await?;
            batch = Batch::default();
            branches.clear();
        }
    }
    batch
        .run(flamingo, media, &mut branches, &mut scores)
        .await?;
    Ok((scores, branches.into_shared()))
}

/// Answers that go through the model together.
#[derive(Default)]
struct Batch {
    tokens: Vec<BranchToken>,
    /// For each token its answer and the token that follows it there.
    following: Vec<(usize, u32)>,
}

impl Batch {
    fn add(&mut self, answer: usize, ids: &[u32]) {
        let first_row = self.tokens.len() as u32;
        for (row, pair) in (first_row..).zip(ids.windows(2)) {
            self.tokens.push(BranchToken {
                id: pair[0],
                history: (first_row..row).collect(),
            });
            self.following.push((answer, pair[1]));
        }
    }

    async fn run(
        &self,
        flamingo: &Flamingo,
        media: &Media,
        branches: &mut Branches,
        scores: &mut [AnswerScore],
    ) -> Result<(), RuntimeError> {
        if self.tokens.is_empty() {
            return Ok(());
        }
        let logits = flamingo.forward_branches(&self.tokens, media, branches)?;
        let [_, vocab] = logits.dims();
        let values = read_checked(flamingo.device(), logits).await?;
        for (logits, &(answer, id)) in values.chunks_exact(vocab).zip(&self.following) {
            let log_probability = LogProbabilities::new(logits)?.of(id);
            scores[answer].log_probabilities.push(log_probability);
        }
        Ok(())
    }
}

/// The exponential of the mean negative log-probability of tokens but the first, each
/// behind those before it.
pub(crate) async fn perplexity(flamingo: &Flamingo, tokens: &[u32]) -> Result<f64, RuntimeError> {
    let Some((_, following)) = tokens.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return Err(RuntimeError::EmptyAnswer { index: 0 });
    };
    let mut cache = flamingo.new_cache();
    let mut sum = 0.0;
    // The logits of all tokens at once may be larger than the model.
    for (read, next) in tokens
        .chunks(ROWS_AT_ONCE)
        .zip(following.chunks(ROWS_AT_ONCE))
    {
        let logits = flamingo.forward(read, &[], &Media::none(), &mut cache, Positions::All)?;
        let [_, vocab] = logits.dims();
        let values = read_checked(flamingo.device(), logits).await?;
        for (logits, &id) in values.chunks_exact(vocab).zip(next) {
            sum += LogProbabilities::new(logits)?.of(id);
        }
    }
    Ok((-sum / following.len() as f64).exp())
}

/// Probabilities of answers that exclude one another, from their log-probabilities:
/// they sum to 1.
pub fn probabilities(log_probabilities: &[f64]) -> Vec<f64> {
    let largest = log_probabilities
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_probabilities
        .iter()
        .map(|value| (value - largest).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_and_mean() {
        let score = AnswerScore {
            log_probabilities: vec![-1.0, -2.0, -6.0],
        };
        assert_eq!(score.reduce(Reduction::Sum), -9.0);
        assert_eq!(score.reduce(Reduction::Mean), -3.0);
    }

    #[test]
    fn probabilities_sum_to_one_however_small_their_sources() {
        let expected = [0.5f64, 0.25, 0.25];
        let found = probabilities(&expected.map(|p| p.ln() - 700.0));
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9);
        }
    }
}
