//! The page and its models as one folder: for any static host, under any path, or for a
//! memory stick.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::pack;
use crate::workspace::Workspace;

/// What goes into the folder.
#[derive(Args)]
pub(crate) struct Options {
    /// The folder to write; an earlier export in it is replaced
    folder: PathBuf,
    /// A folder of models/ to include; may be given several times
    #[arg(long = "model", default_value = pack::DEFAULT_MODEL)]
    models: Vec<String>,
}

/// Opens the page in the folder without a network, on a machine with Python.
const SERVE: (&str, &str) = ("serve.py", include_str!("serve.py"));

/// Writes the built page and the packed models into the folder.
pub(crate) fn export(workspace: &Workspace, options: &Options) -> Result<()> {
    let folder = workspace.root().join(&options.folder);
    write(
        &workspace.root().join("www/dist"),
        &workspace.models(),
        &options.models,
        &folder,
    )?;
    println!(
        "Exported to {0}: put it on any static host, or open it with: python3 {0}/{1}",
        folder.display(),
        SERVE.0,
    );
    Ok(())
}

/// Writes `page`, and the named ones of `models`, into `folder`.
pub(crate) fn write(page: &Path, models: &Path, names: &[String], folder: &Path) -> Result<()> {
    make_room(folder)?;
    copy_folder(page, folder)?;
    for name in names {
        copy_folder(&models.join(name), &folder.join("models").join(name))?;
    }
    let script = folder.join(SERVE.0);
    fs::write(&script, SERVE.1).with_context(|| format!("cannot write {}", script.display()))
}

/// Removes an earlier export, and nothing that is not one.
fn make_room(folder: &Path) -> Result<()> {
    let Ok(mut entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    if entries.next().is_none() {
        return Ok(());
    }
    if !folder.join(SERVE.0).is_file() || !folder.join("service-worker.js").is_file() {
        bail!(
            "{} holds something else than an exported page; name an empty folder",
            folder.display()
        );
    }
    fs::remove_dir_all(folder).with_context(|| format!("cannot replace {}", folder.display()))
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let context = || format!("cannot copy {} to {}", from.display(), to.display());
    fs::create_dir_all(to).with_context(context)?;
    for entry in fs::read_dir(from).with_context(context)? {
        let entry = entry.with_context(context)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            fs::copy(&source, &target).with_context(context)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::stamp::TestFolder;

    /// A built page with two models, exported with one of them to `site`.
    fn exported(folder: &Path) -> Result<PathBuf> {
        for path in [
            "dist/index.html",
            "dist/service-worker.js",
            "dist/assets/index.js",
            "models/tiny/model.json",
            "models/large/model.json",
        ] {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "content").unwrap();
        }
        let site = folder.join("site");
        let (page, models) = (folder.join("dist"), folder.join("models"));
        write(&page, &models, &["tiny".to_owned()], &site)?;
        Ok(site)
    }

    #[test]
    fn the_page_the_named_models_and_the_script_are_in_the_folder() {
        let folder = TestFolder::new();
        let site = exported(folder.path()).unwrap();
        for file in [
            "index.html",
            "service-worker.js",
            "assets/index.js",
            "models/tiny/model.json",
            "serve.py",
        ] {
            assert!(site.join(file).is_file(), "{file}");
        }
        assert!(!site.join("models/large").exists());
    }

    #[test]
    fn an_earlier_export_is_replaced_whole() {
        let folder = TestFolder::new();
        let site = exported(folder.path()).unwrap();
        let old = site.join("assets/old.js");
        fs::write(&old, "old").unwrap();
        exported(folder.path()).unwrap();
        assert!(!old.exists());
        assert!(site.join("index.html").is_file());
    }

    #[test]
    fn a_folder_with_other_things_is_left_alone() {
        let folder = TestFolder::new();
        let other = folder.path().join("site/thesis.txt");
        fs::create_dir(folder.path().join("site")).unwrap();
        fs::write(&other, "years of work").unwrap();
        let error = exported(folder.path()).unwrap_err();
        assert!(error.to_string().contains("something else"), "{error}");
        assert!(other.is_file());
    }

    #[test]
    fn a_model_that_is_not_there_is_named() {
        let folder = TestFolder::new();
        exported(folder.path()).unwrap();
        let (page, models) = (folder.path().join("dist"), folder.path().join("models"));
        let names = ["huge".to_owned()];
        let error = write(&page, &models, &names, &folder.path().join("other")).unwrap_err();
        assert!(error.to_string().contains("huge"), "{error}");
    }
}
