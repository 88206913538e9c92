//! BLEU: how many n-grams of the candidates are in their references.
//!
//! K. Papineni, S. Roukos, T. Ward, W.-J. Zhu, "BLEU: a method for automatic
//! evaluation of machine translation", ACL 2002, computed as the class `Bleu` of
//! `pycocoevalcap` does: over the corpus, with the reference length closest to
//! the candidate's, and no smoothing but what keeps 0 from being divided by 0.

use crate::captions::{self, CaptionError, CaptionedImage};
use crate::ngrams::{MAX_ORDER, NgramMap, count_ngrams};

/// Added to numerators, so that the geometric mean exists without a match.
const TINY: f64 = 1e-15;

/// Added to denominators, so that there is a precision without n-grams.
const SMALL: f64 = 1e-9;

/// Corpus BLEU-1 to BLEU-4, each from 0 to 1.
///
/// BLEU-n is the geometric mean of the clipped precisions of n-grams of one to n
/// words, times exp(1 - references' length / candidates' length) where the
/// candidates are shorter. It is no mean over images, so it has no score of one.
///
/// # Errors
/// Where there are no images, or one has no references.
pub fn bleu(images: &[CaptionedImage]) -> Result<[f64; 4], CaptionError> {
    captions::check(images)?;
    let mut counts = CorpusCounts::default();
    for image in images {
        counts.add(image);
    }
    Ok(counts.scores())
}

/// What BLEU is computed from, summed over images.
#[derive(Default)]
struct CorpusCounts {
    /// N-grams of the candidates, by order.
    guessed: [usize; MAX_ORDER],
    /// Those that a reference has too, by order.
    correct: [usize; MAX_ORDER],
    /// Words of the candidates.
    candidate_words: usize,
    /// Words of each image's reference that is closest in length.
    reference_words: usize,
}

impl CorpusCounts {
    fn add(&mut self, image: &CaptionedImage) {
        let words = image.candidate.len();
        self.candidate_words += words;
        self.reference_words += image
            .references
            .iter()
            .map(Vec::len)
            .min_by_key(|&length| (length.abs_diff(words), length))
            .unwrap_or_default();

        let mut most = NgramMap::new();
        for reference in &image.references {
            for (ngram, count) in count_ngrams(reference) {
                let known = most.entry(ngram).or_default();
                *known = count.max(*known);
            }
        }
        for (ngram, count) in count_ngrams(&image.candidate) {
            let order = ngram.len() - 1;
            self.guessed[order] += count;
            self.correct[order] += count.min(most.get(ngram).copied().unwrap_or_default());
        }
    }

    fn scores(&self) -> [f64; MAX_ORDER] {
        let ratio = (self.candidate_words as f64 + TINY) / (self.reference_words as f64 + SMALL);
        let brevity = (1.0 - 1.0 / ratio).min(0.0).exp();
        let mut product = 1.0;
        std::array::from_fn(|order| {
            product *= (self.correct[order] as f64 + TINY) / (self.guessed[order] as f64 + SMALL);
            product.powf(1.0 / (order + 1) as f64) * brevity
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn assert_close(scores: [f64; 4], expected: [f64; 4]) {
        for (score, expected) in scores.into_iter().zip(expected) {
            assert!((score - expected).abs() < 1e-8, "{scores:?}");
        }
    }

    /// Papineni's example: of seven "the", a reference has at most two.
    #[test]
    fn counts_are_clipped() {
        let image = CaptionedImage::new(
            "the the the the the the the",
            &["The cat is on the mat.", "There is a cat on the mat."],
        );
        assert_close(bleu(&[image]).unwrap(), [2.0 / 7.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn short_candidates_are_penalised() {
        let image = CaptionedImage::new("a dog", &["a dog runs fast"]);
        let penalty = (-1.0_f64).exp();
        let [one, two, ..] = bleu(&[image]).unwrap();
        assert!((one - penalty).abs() < 1e-8);
        assert!((two - penalty).abs() < 1e-8);
    }

    /// Of two references equally far in length, the shorter counts.
    #[test]
    fn the_closest_reference_sets_the_length() {
        let references = ["a", "a b c", "a b c d e f g h"];
        let image = CaptionedImage::new("a b", &references);
        assert!((bleu(&[image]).unwrap()[0] - 1.0).abs() < 1e-8);
    }

    #[test]
    fn no_words_score_nothing() {
        assert_close(
            bleu(&[CaptionedImage::new("", &["a dog"])]).unwrap(),
            [0.0; 4],
        );
    }

    #[test]
    fn nothing_to_score() {
        assert_eq!(bleu(&[]), Err(CaptionError::NoImages));
    }
}
