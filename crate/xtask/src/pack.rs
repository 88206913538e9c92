//! The models that the page and the tests load, packed from their parts.

use std::path::PathBuf;

use anyhow::Result;

use crate::stamp::{self, Inputs};
use crate::workspace::Workspace;
use crate::{build, process, python};

/// The folder in `models/` that the page loads unless it is told otherwise.
pub(crate) const DEFAULT_MODEL: &str = "flamingo-smollm2-135m";

/// The folder in `models/` that the tests load.
pub(crate) const TINY_MODEL: &str = "tiny";

/// The models that `flamingo-convert` makes, and the folder each goes to.
const MODELS: &[(&str, &str)] = &[("default", DEFAULT_MODEL), ("tiny", TINY_MODEL)];

/// Packs the default model and the tiny one, each when its parts or the program that
/// packs it have changed.
///
/// The program is compiled by itself: nothing that runs a model is needed.
pub(crate) fn models(workspace: &Workspace) -> Result<()> {
    build::converter(workspace)?;
    pack(workspace)
}

/// Builds the programs and packs the models. For tests, which run the programs: the one
/// that packs is among them and need not be compiled once more.
pub(crate) fn models_and_programs(workspace: &Workspace) -> Result<()> {
    build::programs(workspace)?;
    pack(workspace)
}

fn pack(workspace: &Workspace) -> Result<()> {
    let parts = python::parts(workspace)?;
    for ((kind, _), output) in MODELS.iter().zip(outputs(workspace)) {
        let inputs = Inputs::new(kind)
            .file(&workspace.converter())?
            .file(&workspace.root().join("crate/xtask/requirements/parts.txt"))?
            .file(&workspace.root().join("training/bridges.gguf"))?;
        stamp::make_if_changed(&output, inputs, || {
            process::step(&format!("packing the {kind} model"), "ten seconds");
            process::run(
                workspace
                    .command(workspace.converter())
                    .args([kind, "--force", "--parts"])
                    .arg(&parts)
                    .arg("--output")
                    .arg(&output),
            )
        })?;
    }
    Ok(())
}

/// The folders of the packed models.
pub(crate) fn outputs(workspace: &Workspace) -> impl Iterator<Item = PathBuf> {
    let models = workspace.models();
    MODELS.iter().map(move |(_, folder)| models.join(folder))
}
