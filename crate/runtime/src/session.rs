//! A conversation: a task, examples of it, and the turns so far.

use std::ops::ControlFlow;

use serde::Serialize;

use crate::error::RuntimeError;
use crate::generate::{
    BeamOptions, GenerateOptions, Generation, Hypothesis, StopReason, TokenPiece, check_range,
};
use crate::media::EncodedMedia;
use crate::model::{Example, Model, Segment};
use crate::prefix::PrefixCache;
use crate::prompt::PromptFormat;
use crate::score::{Reduction, probabilities};
use crate::vote::{self, RESEMBLANCE};

/// A task with its examples, put to a model query by query.
///
/// What the queries share is read once: the examples, and in a dialogue the turns.
pub struct Session {
    format: PromptFormat,
    examples: Vec<Example>,
    turns: Vec<Segment>,
    prefix: PrefixCache,
}

/// What is asked: about an image or clip, or, in a dialogue, about the last one.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The image or clip.
    pub media: Option<EncodedMedia>,
    /// The question; empty where the format has no place for one.
    pub question: String,
}

/// Most orders of the examples: all those of six.
const MAX_ORDERS: f32 = 720.0;

/// Most that the shots' vote may count.
const MAX_RESEMBLANCE: f32 = 1000.0;

/// How the answers of a close-ended task are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChooseOptions {
    /// What an answer's log-probability is made of.
    pub reduction: Reduction,
    /// Take away what each answer scores when the query has no image: for answers of which
    /// some are said more often than others, such as sentences. It harms where examples bind
    /// words to images.
    pub calibrated: bool,
    /// Mean over this many orders of the examples (prompt ensembling, paper appendix
    /// A.2, which takes 6), up to 720; 0 and 1 are the order given.
    pub orders: usize,
    /// How much the vote of the examples counts, where the language model's likelihood counts
    /// 1: from 0, which takes no vote, to 1000; [`RESEMBLANCE`] unless told otherwise. There
    /// is a vote only if every answer has an example with an image, the texts of all examples
    /// are answers, and none asks another question than the query.
    pub resemblance: f32,
}

impl Default for ChooseOptions {
    fn default() -> Self {
        Self {
            reduction: Reduction::default(),
            calibrated: false,
            orders: 0,
            resemblance: RESEMBLANCE,
        }
    }
}

/// How likely a given answer is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// Its probability among the answers given.
    pub probability: f64,
    /// The two parts of that, if the examples voted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<ChoiceParts>,
}

/// The two parts of an answer's probability, which is in proportion to the geometric mean of
/// both, in which the vote has the weight [`ChooseOptions::resemblance`] and the likelihood 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ChoiceParts {
    /// Its probability by the language model alone.
    pub likelihood: f64,
    /// Its share of the vote of the examples, by how much their images are like the query's.
    pub vote: f64,
}

impl Choice {
    /// The only answer that there is.
    pub(crate) const CERTAIN: Self = Self::of(1.0);

    /// An answer that nobody voted on.
    pub(crate) const fn of(probability: f64) -> Self {
        Self {
            probability,
            parts: None,
        }
    }
}

/// The evidence for each of several answers.
struct Weighed {
    /// By the language model.
    scores: Vec<f64>,
    /// By the examples, if they vote: shares that sum to 1.
    votes: Option<Vec<f64>>,
}

impl Weighed {
    /// Both, as logarithms of numbers in proportion to the probabilities.
    fn together(&self, resemblance: f32) -> Vec<f64> {
        match &self.votes {
            None => self.scores.clone(),
            Some(votes) => self
                .scores
                .iter()
                .zip(votes)
                .map(|(score, vote)| {
                    let weight = f64::from(resemblance);
                    (score + weight * vote.ln()) / (1.0 + weight)
                })
                .collect(),
        }
    }
}

impl ChooseOptions {
    /// Whether every number is one that makes sense.
    ///
    /// # Errors
    /// Where one does not; choosing says the same, once a model is there.
    pub fn check(&self) -> Result<(), RuntimeError> {
        check_range("orders", self.orders as f32, 0.0..=MAX_ORDERS)?;
        check_range("resemblance", self.resemblance, 0.0..=MAX_RESEMBLANCE)
    }
}

