//! Files that a command writes.
//!
//! Nobody's file is written over: a file that is read is never replaced, one that is of
//! another kind or of another run only where that is asked for, and none is ever there in part,
//! because what is new is written beside it and takes its name in the end.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a file cannot be written.
#[derive(Debug, Error)]
pub(crate) enum OutputError {
    /// It is one of the files that are read.
    #[error(
        "{option} {} is {}, which is read; name another file",
        path.display(),
        input.display()
    )]
    Input {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// The file that is read, as it was named.
        input: PathBuf,
    },
    /// It is what another option names, too.
    #[error("{option} and {other} both name {}; name two files", path.display())]
    Twice {
        /// The option that names it.
        option: &'static str,
        /// The other one.
        other: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Somebody else's file is there.
    #[error(
        "{option} {} is there already and {reason}; name another file, or replace it with --force",
        path.display()
    )]
    Foreign {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Its kind instead.
        reason: String,
    },
    /// A folder is there.
    #[error("{option} {} is a folder; name a file", path.display())]
    Folder {
        /// The option that names it.
        option: &'static str,
        /// The folder.
        path: PathBuf,
    },
    /// The folder that it should lie in is not there.
    #[error("{option} {}: the folder {} is not there; make it first", path.display(), folder.display())]
    NoFolder {
        /// The option that names the file.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// The file system refuses.
    #[error("{option} {}: {source}", path.display())]
    Io {
        /// The option that names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A file to be written.
pub(crate) struct OutputFile {
    option: &'static str,
    /// As it was named.
    named: PathBuf,
    /// Where it lies, links followed.
    path: PathBuf,
    found: Found,
}

/// The file that was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    File,
    /// A device or a pipe, which holds nothing that could be lost.
    Stream,
}

impl OutputFile {
    /// The file that `option` names.
    ///
    /// # Errors
    /// Where a folder is there, or no folder to put it into.
    pub(crate) fn new(option: &'static str, named: &Path) -> Result<Self, OutputError> {
        let io = |source| OutputError::Io {
            option,
            path: named.to_owned(),
            source,
        };
        let (path, found) = match fs::metadata(named) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(OutputError::Folder {
                    option,
                    path: named.to_owned(),
                });
            }
            Ok(metadata) if metadata.is_file() => {
                (fs::canonicalize(named).map_err(io)?, Found::File)
            }
            Ok(_) => (named.to_owned(), Found::Stream),
            // A link that leads nowhere is somebody's, too.
            Err(_) if named.is_symlink() => {
                return Err(OutputError::Foreign {
                    option,
                    path: named.to_owned(),
                    reason: "is a link that leads nowhere".to_owned(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = folder_of(named);
                let found = fs::canonicalize(folder).map_err(|_| OutputError::NoFolder {
                    option,
                    path: named.to_owned(),
                    folder: folder.to_owned(),
                })?;
                let name = named.file_name().unwrap_or(OsStr::new(""));
                (found.join(name), Found::Nothing)
            }
            Err(error) => return Err(io(error)),
        };
        Ok(Self {
            option,
            named: named.to_owned(),
            path,
            found,
        })
    }

    /// The file as it was named.
    pub(crate) fn named(&self) -> &Path {
        &self.named
    }

    /// Whether a file is there already.
    pub(crate) fn is_there(&self) -> bool {
        self.found == Found::File
    }

    /// Checks that it is none of the files that are read, in whatever spelling and by whatever
    /// link.
    ///
    /// # Errors
    /// If it is one of them, or that cannot be told.
    pub(crate) fn is_none_of<'a>(
        &self,
        inputs: impl IntoIterator<Item = &'a PathBuf>,
    ) -> Result<(), OutputError> {
        if self.found != Found::File {
            return Ok(());
        }
        for input in inputs {
            if self.is_same_file(input)? {
                return Err(OutputError::Input {
                    option: self.option,
                    path: self.named.clone(),
                    input: input.clone(),
                });
            }
        }
        Ok(())
    }

    /// Whether `other` is the same file. One that is not there is another; if a file cannot be
    /// looked at, nothing is known of it and nothing may be written.
    fn is_same_file(&self, other: &Path) -> Result<bool, OutputError> {
        match same_file::is_same_file(&self.path, other) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            same => same.map_err(|source| OutputError::Io {
                option: self.option,
                path: self.named.clone(),
                source,
            }),
        }
    }

    /// Checks that it is another file than another option names.
    ///
    /// # Errors
    /// If it is the same, or that cannot be told.
    pub(crate) fn is_another_than(&self, other: &Self) -> Result<(), OutputError> {
        let same = self.path == other.path || self.is_same_file(&other.path)?;
        match same && self.found != Found::Stream {
            false => Ok(()),
            true => Err(OutputError::Twice {
                option: self.option,
                other: other.option,
                path: self.named.clone(),
            }),
        }
    }

    /// The content of the file that is there, if there is one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn content(&self) -> Result<Option<Vec<u8>>, OutputError> {
        match self.found {
            Found::File => fs::read(&self.path)
                .map(Some)
                .map_err(|source| self.io(source)),
            Found::Nothing | Found::Stream => Ok(None),
        }
    }

    /// An error that says what the file that is there is instead.
    pub(crate) fn foreign(&self, reason: impl Into<String>) -> OutputError {
        OutputError::Foreign {
            option: self.option,
            path: self.named.clone(),
            reason: reason.into(),
        }
    }

    /// An error of the file system.
    pub(crate) fn io(&self, source: io::Error) -> OutputError {
        OutputError::Io {
            option: self.option,
            path: self.named.clone(),
            source,
        }
    }

    /// Writes the whole file: beside, and then under its name.
    ///
    /// # Errors
    /// Where that cannot be done, or a file has come there in the meantime; what was there
    /// stays as it was then.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        self.try_write(bytes).map_err(|source| self.io(source))?;
        if self.found == Found::Nothing {
            self.found = Found::File;
        }
        Ok(())
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<()> {
        if self.found == Found::Stream {
            return OpenOptions::new()
                .write(true)
                .open(&self.path)?
                .write_all(bytes);
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".flamingo-");
        let permissions = match self.found {
            Found::File => Some(fs::metadata(&self.path)?.permissions()),
            _ => anyones(),
        };
        if let (Found::Nothing, Some(permissions)) = (self.found, &permissions) {
            builder.permissions(permissions.clone());
        }
        let mut beside = builder.tempfile_in(folder_of(&self.path))?;
        beside.write_all(bytes)?;
        beside.as_file().sync_all()?;
        match self.found {
            Found::File => {
                if let Some(permissions) = permissions {
                    beside.as_file().set_permissions(permissions)?;
                }
                beside.persist(&self.path)?;
            }
            _ => {
                beside.persist_noclobber(&self.path)?;
            }
        }
        Ok(())
    }

    /// Opens it to write more behind what it holds.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub(crate) fn append(&self) -> Result<File, OutputError> {
        OpenOptions::new()
            .append(true)
            .open(&self.path)
            .map_err(|source| self.io(source))
    }
}

