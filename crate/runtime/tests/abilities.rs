//! What a model can be asked besides a caption: sampling, stops, constraints, beams,
//! scores, clips, dialogues, and that what was read before changes nothing.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::ops::ControlFlow;

use flamingo::config::Activation;
use flamingo_kernels::ComputeDevice;
use flamingo_runtime::prompt::{CAPTION, VISUAL_QUESTION};
use flamingo_runtime::score::Reduction;
use flamingo_runtime::{
    BeamOptions, ChooseOptions, Constraint, ConstraintError, EncodedMedia, Example,
    GenerateOptions, Generation, ImagePixels, Model, PrefixCache, PromptFormat, Query,
    RuntimeError, Segment, Session, StopReason, TokenPiece,
};
use flamingo_weights::{LoadedTensor, TensorType};
use futures_lite::future::block_on;
use support::{TinyModel, fixture};

fn load() -> Model {
    load_tiny(&TinyModel::new())
}

fn load_tiny(tiny: &TinyModel) -> Model {
    tiny.load(ComputeDevice::cpu())
}

fn photo(model: &Model) -> EncodedMedia {
    block_on(model.encode(&fixture("images/photo.jpg"))).unwrap()
}

fn other_photo(model: &Model) -> EncodedMedia {
    block_on(model.encode(&fixture("photos/2090545563_a4e66ec76b.webp"))).unwrap()
}

fn pixels(name: &str) -> ImagePixels {
    ImagePixels::decode(&fixture(name)).unwrap()
}

fn caption_of(media: &EncodedMedia) -> Vec<Segment> {
    let format = PromptFormat::parse(CAPTION).unwrap();
    format.query(Some(media.clone()), "")
}

fn generate(
    model: &Model,
    prompt: &[Segment],
    options: &GenerateOptions,
) -> (Generation, Vec<TokenPiece>) {
    let mut pieces = Vec::new();
    let on_token = async |piece: &TokenPiece| {
        pieces.push(piece.clone());
        ControlFlow::Continue(())
    };
    let generation = block_on(model.generate(prompt, options, on_token)).unwrap();
    (generation, pieces)
}

fn refusal(model: &Model, options: &GenerateOptions) -> RuntimeError {
    let prompt = caption_of(&photo(model));
    let go_on = async |_: &TokenPiece| ControlFlow::Continue(());
    block_on(model.generate(&prompt, options, go_on)).unwrap_err()
}

fn short_answer() -> GenerateOptions {
    GenerateOptions {
        max_new_tokens: 6,
        ..GenerateOptions::default()
    }
}

fn example(media: &EncodedMedia, question: &str, answer: &str) -> Example {
    Example {
        media: Some(media.clone()),
        question: question.to_owned(),
        answer: answer.to_owned(),
    }
}

fn query(media: Option<&EncodedMedia>, question: &str) -> Query {
    Query {
        media: media.cloned(),
        question: question.to_owned(),
    }
}

fn session(model: &Model, template: &str, examples: Vec<Example>) -> Session {
    Session::new(model, PromptFormat::parse(template).unwrap(), examples)
}

async fn go_on(_: &TokenPiece) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn samples_repeat_with_their_seed_and_differ_without() {
    let model = load();
    let prompt = caption_of(&photo(&model));
    let sampled = |seed| {
        let options = GenerateOptions {
            temperature: 1.0,
            seed,
            ..short_answer()
        };
        generate(&model, &prompt, &options).0.token_ids
    };
    assert_eq!(sampled(1), sampled(1));
    assert_ne!(sampled(1), sampled(2));
    assert_ne!(
        sampled(1),
        generate(&model, &prompt, &short_answer()).0.token_ids
    );
}

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    let model = load();
    for (options, name) in [
        (
            GenerateOptions {
                temperature: -1.0,
                ..short_answer()
            },
            "temperature",
        ),
        (
            GenerateOptions {
                temperature: f32::NAN,
                ..short_answer()
            },
            "temperature",
        ),
        (
            GenerateOptions {
                top_p: 1.5,
                ..short_answer()
            },
            "top_p",
        ),
        (
            GenerateOptions {
                min_p: -0.1,
                ..short_answer()
            },
            "min_p",
        ),
        (
            GenerateOptions {
                repetition_penalty: 0.0,
                ..short_answer()
            },
            "repetition_penalty",
        ),
    ] {
        let error = refusal(&model, &options);
        assert!(
            matches!(error, RuntimeError::Option { option, .. } if option == name),
            "{error}"
        );
    }
    let error = refusal(
        &model,
        &GenerateOptions {
            stop: vec![String::new()],
            ..short_answer()
        },
    );
    assert!(matches!(error, RuntimeError::EmptyStop), "{error}");
}

