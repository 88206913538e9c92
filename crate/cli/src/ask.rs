//! `flamingo ask`: questions about a photo or clip, as a dialogue.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use flamingo_runtime::Query;
use flamingo_runtime::prompt::Task;
use futures_lite::future::block_on;

use crate::answer::{Answer, json_line};
use crate::decoding_args::{Decoding, DecodingArgs};
use crate::failure::Failure;
use crate::model_args::ModelArgs;
use crate::task::{TaskArgs, failed};

#[derive(Args)]
pub(crate) struct AskArgs {
    /// Photo, video file, or folder of frames
    #[arg(value_name = "PHOTO")]
    photo: PathBuf,
    /// Questions; each knows the ones before it and their answers
    #[arg(required = true, value_name = "QUESTION")]
    questions: Vec<String>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    task: TaskArgs,
    #[command(flatten)]
    decoding: DecodingArgs,
    /// Print a line of JSON for each answer, with text, token ids and timings
    #[arg(long)]
    json: bool,
}

/// Asks one question after the other.
///
/// # Errors
/// Where the photo, a question, the model or the device is refused or fails.
pub(crate) fn run(args: &AskArgs) -> Result<(), Failure> {
    let decoding = args.decoding.check()?;
    let files = args.task.read(Task::VisualQuestion)?;
    let photo = args.photo.display();
    let media = args.task.read_media(&args.photo)?;
    let model = files.load(&args.model)?;
    let decoding = decoding.over(&model)?;
    let mut task = files.begin(&model, &args.task)?;
    let encoded = media
        .encode(&model)
        .map_err(|source| failed(format!("encoding {photo}"), source))?;
    task.choose_examples(&model, &media, &args.task.sampling)?;

    // The first question brings the photo; the others are about it.
    let mut shown = Some(encoded);
    let mut out = io::stdout().lock();
    for (number, question) in (1..).zip(&args.questions) {
        let query = Query {
            media: shown.take(),
            question: question.clone(),
        };
        let answer = match &decoding {
            Decoding::Tokens(options) => {
                let go_on = async |_: &_| ControlFlow::Continue(());
                block_on(task.session.converse(&model, &query, options, go_on)).map(Answer::from)
            }
            Decoding::Beams(options) => block_on(task.session.beam_search(&model, &query, options))
                .map(|found| {
                    let best = Answer::best(found);
                    task.session.remember(&query, &best.text);
                    best
                }),
        }
        .map_err(|source| failed(format!("question {number}"), source))?;
        let unmet = answer.unmet();
        match (args.json, unmet) {
            (true, _) => json_line(&mut out, &args.photo.to_string_lossy(), &answer),
            (false, None) => writeln!(out, "{}", answer.text),
            (false, Some(_)) => Ok(()),
        }
        .map_err(Failure::Output)?;
        if let Some(reason) = unmet {
            let what = format!("question {number}");
            return Err(Failure::Unmet { what, reason });
        }
    }
    Ok(())
}
