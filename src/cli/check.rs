//! `intentgate check`: everything that is wrong with the configuration and the intents; where nothing is, what
//! is to be expected of them, and what may be better.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use clap::Args;

use super::serve::tls;
use super::terminal::{self, BOLD, paint};
use super::{expected, findings};
use crate::config::{Config, Gate};
use crate::embed::Facts;
use crate::findings::{Findings, spoken};
use crate::intent::Action;
use crate::language::{Code, Phrase, say};
use crate::reload::Intents;
use crate::snapshot::Snapshot;

/// Check the configuration and the intents: what is wrong, what is to be expected, what may be better
#[derive(Debug, Args)]
pub(super) struct Check {
    /// List every finding, not only the first of each kind
    #[arg(long)]
    all: bool,
}

impl Check {
    /// Prepares a snapshot as `serve` would, and says what it holds.
    pub(super) async fn run(self, config: Config) -> anyhow::Result<()> {
        tls(&config.server)?;
        config.prices.tokenizers()?;
        let embedder = terminal::load(&config.model).await?;
        let intents = Intents::new(&config, &embedder)?;
        let (snapshot, review) = terminal::prepare(&intents, &intents.read()?, &embedder).await?;
        let found = Findings::of(&snapshot.intents, &snapshot.judge, &review);
        let mut out = anstream::stdout().lock();
        let printed = print_counts(&mut out, intents.folder(), &snapshot)
            .and_then(|()| print_model(&mut out, &snapshot, embedder.facts()))
            .and_then(|()| print_languages(&mut out, &snapshot, &config.gate))
            .and_then(|()| expected::print(&mut out, &snapshot, &review, &config))
            .and_then(|()| match intents.switched(&snapshot, &embedder) {
                Some(switched) => writeln!(out, "{switched}"),
                None => Ok(()),
            })
            .and_then(|()| findings::print(&mut out, &found, self.all));
        match printed {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            printed => Ok(printed?),
        }
    }
}

fn print_counts(out: &mut impl Write, folder: &Path, snapshot: &Snapshot) -> io::Result<()> {
    let intents = snapshot.intents.iter();
    let count = |action| {
        intents
            .clone()
            .filter(|intent| intent.action == action)
            .count()
    };
    let [forward, answer, reject] = Action::ALL.map(count);
    let (folder, all, examples) = (folder.display(), intents.len(), snapshot.examples());
    writeln!(out, "{}", paint(BOLD, &say("没有错误。", "No errors.")))?;
    let counts = say(
        format!(
            "{folder}：{all} 个意图，{examples} 个例句（转发 {forward}，直接回答 {answer}，婉拒 {reject}）"
        ),
        format!(
            "{folder}: {all} intents, {examples} examples (forward {forward}, answer {answer}, reject {reject})"
        ),
    );
    writeln!(out, "{counts}")
}

/// The model, where it is not the bundled one, and the languages of the shop that it does not know.
fn print_model(out: &mut impl Write, snapshot: &Snapshot, facts: &Facts) -> io::Result<()> {
    let name = &facts.name;
    writeln!(
        out,
        "{}",
        say(format!("模型：{name}"), format!("Model: {name}"))
    )?;
    let spoken = spoken(&snapshot.intents).into_iter();
    for language in spoken.filter(|language| !facts.knows(*language)) {
        let Phrase { zh, en } = terminal::language(language);
        let line = say(
            format!(
                "注意：{name} 不懂{zh}，而例句里有不少{zh}；这些问题会判断得很差，请换一个模型（intentgate model list）。"
            ),
            format!(
                "Note: {name} does not know {en}, in which many examples are; such questions will be judged badly. Choose another model (intentgate model list)."
            ),
        );
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The languages of replies, where they are more than Chinese and English. What the gateway says by itself is no news.
fn print_languages(out: &mut impl Write, snapshot: &Snapshot, gate: &Gate) -> io::Result<()> {
    let written = gate.reject_reply != Gate::default().reject_reply;
    let default = ("gate.reject_reply", &snapshot.reject_reply);
    let intents = snapshot.intents.iter();
    let own = intents.filter_map(|intent| Some((intent.name.as_str(), intent.reply.as_ref()?)));
    let own = own.filter(|(_, reply)| *reply != default.1);
    let mut names: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
    let all = own.chain(written.then_some(default));
    for (name, reply) in all.filter(|(_, reply)| reply.goes_further()) {
        let codes = reply.codes().map(Code::as_str).collect();
        names.entry(codes).or_default().push(name);
    }
    for (codes, names) in names {
        let line = say(
            format!("用 {} 答复：{}", codes.join("、"), names.join("、")),
            format!("Replies in {}: {}", codes.join(", "), names.join(", ")),
        );
        writeln!(out, "{line}")?;
    }
    Ok(())
}
