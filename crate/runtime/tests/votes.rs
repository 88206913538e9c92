//! Examples that vote: what they look like counts beside what the language model says, where
//! they show all answers, and nowhere else.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use flamingo_kernels::ComputeDevice;
use flamingo_runtime::decide::{DecideOptions, Decision, Json, Schema};
use flamingo_runtime::prompt::{CAPTION, VISUAL_QUESTION};
use flamingo_runtime::{
    Choice, ChooseOptions, EncodedMedia, Example, ImagePixels, Model, PromptFormat, Query,
    RESEMBLANCE, RuntimeError, Session,
};
use futures_lite::future::block_on;
use support::{TinyModel, encode, picture};

fn model() -> Model {
    TinyModel::new().load(ComputeDevice::cpu())
}

fn shot(media: Option<EncodedMedia>, question: &str, answer: &str) -> Example {
    Example {
        media,
        question: question.to_owned(),
        answer: answer.to_owned(),
    }
}

fn about(media: Option<EncodedMedia>, question: &str) -> Query {
    Query {
        media,
        question: question.to_owned(),
    }
}

/// Two answers, each shown once.
fn shots(model: &Model, question: &str) -> Vec<Example> {
    let shot = |number, answer| shot(Some(encode(model, number)), question, answer);
    vec![shot(0, "a dog"), shot(1, " a boat ")]
}

fn choose(
    model: &Model,
    shots: Vec<Example>,
    query: &Query,
    answers: &[&str],
    resemblance: f32,
) -> Vec<Choice> {
    let format = PromptFormat::parse(VISUAL_QUESTION).unwrap();
    let mut session = Session::new(model, format, shots);
    let answers: Vec<String> = answers.iter().map(ToString::to_string).collect();
    let options = ChooseOptions {
        resemblance,
        ..ChooseOptions::default()
    };
    block_on(session.choose(model, query, &answers, &options)).unwrap()
}

fn vote(choices: &[Choice]) -> Vec<f64> {
    let parts = choices.iter().map(|choice| choice.parts.expect("a vote"));
    parts.map(|parts| parts.vote).collect()
}

const ANSWERS: [&str; 2] = ["a dog", "a boat"];

