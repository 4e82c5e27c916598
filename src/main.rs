//! The `intentgate` binary: one command line, one exit code.

use std::process::ExitCode;

use anstream::eprintln;
use clap::Parser;
use intentgate::cli::exit::Exit;
use intentgate::cli::{Cli, run};

fn main() -> ExitCode {
    silence_runtime();
    match run(Cli::parse()) {
        Ok(()) => Exit::Success.into(),
        Err(error) => {
            eprintln!("{error:#}");
            Exit::of(&error).into()
        }
    }
}

/// ONNX Runtime keeps usage events in the user's cache folder and knows where to send them, unless this is set
/// before it is loaded; its own call to turn that off comes too late.
fn silence_runtime() {
    #[expect(unsafe_code, reason = "the environment is the library's only switch")]
    // SAFETY: the first statement of the process; no other thread is there to read the environment.
    unsafe {
        std::env::set_var("ORT_DISABLE_TELEMETRY", "1");
    }
}
