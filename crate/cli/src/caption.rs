//! `flamingo caption`: many photos and clips, one load.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use flamingo_convert::progress::Progress;
use flamingo_runtime::prompt;
use flamingo_runtime::{Model, Query, RuntimeError};
use futures_lite::future::block_on;
use serde::Serialize;

use crate::answer::{Answer, json_line};
use crate::decoding_args::{Decoding, DecodingArgs};
use crate::failure::Failure;
use crate::media::{Media, MediaError, Warning, warn};
use crate::model_args::ModelArgs;
use crate::task::{Task, TaskArgs, failed};

#[derive(Args)]
pub(crate) struct CaptionArgs {
    /// Photos, video files, and folders of frames
    #[arg(required = true, value_name = "PHOTO")]
    photos: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    task: TaskArgs,
    #[command(flatten)]
    decoding: DecodingArgs,
    /// Print a line of JSON for each photo, with text, token ids and timings
    #[arg(long)]
    json: bool,
}

/// Captions all photos that can be captioned.
///
/// # Errors
/// Where something other than a photo fails, at once; where photos fail, in
/// the end.
pub(crate) fn run(args: &CaptionArgs) -> Result<(), Failure> {
    // What is cheap to find wrong comes before the model is loaded.
    let decoding = args.decoding.check()?;
    let files = args.task.read(prompt::Task::Caption)?;
    let model = files.load(&args.model)?;
    let decoding = decoding.over(&model)?;
    let mut task = files.begin(&model, &args.task)?;

    let mut progress = Progress::items("Captioning", args.photos.len() as u64);
    let mut failures = 0;
    for photo in &args.photos {
        let (result, warnings) = match Media::read(photo, &args.task.sampling) {
            Ok((media, warnings)) => (
                caption(args, &model, &mut task, &decoding, photo, &media)?,
                warnings,
            ),
            Err(error) => (Err(error), Vec::new()),
        };
        let good = matches!(&result, Ok(answer) if answer.unmet().is_none());
        failures += usize::from(!good);
        progress.advance(1);
        progress
            .aside(|| print(args, &photo.to_string_lossy(), &result, &warnings))
            .map_err(Failure::Output)?;
    }
    match failures {
        0 => Ok(()),
        failed => Err(Failure::Photos {
            failed,
            total: args.photos.len(),
        }),
    }
}

/// Captions a photo. The inner error is the photo's: others may go well.
fn caption(
    args: &CaptionArgs,
    model: &Model,
    task: &mut Task,
    decoding: &Decoding,
    photo: &std::path::Path,
    media: &Media,
) -> Result<Result<Answer, MediaError>, Failure> {
    let encoded = match media.encode(model) {
        Ok(encoded) => encoded,
        Err(RuntimeError::Image(error)) => return Ok(Err(error.into())),
        Err(source) => return Err(failed(format!("encoding {}", photo.display()), source)),
    };
    task.choose_examples(model, media, &args.task.sampling)?;
    let query = Query {
        media: Some(encoded),
        question: String::new(),
    };
    let answer = match decoding {
        Decoding::Tokens(options) => {
            let go_on = async |_: &_| ControlFlow::Continue(());
            block_on(task.session.answer(model, &query, options, go_on)).map(Answer::from)
        }
        Decoding::Beams(options) => {
            block_on(task.session.beam_search(model, &query, options)).map(Answer::best)
        }
    };
    answer
        .map(Ok)
        .map_err(|source| failed(format!("captioning {}", photo.display()), source))
}

/// A photo's caption on standard output, behind its name where there are
/// several; its error and what else is worth knowing on standard error, and with
/// `--json` on both. A text that is not as it had to be is no caption.
fn print(
    args: &CaptionArgs,
    file: &str,
    result: &Result<Answer, MediaError>,
    warnings: &[Warning],
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Known<'a> {
        #[serde(flatten)]
        answer: &'a Answer,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
    }
    let mut out = io::stdout().lock();
    warn(file, warnings);
    match result {
        Ok(answer) => {
            let unmet = answer.unmet();
            if let Some(unmet) = unmet {
                let _ = writeln!(io::stderr(), "flamingo: {file}: {unmet}");
            }
            match (args.json, unmet) {
                (true, _) => {
                    let warnings = warnings.iter().map(ToString::to_string).collect();
                    json_line(&mut out, file, &Known { answer, warnings })
                }
                (false, Some(_)) => Ok(()),
                (false, None) if args.photos.len() > 1 => writeln!(out, "{file}: {}", answer.text),
                (false, None) => writeln!(out, "{}", answer.text),
            }
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "flamingo: {file}: {error}");
            match args.json {
                true => json_line(
                    &mut out,
                    file,
                    &serde_json::json!({"error": error.to_string()}),
                ),
                false => Ok(()),
            }
        }
    }
}
