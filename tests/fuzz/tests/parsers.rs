//! A test for each target. They run side by side: each counts what its own thread allocates.

use flamingo_fuzz::target::{
    checkpoint, config, gguf, items, manifest, pattern, pickle, picture, prompt, safetensors,
    settings, support_set, tokenizer, vocabulary,
};
use flamingo_fuzz::{CountingAllocator, fuzz};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn fuzz_checkpoint() {
    fuzz(&[checkpoint::TARGET]);
}

#[test]
fn fuzz_config() {
    fuzz(&[config::TARGET, settings::TARGET]);
}

#[test]
fn fuzz_gguf() {
    fuzz(&[gguf::TARGET]);
}

#[test]
fn fuzz_manifest() {
    fuzz(&[manifest::TARGET]);
}

#[test]
fn fuzz_pickle() {
    fuzz(&[pickle::TARGET]);
}

#[test]
fn fuzz_picture() {
    fuzz(&[picture::TARGET]);
}

#[test]
fn fuzz_safetensors() {
    fuzz(&[safetensors::TARGET]);
}

#[test]
fn fuzz_texts() {
    fuzz(&[
        items::TARGET,
        pattern::TARGET,
        prompt::TARGET,
        support_set::TARGET,
    ]);
}

#[test]
fn fuzz_tokenizer() {
    fuzz(&[tokenizer::TARGET, vocabulary::TARGET]);
}
