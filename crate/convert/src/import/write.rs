//! A checkpoint written as the folder of a model.

use std::path::{Path, PathBuf};

use flamingo_weights::manifest::{ModelManifest, licence_of_all};

use super::{Import, ImportError, ImportOptions, PartFact, StoredAs};
use crate::model::ModelDescription;
use crate::output::{Earlier, Output};
use crate::recognise::Family;

/// The files of a model, and how it is made of them.
#[derive(Clone, Debug)]
pub struct CheckpointOptions {
    /// The files.
    pub files: ImportOptions,
    /// How the bulk of the model is stored.
    pub stored_as: StoredAs,
    /// The folder to write.
    pub output: PathBuf,
    /// Whether a model that is there already is replaced.
    pub force: bool,
    /// Name for people; the checkpoint's if there is none.
    pub name: Option<String>,
    /// SPDX expression of the licence of the whole; if there is none, what all parts ask.
    pub licence: Option<String>,
    /// Names, sources and licences of parts that are told instead of read.
    pub part_facts: Vec<PartFact>,
}

/// The model that was made.
#[derive(Clone, Debug)]
pub struct Report {
    /// The family.
    pub family: Family,
    /// Bytes of the files that were read.
    pub bytes_read: u64,
    /// The manifest that was written.
    pub manifest: ModelManifest,
}

/// Makes a model's folder of a released checkpoint.
///
/// The folder is there when it is whole. Only the tensor in hand is in memory.
///
/// # Errors
/// Those of [`Import::open`] and [`Import::packed`]; if the tokenizer is missing; and those of
/// [`Output`].
pub fn checkpoint(options: &CheckpointOptions) -> Result<Report, ImportError> {
    let output = Output::begin(
        &options.output,
        match options.force {
            true => Earlier::Replace,
            false => Earlier::Keep,
        },
    )?;
    let import = Import::open(&options.files)?;
    let Some(tokenizer) = import.tokenizer() else {
        return Err(ImportError::NoTokenizer {
            family: import.family().title(),
            tokenizer: "a tokenizer.json, vocab.json with merges.txt, or tokenizer.model; it lies \
                        beside the language model",
        });
    };
    let mut parts = import.origins().to_vec();
    for fact in &options.part_facts {
        fact.apply(&mut parts);
    }
    let licences = parts.iter().map(|part| part.licence.as_str());
    let description = ModelDescription {
        name: options.name.clone().unwrap_or_else(|| name(&import)),
        family: Some(import.family().title()),
        licence: options
            .licence
            .clone()
            .unwrap_or_else(|| licence_of_all(licences)),
        parts,
        config: import.config().clone(),
        tokenizer: tokenizer.to_text(),
    };
    let stored_as = options.stored_as;
    let manifest = description.stream(
        output,
        |spec| stored_as.type_of(spec),
        |spec, tensor_type| import.packed(spec, tensor_type),
    )?;
    Ok(Report {
        family: import.family(),
        bytes_read: import.byte_len(),
        manifest,
    })
}

/// The family, and what the checkpoint's file or folder is called.
fn name(import: &Import) -> String {
    let path = import.paths().next().unwrap_or(Path::new(""));
    let stem = match path.is_dir() {
        true => path.file_name(),
        false => path.file_stem(),
    };
    match stem {
        Some(stem) => format!("{}: {}", import.family(), stem.to_string_lossy()),
        None => import.family().to_string(),
    }
}
