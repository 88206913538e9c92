//! The parts that a model was made of, with their terms.

use serde::{Deserialize, Serialize};

use super::ManifestError;

/// Most parts of a model.
pub const MAX_PARTS: usize = 16;

/// Longest text about a part, in bytes.
pub const MAX_PART_TEXT_BYTES: usize = 1024;

/// SPDX's word for a licence or a source that nobody told.
pub const NO_ASSERTION: &str = "NOASSERTION";

/// A part that a model was made of: who made it, and on which terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelPart {
    /// Which part.
    pub kind: PartKind,
    /// Name for people.
    pub name: String,
    /// Where it was published: a URL, a package, a commit; [`NO_ASSERTION`] if that is unknown.
    pub source: String,
    /// SPDX expression of its licence; [`NO_ASSERTION`] if that is unknown.
    pub licence: String,
}

/// The place of a part in a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// A released checkpoint: the bridges, and whatever else lies in its files.
    Checkpoint,
    /// Resampler and cross-attention that this project trained.
    Bridges,
    /// The vision encoder.
    Vision,
    /// The language model.
    Language,
    /// The tokenizer.
    Tokenizer,
}

impl PartKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Checkpoint,
        Self::Bridges,
        Self::Vision,
        Self::Language,
        Self::Tokenizer,
    ];

    /// Its name in `model.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Bridges => "bridges",
            Self::Vision => "vision",
            Self::Language => "language",
            Self::Tokenizer => "tokenizer",
        }
    }
}

impl ModelPart {
    /// Checks the texts of part number `index`: each one line, neither empty nor too long.
    fn check(&self, index: usize) -> Result<(), ManifestError> {
        for (field, text) in [
            ("name", &self.name),
            ("source", &self.source),
            ("licence", &self.licence),
        ] {
            if !is_part_text(text) {
                return Err(ManifestError::PartText {
                    index,
                    field,
                    text: text.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Whether a text may stand in a [`ModelPart`]: one line of 1 to [`MAX_PART_TEXT_BYTES`] bytes.
pub fn is_part_text(text: &str) -> bool {
    !text.trim().is_empty()
        && text.len() <= MAX_PART_TEXT_BYTES
        && !text.chars().any(char::is_control)
}

/// Checks the parts of a model.
pub(super) fn check(parts: &[ModelPart]) -> Result<(), ManifestError> {
    if parts.len() > MAX_PARTS {
        return Err(ManifestError::PartCount { found: parts.len() });
    }
    let mut parts = parts.iter().enumerate();
    parts.try_for_each(|(index, part)| part.check(index))
}

/// The licence of a whole, as an SPDX expression: what all of its parts ask, each once;
/// [`NO_ASSERTION`] if that of a part is unknown.
///
/// ```
/// use flamingo_weights::manifest::licence_of_all;
///
/// assert_eq!(licence_of_all(["MIT", "Apache-2.0", "MIT"]), "MIT AND Apache-2.0");
/// assert_eq!(licence_of_all(["MIT OR Apache-2.0", "MIT"]), "(MIT OR Apache-2.0) AND MIT");
/// assert_eq!(licence_of_all(["MIT", "NOASSERTION"]), "NOASSERTION");
/// ```
pub fn licence_of_all<'a>(licences: impl IntoIterator<Item = &'a str>) -> String {
    let mut all: Vec<&str> = Vec::new();
    for licence in licences {
        if licence == NO_ASSERTION {
            return NO_ASSERTION.to_owned();
        }
        if !all.contains(&licence) {
            all.push(licence);
        }
    }
    match all[..] {
        [] => NO_ASSERTION.to_owned(),
        [only] => only.to_owned(),
        _ => {
            // `OR` binds weaker than `AND`.
            let terms = all.iter().map(|licence| match licence.contains(" OR ") {
                true => format!("({licence})"),
                false => (*licence).to_owned(),
            });
            terms.collect::<Vec<_>>().join(" AND ")
        }
    }
}
