//! From photo to text with a tiny model: what comes out, when it stops, and
//! what is refused.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::ops::{ControlFlow, Range};

use flamingo::{Flamingo, FlamingoBuilder, Media, ModelError, Positions};
use flamingo_kernels::{ComputeDevice, read};
use flamingo_runtime::preprocess::preprocess;
use flamingo_runtime::prompt::CAPTION;
use flamingo_runtime::{
    EncodedMedia, Example, GenerateOptions, Generation, ImageError, ImagePixels, Model,
    PromptError, PromptFormat, RuntimeError, Segment, StopReason, TokenPiece,
};
use futures_lite::future::block_on;
use support::{END_OF_CHUNK, IMAGE, TinyModel, fixture};

/// Ids of `Output:`, `<|endofchunk|>`, a line break, in the real tokenizer.
const OUTPUT: [u32; 2] = [17597, 42];
const NEW_LINE: u32 = 198;

fn load(tiny: &TinyModel) -> Model {
    tiny.load(ComputeDevice::cpu())
}

fn photo() -> Vec<u8> {
    fixture("images/photo.jpg")
}

fn other_photo() -> Vec<u8> {
    fixture("photos/2090545563_a4e66ec76b.webp")
}

fn options(max_new_tokens: usize) -> GenerateOptions {
    GenerateOptions {
        max_new_tokens,
        ..GenerateOptions::default()
    }
}

/// The bare model.
fn build(tiny: &TinyModel) -> Flamingo {
    let mut builder = FlamingoBuilder::new(tiny.config.clone(), &ComputeDevice::cpu()).unwrap();
    for tensor in &tiny.tensors {
        builder.insert(tensor.clone()).unwrap();
    }
    builder.build().unwrap()
}

/// The prompt that asks for a caption in the manner of examples.
fn caption_prompt(examples: &[Example], image: &EncodedMedia) -> Vec<Segment> {
    let format = PromptFormat::parse(CAPTION).unwrap();
    let mut prompt = format.examples(examples.to_vec());
    prompt.extend(format.query(Some(image.clone()), ""));
    prompt
}

/// Captions a photo and collects the pieces.
fn caption(
    model: &Model,
    examples: &[Example],
    photo: &[u8],
    max_new_tokens: usize,
) -> (Generation, Vec<TokenPiece>) {
    let mut pieces = Vec::new();
    let image = block_on(model.encode(photo)).unwrap();
    let on_token = async |piece: &TokenPiece| {
        pieces.push(piece.clone());
        ControlFlow::Continue(())
    };
    let prompt = caption_prompt(examples, &image);
    let generation = block_on(model.generate(&prompt, &options(max_new_tokens), on_token)).unwrap();
    (generation, pieces)
}

fn example(model: &Model, photo: &[u8], text: &str) -> Example {
    Example {
        media: Some(block_on(model.encode(photo)).unwrap()),
        question: String::new(),
        answer: text.to_owned(),
    }
}

/// A greedy step.
struct Step {
    /// The likeliest token of all.
    wanted: usize,
    /// The likeliest token that is text.
    id: u32,
    /// Of `id`.
    log_probability: f32,
}

/// Greedy decoding without a KV cache, tokenizer or prompt code: the whole
/// sequence anew for each token, straight from the model.
fn recompute(tiny: &TinyModel, prompt: &[u32], photos: &[&[u8]], count: usize) -> Vec<Step> {
    let flamingo = build(tiny);
    let latents: Vec<_> = photos
        .iter()
        .enumerate()
        .map(|(index, file)| {
            let pixels = ImagePixels::decode(file).unwrap();
            let pixels = preprocess(&pixels, &tiny.config.vision).unwrap();
            let tokens = flamingo.encode_image(&pixels).unwrap();
            flamingo.resample(&[tokens], index).unwrap()
        })
        .collect();
    let media = flamingo.media(&latents).unwrap();
    let places: Vec<usize> = (0..prompt.len())
        .filter(|&place| prompt[place] as usize == IMAGE)
        .collect();
    let mut sequence = prompt.to_vec();
    let mut steps = Vec::new();
    for _ in 0..count {
        let mut cache = flamingo.new_cache();
        let logits = flamingo
            .forward(&sequence, &places, &media, &mut cache, Positions::All)
            .unwrap();
        let logits = block_on(read(logits)).unwrap();
        let last = &logits[logits.len() - tiny.config.vocab()..];
        let likeliest =
            |ids: Range<usize>| ids.max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap();
        let text = likeliest(17..END_OF_CHUNK);
        let sum: f64 = last.iter().map(|&logit| f64::from(logit).exp()).sum();
        steps.push(Step {
            wanted: likeliest(0..last.len()),
            id: u32::try_from(text).unwrap(),
            log_probability: last[text] - sum.ln() as f32,
        });
        sequence.push(steps[steps.len() - 1].id);
    }
    steps
}

