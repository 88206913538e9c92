//! The targets: one for each parser of bytes that come from outside.

use std::path::Path;

use tempfile::TempDir;

pub mod checkpoint;
pub mod config;
pub mod gguf;
pub mod items;
pub mod manifest;
pub mod pattern;
pub mod pickle;
pub mod picture;
pub mod prompt;
pub mod safetensors;
pub mod settings;
pub mod support_set;
pub mod tokenizer;
pub mod vocabulary;

/// A parser, and what must hold for every input of it.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of the folder of its corpus.
    pub name: &'static str,
    /// Byte strings that mean something in the format.
    pub words: &'static [&'static [u8]],
    /// Panics if the parser is wrong about an input, and returns the input's fate in a few
    /// words otherwise.
    pub check: fn(&[u8]) -> String,
}

/// All targets.
pub const ALL: [Target; 14] = [
    checkpoint::TARGET,
    config::TARGET,
    gguf::TARGET,
    items::TARGET,
    manifest::TARGET,
    pattern::TARGET,
    pickle::TARGET,
    picture::TARGET,
    prompt::TARGET,
    safetensors::TARGET,
    settings::TARGET,
    support_set::TARGET,
    tokenizer::TARGET,
    vocabulary::TARGET,
];

thread_local! {
    static FOLDER: TempDir = tempfile::tempdir().unwrap();
}

/// Runs `f` with a folder of this thread, for parsers that open files.
fn in_folder<T>(f: impl FnOnce(&Path) -> T) -> T {
    FOLDER.with(|folder| f(folder.path()))
}
