//! Caches make an answer cheaper and never another: sessions whose examples are edited
//! at random, with everything kept, against reading all anew.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::ops::ControlFlow;

use flamingo_kernels::ComputeDevice;
use flamingo_runtime::prompt::CAPTION;
use flamingo_runtime::{
    EncodedMedia, Example, GenerateOptions, Model, PromptFormat, Query, Session, TokenPiece,
};
use futures_lite::future::block_on;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use support::{TinyModel, encode, picture};

/// Log-probabilities with and without caches may differ by this much.
const TOLERANCE: f64 = 1e-3;

const PICTURES: u8 = 5;
const MOST_EXAMPLES: usize = 4;
const WORDS: [&str; 4] = ["a dog", "snow", "two red boats", "he runs"];

fn load() -> Model {
    TinyModel::new().load(ComputeDevice::cpu())
}

/// A session as one sees it: pictures by number, and what is said of them.
#[derive(Clone)]
struct Board {
    examples: Vec<(u8, usize)>,
    query: u8,
}

impl Board {
    /// One edit: another example in a place, one more, one less, another order, another
    /// query.
    fn edit(&mut self, random: &mut ChaCha8Rng) {
        let mut draw = |below: usize| random.next_u64() as usize % below;
        let example = (draw(PICTURES.into()) as u8, draw(WORDS.len()));
        let (kind, count) = (draw(5), self.examples.len());
        match kind {
            0 if count > 0 => self.examples[draw(count)] = example,
            1 if count < MOST_EXAMPLES => self.examples.insert(draw(count + 1), example),
            2 if count > 0 => drop(self.examples.remove(draw(count))),
            3 if count > 1 => self.examples.swap(draw(count), draw(count)),
            _ => self.query = draw(PICTURES.into()) as u8,
        }
    }

    fn examples(&self, model: &Model) -> Vec<Example> {
        let example = |&(picture, word): &(u8, usize)| Example {
            media: Some(encode(model, picture)),
            question: String::new(),
            answer: WORDS[word].to_owned(),
        };
        self.examples.iter().map(example).collect()
    }

    fn query(&self, model: &Model) -> Query {
        Query {
            media: Some(encode(model, self.query)),
            question: String::new(),
        }
    }
}

/// Bytes of an encoded clip: four latents of width 32, how each looks at the 8 × 8 cells of
/// every frame, and the sum of the vision tokens, of width 24.
fn latent_bytes(frames: usize) -> usize {
    (4 * (32 + frames * 8 * 8) + 24) * size_of::<f32>()
}

fn answer(model: &Model, session: &mut Session, query: &Query) -> Vec<TokenPiece> {
    let options = GenerateOptions {
        max_new_tokens: 6,
        alternatives: 2,
        ..GenerateOptions::default()
    };
    let mut pieces = Vec::new();
    let on_token = async |piece: &TokenPiece| {
        pieces.push(piece.clone());
        ControlFlow::Continue(())
    };
    block_on(session.answer(model, query, &options, on_token)).unwrap();
    pieces
}

#[test]
fn edits_in_any_order_change_no_answer() {
    let (kept, anew) = (load(), load());
    anew.keep_latents(0);
    let format = PromptFormat::parse(CAPTION).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut session = Session::new(&kept, format.clone(), Vec::new());
    let mut board = Board {
        examples: Vec::new(),
        query: 0,
    };
    let (mut largest, mut exceptions, mut tokens) = (0.0f64, 0, 0);
    for _ in 0..60 {
        board.edit(&mut random);
        session.set_examples(board.examples(&kept));
        let found = answer(&kept, &mut session, &board.query(&kept));
        let mut fresh = Session::new(&anew, format.clone(), board.examples(&anew));
        let expected = answer(&anew, &mut fresh, &board.query(&anew));
        for (found, expected) in found.iter().zip(&expected) {
            tokens += 1;
            if found.id != expected.id {
                let [first, second] = &expected.alternatives[..] else {
                    panic!("two alternatives were asked for");
                };
                let gap = f64::from(first.log_probability - second.log_probability);
                assert!(gap <= TOLERANCE, "{} for {}", found.id, expected.id);
                exceptions += 1;
                // What follows another token is another text.
                break;
            }
            let error = f64::from(found.log_probability - expected.log_probability).abs();
            largest = largest.max(error);
        }
    }
    println!("{tokens} tokens, largest error {largest:.1e}, {exceptions} ties broken otherwise");
    assert!(largest <= TOLERANCE, "{largest}");
    assert!(tokens > 200);
    // Five pictures were encoded once each, however often they came.
    assert_eq!(kept.memory().latents, 5 * latent_bytes(1));
    assert_eq!(anew.memory().latents, 0);
}

/// An encoding is known by its pixels, and the oldest goes where there is no room.
#[test]
fn latents_are_kept_up_to_a_budget() {
    let model = load();
    let prefix_shared = |first: &EncodedMedia, second: &EncodedMedia| {
        let format = PromptFormat::parse(CAPTION).unwrap();
        let query = |media: &EncodedMedia| Query {
            media: Some(media.clone()),
            question: String::new(),
        };
        let mut session = Session::new(&model, format, Vec::new());
        let go_on = async |_: &TokenPiece| ControlFlow::Continue(());
        let options = GenerateOptions {
            max_new_tokens: 1,
            ..GenerateOptions::default()
        };
        block_on(session.answer(&model, &query(first), &options, go_on)).unwrap();
        let again = block_on(session.answer(&model, &query(second), &options, go_on)).unwrap();
        again.reused_tokens > 0
    };
    let first = encode(&model, 0);
    assert!(prefix_shared(&first, &encode(&model, 0)));
    assert!(!prefix_shared(&first, &encode(&model, 1)));

    let bytes = model.memory().latents / 2;
    model.keep_latents(2 * bytes);
    encode(&model, 0);
    encode(&model, 2); // 1 goes: it was not asked for as long
    assert_eq!(model.memory().latents, 2 * bytes);
    assert!(prefix_shared(&first, &encode(&model, 0)));
    model.keep_latents(bytes - 1);
    assert_eq!(model.memory().latents, 0);
    assert!(!prefix_shared(&first, &encode(&model, 0)));
}

/// A clip is not the photo that it begins with.
#[test]
fn frames_of_a_clip_are_told_from_photos() {
    let model = load();
    let frames = [picture(0), picture(0)];
    let [photo, clip] = [&frames[..1], &frames[..]].map(|frames| {
        block_on(model.encode_clip(frames)).unwrap();
        model.memory().latents
    });
    assert_eq!(
        [photo, clip],
        [latent_bytes(1), latent_bytes(1) + latent_bytes(2)]
    );
    block_on(model.encode_clip(&frames)).unwrap();
    assert_eq!(model.memory().latents, clip);
}
