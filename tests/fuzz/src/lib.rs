//! Fuzz targets for the parsers of untrusted bytes, as ordinary tests.
//!
//! Each [`Target`] first replays its corpus (`corpus/<target>/`), then mutates
//! what the corpus holds, for as long as [`SECONDS_VARIABLE`] says. An input on
//! which a target panics is added to the corpus, so that the next run starts
//! with it.
//!
//! A target says in a few words what became of an input. Inputs with a new fate
//! are mutated further, which leads the search past the first checks of a parser
//! without instrumented code. `coverage/` runs the same targets with it.

#![allow(clippy::panic, clippy::unwrap_used)]

mod allocator;
mod mutator;
pub mod target;

// Of the program, which is no library.
#[path = "../../../crate/cli/src/eval/items.rs"]
#[expect(
    dead_code,
    reason = "the program reads more of an item than is checked here"
)]
mod items;
#[path = "../../../crate/cli/src/text_file.rs"]
#[expect(dead_code, reason = "the program reads other files of lines too")]
mod text_file;

use std::collections::HashSet;
use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;

pub use allocator::{CountingAllocator, peak_during};
use mutator::Mutator;
pub use target::Target;

/// How long each target mutates, in seconds.
pub const SECONDS_VARIABLE: &str = "FLAMINGO_FUZZ_SECONDS";

/// Seed of the mutations, [`DEFAULT_SEED`] where it is not set.
pub const SEED_VARIABLE: &str = "FLAMINGO_FUZZ_SEED";

/// Always the same, so that a run fails for what was changed and not by chance. Runs with other
/// seeds, and those of `coverage/`, are for whoever looks for more.
pub const DEFAULT_SEED: u64 = 1;

/// Long enough to notice what is broken, short enough for every test run.
const DEFAULT_SECONDS: u64 = 2;

/// Longest input made by mutation, in bytes.
const MAX_INPUT: usize = 16 * 1024;

/// Most inputs kept to be mutated further.
const MAX_POOL: usize = 4096;

/// Runs targets, one after the other in the time of one.
///
/// # Panics
/// If a parser is wrong about an input, or a corpus is missing.
pub fn fuzz(targets: &[Target]) {
    let seconds = number(SECONDS_VARIABLE).unwrap_or(DEFAULT_SECONDS);
    let time = Duration::from_secs(seconds) / u32::try_from(targets.len()).unwrap();
    for target in targets {
        fuzz_for(time, target);
    }
}

fn fuzz_for(time: Duration, target: &Target) {
    let &Target { name, words, check } = target;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let seed = number(SEED_VARIABLE).unwrap_or(DEFAULT_SEED);
    println!("{name}: {SEED_VARIABLE}={seed}, {time:?}");

    let mut fates = HashSet::new();
    let mut pool = Vec::new();
    for (path, input) in corpus(&folder) {
        println!("{name}: {}", path.display());
        fates.insert(fate(&check(&input)));
        pool.push(input);
    }
    assert!(!pool.is_empty(), "{} holds no input", folder.display());

    let mut mutator = Mutator::new(Rng::with_seed(seed), words, MAX_INPUT);
    let mut inputs = 0_u64;
    let end = Instant::now() + time;
    while Instant::now() < end {
        let input = mutator.mutate(&pool);
        match catch_unwind(AssertUnwindSafe(|| check(&input))) {
            Ok(found) => {
                if fates.insert(fate(&found)) {
                    if pool.len() < MAX_POOL {
                        pool.push(input);
                    } else {
                        pool[inputs as usize % MAX_POOL] = input;
                    }
                }
            }
            Err(panic) => {
                let path = save(&folder, &input);
                println!(
                    "{name}: the input is kept as {} (seed {seed})",
                    path.display()
                );
                resume_unwind(panic);
            }
        }
        inputs += 1;
    }
    println!("{name}: {inputs} inputs, {} fates", fates.len());
}

/// The inputs of a corpus in a fixed order.
fn corpus(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |error: std::io::Error, path: &Path| -> ! { panic!("{}: {error}", path.display()) };
    let entries = fs::read_dir(folder).unwrap_or_else(|error| read(error, folder));
    let mut inputs: Vec<(PathBuf, Vec<u8>)> = entries
        .flatten()
        .map(|entry| {
            let path = entry.path();
            let input = fs::read(&path).unwrap_or_else(|error| read(error, &path));
            (path, input)
        })
        .collect();
    inputs.sort();
    inputs
}

/// What became of an input, without the numbers and names that differ from one
/// input to the next: everything between the first and the last quote or bracket
/// goes.
fn fate(found: &str) -> String {
    const MARKS: [char; 4] = ['`', '"', '[', ']'];
    let start = found.find(MARKS).unwrap_or(found.len());
    let end = found.rfind(MARKS).unwrap_or(start);
    let words = found[..start].chars().chain(found[end..].chars());
    words
        .filter(|c| c.is_ascii() && !c.is_ascii_digit())
        .collect()
}

fn save(folder: &Path, input: &[u8]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let path = folder.join(format!("crash-{:016x}", hasher.finish()));
    if let Err(error) = fs::write(&path, input) {
        println!("{}: {error}; the input is {input:02x?}", path.display());
    }
    path
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(error) => panic!("{variable}={text}: {error}"),
    }
}

/// Cuts `input` into pieces, none, some or most of one byte: always the same for
/// the same input, so that a kept input is cut as it was.
pub fn pieces(input: &[u8]) -> Vec<&[u8]> {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let mut random = Rng::with_seed(hasher.finish());
    let longest = [1, 2, 9, 64, 1000][random.usize(..5)];
    let mut pieces = Vec::new();
    let mut rest = input;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.usize(0..=longest.min(rest.len())));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
