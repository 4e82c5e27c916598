//! `intentgate forget`: what the journal holds of one customer goes.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::report::JournalFile;
use crate::chat::Asker;
use crate::config::Config;
use crate::journal::{forget, open_for_reading, open_for_writing, rewrite};
use crate::language::say;
use crate::ledger;

/// A gateway writes in milliseconds and a report reads for seconds; another run of this may write the whole file anew,
/// a gigabyte in ten seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Delete what the journal holds of one customer
///
/// All requests of the customer go, with their words and reviews, whichever client's key they came with. Reports of
/// the past no longer count them. The file is then written anew, so that nothing of them is left in it; while that goes
/// on, its folder has to have room for twice its size.
///
/// A gateway may run meanwhile. It writes to the journal twice a second: if the customer asked within the last second,
/// run this again.
#[derive(Debug, Args)]
pub(super) struct Forget {
    /// The customer's name as the front end gives it in `safety_identifier`, `user` or `metadata.user_id`
    #[arg(value_parser = user)]
    user: String,
    #[command(flatten)]
    file: JournalFile,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Forget {
    pub(super) fn run(self, config: &Config) -> anyhow::Result<()> {
        let path = self.file.path(config)?;
        // Who writes would make one where there is none.
        drop(open_for_reading(&path)?);
        let mut database = open_for_writing(&path)?;
        database.busy_timeout(PATIENCE)?;
        let gone = forget(&mut database, &path, |salt, client| {
            ledger::caller(salt, client, &self.user)
        })?;
        // Where nothing was found as well: an earlier run may have come no further than this.
        rewrite(&database, &path, PATIENCE).with_context(|| unfinished(gone))?;
        if self.json {
            anstream::println!("{:#}", json!({"forgotten_requests": gone}));
        } else {
            anstream::println!("{}", forgotten(gone));
        }
        Ok(())
    }
}

fn user(text: &str) -> Result<String, String> {
    Asker::name(text).ok_or_else(|| {
        say(
            "请写前端给这位顾客的名字",
            "write the front end's name for the customer",
        )
    })
}

fn forgotten(gone: usize) -> String {
    match gone {
        0 => say(
            "删除的请求：0。请求记录里没有这位顾客。名字要和前端发来的一样（safety_identifier、user 或 metadata.user_id）；没有名字的请求只按地址记，到期自动删除。",
            "Requests forgotten: 0. The journal holds none of this customer. The name has to be the front end's (safety_identifier, user or metadata.user_id); requests without one are known by their address alone, and go when they are too old.",
        ),
        _ => say(
            format!("删除的请求：{gone}。报告不再计入它们。顾客如果刚刚还在问，请再运行一次。"),
            format!(
                "Requests forgotten: {gone}. Reports no longer count them. If the customer asked within the last second, run this again."
            ),
        ),
    }
}

/// What is to be done where the rows are gone, and the file is not written anew.
fn unfinished(gone: usize) -> String {
    say(
        format!("删除的请求：{gone}。文件里可能还留有它们的内容，请解决下面的问题后再运行一次"),
        format!(
            "Requests forgotten: {gone}, but the files may still hold what they said; run this again when that is mended"
        ),
    )
}
