//! The npm workspaces: the package (`web`), the page (`www`) and the browser tests.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::stamp::{self, Inputs};
use crate::workspace::Workspace;

/// Installs exactly what `package-lock.json` names.
pub(crate) fn install(workspace: &Workspace) -> Result<()> {
    let inputs = Inputs::new("1").file(&workspace.root().join("package-lock.json"))?;
    let installed = workspace.root().join("node_modules");
    stamp::make_if_changed(&installed, inputs, || {
        process::step("installing npm packages", "half a minute, once");
        process::run(
            npm(workspace)
                .args(["ci", "--no-audit", "--no-fund"])
                // The tests use the system's Chromium.
                .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1"),
        )
    })?;
    Ok(())
}

/// `npm`, run in the clone's root.
pub(crate) fn npm(workspace: &Workspace) -> Command {
    workspace.command("npm")
}

/// A program that an installed npm package brings along.
pub(crate) fn program(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.root().join("node_modules/.bin").join(name)
}
