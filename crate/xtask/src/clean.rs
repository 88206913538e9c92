//! Removing what was made.

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{pack, process, stamp, wasm};

/// Removes the build output and the packed models. Downloads stay in the cache, and
/// so does `node_modules`, which is one.
pub(crate) fn clean(workspace: &Workspace) -> Result<()> {
    for output in pack::outputs(workspace).chain(wasm::outputs(workspace)) {
        stamp::remove_output(&output)?;
    }
    for package in ["web", "www", "examples"] {
        stamp::remove_output(&workspace.root().join(package).join("dist"))?;
    }
    process::run(workspace.command("cargo").arg("clean"))
}