#[test]
fn a_stop_text_ends_the_text_before_it() {
    let model = load();
    let prompt = caption_of(&photo(&model));
    let (plain, _) = generate(&model, &prompt, &short_answer());
    // A piece from the middle of what the model says, over a border of tokens.
    let text: Vec<char> = plain.text.chars().collect();
    let stop: String = text[text.len() / 2..][..2].iter().collect();
    let before = plain.text.split(&stop).next().unwrap();
    let options = GenerateOptions {
        stop: vec![stop.clone()],
        ..short_answer()
    };
    let (stopped, pieces) = generate(&model, &prompt, &options);
    assert_eq!(stopped.stop_reason, StopReason::StopText);
    assert_eq!(stopped.text, before.trim());
    assert!(plain.token_ids.starts_with(&stopped.token_ids));
    let shown: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
    assert_eq!(shown.trim(), before.trim());
}

#[test]
fn banned_tokens_do_not_come() {
    let model = load();
    let prompt = caption_of(&photo(&model));
    let (plain, _) = generate(&model, &prompt, &short_answer());
    let options = GenerateOptions {
        banned: plain.token_ids.clone(),
        ..short_answer()
    };
    let (other, _) = generate(&model, &prompt, &options);
    assert_eq!(other.token_ids.len(), 6);
    assert!(
        other
            .token_ids
            .iter()
            .all(|id| !plain.token_ids.contains(id))
    );
}

#[test]
fn alternatives_are_the_likeliest_tokens_in_order() {
    let model = load();
    let prompt = caption_of(&photo(&model));
    let options = GenerateOptions {
        alternatives: 3,
        ..short_answer()
    };
    let (_, pieces) = generate(&model, &prompt, &options);
    for piece in pieces {
        assert_eq!(piece.alternatives.len(), 3);
        // Greedy: the chosen one is the first, unless a special token was likelier.
        assert!(
            piece
                .alternatives
                .iter()
                .any(|alternative| alternative.id == piece.id)
        );
        let ordered = |pair: &[flamingo_runtime::Alternative]| {
            pair[0].log_probability >= pair[1].log_probability
        };
        assert!(piece.alternatives.windows(2).all(ordered));
    }
}

#[test]
fn a_choice_is_one_of_the_list_and_a_pattern_is_matched() {
    let model = load();
    let prompt = caption_of(&photo(&model));
    let choices = ["a dog", "a dog house", "two cats"].map(str::to_owned);
    let constrained = |constraint| {
        let options = GenerateOptions {
            constraint: Some(constraint),
            max_new_tokens: 40,
            ..GenerateOptions::default()
        };
        generate(&model, &prompt, &options).0
    };
    let found = constrained(Constraint::choices(&choices, model.tokenizer()).unwrap());
    assert!(choices.contains(&found.text), "{:?}", found.text);
    assert_eq!(found.stop_reason, StopReason::EndOfChunk);

    let found = constrained(Constraint::regex("[0-9]{3}-[é]{2}", model.tokenizer()).unwrap());
    assert_eq!(found.stop_reason, StopReason::EndOfChunk);
    let (digits, letters) = found.text.split_once('-').unwrap();
    assert!(digits.len() == 3 && digits.chars().all(|digit| digit.is_ascii_digit()));
    assert_eq!(letters, "éé");
}

#[test]
fn a_choice_that_begins_another_can_be_taken_too() {
    let model = load();
    let prompt = caption_of(&photo(&model));
    for only in ["a dog", "a dog house"] {
        let constraint = Constraint::choices(&[only.to_owned()], model.tokenizer()).unwrap();
        let options = GenerateOptions {
            constraint: Some(constraint),
            ..GenerateOptions::default()
        };
        assert_eq!(generate(&model, &prompt, &options).0.text, only);
    }
}

