//! A model from bytes in pieces, and files that are refused.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use flamingo::{ModelError, WeightError};
use flamingo_kernels::ComputeDevice;
use flamingo_runtime::{LoadError, Model, ModelLoader, TokenizerError};
use flamingo_weights::gguf::{GgufError, GgufWriter, Metadata};
use support::TinyModel;

fn load<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Model, LoadError> {
    let pieces: Vec<&[u8]> = pieces.into_iter().collect();
    load_of(pieces.concat().len(), &pieces)
}

/// Loads what has arrived of a file of `length` bytes.
fn load_of(length: usize, pieces: &[&[u8]]) -> Result<Model, LoadError> {
    let mut loader = ModelLoader::new(ComputeDevice::cpu(), length as u64);
    for piece in pieces {
        loader.push(piece)?;
    }
    loader.finish()
}

fn error(file: &[u8]) -> LoadError {
    load([file]).err().expect("an error")
}

#[test]
fn it_does_not_matter_how_the_bytes_are_cut() {
    let tiny = TinyModel::new();
    let file = tiny.gguf();
    for size in [file.len(), 1 << 20, 4099] {
        let model = load(file.chunks(size)).unwrap();
        assert_eq!(model.config(), &tiny.config);
    }
}

#[test]
fn a_file_that_breaks_off_is_refused() {
    let file = TinyModel::new().gguf();
    for length in [0, 100, file.len() / 2, file.len() - 1] {
        let error = error(&file[..length]);
        assert!(
            matches!(error, LoadError::Gguf(GgufError::Truncated { .. })),
            "{error:?}"
        );
    }
}

#[test]
fn bytes_that_are_no_model_are_refused() {
    let error = error(b"<!doctype html><title>404</title>");
    assert!(matches!(error, LoadError::Gguf(_)), "{error:?}");
}

#[test]
fn a_model_of_something_else_is_named() {
    let mut metadata = Metadata::new();
    metadata.set_string("general.architecture", "llama");
    let mut file = Vec::new();
    GgufWriter::new(metadata).unwrap().write(&mut file).unwrap();
    let error = error(&file);
    assert!(
        matches!(&error, LoadError::Architecture { found } if found == "llama"),
        "{error:?}"
    );
}

#[test]
fn a_file_without_configuration_or_tokenizer_is_refused() {
    let mut metadata = Metadata::new();
    metadata.set_string("general.architecture", "flamingo");
    let mut file = Vec::new();
    GgufWriter::new(metadata).unwrap().write(&mut file).unwrap();
    let error = error(&file);
    assert!(matches!(error, LoadError::Metadata(_)), "{error:?}");
    assert!(error.to_string().contains("flamingo.config"), "{error}");
}

#[test]
fn a_configuration_that_does_not_fit_the_tensors_is_refused() {
    let mut tiny = TinyModel::new();
    tiny.config.resampler.as_mut().unwrap().latents = 5;
    let error = error(&tiny.gguf());
    assert!(
        matches!(&error, LoadError::Model(ModelError::ShapeMismatch { name, .. }) if name == "resampler.latents"),
        "{error:?}"
    );

    let mut tiny = TinyModel::new();
    tiny.config.language.width = 0;
    assert!(matches!(self::error(&tiny.gguf()), LoadError::Config(_)));
}

#[test]
fn sizes_that_no_memory_holds_are_refused_with_the_header() {
    let changes: [fn(&mut TinyModel); 4] = [
        |tiny| tiny.config.resampler.as_mut().unwrap().latents = 1_000_000_000,
        |tiny| tiny.config.language.context = 1 << 31,
        |tiny| tiny.config.language.vocab_size = u32::MAX as usize,
        |tiny| tiny.config.vision.image_size = 4096,
    ];
    for change in changes {
        let mut tiny = TinyModel::new();
        change(&mut tiny);
        let file = tiny.gguf();
        // Half of the file is enough: its tensors do not come to it.
        let half = &file[..file.len() / 2];
        let error = load_of(file.len(), &[half]).err().expect("an error");
        assert!(matches!(error, LoadError::Config(_)), "{error:?}");
    }
}

#[test]
fn a_tokenizer_whose_steps_would_fill_memory_is_refused() {
    let mut tiny = TinyModel::new();
    let double = r#"{"type":"Replace","pattern":{"String":"a"},"content":"aa"}"#;
    let doubles = vec![double; 40].join(",");
    let normalizer = format!(r#""normalizer":{{"type":"Sequence","normalizers":[{doubles}]}}"#);
    tiny.tokenizer = tiny.tokenizer.replacen('{', &format!("{{{normalizer},"), 1);
    let error = error(&tiny.gguf());
    assert!(
        matches!(&error, LoadError::Tokenizer(TokenizerError::Malformed(reason)) if reason.contains("4096 times as long")),
        "{error:?}"
    );
}

#[test]
fn weights_that_are_no_finite_numbers_are_refused() {
    for (name, value) in [
        ("resampler.latents", f32::NAN),
        ("output_norm.weight", f32::INFINITY),
        ("token_embd.weight", f32::NEG_INFINITY),
    ] {
        let mut tiny = TinyModel::new();
        tiny.edit(name, |values| values[5] = value);
        let error = error(&tiny.gguf());
        let LoadError::Model(ModelError::Weight {
            name: found,
            source,
        }) = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!(found, name);
        assert!(
            matches!(source, WeightError::NotFinite { index: 5 }),
            "{error}"
        );
    }
}

#[test]
fn a_missing_tensor_is_named() {
    let mut tiny = TinyModel::new();
    tiny.tensors
        .retain(|tensor| tensor.info.name != "resampler.latents");
    let error = error(&tiny.gguf());
    assert!(
        matches!(&error, LoadError::Model(ModelError::MissingTensors { count: 1, first }) if first == "resampler.latents"),
        "{error:?}"
    );
}

#[test]
fn another_models_tokenizer_is_refused() {
    let mut tiny = TinyModel::new();
    tiny.tokenizer = tiny.tokenizer.replace("<image>", "<photo>");
    let error = error(&tiny.gguf());
    assert!(
        matches!(
            error,
            LoadError::Tokenizer(TokenizerError::MissingToken { token: "<image>" })
        ),
        "{error:?}"
    );
}
