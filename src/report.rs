//! The journal → what a period came to, for people and programs.
//!
//! ```text
//! rows → Tally → Savings ┐ Headline
//! reviews → Rejections   ├ Report → sections → terminal, page
//! questions → Group      ┘        → document, sheet
//! ```

mod accounts;
pub mod cell;
pub mod document;
mod figures;
pub mod groups;
pub mod headline;
mod look;
pub mod numbers;
pub mod page;
mod pictures;
pub mod rejections;
pub mod savings;
pub mod sections;
pub mod sheet;
pub mod span;
pub mod spread;
mod summary;
pub mod tally;

use rusqlite::Connection;

use crate::journal::read::{self, Kind};
use cell::Cell;
use groups::{Group, Question, Questions};
use headline::Headline;
use rejections::Rejections;
use savings::Savings;
use span::Span;
use tally::Tally;

/// Models without a price that are named.
const MODELS: u32 = 5;
/// Questions near the threshold that are listed.
const NEAREST: usize = 20;

/// What a period came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// The journal as the operator knows it.
    pub journal: String,
    /// The options that name both to another command.
    pub options: String,
    /// The period.
    pub span: Span,
    /// Its sums.
    pub tally: Tally,
    /// All of them together.
    pub total: Cell,
    /// What it comes to in four figures.
    pub headline: Headline,
    /// What was saved.
    pub savings: Savings,
    /// What it may have cost.
    pub rejections: Rejections,
    /// The models for which no money is known, and how often they were asked for.
    pub unpriced: Vec<(String, u64)>,
    /// Rejections near the threshold, the nearest first, each question once.
    pub near: Vec<Question>,
    /// Questions that no intent covers.
    pub groups: Groups,
}

/// What is known of questions that no intent covers.
#[derive(Clone, Debug)]
pub enum Groups {
    /// The journal keeps no questions.
    Unkept,
    /// They could not be embedded; why.
    Unknown(String),
    /// Those that are alike.
    Found(Vec<Group>),
}

impl Report {
    /// Reads a period out of the journal, all of it as of one moment; and the questions to be grouped. The journal's
    /// name and the options are only shown; `target` is the share of real questions that may be rejected.
    ///
    /// # Errors
    /// The database's own.
    pub fn read(
        db: &Connection,
        (journal, options): (String, String),
        mut span: Span,
        target: f64,
    ) -> rusqlite::Result<(Report, Questions)> {
        let moment = db.unchecked_transaction()?;
        let micros = span.micros();
        let first = read::reach(db)?.map_or(micros.end, |(first, _)| first);
        span.divide(first);
        let mut tally = Tally::new(&span);
        read::each(db, &micros, |row| tally.add(&span, row))?;
        let total = tally.total();
        let unpriced = match total.saved.unpriced + total.billed.unpriced {
            0 => Vec::new(),
            _ => read::unpriced(db, &micros, MODELS)?,
        };
        let questions = |kind| -> rusqlite::Result<Questions> {
            let mut questions = Questions::default();
            if tally.questions > 0 {
                read::kind(db, &micros, kind, |told| questions.add(told))?;
            }
            Ok(questions)
        };
        let mut near = questions(Kind::NearThreshold)?.into_list();
        near.truncate(NEAREST);
        let uncovered = questions(Kind::Uncovered)?;
        let rejections = Rejections::read(db, &micros)?;
        moment.finish()?;
        let savings = Savings::of(&tally);
        let report = Report {
            headline: Headline::of(&tally, &savings, &rejections, target),
            savings,
            groups: match tally.questions {
                0 => Groups::Unkept,
                _ => Groups::Found(Vec::new()),
            },
            journal,
            options,
            span,
            tally,
            total,
            rejections,
            unpriced,
            near,
        };
        Ok((report, uncovered))
    }
}
