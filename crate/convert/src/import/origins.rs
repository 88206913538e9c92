//! Who made the parts of a checkpoint, and on which terms.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use flamingo_weights::manifest::{ModelPart, PartKind, is_part_text};
use thiserror::Error;

use super::{ImportError, Part};
use crate::origin::{self, Origin};
use crate::recognise::Fields;

/// The files of a model, as far as they tell where it is from.
pub(super) struct Sources<'a> {
    pub(super) checkpoint: &'a Part,
    /// The checkpoint's own settings, not those of files that lie beside it.
    pub(super) settings: Option<&'a Fields>,
    pub(super) vision: Option<&'a Part>,
    pub(super) language: Option<&'a Part>,
    pub(super) tokenizer: Option<&'a Path>,
}

impl Sources<'_> {
    /// Every part, in this order: checkpoint, vision encoder, language model, tokenizer, which
    /// may be missing.
    ///
    /// # Errors
    /// If a card cannot be read, or settings are malformed.
    pub(super) fn parts(&self) -> Result<Vec<ModelPart>, ImportError> {
        let checkpoint = self.origin(self.checkpoint, self.settings)?;
        let vision = match self.vision {
            Some(part) => self.origin(part, part.config()?.as_ref())?,
            None => self.within(&checkpoint, "vision_config", "clip_model_type")?,
        };
        let language = match self.language {
            Some(part) => self.origin(part, part.config()?.as_ref())?,
            None => self.within(&checkpoint, "text_config", "lm")?,
        };
        let tokenizer = match self.tokenizer {
            None => None,
            Some(path) => {
                let folder = folder_of(path);
                let lies_beside = |part: &Part| part.folder() == folder;
                Some(match self.language {
                    Some(part) if lies_beside(part) => language.clone(),
                    _ if lies_beside(self.checkpoint) => checkpoint.clone(),
                    _ => card(&folder)?.or(&Origin::of_path(path)).or_known(),
                })
            }
        };
        let parts = [
            (PartKind::Checkpoint, Some(checkpoint)),
            (PartKind::Vision, Some(vision)),
            (PartKind::Language, Some(language)),
            (PartKind::Tokenizer, tokenizer),
        ];
        Ok(parts
            .into_iter()
            .filter_map(|(kind, origin)| Some(origin?.part(kind)))
            .collect())
    }

    /// Origin by the files of a part, or else by its path.
    fn origin(&self, part: &Part, settings: Option<&Fields>) -> Result<Origin, ImportError> {
        let folder = part.folder();
        let all = [Some(self.checkpoint), self.vision, self.language];
        let beside = all.into_iter().flatten();
        // A card among the files of several models says not of which it is.
        let is_shared = beside.filter(|other| other.folder() == folder).count() > 1;
        let card = match is_shared {
            true => Origin::default(),
            false => card(&folder)?,
        };
        let repository = match settings {
            Some(fields) => fields.text("_name_or_path")?.unwrap_or_default(),
            None => "",
        };
        let told = part.told_origin().or(&card);
        let told = told.or(&Origin::of_repository(repository));
        Ok(told.or(&Origin::of_path(part.path())).or_known())
    }

    /// A part that lies in the checkpoint, whose settings may tell of which it was made: in an
    /// object of its own, or by name.
    fn within(&self, checkpoint: &Origin, object: &str, name: &str) -> Result<Origin, ImportError> {
        let inner = self.settings.and_then(|fields| fields.object(object));
        let inner = match &inner {
            Some(fields) => fields.text("_name_or_path")?,
            None => None,
        };
        let named = match self.settings {
            Some(fields) => fields.text(name)?,
            None => None,
        };
        let own = Origin::of_repository(inner.or(named).unwrap_or_default()).or_known();
        let within = Origin {
            name: checkpoint
                .name
                .as_ref()
                .map(|name| format!("within {name}")),
            ..checkpoint.clone()
        };
        Ok(own.or(&within))
    }
}

/// The folder in which the files of a path lie.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.is_dir() {
        true => path.to_owned(),
        false => path.parent().unwrap_or(Path::new("")).to_owned(),
    }
}

fn card(folder: &Path) -> Result<Origin, ImportError> {
    let path = || folder.join("README.md");
    origin::card(folder).map_err(|error| ImportError::io(&path())(error))
}

/// An origin that is given, instead of the one that the files tell: `language.licence=MIT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartFact {
    kind: PartKind,
    field: Field,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    Source,
    Licence,
}

/// The parts of a checkpoint.
const KINDS: [PartKind; 4] = [
    PartKind::Checkpoint,
    PartKind::Vision,
    PartKind::Language,
    PartKind::Tokenizer,
];

const FIELDS: [(&str, Field); 3] = [
    ("name", Field::Name),
    ("source", Field::Source),
    ("licence", Field::Licence),
];

impl PartFact {
    /// Writes it into the part that it is about.
    pub(super) fn apply(&self, parts: &mut [ModelPart]) {
        for part in parts.iter_mut().filter(|part| part.kind == self.kind) {
            let field = match self.field {
                Field::Name => &mut part.name,
                Field::Source => &mut part.source,
                Field::Licence => &mut part.licence,
            };
            field.clone_from(&self.text);
        }
    }
}

impl FromStr for PartFact {
    type Err = MalformedPartFact;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || MalformedPartFact(text.to_owned());
        let (place, value) = text.split_once('=').ok_or_else(malformed)?;
        let (kind, field) = place.split_once('.').ok_or_else(malformed)?;
        let kind = KINDS.into_iter().find(|known| known.name() == kind);
        let field = FIELDS.into_iter().find(|(known, _)| *known == field);
        match (kind, field) {
            (Some(kind), Some((_, field))) if is_part_text(value) => Ok(Self {
                kind,
                field,
                text: value.to_owned(),
            }),
            _ => Err(malformed()),
        }
    }
}

/// A text that says nothing of a part.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` says nothing of a part; write PART.FIELD=TEXT, such as language.licence=Apache-2.0: \
     the parts are checkpoint, vision, language and tokenizer, the fields name, source and licence"
)]
pub struct MalformedPartFact(String);
