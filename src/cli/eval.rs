//! `intentgate eval`: labelled questions judged as traffic would be, and figures of how well that goes.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use futures_util::{StreamExt, stream};

use super::{figures, terminal};
use crate::config::{Config, read_text};
use crate::embed::Embedder;
use crate::eval::labels::{self, Folder, Labelled};
use crate::eval::{Evaluation, Outcome, Question, Trial, document, report};
use crate::gate::Gate;
use crate::intent::Intent;
use crate::intent::file::IntentFile;
use crate::language::{Phrase, say};
use crate::problem::{Problem, Problems};
use crate::reload::Intents;
use crate::snapshot::Snapshot;

/// Judge labelled questions and say how many are judged rightly.
#[derive(Debug, Args)]
pub(super) struct Eval {
    /// Questions as JSON Lines: {"text": …} or {"messages": […]}, with "intent": "NAME" or
    /// "on_topic": true|false beside it, or both
    #[arg(value_name = "FILE.jsonl")]
    file: PathBuf,
    /// Judge by this folder of intents as well, and show what it changes
    #[arg(long, value_name = "DIR")]
    compare: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Write a report for a browser; it holds the questions
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// All that is read before anything is judged.
struct Input {
    present: Standing,
    changed: Option<Standing>,
    labelled: Labelled,
}

/// A folder of intents as it stands.
struct Standing {
    name: String,
    intents: Intents,
    files: Vec<IntentFile>,
    parsed: Vec<Intent>,
}

impl Eval {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<()> {
        let gate = Gate::new(terminal::load(&config.model).await?, &config.gate);
        let Input {
            present,
            changed,
            labelled,
        } = self.read(&config, gate.embedder())?;
        let present = present.judge(&gate, &labelled.questions).await?;
        let changed = match changed {
            Some(changed) => Some(changed.judge(&gate, &labelled.questions).await?),
            None => None,
        };
        let file = self.file.display().to_string();
        let evaluation = Evaluation::new(file, labelled, present, changed);
        match self.print(&evaluation) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            printed => printed?,
        }
        self.html.map_or(Ok(()), |path| {
            terminal::write_page(&path, &report::page(&evaluation)?)
        })
    }

    fn print(&self, evaluation: &Evaluation) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        if self.json {
            writeln!(out, "{:#}", document::document(evaluation))
        } else {
            figures::print(&mut out, evaluation)
        }
    }

    /// Both folders and the questions.
    ///
    /// # Errors
    /// Every problem of all of them.
    fn read(&self, config: &Config, embedder: &Embedder) -> anyhow::Result<Input> {
        let mut problems = Vec::new();
        let present = Standing::read(Intents::new(config, embedder)?);
        let present = keep(&mut problems, present);
        let changed = match &self.compare {
            Some(folder) if !folder.is_dir() => keep(&mut problems, Err(no_folder(folder))),
            Some(folder) => {
                let mut config = config.clone();
                config.gate.intents = Some(folder.clone());
                let changed = Standing::read(Intents::new(&config, embedder)?);
                keep(&mut problems, changed)
            }
            None => None,
        };
        let folders = present.iter().chain(&changed);
        // A folder that cannot be read may have had any name.
        let known = folders.filter(|_| problems.is_empty()).map(Standing::known);
        let known: Vec<_> = known.collect();
        let file = self.file.display().to_string();
        let labelled = read_text(&self.file).and_then(|text| labels::read(&file, &text, &known));
        match (present, keep(&mut problems, labelled)) {
            (Some(present), Some(labelled)) if problems.is_empty() => Ok(Input {
                present,
                changed,
                labelled,
            }),
            _ => Err(Problems(problems).into()),
        }
    }
}

/// The value, or its problems beside those there are.
fn keep<T>(problems: &mut Vec<Problem>, read: Result<T, Problems>) -> Option<T> {
    read.map_err(|Problems(found)| problems.extend(found)).ok()
}

fn no_folder(path: &Path) -> Problems {
    let message = Phrase::new(
        "不是文件夹；请用 --compare 指定改过的意图文件夹",
        "is no folder; name the changed folder of intents with --compare",
    );
    Problems(vec![Problem::of_file(&path.display().to_string(), message)])
}

impl Standing {
    fn read(intents: Intents) -> Result<Self, Problems> {
        let files = intents.read()?;
        let parsed = intents.parse(&files)?;
        Ok(Standing {
            name: intents.folder().display().to_string(),
            intents,
            files,
            parsed,
        })
    }

    fn known(&self) -> Folder<'_> {
        Folder {
            name: &self.name,
            intents: &self.parsed,
        }
    }

    async fn judge(&self, gate: &Gate, questions: &[Question]) -> anyhow::Result<Trial> {
        let (snapshot, _) = terminal::prepare(&self.intents, &self.files, gate.embedder()).await?;
        let outcomes = judge(gate, &snapshot, questions).await?;
        Ok(Trial::new(self.name.clone(), snapshot, questions, outcomes))
    }
}

/// The outcomes in the order of the questions; as many at a time as keep every thread of the model busy.
async fn judge(
    gate: &Gate,
    snapshot: &Snapshot,
    questions: &[Question],
) -> anyhow::Result<Vec<Outcome>> {
    let bar = terminal::bar(say("判断问题", "judging questions"));
    let mut decisions = stream::iter(questions)
        .map(|question| async move {
            let prompt = gate.unwrapped(snapshot, question.prompt.clone(), None);
            gate.judge(snapshot, &prompt).await
        })
        .buffered(2 * gate.embedder().threads());
    let mut outcomes = Vec::with_capacity(questions.len());
    while let Some(decision) = decisions.next().await {
        let line = questions[outcomes.len()].line;
        let outcome = Outcome::of(&decision).with_context(|| {
            let reason = decision.reason.explain();
            say(
                format!("第 {line} 行：{}", reason.zh),
                format!("line {line}: {}", reason.en),
            )
        })?;
        outcomes.push(outcome);
        terminal::advance(&bar, outcomes.len(), questions.len());
    }
    bar.finish_and_clear();
    Ok(outcomes)
}