/// Characters of several tokens, cut off at every place: pieces, text and beams are whole
/// characters and the same ones, and whether the pattern is met is told.
#[test]
fn a_text_that_is_cut_off_ends_with_a_whole_character_and_says_whether_it_matches() {
    const WHOLE: &str = "一杯咖啡☕🚀";
    let model = load();
    let image = photo(&model);
    let prompt = caption_of(&image);
    let options = |pattern: &str, tokens, stop: &[&str]| GenerateOptions {
        constraint: Some(Constraint::regex(pattern, model.tokenizer()).unwrap()),
        max_new_tokens: tokens,
        stop: stop.iter().map(ToString::to_string).collect(),
        ..GenerateOptions::default()
    };
    let tokens = model.tokenizer().encode(WHOLE).unwrap().len();
    assert!(tokens > WHOLE.chars().count(), "a character is one token");
    let (mut lengths, mut cut_off) = (Vec::new(), 0);
    // A token has a byte at least.
    for count in 1..=WHOLE.len() {
        let (said, pieces) = generate(&model, &prompt, &options(WHOLE, count, &[]));
        let joined: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(said.text, joined);
        assert!(WHOLE.starts_with(&said.text), "{}", said.text);
        assert_eq!(said.meets_constraint, Some(said.text == WHOLE));
        assert_eq!(
            model.tokenizer().decode_whole(&said.token_ids).unwrap(),
            said.text
        );
        let all = model.tokenizer().decode(&said.token_ids).unwrap();
        cut_off += usize::from(all.ends_with('\u{fffd}'));
        lengths.push(said.text.chars().count());
    }
    assert!(lengths.is_sorted() && lengths.contains(&6), "{lengths:?}");
    assert!(cut_off > 0, "no character was cut off");

    // A turn of a dialogue keeps no half of a character either.
    let mut session = session(&model, CAPTION, Vec::new());
    let cut = options(WHOLE, 1, &[]);
    block_on(session.converse(&model, &query(Some(&image), ""), &cut, go_on)).unwrap();
    let turns = format!("{:?}", session.prompt(&query(None, "")));
    assert!(!turns.contains('\u{fffd}'), "{turns}");

    // What is held back in case a stop text comes is shown in the end, and what a stop text
    // cut off is no match.
    let (said, pieces) = generate(&model, &prompt, &options("a dog", 40, &["dogs"]));
    let joined: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
    assert_eq!(
        (said.text.as_str(), said.meets_constraint),
        ("a dog", Some(true))
    );
    assert!("a dog".starts_with(&joined));
    let (said, _) = generate(&model, &prompt, &options("a dog", 40, &["og"]));
    assert_eq!(
        (said.text.as_str(), said.meets_constraint),
        ("a d", Some(false))
    );
    // No four tokens are that long.
    let (said, _) = generate(&model, &prompt, &options("(?:a+){500}b", 4, &[]));
    assert_eq!(said.stop_reason, StopReason::MaxNewTokens);
    assert_eq!(said.meets_constraint, Some(false));
    assert!(
        said.text.chars().all(|letter| letter == 'a'),
        "{}",
        said.text
    );
    assert_eq!(
        generate(&model, &prompt, &short_answer())
            .0
            .meets_constraint,
        None
    );
}

#[test]
fn patterns_that_are_none_are_refused() {
    let model = load();
    for pattern in ["(", r"\bdog", "a{100000}{100000}"] {
        let error = Constraint::regex(pattern, model.tokenizer()).unwrap_err();
        assert!(matches!(error, ConstraintError::Pattern { .. }), "{error}");
        assert!(error.to_string().contains(pattern), "{error}");
    }
    let long = "(".repeat(100_000);
    let error = Constraint::regex(&long, model.tokenizer()).unwrap_err();
    assert!(error.to_string().len() < 500, "{}", error.to_string().len());
    let error = PromptFormat::parse(&long).unwrap_err();
    assert!(error.to_string().len() < 300, "{}", error.to_string().len());
    let error = Constraint::choices(&[], model.tokenizer()).unwrap_err();
    assert!(matches!(error, ConstraintError::NoChoices));
}

