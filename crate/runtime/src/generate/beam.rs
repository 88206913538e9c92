//! Beam search: several continuations side by side, the likeliest kept.
//!
//! The rules are those of `transformers`' `BeamSearchScorer` with
//! `early_stopping=False`, but scores are divided by a power of the number of
//! generated tokens, `<|endofchunk|>` among them, not of the prompt's too
//! (FLAMINGO.md, section 1.8).

use flamingo::{BranchToken, Branches, Flamingo, KvCache, Media};

use super::check_range;
use super::probability::LogProbabilities;
use crate::error::RuntimeError;
use crate::model::read_checked;
use crate::prefix::ReadPrompt;

/// Most continuations side by side: each costs a row of every matrix product.
const MAX_BEAMS: f32 = 64.0;

/// What a caller may choose about a beam search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeamOptions {
    /// Continuations kept side by side, up to 64; 1 is greedy decoding.
    pub beams: usize,
    /// Exponent of the length by which a continuation's log-probability is divided:
    /// 0 compares sums, 1 means, larger ones favour long continuations.
    pub length_penalty: f32,
    /// Continuations end after this many tokens, `<|endofchunk|>` included.
    pub max_new_tokens: usize,
}

impl Default for BeamOptions {
    /// OpenFlamingo's evaluation: 3 beams, no length penalty, 20 tokens.
    fn default() -> Self {
        Self {
            beams: 3,
            length_penalty: 0.0,
            max_new_tokens: 20,
        }
    }
}

impl BeamOptions {
    /// Whether every number is one that makes sense.
    ///
    /// # Errors
    /// Where one does not; the search says the same, once a model is there.
    pub fn check(&self) -> Result<(), RuntimeError> {
        check_range("beams", self.beams as f32, 1.0..=MAX_BEAMS)?;
        check_range("length_penalty", self.length_penalty, f32::MIN..=f32::MAX)
    }
}

/// A continuation that a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// Its tokens, without `<|endofchunk|>`.
    pub token_ids: Vec<u32>,
    /// Sum of its tokens' log-probabilities, `<|endofchunk|>` included, divided by
    /// the length to the power of the length penalty.
    pub score: f64,
    /// Whether it ended by itself.
    pub ended: bool,
}

/// A continuation under way.
#[derive(Clone, Debug)]
struct Beam {
    token_ids: Vec<u32>,
    /// Rows of its tokens in the branching cache.
    rows: Vec<u32>,
    log_probability: f64,
}

/// The best continuations of a prompt, best first, one at least and `options.beams` at most; and the
/// prompt's cache as it was.
///
/// Each of `ends` ends a continuation; ids in `banned`, ascending, are in none.
///
/// # Errors
/// If the device fails, the context is too short for `max_new_tokens`, or no token is
/// allowed.
pub async fn search(
    prompt: ReadPrompt<'_>,
    ends: &[u32],
    banned: &[u32],
    options: &BeamOptions,
) -> Result<(Vec<Hypothesis>, KvCache), RuntimeError> {
    let ReadPrompt {
        flamingo,
        media,
        cache,
        logits,
    } = prompt;
    let mut branches = Branches::new(cache);
    let mut finished = Finished::new(options);
    let mut beams = vec![Beam {
        token_ids: Vec::new(),
        rows: Vec::new(),
        log_probability: 0.0,
    }];
    let mut logits = vec![logits];
    for length in 1..=options.max_new_tokens {
        let candidates = best_candidates(&beams, &logits, banned, 2 * options.beams)?;
        let best = candidates
            .first()
            .map(|candidate| candidate.log_probability);
        let mut next: Vec<Beam> = Vec::with_capacity(options.beams);
        for (rank, candidate) in candidates.into_iter().enumerate() {
            let beam = &beams[candidate.beam];
            if ends.contains(&candidate.id) {
                // Ends behind the beams' own places are too unlikely to count.
                if rank < options.beams {
                    finished.add(&beam.token_ids, candidate.log_probability, length, true);
                }
            } else if next.len() < options.beams {
                next.push(Beam {
                    token_ids: [&beam.token_ids[..], &[candidate.id]].concat(),
                    rows: beam.rows.clone(),
                    log_probability: candidate.log_probability,
                });
            }
        }
        beams = next;
        if best.is_none() && finished.hypotheses.is_empty() {
            return Err(RuntimeError::NothingAllowed);
        }
        if best.is_none_or(|best| finished.is_done(best, length)) {
            return Ok((finished.best_first(), branches.into_shared()));
        }
        if length < options.max_new_tokens {
            logits = step(flamingo, media, &mut branches, &mut beams).await?;
        }
    }
    for beam in &beams {
        finished.add(
            &beam.token_ids,
            beam.log_probability,
            beam.token_ids.len(),
            false,
        );
    }
    Ok((finished.best_first(), branches.into_shared()))
}

