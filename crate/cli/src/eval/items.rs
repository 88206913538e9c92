//! Tasks to evaluate: one line of JSON an item.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::failure::Failure;

/// One thing to be answered, and what would be right.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// The image's file, as the line names it.
    pub(super) image: String,
    /// The question; empty where there is none.
    pub(super) question: String,
    /// What would be right.
    pub(super) expected: Expected,
    /// What the item is counted under: its source, or nothing.
    pub(super) group: String,
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
}

/// What is done with items, which is the same for all of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskKind {
    Captioning,
    VisualQuestions,
    Classification,
    MultipleChoice,
}

impl Expected {
    pub(super) fn kind(&self) -> TaskKind {
        match self {
            Self::Captions(_) => TaskKind::Captioning,
            Self::Answers(_) => TaskKind::VisualQuestions,
            Self::Label(_) => TaskKind::Classification,
            Self::Choice { .. } => TaskKind::MultipleChoice,
        }
    }

    /// The text that an example of this item shows: the first caption or answer, as
    /// OpenFlamingo's evaluation takes it.
    pub(super) fn example_text(&self) -> &str {
        let text = match self {
            Self::Captions(texts) | Self::Answers(texts) => texts.first(),
            Self::Label(label) => Some(label),
            Self::Choice { choices, right } => choices.get(*right),
        };
        text.map_or("", String::as_str)
    }
}

#[derive(Deserialize)]
struct Line {
    image: String,
    #[serde(default)]
    question: String,
    #[serde(default)]
    source: String,
    captions: Option<Vec<String>>,
    answers: Option<Vec<String>>,
    label: Option<String>,
    choices: Option<Vec<String>>,
    answer: Option<usize>,
}

impl Line {
    fn expected(self) -> Result<(String, String, String, Expected), &'static str> {
        let expected = match (self.captions, self.answers, self.label, self.choices) {
            (Some(texts), None, None, None) if !texts.is_empty() => Expected::Captions(texts),
            (None, Some(texts), None, None) if !texts.is_empty() => Expected::Answers(texts),
            (None, None, Some(label), None) => Expected::Label(label),
            (None, None, None, Some(choices)) => match self.answer {
                Some(right) if right < choices.len() => Expected::Choice { choices, right },
                _ => return Err("\"answer\" must be the place of the right choice, from 0"),
            },
            _ => {
                return Err(
                    "an item needs \"captions\", \"answers\", \"label\" or \"choices\", \
                     and only one of them",
                );
            }
        };
        Ok((self.image, self.question, self.source, expected))
    }
}

/// Reads a file of items, all of one kind; empty lines are skipped.
///
/// # Errors
/// Where it cannot be read, a line is no item, or is of another kind than the first.
pub(super) fn read(path: &Path) -> Result<Vec<Item>, Failure> {
    let text = fs::read_to_string(path).map_err(|source| Failure::Shots {
        path: path.to_owned(),
        source,
    })?;
    let mut items: Vec<Item> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let refused = |reason: String| Failure::Line {
            path: path.to_owned(),
            line: index + 1,
            reason,
        };
        let line: Line = serde_json::from_str(line).map_err(|error| refused(error.to_string()))?;
        let (image, question, group, expected) = line
            .expected()
            .map_err(|reason| refused(reason.to_owned()))?;
        if let Some(first) = items.first()
            && first.expected.kind() != expected.kind()
        {
            return Err(refused(
                "it is of another kind than the first item".to_owned(),
            ));
        }
        items.push(Item {
            image,
            question,
            expected,
            group,
        });
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
