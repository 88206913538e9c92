//! `flamingo index`: a support set, embedded once.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use flamingo_convert::progress::Progress;
use flamingo_runtime::{SupportEntry, SupportSet};
use serde::Deserialize;

use crate::failure::Failure;
use crate::media::{Media, SamplingArgs, warn};
use crate::model_args::ModelArgs;
use crate::output_file::{OutputError, OutputFile};
use crate::task::failed;
use crate::text_file::{Line, LineError, TextFile};

#[derive(Args)]
pub(crate) struct IndexArgs {
    /// Images with texts: a line {"image": "photo.jpg", "text": "its caption"} each,
    /// with a "question" where the task has one; paths are relative to this file
    #[arg(value_name = "FILE.jsonl")]
    images: PathBuf,
    /// The index; its paths are relative to its folder, so put it beside the images.
    /// An earlier index of the same images is replaced
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Replace what is at --output, whatever it is, but never a file that is read
    #[arg(long)]
    force: bool,
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

/// An image to be indexed, and the line that names it.
struct Indexed<'a> {
    line: Line<'a>,
    path: PathBuf,
    entry: SupportEntry,
}

/// Embeds every image and writes the index.
///
/// # Errors
/// Where an image, the model or the device is refused or fails.
pub(crate) fn run(args: &IndexArgs) -> Result<(), Failure> {
    let file = TextFile::read(&args.images)?;
    let images = file
        .lines("images to index")?
        .into_iter()
        .map(|line| read(&file, line))
        .collect::<Result<Vec<_>, _>>()?;
    let mut output = OutputFile::new("--output", &args.output)?;
    let model_files = args.model.files()?;
    output.is_none_of(
        [&args.images]
            .into_iter()
            .chain(&model_files)
            .chain(images.iter().map(|image| &image.path)),
    )?;
    if !args.force {
        check_earlier(&output, &images)?;
    }
    let model = args.model.open()?;
    let encoder = model.encoder()?;
    let model = model.load()?;
    let mut set: Option<SupportSet> = None;
    let mut progress = Progress::items("Indexing", images.len() as u64);
    for Indexed { line, path, entry } in images {
        let (media, warnings) =
            Media::read(&path, &args.sampling).map_err(|error| line.refused(error))?;
        progress.aside(|| warn(&path.to_string_lossy(), &warnings));
        let embedding = media
            .embed(&model)
            .map_err(|source| failed(line.refused("embedding its image").to_string(), source))?;
        set.get_or_insert_with(|| SupportSet::new(embedding.len()))
            .add(&embedding, entry)
            .map_err(|error| line.refused(error))?;
        progress.advance(1);
    }
    let mut set = set.expect("invariant: there is an image at least");
    set.set_encoder(encoder);
    output.write(&set.to_bytes())?;
    writeln!(
        io::stdout(),
        "{}: {} images",
        args.output.display(),
        set.len()
    )
    .map_err(Failure::Output)
}

fn read<'a>(file: &TextFile, line: Line<'a>) -> Result<Indexed<'a>, LineError> {
    let IndexLine {
        image,
        question,
        text,
    } = line.json()?;
    let path = file
        .path_of("image", &image)
        .map_err(|reason| line.refused(reason))?;
    // The others would be embedded for nothing.
    if let Err(error) = std::fs::metadata(&path) {
        return Err(line.refused(format!("{}: {error}", path.display())));
    }
    let entry = SupportEntry {
        image,
        question,
        answer: text,
    };
    Ok(Indexed { line, path, entry })
}

/// Checks that what is at the place of the index, if anything, is one of the same images.
fn check_earlier(output: &OutputFile, images: &[Indexed<'_>]) -> Result<(), OutputError> {
    let Some(content) = output.content()? else {
        return Ok(());
    };
    let Ok(earlier) = SupportSet::from_bytes(&content) else {
        return match content.is_empty() {
            true => Ok(()),
            false => Err(output.foreign("is no index")),
        };
    };
    let entries = images.iter().map(|image| &image.entry);
    match earlier.entries().iter().eq(entries) {
        true => Ok(()),
        false => Err(output.foreign("is an index of other images or texts")),
    }
}
