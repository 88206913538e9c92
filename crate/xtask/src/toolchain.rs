//! What is added to the Rust toolchain.

use std::path::Path;

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

const BROWSER: &str = "wasm32-unknown-unknown";

/// Installs the standard library for browsers where it is missing.
///
/// `rust-toolchain.toml` names it, but rustup installs what stands there only along
/// with a toolchain that is missing as a whole.
pub(crate) fn browser_target(workspace: &Workspace) -> Result<()> {
    let mut rustc = workspace.command("rustc");
    let libraries = process::output(rustc.args(["--print=target-libdir", "--target", BROWSER]))?;
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    process::run(workspace.command("rustup").args(["target", "add", BROWSER]))
}

/// Installs the standard library's source where it is missing.
pub(crate) fn library_source(workspace: &Workspace) -> Result<()> {
    let root = process::output(workspace.command("rustc").arg("--print=sysroot"))?;
    if Path::new(root.trim())
        .join("lib/rustlib/src/rust/library")
        .is_dir()
    {
        return Ok(());
    }
    let component = ["component", "add", "rust-src"];
    process::run(workspace.command("rustup").args(component))
}
