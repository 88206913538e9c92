//! `flamingo`: captions photos, inspects and converts models.

mod caption;
mod convert;
mod device;
mod failure;
mod inspect;
mod model_source;
mod progress;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::{EXIT_CODES, Failure};

/// Captions photos with a Flamingo model, and inspects and converts such models.
#[derive(Parser)]
#[command(name = "flamingo", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Caption photos (JPEG, PNG, WebP), in the manner of examples if any are given
    #[command(after_help = EXIT_CODES)]
    Caption(caption::CaptionArgs),
    /// Show what a model holds and verify its bytes
    #[command(after_help = EXIT_CODES)]
    Inspect(inspect::InspectArgs),
    /// Make a model out of its parts
    #[command(after_help = EXIT_CODES)]
    Convert(convert::ConvertArgs),
}

fn main() -> ExitCode {
    let result = match &Arguments::parse().command {
        Command::Caption(args) => caption::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Convert(args) => convert::run(args).map_err(Failure::from),
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
