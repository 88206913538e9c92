//! Checkpoints of several files, and which of a folder's files are the checkpoint.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::SourceError;

/// Longest index, in bytes. That of a model with 65,536 tensors has some 8 MB.
const MAX_INDEX: u64 = 64 << 20;

/// Most files of a checkpoint.
const MAX_SHARDS: usize = 4096;

/// Ends of file names, the preferred ones first: safetensors before pickles, an index
/// before the files that it names.
const KINDS: [&[&str]; 5] = [
    &[".safetensors.index.json"],
    &[".safetensors"],
    &[".bin.index.json"],
    &[".bin", ".pt", ".pth", ".ckpt"],
    &[".gguf"],
];

/// Names, without their ends, of the model among other files of a kind, the preferred
/// ones first.
const STEMS: [&str; 5] = [
    "model",
    "pytorch_model",
    "open_clip_model",
    "open_clip_pytorch_model",
    "checkpoint",
];

/// Files beside a model that are none.
const NO_MODELS: [&str; 4] = ["training_args", "optimizer", "scheduler", "rng_state"];

/// The files of the checkpoint in a folder as the hub has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// A file that lists the others.
    Index(PathBuf),
    /// The only file, or all files without a list of them.
    Files(Vec<PathBuf>),
}

/// Finds the checkpoint in `folder`.
pub(super) fn choose(folder: &Path) -> Result<Choice, SourceError> {
    let names = names(folder)?;
    if names.is_empty()
        && let Some(snapshot) = only_snapshot(folder)?
    {
        return choose(&snapshot);
    }
    for ends in KINDS {
        let found: Vec<&String> = names.iter().filter(|name| is_of_kind(name, ends)).collect();
        let chosen = match (shards(&found), found.as_slice()) {
            (_, []) => continue,
            (Some(shards), _) => shards?,
            (None, [only]) => vec![*only],
            (None, several) => vec![preferred(folder, several, ends)?],
        };
        let mut paths: Vec<PathBuf> = chosen.iter().map(|name| folder.join(name)).collect();
        return Ok(match ends[0].ends_with("index.json") {
            true => Choice::Index(paths.swap_remove(0)),
            false => Choice::Files(paths),
        });
    }
    Err(SourceError::EmptyFolder {
        path: folder.to_owned(),
    })
}

fn is_of_kind(name: &str, ends: &[&str]) -> bool {
    ends.iter().any(|end| name.ends_with(end)) && !NO_MODELS.iter().any(|no| name.starts_with(no))
}

/// The names of the files of a folder, sorted.
fn names(folder: &Path) -> Result<BTreeSet<String>, SourceError> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(SourceError::io(folder))? {
        let entry = entry.map_err(SourceError::io(folder))?;
        if let Ok(name) = entry.file_name().into_string()
            && entry.path().is_file()
        {
            names.insert(name);
        }
    }
    Ok(names)
}

/// The folder of the only version in the cache of the hub's client,
/// `models--NAME/snapshots/COMMIT`.
fn only_snapshot(folder: &Path) -> Result<Option<PathBuf>, SourceError> {
    let snapshots = folder.join("snapshots");
    if !snapshots.is_dir() {
        return Ok(None);
    }
    let mut versions = Vec::new();
    for entry in fs::read_dir(&snapshots).map_err(SourceError::io(&snapshots))? {
        versions.push(entry.map_err(SourceError::io(&snapshots))?.path());
    }
    match versions.as_slice() {
        [only] => Ok(Some(only.clone())),
        [] => Ok(None),
        several => Err(SourceError::SeveralFiles {
            path: snapshots,
            found: several
                .iter()
                .map(|path| path.display().to_string())
                .collect(),
        }),
    }
}

