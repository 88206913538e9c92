//! The folder that a model is written to: there when it is whole, and not before.
//!
//! A model is written to a hidden folder beside the one it is for, `.NAME.partial`, and
//! renamed when nothing is missing. So a run that is interrupted leaves no half model,
//! and the one that was there before still works. What an interrupted run left in the
//! hidden folder goes with the next run.
//!
//! Only a model takes the place of a model: of a folder that holds anything else, or of a
//! file, nothing is touched.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use flamingo_weights::manifest::{MANIFEST_FILE, MAX_MANIFEST_BYTES, is_file_name};
use serde::Deserialize;
use thiserror::Error;

/// File within the hidden folder that is locked while a run writes there.
const LOCK: &str = "lock";

/// The model within the hidden folder.
const NEW: &str = "new";

/// The earlier model within the hidden folder, while the new one takes its place.
const EARLIER: &str = "earlier";

/// Whether a model that is there already is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// It stays, and there is an error.
    Keep,
    /// The new one takes its place.
    Replace,
}

/// A model's folder in the making. Dropped before [`finish`](Self::finish), it leaves
/// nothing.
#[derive(Debug)]
pub struct Output {
    /// Where the model is to be, links followed.
    target: PathBuf,
    earlier: Earlier,
    /// The hidden folder.
    partial: PathBuf,
    /// Locked until this value is dropped.
    _lock: File,
}

impl Output {
    /// Begins the model that is to be at `target`. Folders above it are made where they
    /// are missing.
    ///
    /// # Errors
    /// Where something is at `target` that is not to be replaced, or another run writes
    /// to the same place, so that it is told before the work and not after it.
    pub fn begin(target: &Path, earlier: Earlier) -> Result<Self, OutputError> {
        // A link keeps pointing to where it does.
        let target = match fs::symlink_metadata(target) {
            Ok(metadata) if metadata.is_symlink() => {
                fs::canonicalize(target).map_err(OutputError::io(target))?
            }
            _ => target.to_owned(),
        };
        check(&target, earlier)?;
        let Some(name) = target.file_name() else {
            return Err(OutputError::NoName { path: target });
        };
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(".partial");
        let partial = target.with_file_name(hidden);
        let lock = lock(&partial, &target)?;
        let output = Self {
            target,
            earlier,
            partial,
            _lock: lock,
        };
        output.put_back_earlier()?;
        check(&output.target, earlier)?;
        remove(&output.folder())?;
        fs::create_dir(output.folder()).map_err(OutputError::io(&output.folder()))?;
        Ok(output)
    }

    /// The folder to write to, which is empty at first.
    pub fn folder(&self) -> PathBuf {
        self.partial.join(NEW)
    }

    /// Where the model is to be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Puts what was written in its place.
    ///
    /// # Errors
    /// Where something has come there in the meantime that is not to be replaced, or
    /// those of the file system. What was there before is there then.
    pub fn finish(self) -> Result<(), OutputError> {
        let Self {
            target, partial, ..
        } = &self;
        let earlier = partial.join(EARLIER);
        let is_there = check(target, self.earlier)?;
        if is_there {
            fs::rename(target, &earlier).map_err(OutputError::io(target))?;
        }
        if let Err(error) = fs::rename(self.folder(), target) {
            self.put_back_earlier()?;
            return Err(OutputError::io(target)(error));
        }
        remove(&earlier)
    }

    /// Puts the earlier model back where a run ended between two renames.
    fn put_back_earlier(&self) -> Result<(), OutputError> {
        let earlier = self.partial.join(EARLIER);
        if !is_there(&earlier)? {
            return Ok(());
        }
        if is_there(&self.target)? {
            return remove(&earlier);
        }
        fs::rename(&earlier, &self.target).map_err(OutputError::io(&self.target))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // Where the system refuses, the next run tries again. An earlier model that could
        // not be put back stays in the hidden folder.
        drop(fs::remove_dir_all(self.folder()));
        drop(fs::remove_file(self.partial.join(LOCK)));
        drop(fs::remove_dir(&self.partial));
    }
}

