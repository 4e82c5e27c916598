//! `intentgate check`: everything that is wrong with the configuration and the intents; where nothing is, what
//! is to be expected of them, and what may be better.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use clap::Args;

use super::findings;
use super::serve::tls;
use super::terminal::{self, BOLD, paint};
use crate::config::{Config, Gate};
use crate::embed::Facts;
use crate::findings::{Findings, spoken};
use crate::intent::Action;
use crate::language::{Code, Phrase, say};
use crate::reload::Intents;
use crate::share::Share;
use crate::snapshot::{Review, Snapshot};
use crate::verdict::Reason;

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
            .and_then(|()| {
                print_promise(
                    &mut out,
                    &snapshot,
                    &review,
                    config.gate.false_reject_target,
                )
            })
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

fn print_promise(
    out: &mut impl Write,
    snapshot: &Snapshot,
    review: &Review,
    target: f64,
) -> io::Result<()> {
    let judge = &snapshot.judge;
    if !judge.rejects() {
        let why = Reason::NothingRejects.explain();
        return writeln!(
            out,
            "{}",
            say(format!("注意：{}。", why.zh), format!("Note: {}.", why.en))
        );
    }
    writeln!(out)?;
    let promise = &judge.promise;
    if !promise.is_firm(target) {
        let business = promise.rejected.of;
        let line = say(
            format!(
                "店里的事只有 {business} 个例句，太少了，保证不了什么：把顾客真实的问法写进意图，总共 300 句以上为好。"
            ),
            format!(
                "{business} examples of the shop's business are too few to promise anything: add what customers really ask to the intents, better 300 or more altogether."
            ),
        );
        writeln!(out, "{line}")?;
    }
    if let (Some(share), Some(interval)) = (promise.rejected_share(), promise.rejected_interval()) {
        let (share, interval, target) = (percent(share), range(interval), percent(target));
        let line = say(
            format!(
                "预计误拒 {share} 的真实问题（95 % 的把握在 {interval} 之间）；目标是 {target}，见 gate.false_reject_target。"
            ),
            format!(
                "About {share} of real questions will be rejected ({interval} with 95 % confidence); the target is {target}, gate.false_reject_target."
            ),
        );
        writeln!(out, "{line}")?;
    }
    print_caught(out, promise.caught)?;
    print_basis(out, snapshot, review)
}

/// How much the promise rests on.
fn print_basis(out: &mut impl Write, snapshot: &Snapshot, review: &Review) -> io::Result<()> {
    let promise = &snapshot.judge.promise;
    let rows = review.examples.iter();
    let rows = rows
        .filter(|row| row.group >= snapshot.intents.len())
        .count();
    let (business, off_topic) = (promise.rejected.of, promise.caught.of - rows);
    let background = match rows {
        0 => Phrase::default(),
        _ => Phrase::new(
            format!("，{rows} 句内置的无关问题"),
            format!(" and {rows} built-in off-topic questions"),
        ),
    };
    let line = say(
        format!(
            "依据：店里的事 {business} 个例句，婉拒的 {off_topic} 个{}；判断每一句时都假装没有它。",
            background.zh
        ),
        format!(
            "This rests on {business} examples of business, {off_topic} that are rejected{}, each judged as if it were not there.",
            background.en
        ),
    );
    writeln!(out, "{line}")
}

fn print_caught(out: &mut impl Write, caught: Share) -> io::Result<()> {
    let (Some(share), Some(interval)) = (caught.value(), caught.interval()) else {
        return Ok(());
    };
    let (share, interval) = (percent(share), range(interval));
    let line = say(
        format!("预计拦下 {share} 的无关问题（95 % 的把握在 {interval} 之间）。"),
        format!(
            "About {share} of off-topic questions will be caught ({interval} with 95 % confidence)."
        ),
    );
    writeln!(out, "{line}")
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn range((low, high): (f64, f64)) -> String {
    format!("{:.1}–{:.1} %", 100.0 * low, 100.0 * high)
}
