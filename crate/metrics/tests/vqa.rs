//! Normalised answers and VQA accuracy against the evaluation of the
//! `open_flamingo` package, on a quarter of the VQA v2 questions of dev.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use flamingo_metrics::{normalize_answer, simple_vqa_accuracy, vqa_accuracy};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    questions: Vec<Question>,
    /// Contractions, answers of dev and random text, and their normal form.
    normalised: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Question {
    people: Vec<String>,
    /// Answers and their accuracy.
    answers: BTreeMap<String, f64>,
}

fn read() -> Fixture {
    support::read_fixture("vqa.json")
}

#[test]
fn answers_are_normalised_as_in_the_official_evaluation() {
    for (text, expected) in read().normalised {
        assert_eq!(normalize_answer(&text), expected, "{text:?}");
    }
}

#[test]
fn accuracy_is_that_of_the_official_evaluation() {
    for question in read().questions {
        for (answer, expected) in question.answers {
            let score = vqa_accuracy(&answer, &question.people).unwrap();
            assert!((score - expected).abs() < 1e-9, "{answer:?}: {score}");
        }
    }
}

/// They differ where one to three people agree, by what leaving one out costs.
#[test]
fn the_simple_rule_is_never_stricter() {
    for question in read().questions {
        for (answer, official) in question.answers {
            let simple = simple_vqa_accuracy(&answer, &question.people).unwrap();
            assert!(
                (0.0..0.1 + 1e-9).contains(&(simple - official)),
                "{answer:?}"
            );
        }
    }
}
