//! `intentgate model compare`: two models side by side, on the shop's own intents.

use std::io::{ErrorKind, Write};
use std::time::Instant;

use clap::Args;
use comfy_table::CellAlignment;
use serde_json::{Value, json};

use super::terminal::{self, plain_table, print_table};
use crate::config::{Config, Model};
use crate::eval::ranking::Scores;
use crate::intent::Action;
use crate::language::say;
use crate::reload::Intents;
use crate::share::Share;
use crate::snapshot::{Review, Snapshot};
use crate::verdict::Stage;

/// So many examples are timed.
const TIMED: usize = 100;

/// Fit two models to the shop's own intents, and say which tells its questions apart better
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// bundled, configured (what config.toml says), a folder, or owner/name on the hub
    a: String,
    /// The other
    b: String,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// How one model does. Every example is judged by what was fitted without it.
struct Standing {
    model: String,
    auroc: Option<f64>,
    fpr95: Option<f64>,
    right: Share,
    rejected: Option<f64>,
    caught: Option<f64>,
    /// Of a question through the whole model, in the median.
    milliseconds: f64,
    /// From the vectors to a judge, in seconds.
    fitting: f64,
}

impl Compare {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<()> {
        let mut standings = Vec::new();
        for name in [&self.a, &self.b] {
            let model = terminal::named(name, &config)?;
            standings.push(standing(&config, model).await?);
        }
        let mut out = anstream::stdout().lock();
        let printed = if self.json {
            let document: Vec<_> = standings.iter().map(Standing::document).collect();
            writeln!(out, "{:#}", Value::from(document))
        } else {
            print(&mut out, &standings)
        };
        match printed {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            printed => Ok(printed?),
        }
    }
}

async fn standing(config: &Config, model: Model) -> anyhow::Result<Standing> {
    let embedder = terminal::load(&model).await?;
    let mut config = config.clone();
    config.model = model;
    let intents = Intents::new(&config, &embedder)?;
    let files = intents.read()?;
    terminal::prepare(&intents, &files, &embedder).await?;
    // Now that every vector is known.
    let start = Instant::now();
    let (snapshot, review) = terminal::prepare(&intents, &files, &embedder).await?;
    let fitting = start.elapsed().as_secs_f64();
    let examples = snapshot.intents.iter().flat_map(|intent| &intent.examples);
    let mut times = Vec::new();
    let step = (snapshot.examples() / TIMED).max(1);
    for example in examples.step_by(step) {
        let start = Instant::now();
        embedder.embed(example.read.clone(), Stage::Encoder).await?;
        times.push(1e3 * start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(Standing {
        milliseconds: times.get(times.len() / 2).copied().unwrap_or_default(),
        fitting,
        ..Standing::of(embedder.facts().name.clone(), &snapshot, &review)
    })
}

impl Standing {
    fn of(model: String, snapshot: &Snapshot, review: &Review) -> Self {
        let intents = &snapshot.intents;
        let business = |group: usize| {
            let intent = intents.get(group);
            intent.is_some_and(|intent| intent.action != Action::Reject)
        };
        let cases = review.examples.iter();
        let scores = Scores::of(
            cases
                .clone()
                .map(|case| (case.log_odds, business(case.group))),
        );
        let own = cases.filter(|case| case.group < intents.len());
        let promise = &snapshot.judge.promise;
        Standing {
            model,
            auroc: scores.auroc(),
            fpr95: scores.fpr95(),
            right: Share::of(own.map(|case| case.likeliest == case.group)),
            rejected: promise.rejected_share(),
            caught: promise.caught.value(),
            milliseconds: 0.0,
            fitting: 0.0,
        }
    }

    fn document(&self) -> Value {
        json!({
            "model": self.model,
            "auroc": self.auroc,
            "fpr95": self.fpr95,
            "accuracy": self.right.value(),
            "expected_rejected": self.rejected,
            "expected_caught": self.caught,
            "question_milliseconds": self.milliseconds,
            "fitting_seconds": self.fitting,
        })
    }
}

fn print(out: &mut impl Write, standings: &[Standing]) -> std::io::Result<()> {
    let mut table = plain_table();
    let names = standings.iter().map(|standing| standing.model.clone());
    table.add_row(std::iter::once(String::new()).chain(names));
    let percent = |share: Option<f64>| {
        share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", 100.0 * share))
    };
    type Figure = Box<dyn Fn(&Standing) -> String>;
    let rows: [(String, Figure); 7] = [
        (
            say(
                "AUROC（店里的事和无关问题）",
                "AUROC, business against off-topic",
            ),
            Box::new(|s| {
                s.auroc
                    .map_or_else(|| "–".to_owned(), |auroc| format!("{auroc:.4}"))
            }),
        ),
        (
            say(
                "FPR95（放过 95 % 的顾客时，漏过的无关问题）",
                "FPR95, off-topic let through where 95 % of business passes",
            ),
            Box::new(move |s| percent(s.fpr95)),
        ),
        (
            say("意图认对", "intents told right"),
            Box::new(move |s| percent(s.right.value())),
        ),
        (
            say("预计误拒", "real questions expected to be rejected"),
            Box::new(move |s| percent(s.rejected)),
        ),
        (
            say(
                "预计拦下无关问题",
                "off-topic questions expected to be caught",
            ),
            Box::new(move |s| percent(s.caught)),
        ),
        (
            say("每个问题（毫秒，中位数）", "a question, ms in the median"),
            Box::new(|s| format!("{:.2}", s.milliseconds)),
        ),
        (
            say("重新拟合（秒）", "fitting again, s"),
            Box::new(|s| format!("{:.1}", s.fitting)),
        ),
    ];
    for (name, figure) in rows {
        table.add_row(std::iter::once(name).chain(standings.iter().map(figure)));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    print_table(out, &mut table)?;
    let basis = say(
        "用本店的例句和内置的无关问题，判断每一句时都假装没有它（5 折交叉验证）。",
        "On the shop's own examples and built-in off-topic questions, each judged as if it were not there (5-fold cross-validation).",
    );
    writeln!(out, "\n{}", terminal::paint(terminal::DIM, &basis))
}
