//! `intentgate find`: what became of one request, by any of its ids.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::exit::NothingThere;
use super::report::JournalFile;
use super::terminal::{plain_table, print_table, shortened};
use crate::config::Config;
use crate::journal::{find, open_for_reading};
use crate::language::{Phrase, say};
use crate::report::numbers::{count, log_odds, money, time};

/// Nobody reads more; only clients that give their ids again and again have more.
const MOST: u32 = 100;
/// Columns of a customer's words.
const TEXT_WIDTH: usize = 400;
/// The longest id, in bytes: that of a reply made here that goes on from another.
const LONGEST: usize = 1024;

/// Look a request up in the journal by its id
#[derive(Debug, Args)]
pub(super) struct Find {
    /// The id in `x-request-id`, `request-id`, `x-upstream-request-id` or `x-intentgate-request-id`, or that of a reply
    /// made by the gateway
    #[arg(value_parser = id, allow_hyphen_values = true)]
    id: String,
    #[command(flatten)]
    file: JournalFile,
    /// Print one JSON document, every column of the journal in it
    #[arg(long)]
    json: bool,
}

impl Find {
    pub(super) fn run(self, config: &Config) -> anyhow::Result<()> {
        let path = self.file.path(config)?;
        let database = open_for_reading(&path)?;
        let ids = [Some(self.id.as_str()), in_reply(&self.id)];
        let ids: Vec<_> = ids.into_iter().flatten().collect();
        let rows = find(&database, &ids, MOST)?;
        if rows.is_empty() && !self.json {
            return Err(NothingThere(nothing(&self.id, &path)).into());
        }
        let mut out = anstream::stdout().lock();
        let done = match self.json {
            true => writeln!(
                out,
                "{:#}",
                json!({"requests": rows.iter().map(document).collect::<Vec<_>>()})
            ),
            false => print(&mut out, &rows),
        };
        match done {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            done => done?,
        }
        match rows.is_empty() {
            true => Err(NothingThere(nothing(&self.id, &path)).into()),
            false => Ok(()),
        }
    }
}

fn id(text: &str) -> Result<String, String> {
    let is_one = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    is_one.then(|| text.to_owned()).ok_or_else(|| {
        say(
            "编号由看得见的 ASCII 字符组成，没有空格；照抄回复头里的 x-request-id 即可",
            "an id is visible ASCII without spaces; copy x-request-id as the reply's headers have it",
        )
    })
}

/// The gateway's id of a request in the id of a reply that it made: `chatcmpl-ID`, `resp_local_ID.…`.
fn in_reply(id: &str) -> Option<&str> {
    let name = id.split('.').next()?;
    let last = name.rsplit(['-', '_']).next()?;
    (last.len() == 32 && last != id).then_some(last)
}

fn nothing(id: &str, path: &Path) -> String {
    let path = path.display();
    say(
        format!(
            "{path} 里没有编号是 {id} 的请求。下一步：检查编号是否抄全；回复结束后一秒内才写入，超过 journal.keep 的已经删除"
        ),
        format!(
            "no request in {path} has the id {id}. Next: check whether it is all of the id; a request is written within a second after its reply, and goes after journal.keep"
        ),
    )
}

/// A row for programs: the journal's columns, the time as others have it.
fn document(row: &Map<String, Value>) -> Value {
    let mut row = row.clone();
    row.insert(
        "at".to_owned(),
        local(&row, "%Y-%m-%dT%H:%M:%S%.6f%:z").into(),
    );
    row.insert(
        "mixed".to_owned(),
        (row.get("mixed") == Some(&json!(1))).into(),
    );
    row.into()
}

fn print(out: &mut impl Write, rows: &[Map<String, Value>]) -> io::Result<()> {
    for (number, row) in rows.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        let mut table = plain_table();
        let row = Shown(row);
        let lines = [row.ids(), row.judgement(), row.reply()]
            .into_iter()
            .flatten();
        for (label, value) in lines.filter(|(_, value)| !value.is_empty()) {
            table.add_row([label.here(), &value]);
        }
        print_table(out, &mut table)?;
    }
    Ok(())
}

/// A line for people: what it is, and the value; an empty one is left out.
type Line = (Phrase, String);