impl Session {
    /// A session without turns.
    pub fn new(model: &Model, format: PromptFormat, examples: Vec<Example>) -> Self {
        Self {
            format,
            examples,
            turns: Vec::new(),
            prefix: PrefixCache::new(model),
        }
    }

    /// The examples.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    pub(crate) fn format(&self) -> &PromptFormat {
        &self.format
    }

    pub(crate) fn set_format(&mut self, format: PromptFormat) {
        self.format = format;
    }

    /// Replaces the examples. What the old and the new ones begin with alike is not
    /// read again.
    pub fn set_examples(&mut self, examples: Vec<Example>) {
        self.examples = examples;
    }

    /// Forgets the turns.
    pub fn forget_turns(&mut self) {
        self.turns.clear();
    }

    /// The prompt that a query makes.
    pub fn prompt(&self, query: &Query) -> Vec<Segment> {
        let mut prompt = self.format.examples(self.examples.clone());
        prompt.extend(self.turns.iter().cloned());
        prompt.extend(self.format.query(query.media.clone(), &query.question));
        prompt
    }

    /// Answers a query, which is not remembered.
    ///
    /// # Errors
    /// As [`Model::generate`].
    pub async fn answer(
        &mut self,
        model: &Model,
        query: &Query,
        options: &GenerateOptions,
        on_token: impl AsyncFnMut(&TokenPiece) -> ControlFlow<()>,
    ) -> Result<Generation, RuntimeError> {
        let prompt = self.prompt(query);
        model
            .generate_behind(&mut self.prefix, &prompt, options, on_token)
            .await
    }

    /// Answers a query and keeps both as a turn of the dialogue. A question without an
    /// image of its own is about the last one.
    ///
    /// # Errors
    /// As [`Model::generate`]; no turn is kept then, nor of an answer that the caller
    /// stopped.
    pub async fn converse(
        &mut self,
        model: &Model,
        query: &Query,
        options: &GenerateOptions,
        on_token: impl AsyncFnMut(&TokenPiece) -> ControlFlow<()>,
    ) -> Result<Generation, RuntimeError> {
        let generation = self.answer(model, query, options, on_token).await?;
        if generation.stop_reason != StopReason::Aborted {
            self.remember(query, &generation.text);
        }
        Ok(generation)
    }

    /// Keeps a query and its answer, wherever that came from, as a turn.
    pub fn remember(&mut self, query: &Query, answer: &str) {
        self.turns
            .extend(self.format.query(query.media.clone(), &query.question));
        self.turns.push(Segment::Text(answer.to_owned()));
        self.turns.extend(self.format.after_answer());
    }

    /// Answers a query by beam search: the best answers, best first.
    ///
    /// # Errors
    /// As [`Model::beam_search`].
    pub async fn beam_search(
        &mut self,
        model: &Model,
        query: &Query,
        options: &BeamOptions,
    ) -> Result<Vec<(String, Hypothesis)>, RuntimeError> {
        let prompt = self.prompt(query);
        model.beam_search(&mut self.prefix, &prompt, options).await
    }

    /// How likely given answers to a query are, in their order; the probabilities sum to 1.
    ///
    /// # Errors
    /// As [`Model::score`].
    pub async fn choose(
        &mut self,
        model: &Model,
        query: &Query,
        answers: &[String],
        options: &ChooseOptions,
    ) -> Result<Vec<Choice>, RuntimeError> {
        let alike = self.asks_what_examples_ask(query);
        self.choose_where(model, query, answers, options, alike)
            .await
    }

    /// As [`Self::choose`], knowing whether the examples are about the query's question.
    pub(crate) async fn choose_where(
        &mut self,
        model: &Model,
        query: &Query,
        answers: &[String],
        options: &ChooseOptions,
        asks_the_same: bool,
    ) -> Result<Vec<Choice>, RuntimeError> {
        let weighed = self
            .weigh_apart(model, query, answers, options, asks_the_same)
            .await?;
        let together = probabilities(&weighed.together(options.resemblance));
        let Some(votes) = weighed.votes else {
            return Ok(together.into_iter().map(Choice::of).collect());
        };
        let parts = probabilities(&weighed.scores)
            .into_iter()
            .zip(votes)
            .map(|(likelihood, vote)| ChoiceParts { likelihood, vote });
        Ok(together
            .into_iter()
            .zip(parts)
            .map(|(probability, parts)| Choice {
                probability,
                parts: Some(parts),
            })
            .collect())
    }

    /// What speaks for each of the given answers to a query: its log-probability, less
    /// that without an image where it is calibrated, so that answers that are merely
    /// common are not preferred (contextual calibration, Zhao et al. 2021), and the vote of
    /// the examples if there is one.
    ///
    /// # Errors
    /// As [`Model::score`].
    pub async fn weigh(
        &mut self,
        model: &Model,
        query: &Query,
        answers: &[String],
        options: &ChooseOptions,
    ) -> Result<Vec<f64>, RuntimeError> {
        let alike = self.asks_what_examples_ask(query);
        let weighed = self
            .weigh_apart(model, query, answers, options, alike)
            .await?;
        Ok(weighed.together(options.resemblance))
    }

    async fn weigh_apart(
        &mut self,
        model: &Model,
        query: &Query,
        answers: &[String],
        options: &ChooseOptions,
        asks_the_same: bool,
    ) -> Result<Weighed, RuntimeError> {
        options.check()?;
        let mut scores = self.score_orders(model, query, answers, options).await?;
        if options.calibrated {
            let blind = Query {
                media: None,
                question: query.question.clone(),
            };
            let prompt = self.prompt(&blind);
            let priors = model.score(&mut self.prefix, &prompt, answers).await?;
            for (value, prior) in scores.iter_mut().zip(priors) {
                *value -= prior.reduce(options.reduction);
            }
        }
        let votes = match asks_the_same && options.resemblance > 0.0 {
            true => vote::take(model, query, &self.examples, answers).await?,
            false => None,
        };
        Ok(Weighed { scores, votes })
    }

    /// Whether every example asks what the query asks, or nothing.
    fn asks_what_examples_ask(&self, query: &Query) -> bool {
        let asked = query.question.trim();
        self.examples.iter().all(|example| {
            let question = example.question.trim();
            question.is_empty() || question == asked
        })
    }

    /// Log-probabilities of answers, the mean over several orders of the examples.
    async fn score_orders(
        &mut self,
        model: &Model,
        query: &Query,
        answers: &[String],
        options: &ChooseOptions,
    ) -> Result<Vec<f64>, RuntimeError> {
        let orders = distinct_orders(self.examples.len(), options.orders);
        let given = self.examples.clone();
        let mut means = vec![0.0; answers.len()];
        for order in &orders {
            self.examples = order.iter().map(|&index| given[index].clone()).collect();
            let prompt = self.prompt(query);
            let scores = model.score(&mut self.prefix, &prompt, answers).await;
            self.examples.clone_from(&given);
            for (mean, score) in means.iter_mut().zip(scores?) {
                *mean += score.reduce(options.reduction) / orders.len() as f64;
            }
        }
        Ok(means)
    }
}

