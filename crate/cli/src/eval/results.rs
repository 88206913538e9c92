//! What the model said of each item, kept on disk, so that an evaluation that was
//! interrupted goes on where it stopped.
//!
//! The first line of the file says what all of it depends on: model, device, options,
//! templates. Each further line is an output, with a hash of what it depends on besides: the
//! item, its images, its examples. An output is taken up only where both are the same.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, TryLockError};
use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::output_file::{OutputError, OutputFile};

/// The version of the form of the file.
const VERSION: u32 = 1;

/// Most numbers of lines that are told.
const MOST_NAMED: usize = 5;

/// Why results cannot be kept.
#[derive(Debug, Error)]
pub(crate) enum ResultsError {
    /// The file cannot be written, or is somebody else's.
    #[error(transparent)]
    File(#[from] OutputError),
    /// It holds results of another run.
    #[error(
        "--output {} holds results of another run, of which differs: {}; name another file, or \
         begin anew with --force",
        path.display(),
        settings.join(", ")
    )]
    Another {
        /// The file.
        path: std::path::PathBuf,
        /// The settings that differ.
        settings: Vec<String>,
    },
    /// Another program writes to it.
    #[error("--output {} is being written by another evaluation; wait for it", path.display())]
    InUse {
        /// The file.
        path: std::path::PathBuf,
    },
}

/// The settings that all outputs of a file depend on, by name.
pub(super) type Settings = BTreeMap<String, Value>;

/// Which run of which item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Run {
    /// Examples in the prompt.
    pub(super) shots: usize,
    /// What the examples were drawn by.
    pub(super) seed: u64,
    /// The item's place in the file.
    pub(super) item: usize,
}

/// What the model said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Output {
    /// Text, as it was generated.
    Text(String),
    /// Log-probabilities of the choices or classes, in their order.
    Scores(Vec<f64>),
}

/// The first line of the file.
#[derive(Serialize, Deserialize)]
struct Header {
    flamingo_results: u32,
    settings: Settings,
}

/// Another line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    #[serde(flatten)]
    pub(super) run: Run,
    /// Files of the item's image.
    pub(super) frames: Vec<String>,
    /// SHA-256 of what the output depends on besides the settings.
    pub(super) of: String,
    /// Whether a text that had to match a pattern was cut off before it did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) unmet: bool,
    #[serde(flatten)]
    pub(super) output: Output,
}

/// All outputs of earlier runs, and the file that takes more.
pub(super) struct Results {
    known: HashMap<Run, Line>,
    file: Option<(OutputFile, File)>,
    /// Numbers of lines that no output could be read from, from 1.
    damaged: Vec<usize>,
}

impl Results {
    /// Keeps nothing.
    pub(super) fn nowhere() -> Self {
        Self {
            known: HashMap::new(),
            file: None,
            damaged: Vec::new(),
        }
    }

    /// Takes up what a file holds. Lines that cannot be read, such as the last one of a run that
    /// was interrupted, are taken out; those behind them stay.
    ///
    /// # Errors
    /// Where the file cannot be read or written, is none of results, or holds those of another
    /// run and is not to begin anew.
    pub(super) fn open(
        mut file: OutputFile,
        settings: Settings,
        anew: bool,
    ) -> Result<Self, ResultsError> {
        let header = Header {
            flamingo_results: VERSION,
            settings,
        };
        let header_line = json_line(&header).map_err(|error| file.io(error))?;
        // Before it is read: another evaluation may be writing to it.
        let mut writer = match file.is_there() {
            true => Some(locked(&file)?),
            false => None,
        };
        let content = match anew {
            true => None,
            false => file.content()?,
        };
        let mut results = Self::nowhere();
        let mut kept = header_line;
        if let Some(content) = content.as_deref().filter(|content| !content.is_empty()) {
            let mut lines = content.split_inclusive(|&byte| byte == b'\n');
            let first = lines.next().unwrap_or_default();
            check_header(&file, first, &header.settings)?;
            for (number, line) in (2..).zip(lines) {
                match serde_json::from_slice::<Line>(line) {
                    Ok(known) if line.ends_with(b"\n") => {
                        kept.extend_from_slice(line);
                        results.known.insert(known.run, known);
                    }
                    _ => results.damaged.push(number),
                }
            }
        }
        if content.as_deref() != Some(&kept) {
            file.write(&kept)?;
            writer = None;
        }
        let writer = match writer {
            Some(writer) => writer,
            None => locked(&file)?,
        };
        results.file = Some((file, writer));
        Ok(results)
    }

