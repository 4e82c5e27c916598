//! `intentgate check`: everything that is wrong with the configuration and the intents.

use anstream::println;

use super::terminal::{self, BOLD, paint};
use crate::config::Config;
use crate::embed::Embedder;
use crate::intent::Action;
use crate::language::say;
use crate::reload::Intents;

/// Prepares a snapshot as `serve` would, and says what it holds.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    let embedder = Embedder::load(&config.model)?;
    let intents = Intents::new(&config, &embedder)?;
    let (snapshot, review) = terminal::prepare(&intents, &intents.read()?, &embedder).await?;
    let count = |action| {
        snapshot
            .intents
            .iter()
            .filter(|intent| intent.action == action)
            .count()
    };
    let folder = intents.folder().display();
    let (all, examples) = (snapshot.intents.len(), snapshot.examples());
    let [forward, answer, reject] = Action::ALL.map(count);
    println!("{}", paint(BOLD, &say("没有问题。", "All is well.")));
    println!(
        "{}",
        say(
            format!(
                "{folder}：{all} 个意图，{examples} 个例句（转发 {forward}，直接回答 {answer}，婉拒 {reject}）"
            ),
            format!(
                "{folder}: {all} intents, {examples} examples (forward {forward}, answer {answer}, reject {reject})"
            ),
        )
    );
    if reject == 0 {
        println!(
            "{}",
            say(
                "注意：没有 action = \"reject\" 的意图，所有问题都会转发。",
                "Note: no intent has action = \"reject\", so every question is forwarded.",
            )
        );
    }
    println!(
        "{:?} {:?}",
        snapshot.judge.thresholds, snapshot.judge.promise
    );
    println!("{} {:?}", review.claimed.len(), review.claimed);
    Ok(())
}
