//! `intentgate model`: the models that questions can be embedded with.

use clap::{Args, Subcommand};

use super::{compare, models, pull, self_test};
use crate::config::Config;

/// List embedding models, pull one, try one, compare two
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
    /// Load a model, and say what it is, whether it tells known sentences apart, how fast and how large it is
    Check(self_test::ModelCheck),
    /// Fit two models to the shop's own intents, and say which tells its questions apart better
    Compare(compare::Compare),
}

impl ModelCommand {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<()> {
        match self.command {
            Command::List(list) => list.run(&config),
            Command::Pull(pull) => pull.run(config).await,
            Command::Check(check) => check.run(config).await,
            Command::Compare(compare) => compare.run(config).await,
        }
    }
}
