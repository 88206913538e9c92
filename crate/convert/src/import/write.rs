//! A checkpoint written as the folder of a model.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use flamingo_weights::manifest::{MANIFEST_FILE, ModelManifest};

use super::{Import, ImportError, ImportOptions, StoredAs};
use crate::pack::ModelDescription;
use crate::recognise::Family;

/// What SPDX says if nobody told the terms of a model.
const UNKNOWN_LICENCE: &str = "NOASSERTION";

/// What to make of which files.
#[derive(Clone, Debug)]
pub struct CheckpointOptions {
    /// The files.
    pub files: ImportOptions,
    /// How the bulk of the model is stored.
    pub stored_as: StoredAs,
    /// The folder to write.
    pub output: PathBuf,
    /// Whether a model that is there already is replaced.
    pub force: bool,
    /// Name for people; the checkpoint's if there is none.
    pub name: Option<String>,
    /// SPDX expression of the licence.
    pub licence: Option<String>,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Report {
    /// The family.
    pub family: Family,
    /// Bytes of the files that were read.
    pub bytes_read: u64,
    /// What was written.
    pub manifest: ModelManifest,
}

/// Makes a model's folder of a released checkpoint.
///
/// The folder is written beside its place and moved there when it is whole, so that a run
/// that is cut off leaves no half model. Only the tensor in hand is in memory.
///
/// # Errors
/// Those of [`Import::open`] and [`Import::packed`]; if the tokenizer is missing; if there is
/// something at `output` and `force` is false, or it is no model's folder; and those of the
/// file system.
pub fn checkpoint(options: &CheckpointOptions) -> Result<Report, ImportError> {
    let place = Place::check(&options.output, options.force)?;
    let import = Import::open(&options.files)?;
    let Some(tokenizer) = import.tokenizer() else {
        return Err(ImportError::NoTokenizer {
            family: import.family().title(),
            tokenizer: "a tokenizer.json, vocab.json with merges.txt, or tokenizer.model; it lies \
                        beside the language model",
        });
    };
    let description = ModelDescription {
        name: options.name.clone().unwrap_or_else(|| name(&import)),
        licence: options
            .licence
            .clone()
            .unwrap_or_else(|| UNKNOWN_LICENCE.to_owned()),
        config: import.config().clone(),
        tokenizer: tokenizer.to_text(),
    };
    let partial = place.start()?;
    let stored_as = options.stored_as;
    let manifest = description.stream(
        &partial.path,
        |spec| stored_as.type_of(spec),
        |spec, tensor_type| import.packed(spec, tensor_type),
    )?;
    partial.finish(&place)?;
    Ok(Report {
        family: import.family(),
        bytes_read: import.byte_len(),
        manifest,
    })
}

/// The family, and what the checkpoint's file or folder is called.
fn name(import: &Import) -> String {
    let path = import.paths().next().unwrap_or(Path::new(""));
    let stem = match path.is_dir() {
        true => path.file_name(),
        false => path.file_stem(),
    };
    match stem {
        Some(stem) => format!("{}: {}", import.family(), stem.to_string_lossy()),
        None => import.family().to_string(),
    }
}

/// Where a model goes.
struct Place {
    path: PathBuf,
}

/// A folder beside the place, gone unless it was finished.
struct Partial {
    path: PathBuf,
    finished: bool,
}

impl Place {
    /// Checks that a model may be written at `path`.
    fn check(path: &Path, force: bool) -> Result<Self, ImportError> {
        let place = Self {
            path: path.to_owned(),
        };
        let is_empty = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => false,
            Err(error) => return Err(ImportError::io(path)(error)),
        };
        match (is_empty, force) {
            (true, _) => Ok(place),
            (false, false) => Err(ImportError::Exists { path: place.path }),
            (false, true) if path.join(MANIFEST_FILE).is_file() => Ok(place),
            (false, true) => Err(ImportError::NoModelThere { path: place.path }),
        }
    }

    /// A path beside the place.
    fn beside(&self, end: &str) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(end);
        self.path.with_file_name(name)
    }

    /// Makes an empty folder beside the place. What a run before left there goes.
    fn start(&self) -> Result<Partial, ImportError> {
        let path = self.beside(".partial");
        remove(&path)?;
        fs::create_dir_all(&path).map_err(ImportError::io(&path))?;
        Ok(Partial {
            path,
            finished: false,
        })
    }
}

impl Partial {
    /// Moves the folder to its place, and what was there out of the way first.
    fn finish(mut self, place: &Place) -> Result<(), ImportError> {
        let before = place.beside(".before");
        remove(&before)?;
        let had_one = place.path.is_dir();
        if had_one {
            fs::rename(&place.path, &before).map_err(ImportError::io(&place.path))?;
        }
        if let Err(error) = fs::rename(&self.path, &place.path) {
            if had_one {
                // Whether or not it goes back, what is told is why the new one is not there.
                let _ = fs::rename(&before, &place.path);
            }
            return Err(ImportError::io(&place.path)(error));
        }
        self.finished = true;
        remove(&before)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.finished {
            // The next run removes what cannot be removed now.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn remove(path: &Path) -> Result<(), ImportError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ImportError::io(path)(error)),
        _ => Ok(()),
    }
}
