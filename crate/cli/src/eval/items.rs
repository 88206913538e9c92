//! Tasks to evaluate: one line of JSON an item.

use std::path::Path;

use flamingo_weights::excerpt::one_line;
use regex_automata::meta::Regex;
use serde::Deserialize;

use crate::text_file::{ReadError, TextFile, check_file_name};

/// One thing to be answered, and what would be right.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// The line that it is, from 1.
    pub(super) line: usize,
    /// The image's file, as the line names it; several are the frames of a clip.
    pub(super) frames: Vec<String>,
    /// The question; empty where there is none.
    pub(super) question: String,
    /// What would be right.
    pub(super) expected: Expected,
    /// What the item is counted under: its source, or nothing.
    pub(super) group: String,
    /// The item's own examples; where it has none of its own they are drawn.
    pub(super) shots: Option<Vec<Shot>>,
}

/// An example that belongs to an item.
#[derive(Clone, Debug)]
pub(super) struct Shot {
    /// As an item's; nothing for an example of text only.
    pub(super) frames: Vec<String>,
    /// The question; empty where there is none.
    pub(super) question: String,
    /// The caption or answer.
    pub(super) text: String,
}

/// What would be right.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    /// A caption, as several people wrote it.
    Captions(Vec<String>),
    /// An answer, as one or several people gave it.
    Answers(Vec<String>),
    /// One of the classes that the file's items have.
    Label(String),
    /// One of the item's own choices.
    Choice {
        /// The choices.
        choices: Vec<String>,
        /// The right one.
        right: usize,
    },
    /// Any text that this describes from its beginning to its end.
    Pattern(Regex),
}

/// What is done with items, which is the same for all of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskKind {
    Captioning,
    VisualQuestions,
    Classification,
    MultipleChoice,
    Matching,
}

impl Expected {
    pub(super) fn kind(&self) -> TaskKind {
        match self {
            Self::Captions(_) => TaskKind::Captioning,
            Self::Answers(_) => TaskKind::VisualQuestions,
            Self::Label(_) => TaskKind::Classification,
            Self::Choice { .. } => TaskKind::MultipleChoice,
            Self::Pattern(_) => TaskKind::Matching,
        }
    }

    /// The text that an example of this item shows: the first caption or answer, as
    /// OpenFlamingo's evaluation takes it.
    pub(super) fn example_text(&self) -> &str {
        let text = match self {
            Self::Captions(texts) | Self::Answers(texts) => texts.first(),
            Self::Label(label) => Some(label),
            Self::Choice { choices, right } => choices.get(*right),
            // It describes answers and is none.
            Self::Pattern(_) => None,
        };
        text.map_or("", String::as_str)
    }
}

#[derive(Deserialize)]
struct Line {
    image: Option<String>,
    frames: Option<Vec<String>>,
    #[serde(default)]
    question: String,
    #[serde(default)]
    source: String,
    shots: Option<Vec<ShotLine>>,
    captions: Option<Vec<String>>,
    answers: Option<Vec<String>>,
    label: Option<String>,
    choices: Option<Vec<String>>,
    answer: Option<usize>,
    pattern: Option<String>,
}

#[derive(Deserialize)]
struct ShotLine {
    image: Option<String>,
    frames: Option<Vec<String>>,
    #[serde(default)]
    question: String,
    text: String,
}

/// The files of an image or a clip.
fn frames(image: Option<String>, frames: Option<Vec<String>>) -> Result<Vec<String>, String> {
    let (field, files) = match (image, frames) {
        (Some(_), Some(_)) => return Err("an \"image\" or \"frames\", not both".to_owned()),
        (Some(image), None) => ("image", vec![image]),
        (None, frames) => ("frames", frames.unwrap_or_default()),
    };
    for file in &files {
        check_file_name(field, file)?;
    }
    Ok(files)
}

impl Line {
    fn item(self, line: usize) -> Result<Item, String> {
        let expected = match (
            self.captions,
            self.answers,
            self.label,
            self.choices,
            self.pattern,
        ) {
            (Some(texts), None, None, None, None) if !texts.is_empty() => Expected::Captions(texts),
            (None, Some(texts), None, None, None) if !texts.is_empty() => Expected::Answers(texts),
            (None, None, Some(label), None, None) => Expected::Label(label),
            (None, None, None, Some(choices), None) => match self.answer {
                Some(right) if right < choices.len() => Expected::Choice { choices, right },
                _ => return Err("\"answer\" must be the place of the right choice, from 0".into()),
            },
            (None, None, None, None, Some(pattern)) => {
                let whole = Regex::new(&format!("^(?:{pattern})$"));
                Expected::Pattern(
                    whole.map_err(|error| {
                        format!("\"pattern\": {}", one_line(&error.to_string()))
                    })?,
                )
            }
            _ => {
                return Err(
                    "an item needs \"captions\", \"answers\", \"label\", \"choices\" or \
                     \"pattern\", and only one of them"
                        .into(),
                );
            }
        };
        let frames_of_item = frames(self.image, self.frames)?;
        if frames_of_item.is_empty() {
            return Err("an item needs an \"image\" or \"frames\"".into());
        }
        let own = |shot: ShotLine| -> Result<Shot, String> {
            Ok(Shot {
                frames: frames(shot.image, shot.frames)?,
                question: shot.question,
                text: shot.text,
            })
        };
        Ok(Item {
            line,
            frames: frames_of_item,
            question: self.question,
            expected,
            group: self.source,
            shots: self
                .shots
                .map(|shots| shots.into_iter().map(own).collect())
                .transpose()?,
        })
    }
}

/// Reads a file of items, all of one kind; empty lines are skipped.
///
/// # Errors
/// Where it cannot be read, a line is no item, or is of another kind than the first.
pub(super) fn read(path: &Path) -> Result<Vec<Item>, ReadError> {
    let file = TextFile::read(path)?;
    let mut items: Vec<Item> = Vec::new();
    for line in file.lines("items")? {
        let refused = |reason: String| line.refused(reason);
        let item: Line = line.json()?;
        let item = item.item(line.number()).map_err(refused)?;
        if let Some(first) = items.first() {
            if first.expected.kind() != item.expected.kind() {
                return Err(refused("it is of another kind than the first item".to_owned()).into());
            }
            if first.shots.is_some() != item.shots.is_some() {
                let reason = "either every item has \"shots\" of its own or none";
                return Err(refused(reason.to_owned()).into());
            }
        }
        items.push(item);
    }
    Ok(items)
}

/// The classes of the items, in the order of the alphabet.
pub(super) fn classes(items: &[Item]) -> Vec<String> {
    let mut classes: Vec<String> = items
        .iter()
        .filter_map(|item| match &item.expected {
            Expected::Label(label) => Some(label.clone()),
            _ => None,
        })
        .collect();
    classes.sort();
    classes.dedup();
    classes
}
