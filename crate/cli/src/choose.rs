//! `flamingo choose`: which of several answers fits a photo or clip.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use flamingo_runtime::prompt::Task;
use flamingo_runtime::{Choice, RuntimeError};
use futures_lite::future::block_on;
use serde::Serialize;

use crate::answer::json_line;
use crate::failure::Failure;
use crate::model_args::ModelArgs;
use crate::scoring_args::ScoringArgs;
use crate::task::{TaskArgs, failed};

#[derive(Args)]
pub(crate) struct ChooseArgs {
    /// Photo, video file, or folder of frames
    #[arg(value_name = "PHOTO")]
    photo: PathBuf,
    /// Answers to choose from
    #[arg(required = true, num_args = 2.., value_name = "ANSWER")]
    answers: Vec<String>,
    /// The question that they answer; without one they are captions
    #[arg(long, value_name = "QUESTION")]
    question: Option<String>,
    #[command(flatten)]
    scoring: ScoringArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    task: TaskArgs,
    /// Print a line of JSON
    #[arg(long)]
    json: bool,
}

/// An answer and how likely it is.
#[derive(Serialize)]
struct Answer<'a> {
    answer: &'a str,
    #[serde(flatten)]
    choice: Choice,
}

/// Prints the answers with their probabilities, likeliest first.
///
/// # Errors
/// Where the photo, an answer, the model or the device is refused or fails.
pub(crate) fn run(args: &ChooseArgs) -> Result<(), Failure> {
    let template = match args.question {
        Some(_) => Task::VisualQuestion,
        None => Task::Caption,
    };
    let options = args.scoring.check()?;
    if let Some(index) = args.answers.iter().position(String::is_empty) {
        return Err(Failure::Prompt {
            what: "the answers to choose from".to_owned(),
            source: RuntimeError::EmptyAnswer { index },
        });
    }
    let files = args.task.read(template)?;
    let photo = args.photo.display();
    let (model, mut task, query) = files.put(
        &args.task,
        &args.model,
        &args.photo,
        args.question.clone().unwrap_or_default(),
    )?;
    let found = block_on(task.session.choose(&model, &query, &args.answers, &options))
        .map_err(|source| failed(format!("choosing for {photo}"), source))?;
    let mut choices: Vec<Answer<'_>> = args
        .answers
        .iter()
        .zip(found)
        .map(|(answer, choice)| Answer { answer, choice })
        .collect();
    choices.sort_by(|a, b| b.choice.probability.total_cmp(&a.choice.probability));
    let mut out = io::stdout().lock();
    if args.json {
        let known = serde_json::json!({ "choices": choices });
        return json_line(&mut out, &args.photo.to_string_lossy(), &known).map_err(Failure::Output);
    }
    for Answer { answer, choice } in choices {
        let parts = choice.parts.map_or_else(String::new, |parts| {
            let (likelihood, vote) = (100.0 * parts.likelihood, 100.0 * parts.vote);
            format!(" (likelihood {likelihood:.1}%, vote {vote:.1}%)")
        });
        writeln!(out, "{:5.1}% {answer}{parts}", 100.0 * choice.probability)
            .map_err(Failure::Output)?;
    }
    Ok(())
}
