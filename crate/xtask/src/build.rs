//! The programs and the page, compiled.

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{notices, npm, process, wasm};

/// The crates that are compiled for this machine, as cargo's arguments.
///
/// Cargo gives a dependency the union of the features that the chosen crates ask for,
/// and compiles it again for every other union. Whoever chooses these and no others,
/// to build, to test or to check, finds Burn compiled. This tool and the surface for
/// browsers would each add to the union.
pub(crate) const NATIVE: &[&str] = &["--workspace", "--exclude=xtask", "--exclude=flamingo-wasm"];

/// Builds the programs for this machine: `flamingo`, and `flamingo-convert` along with it.
pub(crate) fn programs(workspace: &Workspace) -> Result<()> {
    process::step(
        "compiling the programs for this machine",
        "13 minutes the first time",
    );
    process::run(
        workspace
            .command("cargo")
            .args(["build", "--release", "--bins"])
            .args(NATIVE),
    )
}

/// Builds `flamingo-convert` by itself, which compiles none of Burn.
///
/// Chosen alone it asks for fewer features than among [`NATIVE`], so its dependencies are
/// others than those of Burn: mostly the ones that this tool was compiled with before. To
/// ask for the same features would compile more here, not less.
pub(crate) fn converter(workspace: &Workspace) -> Result<()> {
    process::step(
        "compiling the program that packs models",
        "a minute the first time",
    );
    process::run(workspace.command("cargo").args([
        "build",
        "--release",
        "--package=flamingo-convert",
    ]))
}

/// Builds the WebAssembly module, the npm package and the page.
pub(crate) fn page(workspace: &Workspace) -> Result<()> {
    npm::install(workspace)?;
    wasm::build(workspace)?;
    process::step("bundling the package and the page", "half a minute");
    process::run(npm::npm(workspace).args(["run", "--silent", "build"]))?;
    notices::write(workspace)
}
