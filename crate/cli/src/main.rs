//! `flamingo`: captions photos and clips, answers questions about them, inspects and
//! converts models.

mod answer;
mod ask;
mod bench;
mod caption;
mod check;
mod choose;
mod decide;
mod decoding_args;
mod device;
mod eval;
mod failure;
mod index;
mod inspect;
mod media;
mod model_args;
mod model_source;
mod output_file;
mod scoring_args;
mod task;
mod text_file;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use flamingo_weights::excerpt::one_line;

use crate::failure::{EXIT_CODES, Failure};

/// Longest line of a message about the command line, in bytes.
const MOST_QUOTED: usize = 300;

/// Captions photos and clips with a Flamingo model and answers questions about them.
#[derive(Parser)]
#[command(name = "flamingo", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Caption photos and clips, in the manner of examples if any are given
    #[command(after_help = EXIT_CODES)]
    Caption(caption::CaptionArgs),
    /// Ask questions about a photo or clip, as a dialogue
    #[command(after_help = EXIT_CODES)]
    Ask(ask::AskArgs),
    /// Choose among given answers, with probabilities
    #[command(after_help = EXIT_CODES)]
    Choose(choose::ChooseArgs),
    /// Answer with a value of a JSON schema, each part with its probability
    #[command(after_help = EXIT_CODES)]
    Decide(decide::DecideArgs),
    /// Embed images with texts once, to choose examples from them for each photo
    #[command(after_help = EXIT_CODES)]
    Index(index::IndexArgs),
    /// Measure a model on files of items: captions, questions, classes,
    /// choices, patterns
    #[command(after_help = EXIT_CODES)]
    Eval(eval::EvalArgs),
    /// Measure how long each step takes, without and with examples
    #[command(after_help = EXIT_CODES)]
    Bench(bench::BenchArgs),
    /// Show what a model holds and verify its bytes
    #[command(after_help = EXIT_CODES)]
    Inspect(inspect::InspectArgs),
    /// Measure whether a model computes what it should: plain English and ten photos
    #[command(after_help = EXIT_CODES)]
    Check(check::CheckArgs),
    /// Make a model out of its parts
    #[command(after_help = EXIT_CODES)]
    Convert(flamingo_convert::command::ConvertArgs),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return told(&error),
    };
    let result = match &arguments.command {
        Command::Caption(args) => caption::run(args),
        Command::Ask(args) => ask::run(args),
        Command::Choose(args) => choose::run(args),
        Command::Decide(args) => decide::run(args),
        Command::Index(args) => index::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Check(args) => check::run(args),
        Command::Convert(args) => flamingo_convert::command::run(args).map_err(Failure::from),
    };
    let Err(failure) = result else {
        return ExitCode::SUCCESS;
    };
    if !failure.is_closed_pipe() {
        // Where standard error is closed too, nobody is left to be told.
        let _ = writeln!(io::stderr(), "flamingo: {failure}");
    }
    failure.exit_code()
}

/// Says what is wrong with the command line, or its help: an option that is wrong is quoted, but
/// not a whole text.
fn told(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    // Where nobody listens, nobody is left to be told.
    let _ = match error.use_stderr() && text.lines().any(|line| line.len() > MOST_QUOTED) {
        true => {
            let lines: Vec<String> = text.lines().map(one_line).collect();
            writeln!(io::stderr(), "{}", lines.join("\n"))
        }
        false => error.print(),
    };
    // The library's codes are 0 and 2.
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}