/// Makes the hidden folder and locks it.
fn lock(partial: &Path, target: &Path) -> Result<File, OutputError> {
    let path = partial.join(LOCK);
    if is_there(partial)? {
        for name in names(partial)? {
            if ![LOCK, NEW, EARLIER].iter().any(|ours| name == *ours) {
                return Err(OutputError::Foreign {
                    path: partial.to_owned(),
                    found: format!("`{}` in it is of no model in the making", name.display()),
                });
            }
        }
    }
    loop {
        fs::create_dir_all(partial).map_err(OutputError::io(partial))?;
        let mut options = File::options();
        let lock = match options.create(true).append(true).open(&path) {
            // A run that ends removes the folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !partial.exists() => continue,
            lock => lock.map_err(OutputError::io(&path))?,
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OutputError::Busy {
                    path: target.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(OutputError::io(&path)(error)),
        }
        // A run that ended in the meantime removed the file with the folder: its lock
        // keeps nobody away.
        if is_there(&path)? {
            return Ok(lock);
        }
    }
}

/// Checks that a model may be put at `target`, and returns whether something is there.
fn check(target: &Path, earlier: Earlier) -> Result<bool, OutputError> {
    let metadata = match fs::metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        metadata => metadata.map_err(OutputError::io(target))?,
    };
    let foreign = |found: String| OutputError::Foreign {
        path: target.to_owned(),
        found,
    };
    if !metadata.is_dir() {
        return Err(foreign("it is a file".to_owned()));
    }
    let names = names(target)?;
    // An empty folder has nothing to lose.
    if names.is_empty() {
        return Ok(true);
    }
    let Some(files) = model_files(target)? else {
        return Err(foreign(format!("it has no {MANIFEST_FILE} of a model")));
    };
    let is_foreign = |name: &&OsString| !name.to_str().is_some_and(|name| files.contains(name));
    if let Some(name) = names.iter().find(is_foreign) {
        let name = name.display();
        return Err(foreign(format!("`{name}` in it is no part of a model")));
    }
    match earlier {
        Earlier::Keep => Err(OutputError::Exists {
            path: target.to_owned(),
        }),
        Earlier::Replace => Ok(true),
    }
}

/// The names of all files of the model in `folder`; nothing where it holds none.
///
/// No more of `model.json` is asked than what every version has: a model of an earlier
/// version is replaced as any other, and so is one with damaged weights.
fn model_files(folder: &Path) -> Result<Option<HashSet<String>>, OutputError> {
    #[derive(Deserialize)]
    struct Manifest {
        #[expect(dead_code, reason = "by this a model.json is told from another")]
        format_version: u32,
        shards: Vec<Shard>,
    }
    #[derive(Deserialize)]
    struct Shard {
        file: String,
    }

    let path = folder.join(MANIFEST_FILE);
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OutputError::io(&path)(error)),
        Ok(metadata) if !metadata.is_file() || metadata.len() > MAX_MANIFEST_BYTES as u64 => {
            return Ok(None);
        }
        Ok(_) => {}
    }
    let json = fs::read(&path).map_err(OutputError::io(&path))?;
    let Ok(Manifest { shards, .. }) = serde_json::from_slice(&json) else {
        return Ok(None);
    };
    let mut files = HashSet::from([MANIFEST_FILE.to_owned()]);
    for Shard { file } in shards {
        if !is_file_name(&file) {
            return Ok(None);
        }
        files.insert(file);
    }
    Ok(Some(files))
}

/// The names of what is in `folder`, sorted.
fn names(folder: &Path) -> Result<Vec<OsString>, OutputError> {
    let io = |error| OutputError::io(folder)(error);
    let names: Result<Vec<_>, _> = fs::read_dir(folder)
        .map_err(io)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect();
    let mut names = names.map_err(io)?;
    names.sort();
    Ok(names)
}

fn is_there(path: &Path) -> Result<bool, OutputError> {
    path.try_exists().map_err(OutputError::io(path))
}

/// Removes a folder, which need not be there.
fn remove(folder: &Path) -> Result<(), OutputError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(OutputError::io(folder)(error))
        }
        _ => Ok(()),
    }
}

/// Why a model cannot be put where it is to be.
#[derive(Debug, Error)]
pub enum OutputError {
    /// A model is there.
    #[error(
        "there is a model at {} already; --force replaces it, or name another folder",
        path.display()
    )]
    Exists {
        /// The model's folder.
        path: PathBuf,
    },
    /// Something is there that is no model.
    #[error(
        "{} is not replaced by a model: {found}; move it away, or name another folder",
        path.display()
    )]
    Foreign {
        /// The path that is taken.
        path: PathBuf,
        /// How it is told from a model.
        found: String,
    },
    /// Another run writes to the same place.
    #[error(
        "another run is writing the model {}; wait until it ends, or name another folder",
        path.display()
    )]
    Busy {
        /// Where its model is to be.
        path: PathBuf,
    },
    /// A path that ends in no name.
    #[error("{} has no name for a folder; name one that a model may be in", path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl OutputError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
