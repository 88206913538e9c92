//! `cargo test`, in two parts: what is quick, and what goes on for a set time.

use std::env;
use std::process::Command;

use anyhow::Result;

use super::report;
use super::tally::Tally;
use crate::workspace::Workspace;
use crate::{build, pack, packages, process};

/// This tool's own tests.
pub(super) fn xtask(workspace: &Workspace) -> Result<Tally> {
    count(
        workspace
            .command("cargo")
            .args(["test", "--release", "--package=xtask"]),
    )
}

/// All other tests but those that fuzz.
pub(super) fn tests(workspace: &Workspace) -> Result<Tally> {
    // A Vulkan driver for the WebGPU tests, and what the program reads videos with and the models
    // for its own.
    packages::install(packages::BROWSER_TESTS)?;
    packages::install(packages::PROGRAM_TESTS)?;
    pack::models_and_programs(workspace)?;
    count(
        workspace
            .command("cargo")
            .args(["test", "--release", "--no-fail-fast"])
            .args(build::NATIVE)
            .arg("--exclude=flamingo-fuzz"),
    )
}

/// Each parser for a minute, or for the time that the environment sets.
pub(super) fn fuzz(workspace: &Workspace) -> Result<Tally> {
    let seconds = env::var_os("FLAMINGO_FUZZ_SECONDS").unwrap_or_else(|| "60".into());
    let mut command = workspace.command("cargo");
    command.env("FLAMINGO_FUZZ_SECONDS", seconds);
    command.args(["test", "--release", "--no-fail-fast"]);
    // The program comes along for the features that it asks of the crates below:
    // without it they would be compiled once more. Naming the targets leaves its tests
    // out.
    command.args(["--package=flamingo-fuzz", "--package=flamingo-cli"]);
    command.args(["--test=parsers", "--test=hostile"]);
    count(&mut command)
}

fn count(command: &mut Command) -> Result<Tally> {
    let mut tally = Tally::default();
    let succeeded = process::run_reading(command, |line| {
        tally += report::cargo_test_line(line).unwrap_or_default();
    })?;
    Ok(tally.confirmed(succeeded))
}
