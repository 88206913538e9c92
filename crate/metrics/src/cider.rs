//! CIDEr: how far a caption agrees with the consensus of its references.
//!
//! R. Vedantam, C. L. Zitnick, D. Parikh, "CIDEr: Consensus-based Image
//! Description Evaluation", CVPR 2015, in the variant CIDEr-D (clipped counts,
//! Gaussian length penalty) that the class `Cider` of `pycocoevalcap` computes
//! and that the field reports as CIDEr.

use std::collections::{BTreeSet, HashMap};

use crate::captions::{self, CaptionError, CaptionedImage};
use crate::ngrams::{MAX_ORDER, NgramMap, count_ngrams};

/// Standard deviation of the length penalty, in words.
const LENGTH_DEVIATION: f64 = 6.0;

/// What one image's score is multiplied with, by convention.
const SCALE: f64 = 10.0;

/// CIDEr of a set of images. Scores are `pycocoevalcap`'s: from 0 to 10, where
/// tables print 1.0 as 100.
#[derive(Clone, Debug, PartialEq)]
pub struct CiderScores {
    /// Mean over the images.
    pub corpus: f64,
    /// Score of each image, in order.
    pub per_image: Vec<f64>,
}

/// CIDEr-D of each image's candidate against its references.
///
/// An n-gram (of one to four words) weighs the more the fewer of the given
/// images have it in their references: the weight is the logarithm of images
/// over images with it. So a score depends on the whole set, scores of sets of
/// different size do not compare, and for a single image all weights are 0.
///
/// # Errors
/// Where there are no images, or one has no references.
pub fn cider(images: &[CaptionedImage]) -> Result<CiderScores, CaptionError> {
    captions::check(images)?;
    let frequencies = DocumentFrequencies::count(images);
    let per_image: Vec<f64> = images
        .iter()
        .map(|image| {
            let candidate = frequencies.weigh(&image.candidate);
            let similarities = image
                .references
                .iter()
                .map(|reference| candidate.similarity(&frequencies.weigh(reference)));
            SCALE * similarities.sum::<f64>() / image.references.len() as f64
        })
        .collect();
    Ok(CiderScores {
        corpus: per_image.iter().sum::<f64>() / per_image.len() as f64,
        per_image,
    })
}

/// In how many images' references each n-gram occurs.
struct DocumentFrequencies<'a> {
    images: f64,
    images_with: HashMap<&'a [String], usize>,
}

impl<'a> DocumentFrequencies<'a> {
    fn count(images: &'a [CaptionedImage]) -> Self {
        let mut images_with = HashMap::new();
        for image in images {
            let ngrams: BTreeSet<&[String]> = image
                .references
                .iter()
                .flat_map(|reference| count_ngrams(reference).into_keys())
                .collect();
            for ngram in ngrams {
                *images_with.entry(ngram).or_default() += 1;
            }
        }
        Self {
            images: images.len() as f64,
            images_with,
        }
    }

    /// Inverse document frequency; an n-gram of no image counts as one of one.
    fn rarity(&self, ngram: &[String]) -> f64 {
        let images_with = self.images_with.get(ngram).copied().unwrap_or(1);
        self.images.ln() - (images_with as f64).ln()
    }

    fn weigh<'b>(&self, words: &'b [String]) -> TfIdf<'b> {
        let weights: NgramMap<'b, f64> = count_ngrams(words)
            .into_iter()
            .map(|(ngram, count)| (ngram, count as f64 * self.rarity(ngram)))
            .collect();
        let mut squares = [0.0; MAX_ORDER];
        for (ngram, weight) in &weights {
            squares[ngram.len() - 1] += weight * weight;
        }
        TfIdf {
            weights,
            norms: squares.map(f64::sqrt),
            bigrams: words.len().saturating_sub(1),
        }
    }
}

/// A caption as term frequencies times inverse document frequencies.
struct TfIdf<'a> {
    weights: NgramMap<'a, f64>,
    /// Euclidean norm of the weights of each order.
    norms: [f64; MAX_ORDER],
    /// Number of bigrams: the length that `pycocoevalcap` penalises.
    bigrams: usize,
}

impl TfIdf<'_> {
    /// Mean over the orders of the cosine, with counts clipped to the
    /// reference's, times the length penalty.
    fn similarity(&self, reference: &Self) -> f64 {
        let mut products = [0.0; MAX_ORDER];
        for (ngram, &ours) in &self.weights {
            if let Some(&theirs) = reference.weights.get(ngram) {
                products[ngram.len() - 1] += ours.min(theirs) * theirs;
            }
        }
        let norms = self.norms.iter().zip(&reference.norms);
        let cosines = products
            .iter()
            .zip(norms.map(|(ours, theirs)| ours * theirs))
            .map(|(product, norm)| if norm > 0.0 { product / norm } else { 0.0 });
        let difference = self.bigrams.abs_diff(reference.bigrams) as f64;
        let penalty = (-difference.powi(2) / (2.0 * LENGTH_DEVIATION.powi(2))).exp();
        cosines.sum::<f64>() / MAX_ORDER as f64 * penalty
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn images(rows: &[(&str, &[&str])]) -> Vec<CaptionedImage> {
        rows.iter()
            .map(|(candidate, references)| CaptionedImage::new(candidate, references))
            .collect()
    }

    /// Captions of one word, each in one of two images: one dimension with
    /// cosine 1 or 0, and three orders without n-grams.
    #[test]
    fn single_words_by_hand() {
        let scores = cider(&images(&[("dog", &["dog"]), ("dog", &["cat"])])).unwrap();
        assert_eq!(scores.per_image, [2.5, 0.0]);
        assert_eq!(scores.corpus, 1.25);
    }

    /// One unknown word more: the norm grows by the root of 2, and one bigram
    /// costs exp(-1/72).
    #[test]
    fn a_longer_candidate_by_hand() {
        let scores = cider(&images(&[("dog zebra", &["dog"]), ("cat", &["cat"])])).unwrap();
        let expected = 2.5 / 2.0_f64.sqrt() * (-1.0_f64 / 72.0).exp();
        assert!((scores.per_image[0] - expected).abs() < 1e-12);
    }

    #[test]
    fn repeating_a_word_gains_nothing() {
        let once = cider(&images(&[("dog", &["dog"]), ("cat", &["cat"])])).unwrap();
        let often = cider(&images(&[("dog dog dog", &["dog"]), ("cat", &["cat"])])).unwrap();
        assert!(often.per_image[0] < once.per_image[0]);
    }

    #[test]
    fn one_image_has_no_rare_words() {
        let scores = cider(&images(&[("a dog", &["a dog"])])).unwrap();
        assert_eq!(scores.corpus, 0.0);
    }

    #[test]
    fn nothing_to_score() {
        assert_eq!(cider(&[]), Err(CaptionError::NoImages));
        assert_eq!(
            cider(&images(&[("a dog", &["a dog"]), ("a cat", &[])])),
            Err(CaptionError::NoReferences { image: 1 })
        );
    }
}
