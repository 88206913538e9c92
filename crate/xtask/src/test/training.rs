//! The training code: its style, and its tests with pytest and PyTorch.

use anyhow::Result;

use super::report;
use super::tally::Tally;
use crate::workspace::Workspace;
use crate::{process, python};

/// The style of the Python code.
pub(super) fn ruff(workspace: &Workspace) -> Result<Tally> {
    let python = python::training(workspace)?;
    let mut command = workspace.command(python);
    command.args(["-m", "ruff", "check", "training"]);
    Ok(Tally::check(process::run_reading(&mut command, |_| ())?))
}

/// The tests proper.
pub(super) fn tests(workspace: &Workspace) -> Result<Tally> {
    let python = python::training(workspace)?;
    report::collect(workspace, report::pytest, |file| {
        let mut command = workspace.command(&python);
        command
            .current_dir(workspace.root().join("training"))
            .args(["-m", "pytest", "tests", "--junit-xml"])
            .arg(file);
        command
    })
}