#[test]
fn one_beam_is_greedy_and_three_are_no_less_likely() {
    let model = load();
    let prompt = caption_of(&photo(&model));
    let search = |beams| {
        let options = BeamOptions {
            beams,
            length_penalty: 0.0,
            max_new_tokens: 6,
        };
        let mut prefix = PrefixCache::new(&model);
        block_on(model.beam_search(&mut prefix, &prompt, &options)).unwrap()
    };
    let (greedy, pieces) = generate(&model, &prompt, &short_answer());
    let one = search(1);
    assert_eq!(one[0].1.token_ids, greedy.token_ids);
    assert_eq!(one[0].0, greedy.text);
    let sum: f64 = pieces
        .iter()
        .map(|piece| f64::from(piece.log_probability))
        .sum();
    assert!((one[0].1.score - sum).abs() < 1e-3);
    let three = search(3);
    assert_eq!(three.len(), 3);
    assert!(three[0].1.score >= one[0].1.score - 1e-6);
    assert!(
        three
            .windows(2)
            .all(|pair| pair[0].1.score >= pair[1].1.score)
    );
}

/// Each answer's tokens behind the prompt, one forward pass each.
#[test]
fn scores_in_a_batch_are_those_of_one_by_one() {
    let model = load();
    let prompt = caption_of(&photo(&model));
    // More tokens than go through the model at once.
    let answers: Vec<String> = ["a dog", "two small cats on a sofa", "snow", "a"]
        .iter()
        .cycle()
        .take(40)
        .map(ToString::to_string)
        .collect();
    let mut prefix = PrefixCache::new(&model);
    let scores = block_on(model.score(&mut prefix, &prompt, &answers)).unwrap();
    for (answer, score) in answers.iter().zip(&scores).take(4) {
        let ids = model.tokenizer().encode(answer).unwrap();
        assert_eq!(score.log_probabilities.len(), ids.len());
        // Greedy decoding that is left no choice tells each token's probability.
        let constraint = Constraint::choices(std::slice::from_ref(answer), model.tokenizer());
        let options = GenerateOptions {
            constraint: Some(constraint.unwrap()),
            banned: (0..49152).filter(|id| !ids.contains(id)).collect(),
            ..GenerateOptions::default()
        };
        let (forced, pieces) = generate(&model, &prompt, &options);
        assert_eq!(forced.token_ids, ids);
        for (piece, found) in pieces.iter().zip(&score.log_probabilities) {
            assert!(
                (f64::from(piece.log_probability) - found).abs() < 1e-3,
                "{answer}"
            );
        }
    }
    for (index, score) in scores.iter().enumerate().skip(4) {
        let first = &scores[index % 4];
        for (a, b) in score.log_probabilities.iter().zip(&first.log_probabilities) {
            assert!((a - b).abs() < 1e-5);
        }
    }
    let error = block_on(model.score(&mut prefix, &prompt, &[String::new()])).unwrap_err();
    assert!(
        matches!(error, RuntimeError::EmptyAnswer { index: 0 }),
        "{error}"
    );
}

#[test]
fn chances_of_answers_sum_to_one_and_follow_their_scores() {
    let model = load();
    let image = photo(&model);
    let examples = ["a cat", "a dog", "snow"].map(|text| example(&other_photo(&model), "", text));
    let answers = ["a dog", "two cats", "snow"].map(str::to_owned);
    let mut session = session(&model, CAPTION, examples.to_vec());
    let choose = |session: &mut Session, options: ChooseOptions| {
        let query = query(Some(&image), "");
        let found = block_on(session.choose(&model, &query, &answers, &options)).unwrap();
        // Not all of the examples show one of the answers, so none of them votes.
        assert!(found.iter().all(|choice| choice.parts.is_none()));
        let found = found.into_iter().map(|choice| choice.probability);
        found.collect::<Vec<f64>>()
    };
    let mean = choose(&mut session, ChooseOptions::default());
    let prompt = session.prompt(&query(Some(&image), ""));
    let mut prefix = PrefixCache::new(&model);
    let scores = block_on(model.score(&mut prefix, &prompt, &answers)).unwrap();
    let weights: Vec<f64> = scores
        .iter()
        .map(|score| score.reduce(Reduction::Mean).exp())
        .collect();
    for (found, weight) in mean.iter().zip(&weights) {
        assert!((found - weight / weights.iter().sum::<f64>()).abs() < 1e-4);
    }
    for options in [
        ChooseOptions {
            reduction: Reduction::Sum,
            ..ChooseOptions::default()
        },
        ChooseOptions {
            calibrated: true,
            ..ChooseOptions::default()
        },
        ChooseOptions {
            orders: 6,
            ..ChooseOptions::default()
        },
    ] {
        let found = choose(&mut session, options);
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert_ne!(found, mean, "{options:?}");
    }
    assert_eq!(session.examples().len(), 3);
}