fn ids(steps: &[Step]) -> Vec<u32> {
    steps.iter().map(|step| step.id).collect()
}

/// Tokens of `<image>Output:{caption}<|endofchunk|>\n<image>Output:`.
fn one_shot_prompt(model: &Model, caption: &str) -> Vec<u32> {
    let mut prompt = vec![IMAGE as u32];
    prompt.extend(
        model
            .tokenizer()
            .encode(&format!("Output:{caption}"))
            .unwrap(),
    );
    prompt.extend([END_OF_CHUNK as u32, NEW_LINE, IMAGE as u32]);
    prompt.extend(OUTPUT);
    prompt
}

#[test]
fn a_caption_equals_recomputing_every_token_from_the_whole_sequence() {
    let tiny = TinyModel::new();
    let model = load(&tiny);
    let (generation, pieces) = caption(&model, &[], &photo(), 8);
    let prompt = [IMAGE as u32, OUTPUT[0], OUTPUT[1]];
    let steps = recompute(&tiny, &prompt, &[&photo()], 8);
    assert_eq!(generation.token_ids, ids(&steps));
    assert_eq!(generation.stop_reason, StopReason::MaxNewTokens);
    for (piece, step) in pieces.iter().zip(steps) {
        let expected = step.log_probability;
        assert!(
            (piece.log_probability - expected).abs() < 1e-3,
            "{piece:?}, {expected} expected"
        );
    }
}

#[test]
fn examples_stand_before_the_photo_each_with_its_own_image() {
    let tiny = TinyModel::new();
    let model = load(&tiny);
    let example = example(&model, &other_photo(), " A dog runs ");
    let (generation, _) = caption(&model, &[example], &photo(), 6);
    let prompt = one_shot_prompt(&model, "A dog runs");
    let steps = recompute(&tiny, &prompt, &[&other_photo(), &photo()], 6);
    assert_eq!(generation.token_ids, ids(&steps));
    // The order of the images must matter for this test to mean anything.
    let swapped = recompute(&tiny, &prompt, &[&photo(), &other_photo()], 6);
    assert_ne!(generation.token_ids, ids(&swapped));
}

#[test]
fn images_take_the_embedding_of_their_place_in_the_prompt() {
    let mut config = TinyModel::config();
    config.resampler.as_mut().unwrap().max_media = 2;
    let tiny = TinyModel::with_config(config);
    let model = load(&tiny);
    let example = example(&model, &photo(), "A dog runs");
    let (generation, _) = caption(&model, &[example], &photo(), 4);
    let prompt = one_shot_prompt(&model, "A dog runs");
    let steps = recompute(&tiny, &prompt, &[&photo(), &photo()], 4);
    assert_eq!(generation.token_ids, ids(&steps));
}

#[test]
fn captioning_again_gives_the_same_and_another_photo_another_caption() {
    let model = load(&TinyModel::new());
    let (first, _) = caption(&model, &[], &photo(), 8);
    let (again, _) = caption(&model, &[], &photo(), 8);
    let (other, _) = caption(&model, &[], &other_photo(), 8);
    assert_eq!(first.token_ids, again.token_ids);
    assert_eq!(first.text, again.text);
    assert_ne!(first.token_ids, other.token_ids);
}

#[test]
fn pieces_are_the_tokens_and_the_text() {
    let model = load(&TinyModel::new());
    let (generation, pieces) = caption(&model, &[], &photo(), 12);
    let ids: Vec<u32> = pieces.iter().map(|piece| piece.id).collect();
    assert_eq!(ids, generation.token_ids);
    let text: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
    assert!(
        generation.text.starts_with(text.trim()),
        "{text:?}, {:?}",
        generation.text
    );
    assert_eq!(
        generation.text,
        model.tokenizer().decode(&ids).unwrap().trim()
    );
    assert!(pieces.iter().all(|piece| piece.log_probability < 0.0));
}

