//! Scores of classification: accuracy, and the area under the ROC curve.

use thiserror::Error;

/// Predictions that cannot be scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClassificationError {
    /// There is nothing to score.
    #[error("no predictions to score")]
    NoPredictions,
    /// All items are positive, or none is.
    #[error(
        "{positives} of {items} items are positive: the area under the ROC curve needs both kinds"
    )]
    OneClass {
        /// Number of positive items.
        positives: usize,
        /// Number of items.
        items: usize,
    },
    /// A score that has no order among the others.
    #[error("the score of item {item} is not a number")]
    NotANumber {
        /// Index of the item.
        item: usize,
    },
}

/// Share of the pairs (predicted class, true class) that are equal, from 0 to 1.
///
/// # Errors
/// Where there are no pairs.
pub fn accuracy<T: PartialEq>(pairs: &[(T, T)]) -> Result<f64, ClassificationError> {
    if pairs.is_empty() {
        return Err(ClassificationError::NoPredictions);
    }
    let right = pairs
        .iter()
        .filter(|(predicted, expected)| predicted == expected)
        .count();
    Ok(right as f64 / pairs.len() as f64)
}

/// Area under the ROC curve of the pairs (score, is positive), from 0 to 1.
///
/// It is the probability that a positive item scores above a negative one, both
/// drawn by chance, where a tie counts half: 0.5 for scores that say nothing.
/// Scores may be probabilities or their logarithms, negative infinity included:
/// only their order matters.
///
/// # Errors
/// Where there are no positive or no negative items, or a score is not a number.
pub fn roc_auc(scored: &[(f64, bool)]) -> Result<f64, ClassificationError> {
    if let Some(item) = scored.iter().position(|(score, _)| score.is_nan()) {
        return Err(ClassificationError::NotANumber { item });
    }
    if scored.is_empty() {
        return Err(ClassificationError::NoPredictions);
    }
    let positives = scored.iter().filter(|(_, positive)| *positive).count();
    let negatives = scored.len() - positives;
    if positives == 0 || negatives == 0 {
        return Err(ClassificationError::OneClass {
            positives,
            items: scored.len(),
        });
    }
    let mut ascending = scored.to_vec();
    ascending.sort_by(|(first, _), (second, _)| first.total_cmp(second));
    let mut negatives_below = 0;
    // Of pairs of a positive and a negative item, those in order, counted twice.
    let mut ordered = 0;
    for ties in ascending.chunk_by(|(first, _), (second, _)| first == second) {
        let tied_positives = ties.iter().filter(|(_, positive)| *positive).count();
        let tied_negatives = ties.len() - tied_positives;
        ordered += tied_positives * (2 * negatives_below + tied_negatives);
        negatives_below += tied_negatives;
    }
    Ok(ordered as f64 / 2.0 / positives as f64 / negatives as f64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_is_the_share_of_equal_pairs() {
        assert_eq!(accuracy(&[("cat", "cat"), ("cat", "dog")]), Ok(0.5));
        assert_eq!(accuracy(&[(1, 1)]), Ok(1.0));
        assert_eq!(accuracy::<u8>(&[]), Err(ClassificationError::NoPredictions));
    }

    #[test]
    fn order_is_all_that_counts() {
        let in_order = [(f64::NEG_INFINITY, false), (-3.0, false), (-2.5, true)];
        assert_eq!(roc_auc(&in_order), Ok(1.0));
        assert_eq!(
            roc_auc(&in_order.map(|(score, positive)| (score, !positive))),
            Ok(0.0)
        );
        assert_eq!(roc_auc(&[(0.0, true), (-0.0, false)]), Ok(0.5));
    }

    /// The definition: all pairs of a positive and a negative item.
    #[test]
    fn area_is_the_share_of_ordered_pairs() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..200 {
            let mut scored: Vec<(f64, bool)> = (0..random.usize(2..40))
                .map(|_| (f64::from(random.u8(0..12)), random.bool()))
                .collect();
            scored[0].1 = true;
            scored[1].1 = false;
            let (mut sum, mut pairs) = (0.0, 0.0);
            for (positive, _) in scored.iter().filter(|item| item.1) {
                for (negative, _) in scored.iter().filter(|item| !item.1) {
                    sum += match positive.total_cmp(negative) {
                        std::cmp::Ordering::Less => 0.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Greater => 1.0,
                    };
                    pairs += 1.0;
                }
            }
            assert!((roc_auc(&scored).unwrap() - sum / pairs).abs() < 1e-12);
        }
    }

    #[test]
    fn what_has_no_area() {
        assert_eq!(roc_auc(&[]), Err(ClassificationError::NoPredictions));
        assert_eq!(
            roc_auc(&[(0.1, true), (0.2, true)]),
            Err(ClassificationError::OneClass {
                positives: 2,
                items: 2
            })
        );
        assert_eq!(
            roc_auc(&[(0.1, true), (f64::NAN, false)]),
            Err(ClassificationError::NotANumber { item: 1 })
        );
    }
}
