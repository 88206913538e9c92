//! `flamingo index`: a support set, embedded once.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use flamingo_convert::progress::Progress;
use flamingo_runtime::{SupportEntry, SupportSet};
use serde::Deserialize;

use crate::failure::Failure;
use crate::media::{Media, SamplingArgs};
use crate::model_args::ModelArgs;
use crate::task::failed;

#[derive(Args)]
pub(crate) struct IndexArgs {
    /// Images with texts: a line {"image": "photo.jpg", "text": "its caption"} each,
    /// with a "question" where the task has one; paths are relative to this file
    #[arg(value_name = "FILE.jsonl")]
    images: PathBuf,
    /// The index; its paths are relative to its folder, so put it beside the images
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// A line of the images to index.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexLine {
    image: String,
    #[serde(default)]
    question: String,
    #[serde(alias = "answer")]
    text: String,
}

/// Embeds every image and writes the index.
///
/// # Errors
/// Where an image, the model or the device is refused or fails.
pub(crate) fn run(args: &IndexArgs) -> Result<(), Failure> {
    let lines = fs::read_to_string(&args.images).map_err(|source| Failure::Shots {
        path: args.images.clone(),
        source,
    })?;
    let folder = args.images.parent().unwrap_or(Path::new(""));
    let model = args.model.load()?;
    let mut set: Option<SupportSet> = None;
    let mut progress = Progress::items("Indexing", lines.lines().count() as u64);
    for (index, line) in lines.lines().enumerate() {
        progress.advance(1);
        if line.trim().is_empty() {
            continue;
        }
        let refused = |reason| Failure::Line {
            path: args.images.clone(),
            line: index + 1,
            reason,
        };
        let entry: IndexLine =
            serde_json::from_str(line).map_err(|error| refused(error.to_string()))?;
        let media = Media::read(&folder.join(&entry.image), &args.sampling)
            .map_err(|error| refused(error.to_string()))?;
        let embedding = media
            .embed(&model)
            .map_err(|source| failed(format!("embedding {}", entry.image), source))?;
        let entry = SupportEntry {
            image: entry.image,
            question: entry.question,
            answer: entry.text,
        };
        set.get_or_insert_with(|| SupportSet::new(embedding.len()))
            .add(&embedding, entry)
            .map_err(|error| refused(error.to_string()))?;
    }
    let set = set.unwrap_or_else(|| SupportSet::new(0));
    fs::write(&args.output, set.to_bytes())?;
    writeln!(
        io::stdout(),
        "{}: {} images",
        args.output.display(),
        set.len()
    )?;
    Ok(())
}