    /// A warning about the lines that could not be read.
    pub(super) fn damage(&self) -> Option<String> {
        let (file, _) = self.file.as_ref()?;
        let more = match self.damaged.len() {
            0 => return None,
            count if count > MOST_NAMED => format!(" and {} more", count - MOST_NAMED),
            _ => String::new(),
        };
        let numbers = self.damaged.iter().take(MOST_NAMED);
        let numbers: Vec<String> = numbers.map(ToString::to_string).collect();
        Some(format!(
            "{}: line {}{more} could not be read and was taken out; its item is evaluated anew",
            file.named().display(),
            numbers.join(", ")
        ))
    }

    /// The output of a run that depends on this, if it is known.
    pub(super) fn get(&self, run: Run, of: &str) -> Option<&Line> {
        self.known.get(&run).filter(|line| line.of == of)
    }

    /// Whether something is known of a run that depends on something else.
    pub(super) fn is_stale(&self, run: Run, of: &str) -> bool {
        self.known.get(&run).is_some_and(|line| line.of != of)
    }

    /// Keeps an output.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn put(&mut self, line: &Line) -> Result<(), OutputError> {
        let Some((file, writer)) = &mut self.file else {
            return Ok(());
        };
        // In one write, so that an interruption leaves whole lines but the last.
        json_line(line)
            .and_then(|line| writer.write_all(&line))
            .map_err(|error| file.io(error))
    }

    /// Whether outputs are kept.
    pub(super) fn are_kept(&self) -> bool {
        self.file.is_some()
    }
}

/// The file, to write more behind what it holds, which nobody else does as long as it is open.
fn locked(file: &OutputFile) -> Result<File, ResultsError> {
    let writer = file.append()?;
    match writer.try_lock() {
        Err(TryLockError::WouldBlock) => Err(ResultsError::InUse {
            path: file.named().to_owned(),
        }),
        // Not every file system, nor a pipe, can be locked.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(writer),
    }
}