/// Examples are read once, and what is read once gives what reading all anew gives.
#[test]
fn a_session_reads_its_examples_once_and_changes_no_answer() {
    let model = load();
    let (image, other) = (photo(&model), other_photo(&model));
    let examples = vec![example(&other, "", "a dog"), example(&image, "", "snow")];
    let mut session = session(&model, CAPTION, examples.clone());
    let mut reused = Vec::new();
    let mut answers = Vec::new();
    for media in [&image, &other, &image] {
        let query = query(Some(media), "");
        let found = block_on(session.answer(&model, &query, &short_answer(), go_on)).unwrap();
        let (anew, _) = generate(&model, &session.prompt(&query), &short_answer());
        assert_eq!(found.token_ids, anew.token_ids);
        assert_eq!(anew.reused_tokens, 0);
        reused.push(found.reused_tokens);
        answers.push(found.token_ids);
    }
    let read = {
        let format = PromptFormat::parse(CAPTION).unwrap();
        model
            .count_tokens(&format.examples(examples.clone()))
            .unwrap()
    };
    assert_eq!(reused, [0, read, read]);
    assert_eq!(answers[0], answers[2]);

    // A changed second example: only the first is known.
    session.set_examples(vec![examples[0].clone(), example(&other, "", "a cat")]);
    let query = query(Some(&image), "");
    let found = block_on(session.answer(&model, &query, &short_answer(), go_on)).unwrap();
    let first = PromptFormat::parse(CAPTION)
        .unwrap()
        .examples([examples[0].clone()]);
    assert_eq!(found.reused_tokens, model.count_tokens(&first).unwrap());
    assert_eq!(
        found.token_ids,
        generate(&model, &session.prompt(&query), &short_answer())
            .0
            .token_ids
    );
}

#[test]
fn a_dialogue_keeps_its_turns() {
    let model = load();
    let image = photo(&model);
    let mut dialogue = session(&model, VISUAL_QUESTION, Vec::new());
    let first = query(Some(&image), "What is this?");
    let answer = block_on(dialogue.converse(&model, &first, &short_answer(), go_on)).unwrap();
    let second = query(None, "Why?");
    let prompt = dialogue.prompt(&second);
    let expected = {
        let format = PromptFormat::parse(VISUAL_QUESTION).unwrap();
        let mut expected = format.examples([example(&image, "What is this?", &answer.text)]);
        expected.extend(format.query(None, "Why?"));
        expected
    };
    assert_eq!(
        model.count_tokens(&prompt).unwrap(),
        model.count_tokens(&expected).unwrap()
    );
    let again = block_on(dialogue.converse(&model, &second, &short_answer(), go_on)).unwrap();
    assert!(again.reused_tokens > 0);
    assert_eq!(
        again.token_ids,
        generate(&model, &expected, &short_answer()).0.token_ids
    );
    dialogue.forget_turns();
    let alone = dialogue.prompt(&second);
    assert!(model.count_tokens(&alone).unwrap() < model.count_tokens(&prompt).unwrap());
}

#[test]
fn an_answer_that_was_stopped_is_no_turn() {
    let model = load();
    let mut dialogue = session(&model, VISUAL_QUESTION, Vec::new());
    let question = query(None, "What is this?");
    let alone = dialogue.prompt(&question).len();
    let stop = async |_: &TokenPiece| ControlFlow::Break(());
    block_on(dialogue.converse(&model, &question, &short_answer(), stop)).unwrap();
    assert_eq!(dialogue.prompt(&question).len(), alone);
}

#[test]
fn numbers_that_no_memory_holds_are_refused_or_cut() {
    let model = load();
    let question = query(None, "What is this?");
    let mut session = session(&model, VISUAL_QUESTION, Vec::new());
    for beams in [0, 65, usize::MAX] {
        let options = BeamOptions {
            beams,
            ..BeamOptions::default()
        };
        let error = block_on(session.beam_search(&model, &question, &options)).unwrap_err();
        assert!(error.to_string().starts_with("beams is"), "{error}");
    }
    let options = ChooseOptions {
        orders: usize::MAX,
        ..ChooseOptions::default()
    };
    let choices = ["a".to_owned()];
    let error = block_on(session.choose(&model, &question, &choices, &options)).unwrap_err();
    assert!(error.to_string().starts_with("orders is"), "{error}");

    let options = GenerateOptions {
        alternatives: usize::MAX,
        ..short_answer()
    };
    let (_, pieces) = generate(&model, &session.prompt(&question), &options);
    assert_eq!(pieces[0].alternatives.len(), model.config().vocab());
}