/// Permissions of a new file before the process's mask, as every other program has them: a file
/// for a while has its owner's only.
fn anyones() -> Option<fs::Permissions> {
    #[cfg(unix)]
    {
        Some(std::os::unix::fs::PermissionsExt::from_mode(0o666))
    }
    #[cfg(not(unix))]
    {
        None
    }
}

/// The folder of a file, which has a name also where it is the present one.
fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_input_is_known_in_every_spelling() {
        let folder = tempfile::tempdir().unwrap();
        let here = |name: &str| folder.path().join(name);
        fs::create_dir(here("in")).unwrap();
        fs::write(here("items"), b"1").unwrap();
        fs::write(here("other"), b"1").unwrap();
        fs::hard_link(here("items"), here("hard")).unwrap();
        let items = here("items");
        let check = |name: &str| {
            let output = OutputFile::new("--output", &here(name))?;
            output.is_none_of([&PathBuf::from("/nowhere"), &items])
        };
        check("other").unwrap();
        check("new").unwrap();
        for name in ["items", "in/../items", "./items", "hard"] {
            let error = check(name).unwrap_err();
            assert!(matches!(error, OutputError::Input { .. }), "{error}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(here("items"), here("soft")).unwrap();
            std::os::unix::fs::symlink(here("nowhere"), here("loose")).unwrap();
            assert!(matches!(check("soft"), Err(OutputError::Input { .. })));
            assert!(matches!(check("loose"), Err(OutputError::Foreign { .. })));
        }
        assert!(matches!(check("in"), Err(OutputError::Folder { .. })));
        assert!(matches!(check("no/new"), Err(OutputError::NoFolder { .. })));
    }

    #[test]
    fn two_outputs_are_two_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| OutputFile::new("--plot", &folder.path().join(name)).unwrap();
        assert!(at("new").is_another_than(&at("./new")).is_err());
        at("new").is_another_than(&at("newer")).unwrap();
    }

    #[test]
    fn a_file_is_written_whole_and_none_that_came_in_between_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut output = OutputFile::new("--output", &path).unwrap();
        assert_eq!(output.content().unwrap(), None);
        output.write(b"one").unwrap();
        output.write(b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let other = folder.path().join("b");
        let mut late = OutputFile::new("--output", &other).unwrap();
        fs::write(&other, b"somebody's").unwrap();
        assert!(late.write(b"mine").is_err());
        assert_eq!(fs::read(&other).unwrap(), b"somebody's");
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_links_and_modes_stay_modes() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, b"old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        OutputFile::new("--output", &link)
            .unwrap()
            .write(b"new")
            .unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        OutputFile::new("--output", Path::new("/dev/null"))
            .unwrap()
            .write(b"gone")
            .unwrap();
    }
}
