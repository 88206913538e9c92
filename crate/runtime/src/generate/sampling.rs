//! Choosing the next token from its logits: greedy or by sampling.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::GenerateOptions;
use super::probability::LogProbabilities;
use crate::error::RuntimeError;

/// Chooses tokens for one generation.
pub(super) struct Sampler<'a> {
    options: &'a GenerateOptions,
    random: ChaCha8Rng,
}

/// A token that may come next and how likely it is to be drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    id: u32,
    /// The logit, scaled and penalised.
    score: f32,
}

impl<'a> Sampler<'a> {
    pub(super) fn new(options: &'a GenerateOptions) -> Self {
        Self {
            options,
            random: ChaCha8Rng::seed_from_u64(options.seed),
        }
    }

    /// The next token, of those `allowed`, behind the `generated` ones.
    ///
    /// # Errors
    /// [`RuntimeError::NothingAllowed`] where none is allowed.
    pub(super) fn choose(
        &mut self,
        logits: &LogProbabilities<'_>,
        generated: &[u32],
        allowed: impl Fn(u32) -> bool,
    ) -> Result<u32, RuntimeError> {
        let penalty = self.options.repetition_penalty;
        let candidate = |(id, &logit): (u32, &f32)| Candidate {
            id,
            // Keskar et al. 2019: away from zero where negative, towards it where
            // positive.
            score: match penalty != 1.0 && generated.contains(&id) {
                true if logit < 0.0 => logit * penalty,
                true => logit / penalty,
                false => logit,
            },
        };
        let all = (0..).zip(logits.logits()).map(candidate);
        if self.options.temperature <= 0.0 {
            return likeliest(all, allowed)
                .map(|best| best.id)
                .ok_or(RuntimeError::NothingAllowed);
        }
        let mut candidates: Vec<Candidate> = all.filter(|it| allowed(it.id)).collect();
        let Some(best) = likeliest(candidates.iter().copied(), |_| true) else {
            return Err(RuntimeError::NothingAllowed);
        };
        for candidate in &mut candidates {
            // Against the best, so that exp stays in range at any temperature.
            candidate.score = (candidate.score - best.score) / self.options.temperature;
        }
        self.keep_likely(&mut candidates);
        Ok(self.draw(&candidates))
    }

    /// Drops what top-k, min-p and top-p leave out. Scores are logarithms of
    /// probabilities relative to the best candidate's.
    fn keep_likely(&self, candidates: &mut Vec<Candidate>) {
        let GenerateOptions {
            top_k,
            top_p,
            min_p,
            ..
        } = *self.options;
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        if top_k > 0 {
            candidates.truncate(top_k);
        }
        if min_p > 0.0 {
            let lowest = min_p.ln();
            candidates.retain(|candidate| candidate.score >= lowest);
        }
        if top_p < 1.0 {
            let total: f64 = candidates.iter().map(weight).sum();
            let mut sum = 0.0;
            // The candidate with which the sum reaches the share still belongs.
            let kept = candidates
                .iter()
                .take_while(|candidate| {
                    let before = sum;
                    sum += weight(candidate);
                    before < f64::from(top_p) * total
                })
                .count();
            candidates.truncate(kept.max(1));
        }
    }

