//! What the model said of each item, kept on disk, so that an evaluation that was
//! interrupted goes on where it stopped.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

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

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    run: Run,
    frames: Vec<String>,
    #[serde(flatten)]
    output: Output,
}

/// All outputs so far, in memory and on disk.
pub(super) struct Results {
    outputs: HashMap<Run, Output>,
    file: Option<File>,
}

impl Results {
    /// Takes up what `path` holds; without a path nothing is kept.
    ///
    /// # Errors
    /// Where the file cannot be read or written. A last line that was cut off by an
    /// interruption is dropped.
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else {
            return Ok(Self {
                outputs: HashMap::new(),
                file: None,
            });
        };
        let known = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut outputs = HashMap::new();
        let mut whole = 0;
        for line in known.split_inclusive('\n') {
            match serde_json::from_str::<Line>(line) {
                Ok(Line { run, output, .. }) if line.ends_with('\n') => {
                    outputs.insert(run, output);
                    whole += line.len();
                }
                _ => break,
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        file.set_len(whole as u64)?;
        Ok(Self {
            outputs,
            file: Some(file),
        })
    }

    pub(super) fn get(&self, run: Run) -> Option<&Output> {
        self.outputs.get(&run)
    }

    /// Keeps an output.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn put(&mut self, run: Run, frames: &[String], output: Output) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            let mut line = serde_json::to_vec(&Line {
                run,
                frames: frames.to_owned(),
                output: output.clone(),
            })?;
            line.push(b'\n');
            // In one write, so that an interruption leaves whole lines but the last.
            file.write_all(&line)?;
        }
        self.outputs.insert(run, output);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_interrupted_file_goes_on_behind_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        let run = |item| Run {
            shots: 4,
            seed: 1,
            item,
        };
        let mut results = Results::open(Some(&path)).unwrap();
        results
            .put(
                run(0),
                &["a.jpg".to_owned()],
                Output::Text("a dog".to_owned()),
            )
            .unwrap();
        results
            .put(
                run(1),
                &["b.jpg".to_owned()],
                Output::Scores(vec![-1.5, -2.0]),
            )
            .unwrap();
        drop(results);
        let mut bytes = fs::read(&path).unwrap();
        let whole = bytes.clone();
        bytes.extend_from_slice(b"{\"shots\": 4, \"se");
        fs::write(&path, bytes).unwrap();

        let mut results = Results::open(Some(&path)).unwrap();
        assert_eq!(results.get(run(0)), Some(&Output::Text("a dog".to_owned())));
        assert_eq!(results.get(run(1)), Some(&Output::Scores(vec![-1.5, -2.0])));
        assert_eq!(results.get(run(2)), None);
        assert_eq!(fs::read(&path).unwrap(), whole);
        results
            .put(
                run(2),
                &["c.jpg".to_owned()],
                Output::Text("snow".to_owned()),
            )
            .unwrap();
        assert!(Results::open(Some(&path)).unwrap().get(run(2)).is_some());
    }
}
