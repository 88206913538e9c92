//! How far a mean over items may be trusted.

use fastrand::Rng;
use thiserror::Error;

/// Percentile bootstrap of a mean (B. Efron, 1979): items are drawn with
/// replacement, as many as there are, and the mean taken; the interval holds the
/// middle [`level`](Self::level) of the means of many such draws.
///
/// The items must be independent. Where one item was scored several times, with
/// other examples say, each item's mean is what to give here. Two models on the
/// same items are compared by the interval of the differences of their scores.
///
/// For CIDEr, give [`CiderScores::per_image`](crate::CiderScores::per_image):
/// the document frequencies, and with them each image's score, are then held
/// fixed at those of the whole set. The interval tells of the choice of
/// candidates and images, not of the references as a corpus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// How many times the items are drawn anew, at least 1.
    pub resamples: usize,
    /// Share of the means within the interval, between 0 and 1.
    pub level: f64,
    /// Seed of the draws: the same seed gives the same interval.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// 95% of 10,000 draws, seed 0.
    fn default() -> Self {
        Self {
            resamples: 10_000,
            level: 0.95,
            seed: 0,
        }
    }
}

/// A mean and between what it is likely to lie, in the unit of the scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfidenceInterval {
    /// Mean of the scores as they are.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Scores without an interval, or an interval that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum BootstrapError {
    /// There is nothing to draw from.
    #[error("no scores to draw from")]
    NoScores,
    /// A score that is infinite or no number.
    #[error("the score of item {item} is {score}")]
    NotFinite {
        /// Index of the item.
        item: usize,
        /// Its score.
        score: f64,
    },
    /// Not a single draw was asked for.
    #[error("0 resamples give no interval")]
    NoResamples,
    /// A level outside its range.
    #[error("the level {level} is not between 0 and 1")]
    Level {
        /// Level asked for.
        level: f64,
    },
}

impl Bootstrap {
    /// Mean of the scores, one an item, and its interval.
    ///
    /// # Errors
    /// Where there are no scores or one is not finite, or
    /// [`resamples`](Self::resamples) or [`level`](Self::level) are out of range.
    pub fn mean(&self, scores: &[f64]) -> Result<ConfidenceInterval, BootstrapError> {
        self.check(scores)?;
        let mut random = Rng::with_seed(self.seed);
        let items = scores.len();
        let mut means: Vec<f64> = (0..self.resamples)
            .map(|_| {
                (0..items)
                    .map(|_| scores[random.usize(..items)])
                    .sum::<f64>()
                    / items as f64
            })
            .collect();
        means.sort_by(f64::total_cmp);
        let tail = (1.0 - self.level) / 2.0;
        Ok(ConfidenceInterval {
            mean: scores.iter().sum::<f64>() / items as f64,
            low: quantile(&means, tail),
            high: quantile(&means, 1.0 - tail),
        })
    }

    fn check(&self, scores: &[f64]) -> Result<(), BootstrapError> {
        if scores.is_empty() {
            return Err(BootstrapError::NoScores);
        }
        if let Some(item) = scores.iter().position(|score| !score.is_finite()) {
            return Err(BootstrapError::NotFinite {
                item,
                score: scores[item],
            });
        }
        if self.resamples == 0 {
            return Err(BootstrapError::NoResamples);
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            return Err(BootstrapError::Level { level: self.level });
        }
        Ok(())
    }
}

/// The value below which lies a `share` of the ascending values, interpolated
/// between neighbours.
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let position = share * (ascending.len() - 1) as f64;
    let below = ascending[position.floor() as usize];
    let above = ascending[position.ceil() as usize];
    below + (above - below) * position.fract()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn random_scores(count: usize, seed: u64) -> Vec<f64> {
        let mut random = Rng::with_seed(seed);
        (0..count).map(|_| random.f64()).collect()
    }

    #[test]
    fn quantiles_are_interpolated() {
        let values = [1.0, 2.0, 4.0];
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 0.25), 1.5);
        assert_eq!(quantile(&values, 0.75), 3.0);
        assert_eq!(quantile(&values, 1.0), 4.0);
        assert_eq!(quantile(&[7.0], 0.4), 7.0);
    }

    /// A mean of many uniform scores is normal: 1.96 standard errors each way.
    #[test]
    fn intervals_are_those_of_the_normal_distribution() {
        let scores = random_scores(2000, 3);
        let interval = Bootstrap::default().mean(&scores).unwrap();
        let variance: f64 = scores
            .iter()
            .map(|score| (score - interval.mean).powi(2) / scores.len() as f64)
            .sum();
        let expected = 1.96 * (variance / scores.len() as f64).sqrt();
        for half in [interval.mean - interval.low, interval.high - interval.mean] {
            assert!((half / expected - 1.0).abs() < 0.05, "{half} {expected}");
        }
    }

    #[test]
    fn the_seed_decides() {
        let scores = random_scores(50, 5);
        let with_seed = |seed| {
            let bootstrap = Bootstrap {
                seed,
                ..Bootstrap::default()
            };
            bootstrap.mean(&scores).unwrap()
        };
        assert_eq!(with_seed(1), with_seed(1));
        assert_ne!(with_seed(1), with_seed(2));
    }

    #[test]
    fn a_higher_level_gives_a_wider_interval() {
        let scores = random_scores(50, 7);
        let width = |level| {
            let bootstrap = Bootstrap {
                level,
                ..Bootstrap::default()
            };
            let interval = bootstrap.mean(&scores).unwrap();
            assert!(interval.low <= interval.mean && interval.mean <= interval.high);
            interval.high - interval.low
        };
        assert!(width(0.5) < width(0.9) && width(0.9) < width(0.99));
    }

    #[test]
    fn equal_scores_leave_no_doubt() {
        let interval = Bootstrap::default().mean(&[0.25; 9]).unwrap();
        assert_eq!([interval.mean, interval.low, interval.high], [0.25; 3]);
    }

    #[test]
    fn what_has_no_interval() {
        let bootstrap = Bootstrap::default();
        assert_eq!(bootstrap.mean(&[]), Err(BootstrapError::NoScores));
        assert_eq!(
            bootstrap.mean(&[0.0, f64::INFINITY]),
            Err(BootstrapError::NotFinite {
                item: 1,
                score: f64::INFINITY
            })
        );
        let no_resamples = Bootstrap {
            resamples: 0,
            ..bootstrap
        };
        assert_eq!(no_resamples.mean(&[1.0]), Err(BootstrapError::NoResamples));
        let level = Bootstrap {
            level: 1.0,
            ..bootstrap
        };
        assert_eq!(
            level.mean(&[1.0]),
            Err(BootstrapError::Level { level: 1.0 })
        );
    }
}