/// A row of the journal.
struct Shown<'r>(&'r Map<String, Value>);

impl Shown<'_> {
    fn ids(&self) -> [Line; 5] {
        let from = ["client", "protocol", "model"].map(|column| self.text(column));
        [
            (Phrase::new("编号", "id"), self.text("request_id")),
            (
                Phrase::new("网关的编号", "the gateway's id"),
                self.text("gate_id"),
            ),
            (
                Phrase::new("上游的编号", "the upstream's id"),
                self.text("upstream_id"),
            ),
            (
                Phrase::new("时间", "time"),
                local(self.0, "%Y-%m-%d %H:%M:%S"),
            ),
            (Phrase::new("来自", "from"), joined(from)),
        ]
    }

    fn judgement(&self) -> [Line; 5] {
        let decision = ["decision", "topic", "reason"].map(|column| self.text(column));
        let would_be = ["would_be", "waived"].map(|column| self.text(column));
        [
            (Phrase::new("决定", "decision"), joined(decision)),
            (Phrase::new("本来会", "would be"), joined(would_be)),
            (
                Phrase::new("最接近的意图", "likeliest intent"),
                self.text("nearest"),
            ),
            (
                Phrase::new("对数几率", "log-odds"),
                self.number("log_odds", log_odds),
            ),
            (
                Phrase::new("阈值", "threshold"),
                self.number("threshold", log_odds),
            ),
        ]
    }

    fn reply(&self) -> [Line; 5] {
        let [status, outcome] = ["status", "outcome"].map(|column| self.text(column));
        let [tokens_in, tokens_out] = ["prompt_tokens", "completion_tokens"]
            .map(|column| self.number(column, |tokens| count(tokens as u64)));
        let [total, first_byte] =
            ["total_us", "first_byte_us"].map(|column| self.number(column, time));
        let currency = self.text("currency");
        let [cost, saved] = ["cost", "saved_cost"]
            .map(|column| self.number(column, |amount| money(&currency, amount)));
        [
            (
                Phrase::new("回复", "reply"),
                joined([status, outcome, total]),
            ),
            (
                Phrase::new("上游的回复", "the upstream's reply"),
                joined([self.text("upstream_status"), first_byte]),
            ),
            (
                Phrase::new("输入、输出 token", "tokens in, out"),
                joined([tokens_in, tokens_out, cost]),
            ),
            (Phrase::new("省下", "saved"), saved),
            (Phrase::new("问题", "question"), self.text("question")),
        ]
    }

    fn text(&self, column: &str) -> String {
        match self.0.get(column) {
            Some(Value::String(text)) => shortened(text, TEXT_WIDTH),
            Some(Value::Null) | None => String::new(),
            Some(value) => value.to_string(),
        }
    }

    fn number(&self, column: &str, say: impl Fn(f64) -> String) -> String {
        let number = self.0.get(column).and_then(Value::as_f64);
        number.map(say).unwrap_or_default()
    }
}

fn joined<const N: usize>(parts: [String; N]) -> String {
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(", ")
}

/// When a request came, by the clock of this machine.
fn local(row: &Map<String, Value>, pattern: &str) -> String {
    let at = row.get("at").and_then(Value::as_i64);
    let at = at.and_then(|at| Timestamp::from_microsecond(at).ok());
    at.map(|at| {
        at.to_zoned_datetime(TimeZone::system())
            .strftime(pattern)
            .to_string()
    })
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_reply_holds_that_of_its_request() {
        const ID: &str = "019ab2c3d4e5f60718293a4b5c6d7e8f";
        for (reply, expected) in [
            (format!("chatcmpl-{ID}"), Some(ID)),
            (format!("msg_{ID}"), Some(ID)),
            (format!("resp_local_{ID}.cmVzcC1f-_"), Some(ID)),
            (ID.to_owned(), None),
            ("front-end-7".to_owned(), None),
        ] {
            assert_eq!(in_reply(&reply), expected, "{reply}");
        }
    }

    #[test]
    fn what_cannot_be_an_id_is_none() {
        for (text, expected) in [
            ("req_1", true),
            ("=1+1", true),
            ("", false),
            ("a b", false),
            ("编号", false),
        ] {
            assert_eq!(id(text).is_ok(), expected, "{text}");
        }
    }
}
