//! A report as people read it: sections of figures, tables and remarks, for the terminal and the page alike.

use super::{Report, accounts, figures, look, summary};
use crate::language::say;

/// A part of a report.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// What it is about.
    pub title: String,
    /// Its figures.
    pub figures: Vec<Figure>,
    /// What is to be known of them.
    pub remarks: Vec<String>,
    /// Its tables.
    pub tables: Vec<Table>,
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// What it comes to.
    pub value: String,
    /// How it is known, or how it is read.
    pub meaning: String,
}

/// A table; the most important rows come first.
#[derive(Clone, Debug)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// What to do about it.
    pub advice: String,
    /// Its columns.
    pub heads: Vec<Head>,
    /// Its rows, a cell a column.
    pub rows: Vec<Vec<String>>,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Head {
    /// What stands above it.
    pub name: String,
    /// What stands in it.
    pub kind: Kind,
}

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name.
    Word,
    /// A number.
    Number,
    /// A customer's words, of any length.
    Text,
}

/// All sections that have something to say; the first is the summary of the others.
pub fn sections(report: &Report) -> Vec<Section> {
    let all = [
        summary::headline(report),
        accounts::savings(report),
        accounts::billed(report),
        look::rejections(report),
        figures::traffic(report),
        figures::intents(report),
        figures::times(report),
        figures::errors(report),
        look::questions(report),
    ];
    let says = |section: &Section| {
        section.figures.len() + section.tables.len() + section.remarks.len() > 0
    };
    all.into_iter().filter(says).collect()
}

/// The period, in a line.
pub fn about(report: &Report) -> String {
    let micros = report.span.micros();
    let [from, until] = [micros.start, micros.end].map(|at| report.span.clock(at));
    let journal = &report.journal;
    say(
        format!("{from} 至 {until}，{journal}"),
        format!("{from} to {until}, {journal}"),
    )
}

impl Section {
    /// One without anything yet.
    pub(super) fn new(title: String) -> Self {
        Section {
            title,
            ..Section::default()
        }
    }

    /// Adds a figure.
    pub(super) fn figure(&mut self, name: String, value: String, meaning: String) {
        self.figures.push(Figure {
            name,
            value,
            meaning,
        });
    }
}

impl Table {
    /// One without rows yet.
    pub(super) fn new(title: String, heads: Vec<(Kind, String)>) -> Self {
        let heads = heads.into_iter();
        Table {
            title,
            advice: String::new(),
            heads: heads.map(|(kind, name)| Head { name, kind }).collect(),
            rows: Vec::new(),
        }
    }

    /// With these rows; none where there are none.
    pub(super) fn of(mut self, rows: Vec<Vec<String>>) -> Option<Self> {
        self.rows = rows;
        (!self.rows.is_empty()).then_some(self)
    }
}
