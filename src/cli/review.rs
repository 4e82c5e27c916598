//! `intentgate review`: a person says which would-be rejections would have been wrong.

use std::collections::BTreeMap;
use std::io::{self, BufRead, ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::json;

use super::report::Period;
use super::terminal::{BOLD, DIM, paint, shortened};
use crate::config::Config;
use crate::journal::read::{self, Told};
use crate::journal::{self, open_for_reading};
use crate::language::say;
use crate::report::numbers::{count, log_odds};
use crate::report::span::Span;

/// Nobody reviews more at a time.
const MOST: u32 = 1000;
/// Columns of a question.
const TEXT_WIDTH: usize = 400;
/// A gateway writes a batch in milliseconds; this long an answer waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Review would-be rejections that were forwarded, of the audit or of shadow mode, in random order
#[derive(Debug, Args)]
pub(super) struct Review {
    #[command(flatten)]
    period: Period,
    /// Say of one request whether its rejection would be wrong; may be repeated
    #[arg(long, value_name = "REQUEST_ID=wrong|right", value_parser = mark, conflicts_with_all = ["list", "json"])]
    mark: Vec<Mark>,
    /// List what awaits review, and ask nothing
    #[arg(long)]
    list: bool,
    /// The same as one JSON document
    #[arg(long)]
    json: bool,
}

/// What is said of a request.
#[derive(Clone, Debug)]
struct Mark {
    request_id: String,
    wrong: bool,
}

/// What a person answers.
enum Answer {
    Wrong(bool),
    Skip,
    Quit,
}

impl Review {
    pub(super) fn run(self, config: &Config) -> anyhow::Result<()> {
        let path = self.period.file.path(config)?;
        let span = self.period.span()?;
        let database = open_for_reading(&path)?;
        if !self.mark.is_empty() {
            return mark_all(&database, &path, &self.mark);
        }
        let (rows, all) = read::awaiting(&database, &span.micros(), MOST)?;
        let mut out = anstream::stdout().lock();
        let done = if self.json {
            writeln!(out, "{:#}", document(&rows, all, &span))
        } else if self.list {
            list(&mut out, &rows, all, &span)
        } else {
            let writer = writer(&path)?;
            ask(&mut out, &writer, &rows, all)
        };
        match done {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            done => Ok(done?),
        }
    }
}

fn mark(text: &str) -> Result<Mark, String> {
    let wrong = |word| match word {
        "wrong" => Some(true),
        "right" => Some(false),
        _ => None,
    };
    let parts = text.rsplit_once('=');
    let mark = parts.and_then(|(id, word)| {
        let request_id = id.to_owned();
        wrong(word).map(|wrong| Mark { request_id, wrong })
    });
    mark.filter(|mark| !mark.request_id.is_empty())
        .ok_or_else(|| {
            say(
                "请写 请求编号=wrong 或 请求编号=right",
                "write REQUEST_ID=wrong or REQUEST_ID=right",
            )
        })
}

/// All of them, or none where one is unknown.
fn mark_all(database: &Connection, path: &Path, marks: &[Mark]) -> anyhow::Result<()> {
    let ids: Vec<_> = marks.iter().map(|mark| mark.request_id.as_str()).collect();
    let unknown = read::unknown(database, &ids)?;
    if !unknown.is_empty() {
        let unknown = unknown.join(", ");
        bail!(say(
            format!(
                "没有这样的本来会婉拒的请求：{unknown}；`intentgate review --list` 列出等待查看的"
            ),
            format!(
                "no would-be rejections: {unknown}; `intentgate review --list` shows those that await review"
            ),
        ));
    }
    let writer = writer(path)?;
    let transaction = writer.unchecked_transaction()?;
    for mark in marks {
        read::mark(&transaction, &mark.request_id, mark.wrong, now())?;
    }
    transaction.commit()?;
    let number = marks.len();
    anstream::println!(
        "{}",
        say(format!("记下了 {number} 个"), format!("{number} noted"))
    );
    Ok(())
}

fn writer(path: &Path) -> anyhow::Result<Connection> {
    let writer = journal::open_for_writing(path)?;
    writer.busy_timeout(PATIENCE)?;
    Ok(writer)
}

fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

fn document(rows: &[Told], all: u64, span: &Span) -> serde_json::Value {
    let rows = rows.iter().map(|told| {
        json!({
            "request_id": told.request_id,
            "at": span.stamp(told.at),
            "question": told.question,
            "waived": told.waived,
            "topic": told.topic,
            "nearest_intent": told.nearest,
            "log_odds": told.log_odds,
            "threshold": told.threshold,
        })
    });
    json!({"awaiting_review": all, "requests": rows.collect::<Vec<_>>()})
}

fn list(out: &mut impl Write, rows: &[Told], all: u64, span: &Span) -> io::Result<()> {
    writeln!(out, "{}", waiting(all))?;
    remark_unkept(out, rows)?;
    for told in rows {
        let question = told.question.as_deref().unwrap_or_default();
        let question = shortened(question, TEXT_WIDTH);
        let at = span.clock(told.at);
        writeln!(
            out,
            "  {}  {at}  {}  {question}",
            told.request_id,
            about(told)
        )?;
    }
    Ok(())
}

/// One after the other; what is answered is noted at once.
fn ask(out: &mut impl Write, writer: &Connection, rows: &[Told], all: u64) -> io::Result<()> {
    writeln!(out, "{}", waiting(all))?;
    remark_unkept(out, rows)?;
    let (mut answers, mut noted) = (io::stdin().lock().lines(), BTreeMap::new());
    'rows: for told in rows {
        let question = told.question.as_deref().unwrap_or(&told.request_id);
        writeln!(out, "\n{}", paint(BOLD, &shortened(question, TEXT_WIDTH)))?;
        writeln!(out, "  {}", paint(DIM, &about(told)))?;
        let answer = loop {
            write!(out, "  {} ", keys())?;
            out.flush()?;
            let Some(line) = answers.next().transpose()? else {
                break 'rows;
            };
            if let Some(answer) = Answer::of(&line) {
                break answer;
            }
        };
        match answer {
            Answer::Skip => {}
            Answer::Quit => break,
            Answer::Wrong(wrong) => {
                read::mark(writer, &told.request_id, wrong, now()).map_err(io::Error::other)?;
                *noted.entry(wrong).or_insert(0) += 1;
            }
        }
    }
    let [right, wrong] = [false, true].map(|of| count(noted.get(&of).copied().unwrap_or_default()));
    let said = say(
        format!(
            "记下了：婉拒得对 {right}，错了 {wrong}。`intentgate report` 据此估计婉拒里有多少是错的。"
        ),
        format!(
            "Noted: rightly rejected {right}, wrong {wrong}. `intentgate report` estimates from this how many rejections are wrong."
        ),
    );
    writeln!(out, "\n{said}")
}