fn json_line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// Checks that a file begins as one of results under the same settings does.
fn check_header(file: &OutputFile, first: &[u8], settings: &Settings) -> Result<(), ResultsError> {
    let Ok(header) = serde_json::from_slice::<Header>(first) else {
        return Err(file
            .foreign("does not say of which model and options its results are, if it holds any")
            .into());
    };
    if header.flamingo_results != VERSION {
        return Err(file.foreign("is of another version of this program").into());
    }
    let names = settings.keys().chain(header.settings.keys());
    let mut differ: Vec<String> = names
        .filter(|name| settings.get(*name) != header.settings.get(*name))
        .cloned()
        .collect();
    differ.sort();
    differ.dedup();
    match differ.is_empty() {
        true => Ok(()),
        false => Err(ResultsError::Another {
            path: file.named().to_owned(),
            settings: differ,
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn run(item: usize) -> Run {
        Run {
            shots: 4,
            seed: 1,
            item,
        }
    }

    fn line(item: usize, output: Output) -> Line {
        Line {
            run: run(item),
            frames: vec![format!("{item}.jpg")],
            of: format!("hash {item}"),
            unmet: false,
            output,
        }
    }

    fn settings(model: &str) -> Settings {
        let model = ("model".to_owned(), Value::from(model));
        let limit = ("max_new_tokens".to_owned(), Value::from(20));
        Settings::from([model, limit])
    }

    fn open(path: &Path, model: &str, anew: bool) -> Result<Results, ResultsError> {
        let file = OutputFile::new("--output", path).unwrap();
        Results::open(file, settings(model), anew)
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        (folder, path)
    }

    fn text(text: &str) -> Output {
        Output::Text(text.to_owned())
    }

    fn known(results: &Results, item: usize) -> Option<&Output> {
        let line = results.get(run(item), &format!("hash {item}"));
        line.map(|line| &line.output)
    }

    #[test]
    fn an_interrupted_file_goes_on_behind_its_last_whole_line() {
        let (_folder, path) = place();
        let mut results = open(&path, "a", false).unwrap();
        results.put(&line(0, text("a dog"))).unwrap();
        let scores = Output::Scores(vec![-1.5, -2.0]);
        results.put(&line(1, scores.clone())).unwrap();
        drop(results);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], b"{\"shots\": 4, \"se"].concat()).unwrap();

        let mut results = open(&path, "a", false).unwrap();
        assert_eq!(known(&results, 0), Some(&text("a dog")));
        assert_eq!(known(&results, 1), Some(&scores));
        assert_eq!(known(&results, 2), None);
        assert!(
            results
                .damage()
                .unwrap()
                .contains("line 4 could not be read")
        );
        assert_eq!(fs::read(&path).unwrap(), whole);
        results.put(&line(2, text("snow"))).unwrap();
        drop(results);
        let results = open(&path, "a", false).unwrap();
        assert_eq!(known(&results, 2), Some(&text("snow")));
        assert_eq!(results.damage(), None);
    }

    #[test]
    fn what_lies_behind_a_damaged_line_stays() {
        let (_folder, path) = place();
        let mut results = open(&path, "a", false).unwrap();
        for item in 0..4 {
            results.put(&line(item, text("a dog"))).unwrap();
        }
        drop(results);
        let damaged = fs::read_to_string(&path)
            .unwrap()
            .replace("hash 1\",", "hash 1\"");
        fs::write(&path, damaged).unwrap();
        let results = open(&path, "a", false).unwrap();
        assert!(results.damage().unwrap().contains("line 3 "));
        let there: Vec<bool> = (0..4).map(|item| known(&results, item).is_some()).collect();
        assert_eq!(there, [true, false, true, true]);
    }

    #[test]
    fn results_of_another_run_are_not_taken_up_and_stay() {
        let (_folder, path) = place();
        let mut results = open(&path, "a", false).unwrap();
        results.put(&line(0, text("a dog"))).unwrap();
        // What an output depends on has changed.
        drop(results);
        let results = open(&path, "a", false).unwrap();
        assert!(results.get(run(0), "another hash").is_none());
        assert!(results.is_stale(run(0), "another hash"));
        drop(results);
        let before = fs::read(&path).unwrap();
        let error = open(&path, "b", false).err().unwrap().to_string();
        assert!(
            error.contains("of which differs: model; name another file"),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), before);
        let anew = open(&path, "b", true).unwrap();
        assert_eq!(known(&anew, 0), None);
    }

    #[test]
    fn a_file_that_is_none_of_ours_stays_as_it_is() {
        let (_folder, path) = place();
        for content in [
            "{\"image\": \"cat.png\", \"captions\": [\"A cat\"]}\n",
            "{\"shots\":0,\"seed\":42,\"item\":0,\"frames\":[\"a\"],\"text\":\"old\"}\n",
            "not json at all",
            "{\"flamingo_results\":2,\"settings\":{}}\n",
        ] {
            fs::write(&path, content).unwrap();
            let error = open(&path, "a", false).err().unwrap();
            assert!(matches!(error, ResultsError::File(_)), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        fs::write(&path, "").unwrap();
        open(&path, "a", false).unwrap();
    }

    #[test]
    fn two_evaluations_do_not_write_to_one_file() {
        let (_folder, path) = place();
        let first = open(&path, "a", false).unwrap();
        let second = open(&path, "a", false).err().unwrap();
        assert!(matches!(second, ResultsError::InUse { .. }), "{second}");
        drop(first);
        open(&path, "a", false).unwrap();
    }
}