#[test]
fn a_clip_is_one_media_and_the_order_of_its_frames_counts() {
    let mut config = TinyModel::config();
    config.resampler.as_mut().unwrap().max_frames = 2;
    let model = load_tiny(&TinyModel::with_config(config));
    let frames = [
        pixels("images/photo.jpg"),
        pixels("photos/2090545563_a4e66ec76b.webp"),
    ];
    let [a, b] = &frames;
    let said = |clip: &[ImagePixels]| {
        let media = block_on(model.encode_clip(clip)).unwrap();
        let prompt = caption_of(&media);
        assert_eq!(model.count_tokens(&prompt).unwrap(), 3);
        generate(&model, &prompt, &short_answer()).1[0].log_probability
    };
    let forwards = said(&[a.clone(), b.clone()]);
    let backwards = said(&[b.clone(), a.clone()]);
    assert_ne!(forwards, backwards);
    // A frame that was scaled as it came is the same frame.
    assert_ne!([a.width(), a.height()], [64, 64]);
    let scaled = frames.each_ref().map(|frame| model.scaled(frame).unwrap());
    assert_eq!(said(&scaled), forwards);
    // More frames than embeddings: these are spread over the clip.
    assert!(said(&[a.clone(), a.clone(), b.clone(), b.clone(), b.clone()]).is_finite());
    let error = block_on(model.encode_clip(&[])).unwrap_err();
    assert!(matches!(error, RuntimeError::Model(_)), "{error}");
}

/// A clip longer than those trained on is what a model would make of it whose
/// embeddings are spread over its length.
#[test]
fn embeddings_of_time_are_interpolated() {
    let mut config = TinyModel::config();
    config.resampler.as_mut().unwrap().max_frames = 2;
    let short = TinyModel::with_config(config.clone());
    let width = config.resampler.as_ref().unwrap().width;
    let find = |tensor: &&LoadedTensor| tensor.info.name == "resampler.frame_embd";
    let values = short.tensors.iter().find(find).unwrap().to_f32().unwrap();
    let (first, last) = values.split_at(width);
    let between = |share: f32| {
        first
            .iter()
            .zip(last)
            .map(move |(a, b)| a + share * (b - a))
    };
    let spread: Vec<f32> = [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]
        .into_iter()
        .flat_map(between)
        .collect();
    let mut long = TinyModel {
        config,
        tensors: short.tensors.clone(),
        tokenizer: short.tokenizer.clone(),
    };
    long.config.resampler.as_mut().unwrap().max_frames = 4;
    for tensor in &mut long.tensors {
        if tensor.info.name == "resampler.frame_embd" {
            let name = tensor.info.name.clone();
            let shape = [4, width];
            *tensor = LoadedTensor::from_f32(name, TensorType::F32, &shape, &spread).unwrap();
        }
    }
    let names = [
        "images/photo.jpg",
        "photos/2090545563_a4e66ec76b.webp",
        "photos/3393035454_2d2370ffd4.webp",
        "images/photo.jpg",
    ];
    let clip = names.map(pixels);
    let said = |tiny: &TinyModel| {
        let model = load_tiny(tiny);
        let media = block_on(model.encode_clip(&clip)).unwrap();
        let pieces = generate(&model, &caption_of(&media), &short_answer()).1;
        pieces
            .iter()
            .map(|piece| piece.log_probability)
            .collect::<Vec<_>>()
    };
    let (interpolated, expected) = (said(&short), said(&long));
    for (found, expected) in interpolated.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
}

#[test]
fn the_nearest_image_to_an_image_is_itself() {
    let model = load();
    let names = [
        "images/photo.jpg",
        "photos/2090545563_a4e66ec76b.webp",
        "photos/3393035454_2d2370ffd4.webp",
    ];
    let embeddings: Vec<Vec<f32>> = names
        .iter()
        .map(|name| block_on(model.embed(&pixels(name))).unwrap())
        .collect();
    for (i, embedding) in embeddings.iter().enumerate() {
        let length: f32 = embedding.iter().map(|value| value * value).sum();
        assert!((length - 1.0).abs() < 1e-5);
        let cosine =
            |other: &Vec<f32>| -> f32 { embedding.iter().zip(other).map(|(a, b)| a * b).sum() };
        for (j, other) in embeddings.iter().enumerate() {
            assert!(i == j || cosine(other) < 0.9999, "{i} {j}");
        }
    }
}

