//! `flamingo caption`: many photos and clips, one load.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use flamingo_convert::progress::Progress;
use flamingo_runtime::prompt::CAPTION;
use flamingo_runtime::{Model, Query, RuntimeError};
use futures_lite::future::block_on;

use crate::answer::{Answer, json_line};
use crate::decoding_args::{Decoding, DecodingArgs};
use crate::failure::Failure;
use crate::media::{Media, MediaError};
use crate::model_args::ModelArgs;
use crate::task::{Task, TaskArgs, failed};

#[derive(Args)]
pub(crate) struct CaptionArgs {
    /// Photos (JPEG, PNG, WebP), video files, and folders of frames
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
    let files = args.task.read(CAPTION)?;
    let model = args.model.load()?;
    let decoding = args.decoding.decoding(&model)?;
    let mut task = files.begin(&model, &args.task)?;

    let mut progress = Progress::items("Captioning", args.photos.len() as u64);
    let mut failures = 0;
    for photo in &args.photos {
        let result = match Media::read(photo, &args.task.sampling) {
            Ok(media) => caption(args, &model, &mut task, &decoding, photo, &media)?,
            Err(error) => Err(error),
        };
        failures += usize::from(result.is_err());
        progress.advance(1);
        progress.aside(|| print(args, &photo.to_string_lossy(), &result))?;
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
/// several; its error on standard error, and with `--json` on both.
fn print(args: &CaptionArgs, file: &str, result: &Result<Answer, MediaError>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match result {
        Ok(answer) if args.json => json_line(&mut out, file, answer),
        Ok(answer) if args.photos.len() > 1 => writeln!(out, "{file}: {}", answer.text),
        Ok(answer) => writeln!(out, "{}", answer.text),
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
