//! `intentgate report`: what a period came to.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use comfy_table::CellAlignment;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::Connection;

use super::exit::NothingThere;
use super::terminal::{
    DIM, heading, lines, paint, plain_table, print_table, shortened, write_page,
};
use crate::config::Config;
use crate::embed::Embedder;
use crate::journal::{self, read};
use crate::language::say;
use crate::report::groups::Questions;
use crate::report::sections::{self, Kind, Section, Table};
use crate::report::span::{Moment, Span};
use crate::report::{Groups, Report, document, page, sheet};

/// Rows of a table that a terminal shows.
const MOST_ROWS: usize = 15;
/// Columns of a customer's words.
const TEXT_WIDTH: usize = 36;
/// Columns of such a cell where it stands last.
const LAST_WIDTH: usize = 70;

/// Say what a period came to: what was saved, what it may have cost, what is worth a look
#[derive(Debug, Args)]
pub(super) struct ReportCommand {
    #[command(flatten)]
    period: Period,
    /// Print one JSON document
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print a row a day, or hour, and intent as CSV for spreadsheets
    #[arg(long)]
    csv: bool,
    /// Write a page for a browser; where the journal keeps questions, it holds some
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Which records.
#[derive(Debug, Args)]
pub(super) struct Period {
    /// From when on: how long ago, such as 7d or 24h, or when, such as 2026-11-24 or 2026-11-24T08:30
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: Moment,
    /// Until when, written alike; default: now
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    #[command(flatten)]
    pub(super) file: JournalFile,
}

/// Which journal.
#[derive(Debug, Args)]
pub(super) struct JournalFile {
    /// The journal's file; goes over journal.path
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

impl ReportCommand {
    pub(super) async fn run(self, config: Config) -> anyhow::Result<()> {
        let path = self.period.file.path(&config)?;
        let span = self.period.span()?;
        let database = journal::open_for_reading(&path)?;
        let names = (path.display().to_string(), self.period.options());
        let (mut report, uncovered) =
            Report::read(&database, names, span, config.gate.false_reject_target)?;
        if let Groups::Found(_) = report.groups {
            report.groups = group(&config, uncovered).await;
        }
        let nothing = (report.total.requests == 0).then(|| nothing(&database, &report.span));
        match self.print(&report) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            printed => printed?,
        }
        if let Some(path) = &self.html {
            write_page(path, &page::page(&report)?)?;
        }
        nothing.map_or(Ok(()), |nothing| Err(nothing?.into()))
    }

    fn print(&self, report: &Report) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        if self.json {
            writeln!(out, "{:#}", document::document(report))
        } else if self.csv {
            sheet::write(&mut out, report).map_err(into_io)
        } else if report.total.requests > 0 {
            print(&mut out, report)
        } else {
            Ok(())
        }
    }
}

impl JournalFile {
    /// The journal's file.
    ///
    /// # Errors
    /// There is none to be.
    pub(super) fn path(&self, config: &Config) -> anyhow::Result<PathBuf> {
        let path = self
            .journal
            .clone()
            .or_else(|| journal::path(&config.journal));
        path.with_context(|| {
            say(
                "没有请求记录：journal = \"off\"，或不知道放在哪里；请用 --journal 指定文件",
                "there is no journal: it is \"off\", or no folder for it is known; name a file with --journal",
            )
        })
    }
}

impl Period {
    /// As they were written.
    fn options(&self) -> String {
        let mut options = format!("--since {}", self.since.written);
        if let Some(until) = &self.until {
            options += &format!(" --until {}", until.written);
        }
        if let Some(journal) = &self.file.journal {
            options += &format!(" --journal {}", journal.display());
        }
        options
    }

    /// Its begin and end.
    ///
    /// # Errors
    /// A period that holds no time.
    pub(super) fn span(&self) -> anyhow::Result<Span> {
        let (now, zone) = (Timestamp::now(), TimeZone::system());
        Span::new(&self.since, self.until.as_ref(), now, zone).map_err(anyhow::Error::msg)
    }
}

/// Questions that no intent covers, by the static vectors of the bundled model, whichever model judges; a report
/// without them is still one.
async fn group(config: &Config, questions: Questions) -> Groups {
    let embedder = match Embedder::load(&config.model.bundled()) {
        Ok(embedder) => embedder,
        Err(error) => return Groups::Unknown(error.to_string()),
    };
    match questions.groups(&embedder).await {
        Ok(groups) => Groups::Found(groups),
        Err(error) => Groups::Unknown(error.to_string()),
    }
}

/// That nothing was found, and where there is something.
fn nothing(database: &Connection, span: &Span) -> rusqlite::Result<NothingThere> {
    let micros = span.micros();
    let [from, until] = [micros.start, micros.end].map(|at| span.clock(at));
    Ok(NothingThere(match read::reach(database)? {
        Some((first, last)) => {
            let [first, last] = [first, last].map(|at| span.clock(at));
            say(
                format!(
                    "{from} 至 {until} 没有请求；请求记录里的请求从 {first} 到 {last}，请用 --since 和 --until 指定"
                ),
                format!(
                    "no requests from {from} to {until}; the journal holds those from {first} to {last}, name them with --since and --until"
                ),
            )
        }
        None => say(
            "请求记录还是空的；请先让网关处理一些",
            "the journal holds no requests yet; let the gateway serve some first",
        ),
    }))
}

fn print(out: &mut impl Write, report: &Report) -> io::Result<()> {
    writeln!(out, "{}", sections::about(report))?;
    for section in sections::sections(report) {
        print_section(out, &section)?;
    }
    Ok(())
}

fn print_section(out: &mut impl Write, section: &Section) -> io::Result<()> {
    heading(out, &section.title)?;
    let mut figures = plain_table();
    for figure in &section.figures {
        figures.add_row([&figure.name, &figure.value, &figure.meaning]);
    }
    if !section.figures.is_empty() {
        print_table(out, &mut figures)?;
    }
    for remark in &section.remarks {
        writeln!(out, "  {}", paint(DIM, remark))?;
    }
    for table in &section.tables {
        print_rows(out, table)?;
    }
    Ok(())
}

fn print_rows(out: &mut impl Write, table: &Table) -> io::Result<()> {
    if !table.title.is_empty() {
        writeln!(out, "\n  {}", table.title)?;
    }
    if !table.advice.is_empty() {
        writeln!(out, "  {}", paint(DIM, &table.advice))?;
    }
    let mut printed = plain_table();
    printed.add_row(table.heads.iter().map(|head| &head.name));
    for row in table.rows.iter().take(MOST_ROWS) {
        let cells = table.heads.iter().zip(row).enumerate();
        printed.add_row(cells.map(|(place, (head, cell))| match head.kind {
            Kind::Text if place + 1 == row.len() => shortened(cell, LAST_WIDTH),
            Kind::Text => shortened(cell, TEXT_WIDTH),
            Kind::Word | Kind::Number => shortened(cell, LAST_WIDTH),
        }));
    }
    for (column, head) in printed.column_iter_mut().zip(&table.heads) {
        if head.kind == Kind::Number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in lines(&mut printed) {
        writeln!(out, "{line}")?;
    }
    let hidden = table.rows.len().saturating_sub(MOST_ROWS);
    if hidden > 0 {
        let more = say(
            format!("还有 {hidden} 行；--html 有全部"),
            format!("{hidden} more rows; --html has all"),
        );
        writeln!(out, "  {}", paint(DIM, &more))?;
    }
    Ok(())
}

fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
