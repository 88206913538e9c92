//! `flamingo caption`: many photos, one load.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use flamingo_runtime::prompt::CAPTION;
use flamingo_runtime::{
    Example, GenerateOptions, Generation, Model, PromptFormat, Query, RuntimeError, Session,
    StopReason, Timings, TokenPiece,
};
use futures_lite::future::block_on;
use serde::{Deserialize, Serialize};

use crate::device::DeviceChoice;
use crate::failure::Failure;
use crate::model_source::ModelSource;
use crate::progress::Progress;

#[derive(Args)]
pub(crate) struct CaptionArgs {
    /// Photos: JPEG, PNG or WebP
    #[arg(required = true, value_name = "PHOTO")]
    photos: Vec<PathBuf>,
    /// Folder with a model.json and its shards, or a single GGUF file
    #[arg(
        long,
        value_name = "DIR|FILE",
        env = "FLAMINGO_MODEL",
        default_value = "models/flamingo-smollm2-135m"
    )]
    model: PathBuf,
    /// Examples: a line {"image": "photo.jpg", "text": "its caption"} each, paths relative to
    /// this file
    #[arg(long, value_name = "FILE.jsonl")]
    shots: Option<PathBuf>,
    /// Where to compute
    #[arg(long, value_enum, default_value_t = DeviceChoice::Auto)]
    device: DeviceChoice,
    /// Print a line of JSON for each photo, with text, token ids and timings
    #[arg(long)]
    json: bool,
    /// Longest caption, in tokens
    #[arg(
        long,
        value_name = "N",
        default_value_t = GenerateOptions::default().max_new_tokens
    )]
    max_new_tokens: usize,
}

/// Captions all photos that can be captioned.
///
/// # Errors
/// Where something other than a photo fails, at once; where photos fail, in
/// the end.
pub(crate) fn run(args: &CaptionArgs) -> Result<(), Failure> {
    // What is cheap to find wrong comes before the model is loaded.
    let examples = args
        .shots
        .as_deref()
        .map_or_else(|| Ok(Vec::new()), read_examples)?;
    let source = ModelSource::open(&args.model)?;
    let (device, report) = args.device.open()?;
    let _ = writeln!(io::stderr(), "{}", report.reason);

    let model = source.load(device)?;
    let examples = encode_examples(&model, examples)?;
    let format = PromptFormat::parse(CAPTION).map_err(|error| Failure::Run {
        what: "reading the prompt format".to_owned(),
        source: error.into(),
    })?;
    let mut session = Session::new(&model, format, examples);

    let options = GenerateOptions {
        max_new_tokens: args.max_new_tokens,
        ..GenerateOptions::default()
    };
    let mut progress = Progress::items("Captioning", args.photos.len() as u64);
    let mut failed = 0;
    for photo in &args.photos {
        let result = caption(&model, &mut session, photo, &options)?;
        failed += usize::from(result.is_err());
        progress.advance(1);
        progress.aside(|| print(args, &photo.to_string_lossy(), &result))?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Photos {
            failed,
            total: args.photos.len(),
        }),
    }
}

/// Captions a photo. The inner error is the photo's: others may go well.
fn caption(
    model: &Model,
    session: &mut Session,
    photo: &Path,
    options: &GenerateOptions,
) -> Result<Result<Generation, String>, Failure> {
    let file = match std::fs::read(photo) {
        Ok(file) => file,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let image = match block_on(model.encode(&file)) {
        Ok(image) => image,
        Err(RuntimeError::Image(error)) => return Ok(Err(error.to_string())),
        Err(source) => {
            return Err(Failure::Run {
                what: format!("encoding {}", photo.display()),
                source,
            });
        }
    };
    let query = Query {
        media: Some(image),
        question: String::new(),
    };
    let go_on = async |_: &TokenPiece| ControlFlow::Continue(());
    match block_on(session.answer(model, &query, options, go_on)) {
        Ok(generation) => Ok(Ok(generation)),
        Err(source) => {
            let what = format!("captioning {}", photo.display());
            Err(match source {
                RuntimeError::Prompt(_) => Failure::Prompt { what, source },
                _ => Failure::Run { what, source },
            })
        }
    }
}

/// What `--json` prints for a photo with a caption.
#[derive(Serialize)]
struct CaptionLine<'a> {
    file: &'a str,
    text: &'a str,
    token_ids: &'a [u32],
    stop_reason: StopReason,
    timings: Timings,
}

/// What `--json` prints for a photo without one.
#[derive(Serialize)]
struct ErrorLine<'a> {
    file: &'a str,
    error: &'a str,
}

/// A photo's caption on standard output, behind its name where there are
/// several; its error on standard error, and with `--json` on both.
fn print(args: &CaptionArgs, file: &str, result: &Result<Generation, String>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match result {
        Ok(Generation {
            text,
            token_ids,
            timings,
            stop_reason,
            ..
        }) if args.json => {
            let (stop_reason, timings) = (*stop_reason, *timings);
            json_line(
                &mut out,
                &CaptionLine {
                    file,
                    text,
                    token_ids,
                    stop_reason,
                    timings,
                },
            )
        }
        Ok(Generation { text, .. }) if args.photos.len() > 1 => {
            writeln!(out, "{file}: {text}")
        }
        Ok(Generation { text, .. }) => writeln!(out, "{text}"),
        Err(error) => {
            let _ = writeln!(io::stderr(), "flamingo: {file}: {error}");
            match args.json {
                true => json_line(&mut out, &ErrorLine { file, error }),
                false => Ok(()),
            }
        }
    }
}

fn json_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    writeln!(out)
}

/// An example whose image is still a file's bytes.
struct ExampleFile {
    path: PathBuf,
    image: Vec<u8>,
    text: String,
}

/// A line of the file of examples.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExampleLine {
    image: PathBuf,
    text: String,
}

/// Reads the file of examples and their images; empty lines are skipped.
fn read_examples(path: &Path) -> Result<Vec<ExampleFile>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|source| Failure::Shots {
        path: path.to_owned(),
        source,
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let no_example = |reason| Failure::ShotLine {
                path: path.to_owned(),
                line: index + 1,
                reason,
            };
            let ExampleLine { image, text } =
                serde_json::from_str(line).map_err(|error| no_example(error.to_string()))?;
            let image_path = folder.join(image);
            match std::fs::read(&image_path) {
                Ok(image) => Ok(ExampleFile {
                    path: image_path,
                    image,
                    text,
                }),
                Err(error) => Err(no_example(format!("{}: {error}", image_path.display()))),
            }
        })
        .collect()
}

/// Encodes each example once, for all photos.
fn encode_examples(model: &Model, examples: Vec<ExampleFile>) -> Result<Vec<Example>, Failure> {
    let mut progress = Progress::items("Reading examples", examples.len() as u64);
    examples
        .into_iter()
        .map(|ExampleFile { path, image, text }| {
            let encoded = block_on(model.encode(&image)).map_err(|source| {
                let what = format!("encoding the example {}", path.display());
                match source {
                    RuntimeError::Image(_) => Failure::Prompt { what, source },
                    _ => Failure::Run { what, source },
                }
            })?;
            progress.advance(1);
            Ok(Example {
                media: Some(encoded),
                question: String::new(),
                answer: text,
            })
        })
        .collect()
}