/// Reads each beam's last token and gives the logits behind it.
async fn step(
    flamingo: &Flamingo,
    media: &Media,
    branches: &mut Branches,
    beams: &mut [Beam],
) -> Result<Vec<Vec<f32>>, RuntimeError> {
    let first_row = branches.rows();
    let tokens: Vec<BranchToken> = beams
        .iter()
        .map(|beam| {
            let last = beam.token_ids.last();
            BranchToken {
                id: *last.expect("invariant: a beam under way has a token"),
                history: beam.rows.clone(),
            }
        })
        .collect();
    let logits = flamingo.forward_branches(&tokens, media, branches)?;
    for (row, beam) in (first_row..).zip(beams) {
        beam.rows.push(row);
    }
    let [_, vocab] = logits.dims();
    let values = read_checked(flamingo.device(), logits).await?;
    Ok(values.chunks_exact(vocab).map(<[f32]>::to_vec).collect())
}

/// A beam with one more token.
struct Candidate {
    beam: usize,
    id: u32,
    log_probability: f64,
}

/// The likeliest continuations of all beams together, best first.
fn best_candidates(
    beams: &[Beam],
    logits: &[Vec<f32>],
    banned: &[u32],
    count: usize,
) -> Result<Vec<Candidate>, RuntimeError> {
    let mut candidates = Vec::new();
    for (index, (beam, logits)) in beams.iter().zip(logits).enumerate() {
        let best = LogProbabilities::new(logits)?
            .best(count, |id| banned.binary_search(&id).is_err())
            .into_iter()
            .map(|(id, log_probability)| Candidate {
                beam: index,
                id,
                log_probability: beam.log_probability + log_probability,
            });
        candidates.extend(best);
    }
    candidates.sort_by(|a, b| b.log_probability.total_cmp(&a.log_probability));
    candidates.truncate(count);
    Ok(candidates)
}

/// The best of the continuations that have ended.
struct Finished<'a> {
    options: &'a BeamOptions,
    /// Best first.
    hypotheses: Vec<Hypothesis>,
}

impl<'a> Finished<'a> {
    fn new(options: &'a BeamOptions) -> Self {
        Self {
            options,
            hypotheses: Vec::new(),
        }
    }

    fn score(&self, log_probability: f64, length: usize) -> f64 {
        // Of no tokens there is no mean: their probability is 1.
        let length = length.max(1) as f64;
        log_probability / length.powf(f64::from(self.options.length_penalty))
    }

    fn add(&mut self, token_ids: &[u32], log_probability: f64, length: usize, ended: bool) {
        let score = self.score(log_probability, length);
        let place = self
            .hypotheses
            .partition_point(|hypothesis| hypothesis.score >= score);
        let hypothesis = Hypothesis {
            token_ids: token_ids.to_vec(),
            score,
            ended,
        };
        self.hypotheses.insert(place, hypothesis);
        self.hypotheses.truncate(self.options.beams);
    }

    /// Whether no continuation under way, the best of which has `best`, can do better
    /// than the worst that ended, if it ended at this length.
    fn is_done(&self, best: f64, length: usize) -> bool {
        self.hypotheses.len() >= self.options.beams
            && self
                .hypotheses
                .last()
                .is_some_and(|worst| worst.score >= self.score(best, length))
    }

    fn best_first(self) -> Vec<Hypothesis> {
        self.hypotheses
    }
}
