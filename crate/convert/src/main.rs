//! `flamingo-convert`: makes models out of their parts, as `flamingo convert` does, without
//! what runs them.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use flamingo_convert::command::{self, ConvertArgs};

/// The exit code where no model could be made, as that of `flamingo`.
const FAILED: u8 = 3;

/// Makes a model out of its parts.
#[derive(Parser)]
#[command(name = "flamingo-convert", version)]
struct Arguments {
    #[command(flatten)]
    convert: ConvertArgs,
}

fn main() -> ExitCode {
    match command::run(&Arguments::parse().convert) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed too, nobody is left to be told.
            let _ = writeln!(io::stderr(), "flamingo-convert: {error}");
            ExitCode::from(FAILED)
        }
    }
}
