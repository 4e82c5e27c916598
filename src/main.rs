//! The `intentgate` binary: one command line, one exit code.

use std::process::ExitCode;

use anstream::eprintln;
use clap::Parser;
use intentgate::cli::exit::Exit;
use intentgate::cli::{Cli, run};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => Exit::Success.into(),
        Err(error) => {
            eprintln!("{error:#}");
            Exit::of(&error).into()
        }
    }
}
