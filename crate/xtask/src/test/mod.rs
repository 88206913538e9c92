//! Every test of the project, one suite after the other, cheapest first. A suite that
//! fails, or cannot even start, does not keep the next from running.

mod browser;
mod invariants;
mod lint;
mod report;
mod rust;
mod tally;
mod training;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use self::tally::Tally;
use crate::workspace::Workspace;

/// A choice of suites, as named on the command line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// Formatting, invariants, spelling, licences, clippy, rustdoc, biome, TypeScript
    Lint,
    /// The Rust tests
    Rust,
    /// A minute of malformed input for each parser
    Fuzz,
    /// The tests of the npm package and of the page, and both in Chromium and Firefox
    Browser,
    /// The training code's tests; installs PyTorch, and runs only when named
    Training,
}

struct Suite {
    name: &'static str,
    group: Group,
    run: fn(&Workspace) -> Result<Tally>,
}

impl Suite {
    const fn new(name: &'static str, group: Group, run: fn(&Workspace) -> Result<Tally>) -> Self {
        Self { name, group, run }
    }
}

/// In the order they run in.
const SUITES: &[Suite] = &[
    Suite::new("rustfmt", Group::Lint, lint::rustfmt),
    Suite::new("invariants", Group::Lint, invariants::check),
    Suite::new("typos", Group::Lint, lint::typos),
    Suite::new("cargo-deny", Group::Lint, lint::cargo_deny),
    Suite::new("biome", Group::Lint, lint::biome),
    Suite::new("actionlint", Group::Lint, lint::workflows),
    Suite::new("clippy xtask", Group::Lint, lint::clippy_xtask),
    Suite::new("test xtask", Group::Rust, rust::xtask),
    Suite::new("clippy", Group::Lint, lint::clippy_native),
    Suite::new("rustdoc", Group::Lint, lint::rustdoc),
    Suite::new("cargo test", Group::Rust, rust::tests),
    Suite::new("fuzz", Group::Fuzz, rust::fuzz),
    Suite::new("clippy wasm", Group::Lint, lint::clippy_wasm),
    Suite::new("clippy threads", Group::Lint, lint::clippy_wasm_threads),
    Suite::new("typescript", Group::Lint, lint::typescript),
    Suite::new("vitest web", Group::Browser, browser::package),
    Suite::new("vitest www", Group::Browser, browser::page_logic),
    Suite::new("playwright", Group::Browser, browser::page),
    Suite::new("ruff", Group::Training, training::ruff),
    Suite::new("pytest", Group::Training, training::tests),
];

/// Runs the suites of the named groups, or all but [`Group::Training`] where none is
/// named. The last line printed is `N passed, N failed`.
pub(crate) fn run(workspace: &Workspace, groups: &[Group]) -> ExitCode {
    let mut total = Tally::default();
    let mut summary = String::new();
    for suite in SUITES.iter().filter(|suite| is_chosen(suite.group, groups)) {
        println!("\n── {} {}", suite.name, "─".repeat(60 - suite.name.len()));
        let start = Instant::now();
        let tally = (suite.run)(workspace).unwrap_or_else(|error| {
            println!("{}: {error:#}", suite.name);
            Tally::FAILURE
        });
        total += tally;
        summary += &format!(
            "{:12} {:>6} {:>6} {:>7.0} s\n",
            suite.name,
            tally.passed,
            tally.failed,
            start.elapsed().as_secs_f64(),
        );
    }
    println!(
        "\n{:12} {:>6} {:>6} {:>9}",
        "suite", "passed", "failed", "time"
    );
    println!("{summary}\n{total}");
    if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn is_chosen(group: Group, named: &[Group]) -> bool {
    if named.is_empty() {
        group != Group::Training
    } else {
        named.contains(&group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_training_tests_wait_to_be_named() {
        assert!(is_chosen(Group::Lint, &[]));
        assert!(!is_chosen(Group::Training, &[]));
        assert!(is_chosen(Group::Training, &[Group::Training]));
        assert!(!is_chosen(Group::Lint, &[Group::Training]));
    }
}