    fn draw(&mut self, candidates: &[Candidate]) -> u32 {
        let total: f64 = candidates.iter().map(weight).sum();
        // 53 bits make every multiple of 2^-53 below 1.
        let uniform = (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let mut left = uniform * total;
        for candidate in candidates {
            left -= weight(candidate);
            if left < 0.0 {
                return candidate.id;
            }
        }
        // Rounding may leave a little over: it is the last one's.
        let last = candidates.last();
        last.expect("invariant: the best candidate is always kept")
            .id
    }
}

/// The likeliest candidate of those `allowed`, which is asked about few of them: a token
/// that another beats need not be. Of equals the lowest id, as PyTorch's argmax has it.
fn likeliest(
    candidates: impl Iterator<Item = Candidate>,
    allowed: impl Fn(u32) -> bool,
) -> Option<Candidate> {
    let mut best: Option<Candidate> = None;
    for candidate in candidates {
        let beaten = best.is_some_and(|best| candidate.score <= best.score);
        if !beaten && allowed(candidate.id) {
            best = Some(candidate);
        }
    }
    best
}

/// Probability relative to the best candidate's.
fn weight(candidate: &Candidate) -> f64 {
    f64::from(candidate.score).exp()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::f32::consts::LN_2;

    use super::*;

    /// Probabilities 1/2, 1/4, 1/8, 1/8.
    const LOGITS: [f32; 4] = [0.0, -LN_2, -2.0 * LN_2, -2.0 * LN_2];

    fn drawn(options: &GenerateOptions, generated: &[u32], draws: usize) -> [f64; 4] {
        let logits = LogProbabilities::new(&LOGITS).unwrap();
        let mut sampler = Sampler::new(options);
        let mut counts = [0.0; 4];
        for _ in 0..draws {
            let id = sampler.choose(&logits, generated, |_| true).unwrap();
            counts[id as usize] += 1.0 / draws as f64;
        }
        counts
    }

    fn sampling() -> GenerateOptions {
        GenerateOptions {
            temperature: 1.0,
            ..GenerateOptions::default()
        }
    }

    #[track_caller]
    fn assert_about(found: [f64; 4], expected: [f64; 4]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 0.02, "{found} {expected}");
            assert_eq!(expected == 0.0, *found == 0.0, "{found} {expected}");
        }
    }

    #[test]
    fn draws_follow_the_probabilities() {
        assert_about(drawn(&sampling(), &[], 20_000), [0.5, 0.25, 0.125, 0.125]);
    }

    #[test]
    fn temperature_sharpens_and_flattens() {
        let options = |temperature| GenerateOptions {
            temperature,
            ..sampling()
        };
        let sharp = [16.0, 4.0, 1.0, 1.0].map(|p| p / 22.0);
        assert_about(drawn(&options(0.5), &[], 20_000), sharp);
        let flat = [0.5f64, 0.25, 0.125, 0.125].map(f64::sqrt);
        let total: f64 = flat.iter().sum();
        assert_about(drawn(&options(2.0), &[], 20_000), flat.map(|p| p / total));
        assert_about(drawn(&options(0.0), &[], 100), [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_unlikely_are_left_out() {
        let thirds = [2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0];
        for options in [
            GenerateOptions {
                top_k: 2,
                ..sampling()
            },
            GenerateOptions {
                top_p: 0.6,
                ..sampling()
            },
            GenerateOptions {
                min_p: 0.3,
                ..sampling()
            },
        ] {
            assert_about(drawn(&options, &[], 20_000), thirds);
        }
        let options = GenerateOptions {
            top_p: 0.0,
            ..sampling()
        };
        assert_about(drawn(&options, &[], 100), [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn what_was_said_becomes_less_likely() {
        let options = GenerateOptions {
            repetition_penalty: 2.0,
            ..GenerateOptions::default()
        };
        let mut sampler = Sampler::new(&options);
        for (logits, chosen) in [
            ([3.0, 2.0, 0.0], 1),
            ([5.0, 2.0, 0.0], 0),
            ([-1.0, -1.5, -3.0], 1),
        ] {
            let logits = LogProbabilities::new(&logits).unwrap();
            assert_eq!(sampler.choose(&logits, &[0], |_| true).unwrap(), chosen);
        }
    }

    #[test]
    fn of_equals_the_first_that_is_allowed_is_chosen() {
        let options = GenerateOptions::default();
        let mut sampler = Sampler::new(&options);
        let logits = [1.0, 3.0, 2.0, 3.0, 2.0];
        let logits = LogProbabilities::new(&logits).unwrap();
        for (banned, chosen) in [(&[][..], 1), (&[1][..], 3), (&[1, 3][..], 2)] {
            let allowed = |id| !banned.contains(&id);
            assert_eq!(sampler.choose(&logits, &[1], allowed).unwrap(), chosen);
        }
        let error = sampler.choose(&logits, &[], |_| false).unwrap_err();
        assert!(matches!(error, RuntimeError::NothingAllowed));
    }

    #[test]
    fn a_seed_repeats_its_draws() {
        let draw = |seed| {
            let options = GenerateOptions { seed, ..sampling() };
            let mut sampler = Sampler::new(&options);
            let logits = LogProbabilities::new(&LOGITS).unwrap();
            (0..50)
                .map(|_| sampler.choose(&logits, &[], |_| true).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn only_what_is_allowed_is_chosen() {
        let logits = LogProbabilities::new(&LOGITS).unwrap();
        let options = sampling();
        let mut sampler = Sampler::new(&options);
        for _ in 0..50 {
            assert_eq!(sampler.choose(&logits, &[], |id| id == 3).unwrap(), 3);
        }
        let error = sampler.choose(&logits, &[], |_| false).unwrap_err();
        assert!(matches!(error, RuntimeError::NothingAllowed));
    }
}
