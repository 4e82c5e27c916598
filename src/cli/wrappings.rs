//! `intentgate wrappings`: what was learned of front ends, and what of it is none.

use std::path::Path;

use anstream::println;
use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::report::JournalFile;
use super::terminal::{DIM, paint};
use crate::config::Config;
use crate::gate::kept::{self, Kept};
use crate::gate::learning::Learning;
use crate::language::say;
use crate::wrapping::Place;

/// List what was learned of front ends: the text that they put around the customers' words
///
/// What many messages of one key and path share, from several customers, is no longer judged; the words alone are. It
/// stands in wrappings.json beside the journal. A gateway that runs notices an edit within seconds.
#[derive(Debug, Args)]
pub(super) struct Wrappings {
    /// Forget the wrapping of this number in the list; it is not learned again
    #[arg(long, value_name = "N")]
    forget: Option<usize>,
    #[command(flatten)]
    file: JournalFile,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Wrappings {
    pub(super) fn run(self, config: &Config) -> anyhow::Result<()> {
        let file = Learning::beside(&self.file.path(config)?);
        let mut known =
            kept::read(&file).map_err(|problem| anyhow::anyhow!("{}", problem.here()))?;
        if let Some(number) = self.forget {
            forget(&file, &mut known, number)?;
        }
        if self.json {
            println!("{:#}", json!({ "wrappings": known }));
            return Ok(());
        }
        if known.is_empty() {
            println!("{}", nothing(&file));
        }
        for (number, kept) in (1..).zip(&known) {
            println!("{number:>3}  {}", described(kept));
            println!(
                "     {}",
                paint(DIM, &kept.wrapping.text().replace('\n', " "))
            );
        }
        Ok(())
    }
}

fn forget(file: &Path, known: &mut [Kept], number: usize) -> anyhow::Result<()> {
    let count = known.len();
    let Some(kept) = number.checked_sub(1).and_then(|at| known.get_mut(at)) else {
        bail!(say(
            format!(
                "--forget {number}：没有这一条；共 {count} 条，编号从 1 开始，不带 --forget 就会列出"
            ),
            format!(
                "--forget {number}: there is none of this number; there are {count}, counted from 1, and without --forget they are listed"
            ),
        ));
    };
    kept.forgotten = true;
    kept::write(file, known).map_err(|problem| anyhow::anyhow!("{}", problem.here()))
}

fn nothing(file: &Path) -> String {
    let file = file.display();
    say(
        format!("还没有学到（{file}）。同一个密钥、同一路径的多条消息开头或结尾相同时才会学。"),
        format!(
            "Nothing was learned yet ({file}). It takes several messages of one key and path that begin or end alike."
        ),
    )
}

fn described(kept: &Kept) -> String {
    let client = match &kept.client {
        Some(client) => say(format!("密钥 {client}"), format!("key {client}")),
        None => say("不用密钥的客户端", "clients without a key"),
    };
    let place = match kept.wrapping.place() {
        Place::Before => say("在顾客的话前面", "before the words"),
        Place::Behind => say("在顾客的话后面", "behind the words"),
    };
    let forgotten = match kept.forgotten {
        true => say("（已忘记，不再学）", " (forgotten, not learned again)"),
        false => String::new(),
    };
    say(
        format!("{client}，{}，{place}{forgotten}", kept.protocol),
        format!("{client}, {}, {place}{forgotten}", kept.protocol),
    )
}
