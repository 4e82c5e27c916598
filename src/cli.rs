//! The commands.

mod ask;
mod check;
mod compare;
mod eval;
pub mod exit;
mod expected;
mod figures;
mod find;
mod findings;
mod forget;
mod model;
mod models;
mod pull;
mod report;
mod review;
mod self_test;
pub mod serve;
mod terminal;
mod wrappings;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::memory;

/// Keeps off-topic questions away from a shop's LLM: an OpenAI-compatible reverse proxy.
#[derive(Debug, Parser)]
#[command(
    name = "intentgate",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// The configuration; default: config.toml in the working directory, where there is one
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of intent files; goes over gate.intents
    #[arg(long, global = true, value_name = "DIR")]
    intents: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Serve,
    /// Check the configuration and the intents: what is wrong, what is to be expected, what may be better
    Check(check::Check),
    /// Judge a question and explain the verdict
    Ask(ask::Ask),
    /// Judge labelled questions and say how many are judged rightly
    Eval(eval::Eval),
    /// Say what a period came to: what was saved, what it may have cost, what is worth a look
    Report(report::ReportCommand),
    /// Review would-be rejections that were forwarded, of the audit or of shadow mode, in random order
    Review(review::Review),
    Find(find::Find),
    Forget(forget::Forget),
    Wrappings(wrappings::Wrappings),
    /// List embedding models, pull one, try one, compare two
    Model(model::ModelCommand),
}

/// The environment, whatever its encoding.
fn environment() -> impl Iterator<Item = (String, String)> {
    let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (lossy(name), lossy(value)))
}

/// Runs one command line.
///
/// # Errors
/// What went wrong, for people; [`exit::Exit::of`] tells the exit code.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    // The configuration holds keys, and a journal customers' words.
    memory::keep_private();
    let config = Config::load(cli.config, cli.intents, environment())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match cli.command {
        Command::Serve => runtime.block_on(serve::run(config)),
        Command::Check(check) => runtime.block_on(check.run(config)),
        Command::Ask(ask) => runtime.block_on(ask.run(config)),
        Command::Eval(eval) => runtime.block_on(eval.run(config)),
        Command::Report(report) => runtime.block_on(report.run(config)),
        Command::Review(review) => review.run(&config),
        Command::Find(find) => find.run(&config),
        Command::Forget(forget) => forget.run(&config),
        Command::Wrappings(wrappings) => wrappings.run(&config),
        Command::Model(model) => runtime.block_on(model.run(config)),
    }
}