#[test]
fn a_picture_votes_for_what_it_shows_and_both_parts_are_told() {
    let model = model();
    let about = |number| about(Some(encode(&model, number)), "What is it?");
    let choose = |number, resemblance| {
        let shots = shots(&model, "What is it?");
        choose(&model, shots, &about(number), &ANSWERS, resemblance)
    };
    for (number, resemblance) in [(0, RESEMBLANCE), (1, RESEMBLANCE), (2, 0.5)] {
        let plain = choose(number, 0.0);
        assert!(plain.iter().all(|choice| choice.parts.is_none()));
        let found = choose(number, resemblance);
        let product: Vec<f64> = plain
            .iter()
            .zip(vote(&found))
            .map(|(plain, vote)| {
                let weight = f64::from(resemblance);
                (plain.probability * vote.powf(weight)).powf(1.0 / (1.0 + weight))
            })
            .collect();
        let total: f64 = product.iter().sum();
        for ((found, plain), product) in found.iter().zip(&plain).zip(product) {
            let parts = found.parts.unwrap();
            assert_eq!(parts.likelihood, plain.probability);
            assert!((found.probability - product / total).abs() < 1e-9);
        }
        assert!((vote(&found).iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
    assert!(vote(&choose(0, 1.0))[0] > 0.99);
    assert!(vote(&choose(1, 1.0))[1] > 0.99);
}

#[test]
fn without_a_vote_nothing_changes() {
    let model = model();
    let photo = encode(&model, 2);
    let text_only = [shots(&model, ""), vec![shot(None, "", "a dog")]].concat();
    let other = [shots(&model, ""), vec![shot(None, "", "snow")]].concat();
    let unseen = vec![shots(&model, "").remove(0), shot(None, "", "a boat")];
    let asked = || about(Some(photo.clone()), " What is it? ");
    for (what, votes, shots, query, answers) in [
        (
            "no question",
            true,
            shots(&model, ""),
            asked(),
            &ANSWERS[..],
        ),
        (
            "the question",
            true,
            shots(&model, "What is it?"),
            asked(),
            &ANSWERS,
        ),
        ("text beside", true, text_only, asked(), &ANSWERS),
        (
            "another question",
            false,
            shots(&model, "Where?"),
            asked(),
            &ANSWERS,
        ),
        ("another text", false, other, asked(), &ANSWERS),
        ("no picture of an answer", false, unseen, asked(), &ANSWERS),
        (
            "an unknown answer",
            false,
            shots(&model, ""),
            asked(),
            &["a dog", "a boat", "snow"],
        ),
        (
            "not all answers",
            false,
            shots(&model, ""),
            asked(),
            &ANSWERS[..1],
        ),
        (
            "no picture",
            false,
            shots(&model, ""),
            about(None, "What is it?"),
            &ANSWERS,
        ),
        ("no shots", false, Vec::new(), asked(), &ANSWERS),
    ] {
        let found = choose(&model, shots.clone(), &query, answers, RESEMBLANCE);
        let plain = choose(&model, shots, &query, answers, 0.0);
        assert_eq!(
            found.iter().all(|choice| choice.parts.is_some()),
            votes,
            "{what}"
        );
        assert_eq!(found == plain, !votes, "{what}");
    }
}

#[test]
fn a_clip_votes_by_the_mean_of_its_frames() {
    let mut config = TinyModel::config();
    config.resampler.as_mut().unwrap().max_frames = 2;
    let model = TinyModel::with_config(config).load(ComputeDevice::cpu());
    let clip = |numbers: &[u8]| {
        let frames: Vec<ImagePixels> = numbers.iter().map(|&number| picture(number)).collect();
        block_on(model.encode_clip(&frames)).unwrap()
    };
    let votes = |media| {
        let query = about(Some(media), "");
        vote(&choose(&model, shots(&model, ""), &query, &ANSWERS, 1.0))
    };
    let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
    assert!(close(&votes(clip(&[0, 0])), &votes(encode(&model, 0))));
    assert!(close(&votes(clip(&[0, 1])), &votes(clip(&[1, 0]))));
    assert!(!close(&votes(clip(&[0, 1])), &votes(clip(&[0, 0]))));
}

#[test]
fn a_gpu_counts_the_votes_of_the_cpu() {
    let tiny = TinyModel::new();
    let gpu = block_on(ComputeDevice::gpu()).unwrap();
    let [cpu, gpu] = [ComputeDevice::cpu(), gpu].map(|device| {
        let model = tiny.load(device);
        let query = about(Some(encode(&model, 2)), "");
        vote(&choose(&model, shots(&model, ""), &query, &ANSWERS, 1.0))
    });
    for (cpu, gpu) in cpu.iter().zip(&gpu) {
        assert!((cpu - gpu).abs() < 1e-3, "{cpu} {gpu}");
    }
}

#[test]
fn a_closed_leaf_is_voted_on() {
    let model = model();
    let decide = |schema: &str, shots: &[Example], question: &str, resemblance| -> Decision {
        let schema = Schema::parse(schema).unwrap();
        let format = PromptFormat::parse(CAPTION).unwrap();
        let mut session = Session::new(&model, format, shots.to_vec());
        let query = about(Some(encode(&model, 1)), question);
        let mut options = DecideOptions {
            max_new_tokens: 3,
            ..DecideOptions::default()
        };
        options.choose.resemblance = resemblance;
        block_on(session.decide(&model, &query, &schema, &options)).unwrap()
    };
    let schema = r#"{"type": "object", "properties": {
        "kind": {"enum": ["a dog", "a boat"]}, "wet": {"type": "boolean"},
        "name": {"type": "string", "maxLength": 3}}}"#;
    let shots = |question: &str| {
        [
            r#"{"kind": "a dog", "wet": true}"#,
            r#"{"kind": "a boat", "wet": true}"#,
        ]
        .into_iter()
        .zip(0..)
        .map(|(answer, number)| shot(Some(encode(&model, number)), question, answer))
        .collect::<Vec<_>>()
    };
    let voted = |decision: &Decision| -> Vec<bool> {
        let leaves = decision.leaves.iter();
        leaves.map(|leaf| leaf.parts.is_some()).collect()
    };
    // Nothing shows what is dry, and a text is written.
    let found = decide(schema, &shots(""), "", 100.0);
    assert_eq!(voted(&found), [true, false, false]);
    assert_eq!(found.leaves[0].value, Json::Text("a boat".to_owned()));
    assert!(found.leaves[0].parts.unwrap().vote > 0.99);
    assert_eq!(voted(&decide(schema, &shots(""), "", 0.0)), [false; 3]);
    // What stands before a leaf's question is the query's; an example has the same or none.
    for (shown, asked, votes) in [
        ("", "On the left.", true),
        ("On the left.", "On the left. ", true),
        ("On the right.", "On the left.", false),
    ] {
        let found = decide(schema, &shots(shown), asked, RESEMBLANCE);
        assert_eq!(voted(&found), [votes, false, false], "{shown} {asked}");
    }
}

#[test]
fn misuse_is_told() {
    let model = model();
    let mut config = TinyModel::config();
    let flamingo::config::VisionEncoderConfig::EfficientNetLite(encoder) =
        &mut config.vision.encoder
    else {
        panic!("another encoder");
    };
    encoder.head_channels = 40;
    config.resampler.as_mut().unwrap().input_width = 40;
    let other = TinyModel::with_config(config).load(ComputeDevice::cpu());
    let mut shown = shots(&model, "");
    shown[0].media = Some(encode(&other, 0));
    let mut session = Session::new(&model, PromptFormat::parse(CAPTION).unwrap(), shown);
    let answers = ANSWERS.map(str::to_owned);
    let query = about(Some(encode(&model, 0)), "");
    let mut choose = |resemblance| {
        let options = ChooseOptions {
            resemblance,
            ..ChooseOptions::default()
        };
        block_on(session.choose(&model, &query, &answers, &options))
    };
    let RuntimeError::ForeignImage { found, expected } = choose(1.0).unwrap_err() else {
        panic!("another error");
    };
    assert_eq!((found, expected), ([1, 40], [1, 24]));
    for wrong in [-1.0, f32::NAN, f32::INFINITY] {
        let error = choose(wrong).unwrap_err().to_string();
        assert!(error.starts_with("resemblance is"), "{error}");
    }
}
