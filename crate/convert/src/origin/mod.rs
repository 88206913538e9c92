//! Who published a part, and on which terms: what its files say of themselves, and what is
//! known of released ones.
//!
//! * `card`: the front matter of a `README.md`
//! * `licence`: licences as the hub and GGUF files name them, as SPDX does
//! * `known`: released repositories

mod card;
mod known;
mod licence;

use std::path::{Component, Path};

use flamingo_weights::gguf::Metadata;
use flamingo_weights::manifest::{ModelPart, NO_ASSERTION, PartKind, is_part_text};

pub(crate) use card::read as card;

/// Names of files that tell nothing: those that every repository has.
const GENERIC: [&str; 12] = [
    "checkpoint",
    "model",
    "pytorch_model",
    "open_clip_model",
    "open_clip_pytorch_model",
    "model.safetensors.index",
    "pytorch_model.bin.index",
    "tokenizer",
    "vocab",
    "config",
    "flax_model",
    "consolidated",
];

/// Name, source and licence of a part, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Name for people.
    pub(crate) name: Option<String>,
    /// A URL, or a repository of the hub.
    pub(crate) source: Option<String>,
    /// SPDX expression.
    pub(crate) licence: Option<String>,
}

impl Origin {
    /// Facts of the free text of a safetensors file; the keys are those of the
    /// specification "modelspec", and plain ones.
    pub(crate) fn of_safetensors<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Self {
        let first = |keys: &[&str]| keys.iter().find_map(|key| text(key));
        Self::told(
            first(&["modelspec.title", "name"]),
            first(&["source", "url"]),
            first(&["modelspec.license", "license"]),
        )
    }

    /// Facts of the metadata of a GGUF file.
    pub(crate) fn of_gguf(metadata: &Metadata) -> Self {
        let first = |keys: &[&str]| keys.iter().find_map(|key| metadata.string(key).ok());
        Self::told(
            first(&["general.name"]),
            first(&[
                "general.source.url",
                "general.source.repo_url",
                "general.source.huggingface.repository",
                "general.url",
                "general.repo_url",
            ]),
            match first(&["general.license"]) {
                Some("other") => first(&["general.license.name"]).or(Some("other")),
                told => told,
            },
        )
    }

    /// The repository `owner/name` of the hub, if the text names one.
    pub(crate) fn of_repository(text: &str) -> Self {
        match is_repository(text) {
            true => Self {
                name: Some(text.to_owned()),
                source: Some(hub(text)),
                licence: None,
            },
            false => Self::default(),
        }
    }

    /// Origin by the path of a file or folder: a repository in the cache of the hub's client,
    /// `models--OWNER--NAME`, or the name that whoever downloaded it left.
    pub(crate) fn of_path(path: &Path) -> Self {
        let cached = path.components().find_map(|component| match component {
            Component::Normal(name) => name.to_str()?.strip_prefix("models--"),
            _ => None,
        });
        if let Some((owner, name)) = cached.and_then(|rest| rest.split_once("--")) {
            return Self::of_repository(&format!("{owner}/{name}"));
        }
        let stem = match path.is_dir() {
            true => path.file_name(),
            false => path.file_stem(),
        };
        let folder = path.parent().and_then(Path::file_name);
        let named = stem
            .filter(|stem| !GENERIC.iter().any(|name| stem.eq_ignore_ascii_case(name)))
            .or(folder)
            .or(stem);
        Self {
            name: named.map(|name| name.to_string_lossy().into_owned()),
            ..Self::default()
        }
    }

    fn told(name: Option<&str>, source: Option<&str>, licence: Option<&str>) -> Self {
        let text = |text: Option<&str>| {
            let text = text.map(str::trim).filter(|text| is_part_text(text));
            text.map(str::to_owned)
        };
        Self {
            name: text(name),
            source: text(source).map(|source| match is_repository(&source) {
                true => hub(&source),
                false => source,
            }),
            licence: text(licence).as_deref().and_then(licence::spdx),
        }
    }

    /// This, and what `other` tells beyond it.
    pub(crate) fn or(self, other: &Self) -> Self {
        let or = |told: Option<String>, other: &Option<String>| told.or_else(|| other.clone());
        Self {
            name: or(self.name, &other.name),
            source: or(self.source, &other.source),
            licence: or(self.licence, &other.licence),
        }
    }

    /// This, and what is known of the released part of this name.
    pub(crate) fn or_known(self) -> Self {
        let repository = self.source.as_deref();
        let repository = repository.and_then(|source| source.strip_prefix(HUB));
        let mut names = repository.into_iter().chain(self.name.as_deref());
        let Some((repository, licence)) = names.find_map(known::of) else {
            return self;
        };
        Self {
            name: Some(repository.to_owned()),
            ..self
        }
        .or(&Self {
            source: Some(hub(repository)),
            licence: licence.map(str::to_owned),
            name: None,
        })
    }

    /// The part of a model.
    pub(crate) fn part(self, kind: PartKind) -> ModelPart {
        let or_nothing = |text: Option<String>| {
            let text = text.filter(|text| is_part_text(text));
            text.unwrap_or_else(|| NO_ASSERTION.to_owned())
        };
        ModelPart {
            kind,
            name: or_nothing(self.name),
            source: or_nothing(self.source),
            licence: or_nothing(self.licence),
        }
    }
}

/// Start of the addresses of repositories.
const HUB: &str = "https://huggingface.co/";

/// The address of a repository.
fn hub(repository: &str) -> String {
    format!("{HUB}{repository}")
}

/// Whether a text is `owner/name` as the hub spells repositories, and no path of a disk.
fn is_repository(text: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.len() <= 96
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    match text.split_once('/') {
        Some((owner, name)) => is_name(owner) && is_name(name),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_told_from_a_path() {
        let of = |text| Origin::of_repository(text).source;
        let hub = "https://huggingface.co/anas-awadalla/mpt-7b";
        assert_eq!(of("anas-awadalla/mpt-7b").as_deref(), Some(hub));
        for text in ["gpt2", "/mnt/model", "./model", "a/b/c", "", "a b/c", "a/"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_path_names_the_folder_where_the_file_is_called_as_all_are() {
        let of = |path: &str| Origin::of_path(Path::new(path));
        let named = |path| of(path).name;
        assert_eq!(named("a/mpt-7b/checkpoint.pt").as_deref(), Some("mpt-7b"));
        assert_eq!(named("a/ViT-L-14.pt").as_deref(), Some("ViT-L-14"));
        assert_eq!(named("checkpoint.pt").as_deref(), Some("checkpoint"));
        let cached = of("hub/models--facebook--opt-30b/snapshots/0123/vocab.json");
        assert_eq!(cached.name.as_deref(), Some("facebook/opt-30b"));
        assert!(cached.source.is_some());
    }

    #[test]
    fn what_is_known_fills_up_what_was_told_and_replaces_nothing() {
        let told = Origin {
            name: Some("mpt-7b".to_owned()),
            source: Some("a disk".to_owned()),
            licence: None,
        };
        let found = told.or_known();
        assert_eq!(found.name.as_deref(), Some("anas-awadalla/mpt-7b"));
        assert_eq!(found.source.as_deref(), Some("a disk"));
        assert_eq!(found.licence.as_deref(), Some("Apache-2.0"));
        let unknown = Origin {
            name: Some("mine".to_owned()),
            ..Origin::default()
        };
        assert_eq!(unknown.clone().or_known(), unknown);
        let part = unknown.part(PartKind::Language);
        assert_eq!(
            (&*part.name, &*part.source, &*part.licence),
            ("mine", NO_ASSERTION, NO_ASSERTION)
        );
    }
}
