//! `./x`: from a fresh clone to a served page or a tested tree in one command.
//!
//! Each step does only what is missing or out of date, so that every command can
//! be typed at any time and in any order. The program that end users run is
//! `flamingo` (`crate/cli`); this one serves those who build it.

mod build;
mod clean;
mod export;
mod notices;
mod npm;
mod pack;
mod packages;
mod process;
mod python;
mod serve;
mod stamp;
mod test;
mod toolchain;
mod wasm;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::test::Group;
use crate::workspace::Workspace;

/// Sets up, builds, serves and tests the project.
#[derive(Parser)]
#[command(name = "x", bin_name = "./x")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what building and testing need: Debian packages, tools, npm packages
    Setup,
    /// Download the pretrained parts of the default model
    Parts,
    /// Build the command line programs, the WebAssembly module, the npm package and the page
    Build,
    /// Pack the default model and the tiny test model into models/
    Pack,
    /// Build and pack everything, then serve the page
    Serve(serve::Options),
    /// Build and pack everything, and write it into one folder for a static host or a memory stick
    Export(export::Options),
    /// Run the tests; without a name, every suite but those of training/
    Test {
        /// The suites to run, in any number
        #[arg(value_enum)]
        groups: Vec<Group>,
    },
    /// Remove what was built and packed; downloads are kept
    Clean,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("x: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    match command {
        Command::Setup => {
            packages::install(packages::BROWSER_TESTS)?;
            python::tools(&workspace)?;
            npm::install(&workspace)?;
        }
        Command::Parts => {
            python::parts(&workspace)?;
        }
        Command::Build => {
            build::programs(&workspace)?;
            build::page(&workspace)?;
        }
        Command::Pack => pack::models(&workspace)?,
        Command::Serve(options) => {
            build::page(&workspace)?;
            pack::models(&workspace)?;
            serve::serve(&workspace, &options)?;
        }
        Command::Export(options) => {
            build::page(&workspace)?;
            pack::models(&workspace)?;
            export::export(&workspace, &options)?;
        }
        Command::Test { groups } => return Ok(test::run(&workspace, &groups)),
        Command::Clean => clean::clean(&workspace)?,
    }
    Ok(ExitCode::SUCCESS)
}
