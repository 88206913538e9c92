//! Contractions written without their apostrophe.

/// The contractions that the official evaluation restores, each from all its
/// spellings with one apostrophe missing.
const CONTRACTIONS: [&str; 92] = [
    "'ow's'at",
    "'twas",
    "ain't",
    "aren't",
    "can't",
    "could've",
    "couldn't",
    "couldn't've",
    "didn't",
    "doesn't",
    "don't",
    "hadn't",
    "hadn't've",
    "hasn't",
    "haven't",
    "he'd",
    "he'd've",
    "he's",
    "how'd",
    "how'll",
    "how's",
    "isn't",
    "it'd",
    "it'd've",
    "it'll",
    "ma'am",
    "might've",
    "mightn't",
    "mightn't've",
    "must've",
    "mustn't",
    "needn't",
    "not've",
    "o'clock",
    "oughtn't",
    "shan't",
    "she'd've",
    "should've",
    "shouldn't",
    "shouldn't've",
    "somebody'd've",
    "somebody'll",
    "somebody's",
    "someone'd",
    "someone'd've",
    "someone'll",
    "someone's",
    "something'd",
    "something'd've",
    "something'll",
    "that's",
    "there'd",
    "there'd've",
    "there're",
    "there's",
    "they'd",
    "they'd've",
    "they'll",
    "they're",
    "they've",
    "wasn't",
    "we'd've",
    "we've",
    "weren't",
    "what'll",
    "what're",
    "what's",
    "what've",
    "when's",
    "where'd",
    "where's",
    "where've",
    "who'd",
    "who'd've",
    "who'll",
    "who's",
    "who've",
    "why'll",
    "why're",
    "why's",
    "won't",
    "would've",
    "wouldn't",
    "wouldn't've",
    "y'all",
    "y'all'd've",
    "y'all'll",
    "you'd",
    "you'd've",
    "you'll",
    "you're",
    "you've",
];

/// The one entry of the official table that goes the other way.
const WITHOUT_APOSTROPHE: (&str, &str) = ("somebody'd", "somebodyd");

/// The word, with its apostrophe where just one is missing.
pub(super) fn restore(word: &str) -> &str {
    let (with_apostrophe, without) = WITHOUT_APOSTROPHE;
    if word == with_apostrophe {
        return without;
    }
    CONTRACTIONS
        .into_iter()
        .find(|contraction| lacks_one_apostrophe(word, contraction))
        .unwrap_or(word)
}

fn lacks_one_apostrophe(word: &str, contraction: &str) -> bool {
    contraction.match_indices('\'').any(|(at, apostrophe)| {
        word.strip_prefix(&contraction[..at]) == Some(&contraction[at + apostrophe.len()..])
    })
}
