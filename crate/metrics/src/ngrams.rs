//! Counting n-grams of one to four words.

use std::collections::BTreeMap;

/// Longest n-grams that count, in words.
pub(crate) const MAX_ORDER: usize = 4;

/// Something of each n-gram of a caption. Ordered, so that sums over it come
/// out the same at every run.
pub(crate) type NgramMap<'a, T> = BTreeMap<&'a [String], T>;

/// How often each n-gram of one to [`MAX_ORDER`] words occurs.
pub(crate) fn count_ngrams(words: &[String]) -> NgramMap<'_, usize> {
    let mut counts = NgramMap::new();
    for order in 1..=MAX_ORDER {
        for ngram in words.windows(order) {
            *counts.entry(ngram).or_default() += 1;
        }
    }
    counts
}