/// At most `count` different orders of `examples` things, the given one first, the
/// others in lexicographic order from there on.
fn distinct_orders(examples: usize, count: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![(0..examples).collect::<Vec<_>>()];
    while orders.len() < count {
        match orders.last().and_then(|order| next_order(order)) {
            Some(order) => orders.push(order),
            None => break,
        }
    }
    orders
}

/// The next order by the alphabet; none after the last.
fn next_order(order: &[usize]) -> Option<Vec<usize>> {
    let pivot = order.windows(2).rposition(|pair| pair[0] < pair[1])?;
    let larger = order.iter().rposition(|&other| other > order[pivot])?;
    let mut next = order.to_vec();
    next.swap(pivot, larger);
    next[pivot + 1..].reverse();
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_different_and_no_more_than_there_are() {
        let orders = distinct_orders(3, 9);
        assert_eq!(orders.len(), 6);
        assert_eq!(orders[0], [0, 1, 2]);
        assert_eq!(orders[5], [2, 1, 0]);
        let unique: std::collections::HashSet<_> = orders.iter().collect();
        assert_eq!(unique.len(), 6);
        assert_eq!(distinct_orders(3, 2).len(), 2);
        assert_eq!(distinct_orders(0, 6), [[0usize; 0]]);
        assert_eq!(distinct_orders(4, 0).len(), 1);
    }
}
