//! Logits as logarithms of probabilities.

use crate::error::RuntimeError;

/// Logits `[vocab]` of one position and what turns them into logarithms of
/// probabilities over the whole vocabulary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogProbabilities<'a> {
    logits: &'a [f32],
    /// Logarithm of the sum of all exponentials.
    log_sum: f64,
}

impl<'a> LogProbabilities<'a> {
    /// # Errors
    /// [`RuntimeError::NotFinite`] where a logit is no finite number.
    pub(crate) fn new(logits: &'a [f32]) -> Result<Self, RuntimeError> {
        if logits.is_empty() || logits.iter().any(|logit| !logit.is_finite()) {
            return Err(RuntimeError::NotFinite { what: "logits" });
        }
        // Against the largest, so that exp stays in range.
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits
            .iter()
            .map(|&logit| f64::from(logit - largest).exp())
            .sum();
        Ok(Self {
            logits,
            log_sum: f64::from(largest) + sum.ln(),
        })
    }

    /// The logits.
    pub(crate) fn logits(&self) -> &'a [f32] {
        self.logits
    }

    /// Natural logarithm of a token's probability; minus infinity outside the
    /// vocabulary.
    pub(crate) fn of(&self, id: u32) -> f64 {
        match self.logits.get(id as usize) {
            Some(&logit) => f64::from(logit) - self.log_sum,
            None => f64::NEG_INFINITY,
        }
    }

    /// The `count` likeliest of the tokens that `allowed` lets through, best first,
    /// the lower id first among equals.
    pub(crate) fn best(&self, count: usize, allowed: impl Fn(u32) -> bool) -> Vec<(u32, f64)> {
        // Whoever asks for more than there are gets all.
        let count = count.min(self.logits.len());
        let mut best: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
        for (id, &logit) in (0..).zip(self.logits) {
            let beaten = best.len() == count && best.last().is_none_or(|last| logit <= last.1);
            if beaten || !allowed(id) {
                continue;
            }
            let place = best.partition_point(|&(_, other)| other >= logit);
            best.insert(place, (id, logit));
            best.truncate(count);
        }
        best.into_iter().map(|(id, _)| (id, self.of(id))).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn probabilities_are_over_the_whole_vocabulary() {
        // Logits ln 1, ln 2, ln 5 are probabilities 1/8, 2/8, 5/8, shifted by
        // an amount that overflows a plain exp.
        let logits = [1.0f32, 2.0, 5.0].map(|p| p.ln() + 200.0);
        let found = LogProbabilities::new(&logits).unwrap();
        for (id, probability) in [(0, 0.125f64), (1, 0.25), (2, 0.625)] {
            assert!((found.of(id) - probability.ln()).abs() < 1e-4);
        }
        assert_eq!(found.of(3), f64::NEG_INFINITY);
    }

    #[test]
    fn the_best_come_in_order_and_equals_by_id() {
        let logits = [1.0, 3.0, -2.0, 3.0, 2.0];
        let found = LogProbabilities::new(&logits).unwrap();
        let ids = |count, banned: &[u32]| -> Vec<u32> {
            let best = found.best(count, |id| !banned.contains(&id));
            best.into_iter().map(|(id, _)| id).collect()
        };
        assert_eq!(ids(3, &[]), [1, 3, 4]);
        assert_eq!(ids(2, &[1]), [3, 4]);
        assert_eq!(ids(9, &[4]), [1, 3, 0, 2]);
        assert_eq!(ids(0, &[]), [0; 0]);
    }

    #[test]
    fn refuses_what_is_no_number() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = LogProbabilities::new(&[0.0, bad]).unwrap_err();
            assert!(matches!(error, RuntimeError::NotFinite { what: "logits" }));
        }
    }
}
