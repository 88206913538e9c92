//! Text files that people wrote, line by line, with the places of what is wrong in them.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use flamingo_weights::excerpt::one_line;
use flamingo_weights::text::{BYTE_ORDER_MARK, EncodingError, text_of};
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Why a text file cannot be read.
#[derive(Debug, Error)]
pub(crate) enum TextFileError {
    /// The file system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is in another encoding than UTF-8.
    #[error("{}: {source}", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Which.
        source: EncodingError,
    },
    /// It has no line with anything on it.
    #[error("{} holds no {what}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// The lines that were expected.
        what: &'static str,
    },
}

/// A line of a text file that cannot be used.
#[derive(Debug, Error)]
#[error("{}:{line}: {reason}", path.display())]
pub(crate) struct LineError {
    /// The file.
    pub(crate) path: PathBuf,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The fault.
    pub(crate) reason: String,
}

/// Why a text file does not hold what it should.
#[derive(Debug, Error)]
pub(crate) enum ReadError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] TextFileError),
    /// A line of it cannot be used.
    #[error(transparent)]
    Line(#[from] LineError),
}

/// A text file with one thing a line.
pub(crate) struct TextFile {
    path: PathBuf,
    text: String,
}

/// A line with something on it.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    path: &'a Path,
    number: usize,
    text: &'a str,
}

impl TextFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read or is no text in UTF-8.
    pub(crate) fn read(path: &Path) -> Result<Self, TextFileError> {
        let bytes = fs::read(path).map_err(|source| TextFileError::Io {
            path: path.to_owned(),
            source,
        })?;
        let text = text_of(&bytes).map_err(|source| TextFileError::Encoding {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            text: text.to_owned(),
        })
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The picture or clip that a line names, relative to the file's folder.
    ///
    /// # Errors
    /// As [`check_file_name`]; and where it is that folder itself, or one around it, in whatever
    /// spelling.
    pub(crate) fn path_of(&self, field: &str, name: &str) -> Result<PathBuf, String> {
        check_file_name(field, name)?;
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let path = folder.join(name);
        let here = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        // Where one of them is not there, whoever reads it says so.
        let around = fs::canonicalize(&path)
            .and_then(|path| Ok(fs::canonicalize(here)?.starts_with(path)))
            .unwrap_or(false);
        match around {
            true => Err(format!(
                "\"{field}\" is \"{name}\", the folder of this very file or one around it"
            )),
            false => Ok(path),
        }
    }

    /// The lines that hold something, which are to be `what`.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) fn lines(&self, what: &'static str) -> Result<Vec<Line<'_>>, TextFileError> {
        let lines: Vec<Line<'_>> = (1..)
            .zip(self.text.lines())
            // Files that were put one behind the other have a mark at each beginning.
            .map(|(number, text)| (number, text.trim_start_matches(BYTE_ORDER_MARK)))
            .filter(|(_, text)| !text.trim().is_empty())
            .map(|(number, text)| Line {
                path: &self.path,
                number,
                text,
            })
            .collect();
        match lines.is_empty() {
            true => Err(TextFileError::Empty {
                path: self.path.clone(),
                what,
            }),
            false => Ok(lines),
        }
    }
}

impl Line<'_> {
    /// Its number, from 1.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// The fault, with its place.
    pub(crate) fn refused(&self, reason: impl ToString) -> LineError {
        LineError {
            path: self.path.to_owned(),
            line: self.number,
            reason: reason.to_string(),
        }
    }

    /// Reads it as JSON.
    ///
    /// # Errors
    /// Where it is none, or of another form; the error has the column.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, LineError> {
        serde_json::from_str(self.text).map_err(|error| {
            let (column, message) = (error.column(), error.to_string());
            // The line is the file's and stands before the message.
            let place = format!(" at line {} column {column}", error.line());
            let message = one_line(message.strip_suffix(&place).unwrap_or(&message));
            self.refused(match column {
                0 => message,
                column => format!("column {column}: {message}"),
            })
        })
    }
}

/// Checks the name of a file that a line gives.
///
/// # Errors
/// Where it names none: it is empty, or leads to the folder of the file it stands in, or to one
/// around it.
pub(crate) fn check_file_name(field: &str, name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!(
            "\"{field}\" is empty; leave it out, or name a file"
        ));
    }
    let is_name = |component: Component<'_>| matches!(component, Component::Normal(_));
    match Path::new(name).components().any(is_name) {
        true => Ok(()),
        false => Err(format!("\"{field}\" is \"{name}\", which names no file")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn marks_and_line_ends_are_no_part_of_a_line() {
        let (_folder, path) = written("\u{feff}{\"a\":1}\r\n\r\n\u{feff}[2]\n".as_bytes());
        let file = TextFile::read(&path).unwrap();
        let lines = file.lines("things").unwrap();
        let numbers: Vec<usize> = lines.iter().map(Line::number).collect();
        assert_eq!(numbers, [1, 3]);
        assert_eq!(lines[1].json::<Vec<u8>>().unwrap(), [2]);
    }

    #[test]
    fn what_is_wrong_has_its_place_and_is_short() {
        let long = format!("[1]\n{{\"{}\": 2}}\n", "x".repeat(100_000));
        let (_folder, path) = written(long.as_bytes());
        let file = TextFile::read(&path).unwrap();
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Nothing {}
        let error = file.lines("things").unwrap()[1]
            .json::<Nothing>()
            .unwrap_err();
        let error = error.to_string();
        assert!(error.contains("a.jsonl:2: column "), "{error}");
        assert!(error.len() < 600 && !error.contains("at line 1"), "{error}");

        let (_folder, path) = written(b"[1]\nCaf\xe9");
        let error = TextFile::read(&path).err().unwrap().to_string();
        assert!(error.contains("a.jsonl: line 2 is not in UTF-8"), "{error}");
        let (_folder, path) = written(b" \n\r\n");
        let error = TextFile::read(&path)
            .unwrap()
            .lines("things")
            .err()
            .unwrap();
        assert!(error.to_string().ends_with("a.jsonl holds no things"));
    }

    #[test]
    fn names_that_name_no_file() {
        for name in ["", ".", "./", "..", "../..", "./.", "/", "//"] {
            assert!(check_file_name("image", name).is_err(), "{name}");
        }
        for name in ["a.png", "./a.png", "../a.png", "a", "/a", " "] {
            assert!(check_file_name("image", name).is_ok(), "{name}");
        }
    }
}
