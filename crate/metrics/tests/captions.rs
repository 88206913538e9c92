//! Words, CIDEr and BLEU against the training package and `pycocoevalcap`, on
//! the first 200 images of Flickr8k's dev split.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use fastrand::Rng;
use flamingo_metrics::{CaptionedImage, bleu, cider, tokenize};
use serde::Deserialize;

/// What summing in another order may change.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Fixture {
    images: Vec<Image>,
    corpus: Corpus,
    words: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Image {
    references: Vec<String>,
    model: Caption,
    odd: Caption,
}

#[derive(Deserialize)]
struct Caption {
    candidate: String,
    cider: f64,
}

#[derive(Deserialize)]
struct Corpus {
    model: Scores,
    odd: Scores,
}

#[derive(Deserialize)]
struct Scores {
    cider: f64,
    bleu: [f64; 4],
}

fn read() -> Fixture {
    support::read_fixture("captions.json")
}

fn captioned(images: &[Image], candidate: impl Fn(&Image) -> &str) -> Vec<CaptionedImage> {
    images
        .iter()
        .map(|image| CaptionedImage::new(candidate(image), &image.references))
        .collect()
}

fn assert_close(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() < TOLERANCE,
        "{what}: {found}, expected {expected}"
    );
}

fn assert_scores(images: &[Image], caption: impl Fn(&Image) -> &Caption, corpus: &Scores) {
    let captioned = captioned(images, |image| &caption(image).candidate);
    let scores = cider(&captioned).unwrap();
    for (image, score) in images.iter().zip(scores.per_image) {
        let expected = caption(image);
        assert_close(score, expected.cider, &expected.candidate);
    }
    assert_close(scores.corpus, corpus.cider, "CIDEr");
    for (found, expected) in bleu(&captioned).unwrap().into_iter().zip(corpus.bleu) {
        assert_close(found, expected, "BLEU");
    }
}

#[test]
fn words_are_those_of_training() {
    for (text, expected) in read().words {
        assert_eq!(tokenize(&text).join(" "), expected, "{text:?}");
    }
}

#[test]
fn scores_of_a_models_captions_are_those_of_pycocoevalcap() {
    let fixture = read();
    assert_scores(&fixture.images, |image| &image.model, &fixture.corpus.model);
}

#[test]
fn scores_of_odd_captions_are_those_of_pycocoevalcap() {
    let fixture = read();
    assert_scores(&fixture.images, |image| &image.odd, &fixture.corpus.odd);
}

/// A candidate that is the only reference: cosine 1 at each order that the
/// caption is long enough for and that has a rare n-gram; no precision below 1.
#[test]
fn a_caption_agrees_wholly_with_itself() {
    let images = read().images;
    let captioned: Vec<CaptionedImage> = images
        .iter()
        .map(|image| CaptionedImage::new(&image.references[0], &image.references[..1]))
        .collect();
    for (image, score) in images.iter().zip(cider(&captioned).unwrap().per_image) {
        let orders = tokenize(&image.references[0]).len().min(4);
        assert_close(score, 2.5 * orders as f64, &image.references[0]);
    }
    for score in bleu(&captioned).unwrap() {
        assert!((score - 1.0).abs() < 1e-8, "{score}");
    }
}

/// Captions of words drawn at random from few: scores stay in their ranges, and
/// the order of images changes nothing.
#[test]
fn scores_stay_in_their_ranges() {
    let mut random = Rng::with_seed(13);
    let caption = |random: &mut Rng| -> String {
        let words = (0..random.usize(..12)).map(|_| ["a", "dog", "'s", "ball"][random.usize(..4)]);
        words.collect::<Vec<_>>().join(" ")
    };
    for _ in 0..100 {
        let mut images: Vec<CaptionedImage> = (0..random.usize(1..8))
            .map(|_| {
                let references: Vec<String> = (0..random.usize(1..4))
                    .map(|_| caption(&mut random))
                    .collect();
                CaptionedImage::new(&caption(&mut random), &references)
            })
            .collect();
        let scores = cider(&images).unwrap();
        for score in &scores.per_image {
            assert!((0.0..=10.0 + TOLERANCE).contains(score), "{score}");
        }
        let bleu_scores = bleu(&images).unwrap();
        for score in bleu_scores {
            assert!((0.0..=1.0).contains(&score), "{score}");
        }
        images.reverse();
        assert_close(cider(&images).unwrap().corpus, scores.corpus, "CIDEr");
        assert_eq!(bleu(&images).unwrap(), bleu_scores);
    }
}