#[test]
fn end_of_chunk_stops_and_is_not_part_of_the_caption() {
    let mut tiny = TinyModel::new();
    let (plain, _) = caption(&load(&tiny), &[], &photo(), 6);
    // From the first token that differs from those before, `<|endofchunk|>` is
    // a little more likely than that token, so it comes in its place.
    let stop = plain
        .token_ids
        .iter()
        .position(|id| *id != plain.token_ids[0])
        .unwrap();
    tiny.shadow(END_OF_CHUNK, plain.token_ids[stop], 1.001);
    let (stopped, pieces) = caption(&load(&tiny), &[], &photo(), 6);
    assert_eq!(stopped.stop_reason, StopReason::EndOfChunk);
    assert_eq!(stopped.token_ids, plain.token_ids[..stop]);
    assert_eq!(pieces.len(), stop);
}

#[test]
fn image_is_never_generated() {
    let mut tiny = TinyModel::new();
    let (plain, _) = caption(&load(&tiny), &[], &photo(), 1);
    // `<image>` becomes what the model wants to say first of all.
    tiny.shadow(IMAGE, plain.token_ids[0], 10.0);
    let steps = recompute(&tiny, &[IMAGE as u32, OUTPUT[0], OUTPUT[1]], &[&photo()], 6);
    assert!(steps.iter().any(|step| step.wanted == IMAGE));
    let (generation, _) = caption(&load(&tiny), &[], &photo(), 6);
    assert_eq!(generation.token_ids, ids(&steps));
}

