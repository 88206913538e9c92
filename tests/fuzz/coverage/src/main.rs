//! libFuzzer over one target, which `FLAMINGO_FUZZ_TARGET` names.

#![no_main]

use std::env;
use std::fmt::Write;
use std::fs;
use std::sync::LazyLock;

use flamingo_fuzz::{CountingAllocator, Target, target};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = env::var("FLAMINGO_FUZZ_TARGET").expect("FLAMINGO_FUZZ_TARGET names the target");
    let mut targets = target::ALL.into_iter();
    let found = targets.find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("there is no target {name}"))
});

/// Writes the target's words where libFuzzer looks for them afterwards (`-dict`).
fn write_dictionary() {
    let Ok(path) = env::var("FLAMINGO_FUZZ_DICTIONARY") else {
        return;
    };
    let mut lines = String::new();
    for word in TARGET.words {
        lines.push('"');
        for byte in *word {
            write!(lines, "\\x{byte:02X}").expect("a String takes everything");
        }
        lines.push_str("\"\n");
    }
    fs::write(path, lines).expect("the dictionary can be written");
}

fuzz_target!(
    init: write_dictionary(),
    |input: &[u8]| {
        (TARGET.check)(input);
    }
);