/// The paper's bridges square a ReLU where OpenFlamingo's take GELU.
#[test]
fn bridges_compute_with_the_function_that_their_config_names() {
    use Activation::{Gelu, SquaredRelu};
    let said = |resampler, cross_attention| {
        let mut config = TinyModel::config();
        let feed_forward = &mut config.resampler.as_mut().unwrap().feed_forward;
        assert_eq!(feed_forward.activation, Gelu, "if nothing is said");
        feed_forward.activation = resampler;
        config.cross_attention.feed_forward.activation = cross_attention;
        let model = load_tiny(&TinyModel::with_config(config));
        generate(&model, &caption_of(&photo(&model)), &short_answer()).1[0].log_probability
    };
    let all = [
        said(Gelu, Gelu),
        said(Gelu, SquaredRelu),
        said(SquaredRelu, Gelu),
        said(SquaredRelu, SquaredRelu),
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(!all[..index].contains(one), "{all:?}");
    }
}

/// Query, key and value are one matrix where they are packed alike, and as good as one
/// where they are not.
#[test]
fn matrices_of_one_input_may_be_packed_differently() {
    let said = |changed: &[&str]| {
        let mut tiny = TinyModel::new();
        for name in changed {
            let tensor = tiny.tensor(name);
            let (values, shape) = (tensor.to_f32().unwrap(), tensor.info.shape.clone());
            let name = (*name).to_owned();
            *tensor = LoadedTensor::from_f32(name, TensorType::F16, &shape, &values).unwrap();
        }
        let model = load_tiny(&tiny);
        generate(&model, &caption_of(&photo(&model)), &short_answer()).1[0].log_probability
    };
    let alike = said(&[]);
    for changed in [
        ["blk.0.attn_q.weight", "blk.1.ffn_gate.weight"],
        ["blk.0.attn_k.weight", "blk.1.ffn_up.weight"],
        ["blk.0.attn_v.weight", "blk.0.ffn_up.weight"],
    ] {
        let found = said(&changed);
        assert!(
            (found - alike).abs() < 5e-3,
            "{changed:?}: {found}, {alike}"
        );
    }
}

/// Asking where a token looked changes no token; the maps cover the last image's grid,
/// differ between images, and there is none where there is no image.
#[test]
fn a_token_tells_where_it_looked() {
    let model = load();
    let (image, other) = (photo(&model), other_photo(&model));
    let options = GenerateOptions {
        attention: true,
        ..short_answer()
    };
    let side = 32 / 2 / 2;
    let maps = |media: &EncodedMedia, frames: usize| {
        let prompt = caption_of(media);
        let (generation, pieces) = generate(&model, &prompt, &options);
        let (plain, without) = generate(&model, &prompt, &short_answer());
        assert_eq!(generation.token_ids, plain.token_ids);
        assert!(without.iter().all(|piece| piece.attention.is_none()));
        let maps = pieces.into_iter().map(|piece| piece.attention.unwrap());
        let maps: Vec<Vec<f32>> = maps
            .map(|map| {
                assert_eq!((map.frames, map.side), (frames, side));
                assert_eq!(map.weights.len(), frames * side * side);
                map.weights
            })
            .collect();
        for map in &maps {
            let sum: f32 = map.iter().sum();
            assert!(map.iter().all(|&weight| weight > 0.0), "{map:?}");
            assert!(sum > 0.1 && sum < 1.0 + 1e-5, "{sum}");
        }
        maps
    };
    let first = maps(&image, 1);
    assert_ne!(first[0], first[1]);
    assert_ne!(first[0], maps(&other, 1)[0]);
    let frames = [pixels("images/photo.jpg"), pixels("images/photo.jpg")];
    maps(&block_on(model.encode_clip(&frames)).unwrap(), 2);

    let (_, blind) = generate(&model, &[Segment::Text("Output:".to_owned())], &options);
    assert!(blind.iter().all(|piece| piece.attention.is_none()));
}