#[test]
fn the_callback_stops_decoding() {
    let model = load(&TinyModel::new());
    let image = block_on(model.encode(&photo())).unwrap();
    let mut seen = 0;
    let on_token = async |_: &TokenPiece| {
        seen += 1;
        if seen == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let generation =
        block_on(model.generate(&caption_prompt(&[], &image), &options(10), on_token)).unwrap();
    assert_eq!(generation.stop_reason, StopReason::Aborted);
    assert_eq!(generation.token_ids.len(), 3);
}

#[test]
fn no_tokens_may_be_asked_for() {
    let (generation, pieces) = caption(&load(&TinyModel::new()), &[], &photo(), 0);
    assert_eq!(generation.stop_reason, StopReason::MaxNewTokens);
    assert!(generation.text.is_empty() && pieces.is_empty());
}

#[test]
fn decoding_ends_with_the_context() {
    let mut tiny = TinyModel::new();
    tiny.config.language.context = 8;
    let (generation, _) = caption(&load(&tiny), &[], &photo(), 50);
    assert_eq!(generation.stop_reason, StopReason::ContextFull);
    // Three tokens of the prompt, five read back; the sixth needs no place.
    assert_eq!(generation.token_ids.len(), 6);
}

#[test]
fn a_prompt_that_does_not_fit_is_refused_before_any_token() {
    let model = load(&TinyModel::new());
    let image = block_on(model.encode(&photo())).unwrap();
    let examples = vec![
        Example {
            media: Some(image.clone()),
            question: String::new(),
            answer: "word ".repeat(40)
        };
        2
    ];
    let prompt = caption_prompt(&examples, &image);
    let untouched = async |_: &TokenPiece| panic!("no token should come");
    let error = block_on(model.generate(&prompt, &options(5), untouched)).unwrap_err();
    assert!(
        matches!(
            error,
            RuntimeError::Prompt(PromptError::TooLong {
                media: 3,
                context: 64,
                ..
            })
        ),
        "{error:?}"
    );
    // A text that is too long by itself is told so, and is not repeated.
    for examples in [&examples[..0], &examples[..1]] {
        let mut prompt = caption_prompt(examples, &image);
        prompt.push(Segment::Text("word ".repeat(25_000)));
        let error = block_on(model.generate(&prompt, &options(5), untouched)).unwrap_err();
        let words = error.to_string();
        assert!(
            matches!(
                error,
                RuntimeError::Prompt(PromptError::TextTooLong {
                    tokens: 25_000..,
                    most: 63,
                    context: 64,
                })
            ),
            "{error:?}"
        );
        assert!(
            words.contains("and may have 63,") && words.len() < 200,
            "{words}"
        );
    }
    let error = block_on(model.generate(&[], &options(5), untouched)).unwrap_err();
    assert!(
        matches!(error, RuntimeError::Prompt(PromptError::Empty)),
        "{error:?}"
    );
}

#[test]
fn text_alone_can_be_continued() {
    let model = load(&TinyModel::new());
    let segments = [Segment::Text("A dog".to_owned())];
    let go_on = async |_: &TokenPiece| ControlFlow::Continue(());
    let generation = block_on(model.generate(&segments, &options(3), go_on)).unwrap();
    assert_eq!(generation.token_ids.len(), 3);
    assert_eq!(generation.timings.encode_ms, 0.0);
}

#[test]
fn timings_are_measured() {
    let (generation, _) = caption(&load(&TinyModel::new()), &[], &photo(), 4);
    let timings = generation.timings;
    assert!(timings.encode_ms > 0.0 && timings.prefill_ms > 0.0);
    assert!(timings.first_token_ms >= timings.prefill_ms);
    assert!(timings.decode_ms_per_token > 0.0);
}

#[test]
fn a_file_that_is_no_picture_is_refused() {
    let model = load(&TinyModel::new());
    let error = block_on(model.encode(b"not a picture")).unwrap_err();
    assert!(
        matches!(
            error,
            RuntimeError::Image(ImageError::UnsupportedFormat { found: None })
        ),
        "{error:?}"
    );
}

#[test]
fn an_image_of_another_model_is_refused() {
    let mut config = TinyModel::config();
    config.resampler.as_mut().unwrap().latents = 3;
    let image = block_on(load(&TinyModel::with_config(config)).encode(&photo())).unwrap();
    let go_on = async |_: &TokenPiece| ControlFlow::Continue(());
    let model = load(&TinyModel::new());
    let error =
        block_on(model.generate(&caption_prompt(&[], &image), &options(3), go_on)).unwrap_err();
    assert!(
        matches!(
            error,
            RuntimeError::ForeignImage {
                found: [3, 32],
                expected: [4, 32]
            }
        ),
        "{error:?}"
    );
}

#[test]
fn what_another_model_made_is_refused() {
    let tiny = TinyModel::new();
    let mut config = TinyModel::config();
    config.language.layers += 1;
    let deeper = TinyModel::with_config(config);
    let (model, other) = (build(&tiny), build(&deeper));
    let refused = |error: ModelError, expected: &str| {
        assert!(
            matches!(&error, ModelError::OtherModel { what } if *what == expected),
            "{error:?}"
        );
    };

    let mut foreign = other.new_cache();
    let none = Media::none();
    let error = model.forward(&[1], &[], &none, &mut foreign, Positions::Last);
    refused(error.unwrap_err(), "the keys and values of the KV cache");

    let pixels = vec![0.5; model.config().vision.image_size.pow(2) * 3];
    let tokens = model.encode_image(&pixels).unwrap();
    let latents = model.resample(std::slice::from_ref(&tokens), 0).unwrap();
    let mut media = model.media(std::slice::from_ref(&latents)).unwrap();
    let deeper = other.media(std::slice::from_ref(&latents)).unwrap();
    let mut cache = model.new_cache();
    let error = model.forward(&[1], &[0], &deeper, &mut cache, Positions::Last);
    refused(error.unwrap_err(), "the images");
    assert!(cache.is_empty());
    refused(media.extend(deeper).unwrap_err(), "the images");
    assert_eq!(media.count(), 1);

    let narrow = latents.clone().narrow(1, 0, 1);
    refused(model.media(&[narrow]).err().unwrap(), "the latents");
    let narrow = tokens.narrow(1, 0, 1);
    refused(
        model.resample(&[narrow], 0).unwrap_err(),
        "the vision tokens",
    );

    let mut pixels = pixels;
    pixels[7] = f32::NAN;
    let error = model.encode_image(&pixels).unwrap_err();
    assert!(
        matches!(error, ModelError::PixelNotFinite { index: 7, .. }),
        "{error:?}"
    );
}

#[test]
fn numbers_that_are_none_are_an_error() {
    let mut tiny = TinyModel::new();
    tiny.edit("resampler.norm.weight", |values| values.fill(f32::MAX));
    let error = block_on(load(&tiny).encode(&photo())).unwrap_err();
    assert!(
        matches!(
            error,
            RuntimeError::NotFinite {
                what: "image latents"
            }
        ),
        "{error:?}"
    );

    let mut tiny = TinyModel::new();
    tiny.edit("output_norm.weight", |values| values.fill(f32::MAX));
    let model = load(&tiny);
    let image = block_on(model.encode(&photo())).unwrap();
    let go_on = async |_: &TokenPiece| ControlFlow::Continue(());
    let error =
        block_on(model.generate(&caption_prompt(&[], &image), &options(3), go_on)).unwrap_err();
    assert!(
        matches!(error, RuntimeError::NotFinite { what: "logits" }),
        "{error:?}"
    );
}