/// All of `names`, where they are the numbered parts of one checkpoint
/// (`NAME-00001-of-00003.END`); an error where one of them is missing.
fn shards<'a>(names: &[&'a String]) -> Option<Result<Vec<&'a String>, SourceError>> {
    let numbers: Vec<(u32, u32)> = names
        .iter()
        .map(|name| number(name))
        .collect::<Option<_>>()?;
    let &(_, count) = numbers.first()?;
    let found: BTreeSet<u32> = numbers.iter().map(|&(number, _)| number).collect();
    if numbers.iter().any(|&(_, of)| of != count) || found.len() != numbers.len() {
        return None;
    }
    if found.len() as u32 != count || !found.contains(&count) {
        let missing = (1..=count).find(|number| !found.contains(number))?;
        let path = PathBuf::from(names[0].replacen(
            &format!("-{:05}-of-", numbers[0].0),
            &format!("-{missing:05}-of-"),
            1,
        ));
        return Some(Err(SourceError::MissingShard {
            path,
            index: PathBuf::from(names[0]),
        }));
    }
    Some(Ok(names.to_vec()))
}

/// The numbers `N` and `M` of a name with `-N-of-M.` in it.
fn number(name: &str) -> Option<(u32, u32)> {
    let (rest, of) = name.rsplit_once("-of-")?;
    let (_, number) = rest.rsplit_once('-')?;
    let (count, _) = of.split_once('.')?;
    Some((number.parse().ok()?, count.parse().ok()?))
}

/// The one of `names` that is called as models are.
fn preferred<'a>(
    folder: &Path,
    names: &[&'a String],
    ends: &[&str],
) -> Result<&'a String, SourceError> {
    let is_called = |name: &str, stem: &str| {
        let end = name.strip_prefix(stem);
        end.is_some_and(|end| ends.contains(&end))
    };
    let called = STEMS.iter().find_map(|stem| {
        let mut called = names.iter().filter(|name| is_called(name, stem));
        called.next().filter(|_| called.next().is_none())
    });
    called.copied().ok_or_else(|| SourceError::SeveralFiles {
        path: folder.to_owned(),
        found: names.iter().map(|&name| name.clone()).collect(),
    })
}

/// An `index.json`, as far as it is needed.
#[derive(Deserialize)]
struct IndexJson {
    weight_map: BTreeMap<String, String>,
}

/// A list of files and which tensors they must have.
#[derive(Debug)]
pub(super) struct Index {
    /// File by file, in the order of their names, with the names of the tensors.
    pub(super) files: Vec<(PathBuf, HashSet<String>)>,
}

/// Reads an `index.json`.
pub(super) fn read_index(path: &Path) -> Result<Index, SourceError> {
    let malformed = |reason: String| SourceError::Index {
        path: path.to_owned(),
        reason,
    };
    let mut text = Vec::new();
    let file = File::open(path).map_err(SourceError::io(path))?;
    file.take(MAX_INDEX + 1)
        .read_to_end(&mut text)
        .map_err(SourceError::io(path))?;
    if text.len() as u64 > MAX_INDEX {
        return Err(malformed(format!("it has more than {MAX_INDEX} bytes")));
    }
    let IndexJson { weight_map } = serde_json::from_slice(&text)
        .map_err(|error| malformed(format!("it is no index of files: {error}")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut files: BTreeMap<String, HashSet<String>> = BTreeMap::new();
    for (tensor, file) in weight_map {
        let mut components = Path::new(&file).components();
        let is_name = matches!(components.next(), Some(Component::Normal(_)))
            && components.next().is_none()
            && !file.contains(['/', '\\']);
        if !is_name {
            return Err(malformed(format!("`{file}` is no file in the same folder")));
        }
        files.entry(file).or_default().insert(tensor);
    }
    if files.len() > MAX_SHARDS {
        return Err(malformed(format!("it names more than {MAX_SHARDS} files")));
    }
    let files = files.into_iter().map(|(file, tensors)| {
        let path = folder.join(file);
        (path, tensors)
    });
    Ok(Index {
        files: files.collect(),
    })
}

/// For `map_err`: a file that `index` names and that is not there.
pub(super) fn missing(index: &Path) -> impl Fn(SourceError) -> SourceError {
    let index = index.to_owned();
    move |error| match error {
        SourceError::Io { path, source } if source.kind() == io::ErrorKind::NotFound => {
            SourceError::MissingShard {
                path,
                index: index.clone(),
            }
        }
        other => other,
    }
}
