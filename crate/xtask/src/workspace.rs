//! Where things lie: the clone, the cache of downloads, the build output.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// The folders that every step works in.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    cache: PathBuf,
}

impl Workspace {
    /// Asks cargo for the clone's root and its build folder, and the environment
    /// (`FLAMINGO_CACHE`) for the cache of downloads, which is `.cache` otherwise.
    pub(crate) fn find() -> Result<Self> {
        let metadata = process::output(Command::new("cargo").args([
            "metadata",
            "--format-version=1",
            "--no-deps",
        ]))?;
        let metadata: Value = serde_json::from_str(&metadata)?;
        let folder = |key: &str| {
            metadata[key]
                .as_str()
                .map(PathBuf::from)
                .with_context(|| format!("cargo metadata has no {key}"))
        };
        let root = folder("workspace_root")?;
        // Joining an absolute path yields that path, so both kinds are right here.
        let cache = root.join(env::var_os("FLAMINGO_CACHE").unwrap_or_else(|| ".cache".into()));
        Ok(Self {
            target: folder("target_directory")?,
            root,
            cache,
        })
    }

    /// The clone.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's build folder.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Downloads and tools, which outlive the clone where `FLAMINGO_CACHE` says so.
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// The command line program `flamingo`, once [`crate::build::programs`] has run.
    pub(crate) fn program(&self) -> PathBuf {
        self.built("flamingo")
    }

    /// The program that packs models, once [`crate::build::converter`] or
    /// [`crate::build::programs`] has run.
    pub(crate) fn converter(&self) -> PathBuf {
        self.built("flamingo-convert")
    }

    fn built(&self, name: &str) -> PathBuf {
        let file = format!("{name}{}", env::consts::EXE_SUFFIX);
        self.target.join("release").join(file)
    }

    /// The folder of packed models.
    pub(crate) fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// A program run in the clone's root, which is told where the cache is.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.root)
            .env("FLAMINGO_CACHE", &self.cache);
        command
    }
}
