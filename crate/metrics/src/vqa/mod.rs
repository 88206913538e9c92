//! VQA accuracy: answers to questions against those of ten people.
//!
//! S. Antol et al., "VQA: Visual Question Answering", ICCV 2015. An answer is
//! right that three people gave, and a third as right for each that is missing.

mod contractions;
mod normalize;

use thiserror::Error;

pub use normalize::normalize_answer;

/// So many people who gave an answer make it wholly right.
const AGREEING: usize = 3;

/// A question that cannot be scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VqaError {
    /// So few people were asked that no answer can be wholly right.
    #[error(
        "{found} human answers, at least {needed} are needed; \
         a question with one answer is scored by exact match"
    )]
    TooFewAnswers {
        /// Answers given.
        found: usize,
        /// Fewest that can be scored.
        needed: usize,
    },
}

/// VQA accuracy of an answer, from 0 to 1: min(people who gave it / 3, 1),
/// averaged over all choices of all people but one, as the official evaluation
/// does. With ten people, three who agree give 0.9, and four give 1.
///
/// Answers are compared after [`normalize_answer`], as in `open_flamingo` 2.0.1.
/// (The script that the challenge published spares itself that where all people
/// gave the same answer, and then counts "Yes" wrong where ten said "yes".)
///
/// # Errors
/// Where there are fewer than 4 human answers.
pub fn vqa_accuracy(answer: &str, human_answers: &[impl AsRef<str>]) -> Result<f64, VqaError> {
    let people = check_count(human_answers, AGREEING + 1)?;
    let agreeing = count_agreeing(answer, human_answers);
    // Whoever is left out agreed, or did not.
    let sum = agreeing as f64 * full_or_part(agreeing.saturating_sub(1))
        + (people - agreeing) as f64 * full_or_part(agreeing);
    Ok(sum / people as f64)
}

/// VQA accuracy as the paper states it, from 0 to 1: min(people who gave the
/// answer / 3, 1) over all people, after [`normalize_answer`].
///
/// # Errors
/// Where there are fewer than 3 human answers.
pub fn simple_vqa_accuracy(
    answer: &str,
    human_answers: &[impl AsRef<str>],
) -> Result<f64, VqaError> {
    check_count(human_answers, AGREEING)?;
    Ok(full_or_part(count_agreeing(answer, human_answers)))
}

fn count_agreeing(answer: &str, human_answers: &[impl AsRef<str>]) -> usize {
    let answer = normalize_answer(answer);
    human_answers
        .iter()
        .filter(|human| normalize_answer(human.as_ref()) == answer)
        .count()
}

fn full_or_part(agreeing: usize) -> f64 {
    agreeing.min(AGREEING) as f64 / AGREEING as f64
}

fn check_count<T>(human_answers: &[T], needed: usize) -> Result<usize, VqaError> {
    let found = human_answers.len();
    if found < needed {
        return Err(VqaError::TooFewAnswers { found, needed });
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// `agreeing` times "cat", and "dog" by the others of ten.
    fn ten(agreeing: usize) -> Vec<&'static str> {
        (0..10)
            .map(|person| if person < agreeing { "cat" } else { "dog" })
            .collect()
    }

    #[test]
    fn one_person_is_left_out_at_a_time() {
        for (agreeing, expected) in [0.0, 0.3, 0.6, 0.9, 1.0, 1.0].into_iter().enumerate() {
            let score = vqa_accuracy("cat", &ten(agreeing)).unwrap();
            assert!((score - expected).abs() < 1e-12, "{agreeing}: {score}");
        }
        assert_eq!(vqa_accuracy("cat", &ten(10)), Ok(1.0));
    }

    /// The definition: score against each nine of ten, then average.
    #[test]
    fn accuracy_is_the_mean_over_nine_of_ten() {
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..200 {
            let humans: Vec<&str> = (0..random.usize(4..14))
                .map(|_| ["red", "blue", "green"][random.usize(..3)])
                .collect();
            let mut sum = 0.0;
            for left_out in 0..humans.len() {
                let matches = humans
                    .iter()
                    .enumerate()
                    .filter(|&(person, human)| person != left_out && *human == "red")
                    .count();
                sum += (matches as f64 / 3.0).min(1.0);
            }
            let score = vqa_accuracy("red", &humans).unwrap();
            assert!((score - sum / humans.len() as f64).abs() < 1e-12);
            assert!((0.0..=1.0).contains(&score));
            assert!(score <= simple_vqa_accuracy("red", &humans).unwrap());
        }
    }

    #[test]
    fn answers_are_normalised() {
        for agreeing in [5, 10] {
            assert_eq!(vqa_accuracy(" The Cat.\n", &ten(agreeing)), Ok(1.0));
            assert_eq!(simple_vqa_accuracy("The Cat.", &ten(agreeing)), Ok(1.0));
        }
        assert_eq!(vqa_accuracy("a", &["the", "", "An", "?"]), Ok(1.0));
    }

    #[test]
    fn the_simple_rule_leaves_nobody_out() {
        for (agreeing, expected) in [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0, 1.0]
            .into_iter()
            .enumerate()
        {
            assert_eq!(simple_vqa_accuracy("cat", &ten(agreeing)), Ok(expected));
        }
    }

    #[test]
    fn too_few_people() {
        assert_eq!(
            vqa_accuracy("cat", &["cat"; 3]),
            Err(VqaError::TooFewAnswers {
                found: 3,
                needed: 4
            })
        );
        assert_eq!(
            simple_vqa_accuracy("cat", &["cat"]),
            Err(VqaError::TooFewAnswers {
                found: 1,
                needed: 3
            })
        );
    }
}
