//! `intentgate model`: the models that questions can be embedded with.

use clap::{Args, Subcommand};

use super::{models, pull};
use crate::config::Config;

/// List embedding models, pull one
#[derive(Debug, Args)]
pub(super) struct ModelCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the models whose facts are known
    List(models::List),
    /// Pull a model of the hub into this machine's cache; a second run goes on where one ended
    Pull(pull::Pull),
}

impl ModelCommand {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<()> {
        match self.command {
            Command::List(list) => list.run(&config),
            Command::Pull(pull) => pull.run(config).await,
        }
    }
}