impl Answer {
    fn of(line: &str) -> Option<Self> {
        match line.trim().to_ascii_lowercase().as_str() {
            "r" => Some(Answer::Wrong(false)),
            "w" => Some(Answer::Wrong(true)),
            "s" => Some(Answer::Skip),
            "q" => Some(Answer::Quit),
            _ => None,
        }
    }
}

fn keys() -> String {
    say(
        "r 婉拒得对 / w 错了，是真顾客 / s 跳过 / q 结束：",
        "r rightly rejected / w wrong, a real customer / s skip / q quit:",
    )
}

fn waiting(all: u64) -> String {
    let number = count(all);
    say(
        format!("本来会婉拒、还没有人看过的：{number} 个，顺序随机，看到哪里都是公平的样本。"),
        format!(
            "Would-be rejections that nobody has reviewed: {number}, in random order, so that the first ones are a fair sample."
        ),
    )
}

fn remark_unkept(out: &mut impl Write, rows: &[Told]) -> io::Result<()> {
    if rows.is_empty() || rows.iter().any(|told| told.question.is_some()) {
        return Ok(());
    }
    let remark = say(
        "请求记录里没有问题的文字，只有请求编号；在配置里写 [journal] questions = true，之后的问题会保留。",
        "The journal keeps no questions, only the ids of requests; set questions = true under [journal], and those that come then are kept.",
    );
    writeln!(out, "{remark}")
}

/// What the gate thought of it.
fn about(told: &Told) -> String {
    let topic = told.topic.as_deref().unwrap_or("–");
    let nearest = told.nearest.as_deref().unwrap_or("–");
    let score = told.log_odds.map_or("–".to_owned(), log_odds);
    let threshold = told.threshold.map_or("–".to_owned(), log_odds);
    say(
        format!("{topic}，最接近的意图 {nearest}，对数几率 {score}（阈值 {threshold}）"),
        format!("{topic}, likeliest intent {nearest}, log-odds {score} (threshold {threshold})"),
    )
}
