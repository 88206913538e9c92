//! What is compiled: the command line program and the page.

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{npm, process, wasm};

/// The crates that are compiled for this machine, as cargo's arguments.
///
/// Cargo gives a dependency the union of the features that the chosen crates ask for,
/// and compiles it again for every other union. Whoever chooses these and no others,
/// to build, to test or to check, finds Burn compiled. This tool and the surface for
/// browsers would each add to the union.
pub(crate) const NATIVE: &[&str] = &["--workspace", "--exclude=xtask", "--exclude=flamingo-wasm"];

/// Builds the command line program `flamingo`.
pub(crate) fn program(workspace: &Workspace) -> Result<()> {
    process::run(
        workspace
            .command("cargo")
            .args(["build", "--release", "--bins"])
            .args(NATIVE),
    )
}

/// Builds the WebAssembly module, the npm package and the page.
pub(crate) fn page(workspace: &Workspace) -> Result<()> {
    npm::install(workspace)?;
    wasm::build(workspace)?;
    process::run(npm::npm(workspace).args(["run", "--silent", "build"]))
}
