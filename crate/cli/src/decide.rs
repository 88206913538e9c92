//! `flamingo decide`: typed answers about photos and clips, by a JSON schema.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use flamingo_runtime::RuntimeError;
use flamingo_runtime::decide::{DecideOptions, Schema};
use flamingo_runtime::prompt::Task;
use futures_lite::future::block_on;

use crate::answer::json_line;
use crate::failure::Failure;
use crate::model_args::ModelArgs;
use crate::scoring_args::ScoringArgs;
use crate::task::{TaskArgs, failed};
use crate::text_file::TextFile;

#[derive(Args)]
pub(crate) struct DecideArgs {
    /// Photo, video file, or folder of frames
    #[arg(value_name = "PHOTO")]
    photo: PathBuf,
    /// JSON schema of the answer
    #[arg(value_name = "SCHEMA.json")]
    schema: PathBuf,
    /// Text before the question of each part
    #[arg(long, value_name = "QUESTION", default_value = "")]
    question: String,
    /// Most tokens of a text or number that is written
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN.saturating_add(39))]
    max_new_tokens: NonZeroUsize,
    #[command(flatten)]
    scoring: ScoringArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    task: TaskArgs,
    /// Print a line of JSON with the probability of each part
    #[arg(long)]
    json: bool,
}

/// Prints the value, or with `--json` the whole decision. The answers of the examples are
/// values of the schema.
///
/// # Errors
/// If the photo, the schema, an example, the model or the device is refused or fails.
pub(crate) fn run(args: &DecideArgs) -> Result<(), Failure> {
    let options = DecideOptions {
        choose: args.scoring.check()?,
        max_new_tokens: args.max_new_tokens.get(),
    };
    let schema = TextFile::read(&args.schema)?;
    let schema = Schema::parse(schema.text()).map_err(|error| Failure::Prompt {
        what: args.schema.display().to_string(),
        source: RuntimeError::Schema(error),
    })?;
    let files = args.task.read(Task::VisualQuestion)?;
    let photo = args.photo.display();
    let (model, mut task, query) =
        files.put(&args.task, &args.model, &args.photo, args.question.clone())?;
    let decision = block_on(task.session.decide(&model, &query, &schema, &options))
        .map_err(|source| failed(format!("deciding about {photo}"), source))?;
    let mut out = io::stdout().lock();
    match args.json {
        true => json_line(&mut out, &args.photo.to_string_lossy(), &decision),
        false => writeln!(out, "{}", decision.value),
    }
    .map_err(Failure::Output)
}
