//! Rows of the journal → sums, in one pass and in memory that does not grow with the rows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::cell::Cell;
use super::span::Span;
use super::spread::Spread;
use crate::journal::read::Seen;
use crate::verdict::Reason;

/// Of log-odds, each interval of the histogram.
const BIN: f64 = 0.5;
/// So many intervals, half of them below 0; the outermost hold what is beyond.
const BINS: usize = 80;

/// Sums over a span.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By part of the span, by intent.
    pub cells: Vec<HashMap<String, Cell>>,
    /// Requests by protocol.
    pub protocols: BTreeMap<String, u64>,
    /// Decisions that were not acted upon, by why and by what they were.
    pub waived: BTreeMap<(String, String), u64>,
    /// Requests that went upstream unjudged, by reason.
    pub bypassed: BTreeMap<String, u64>,
    /// Errors that clients saw, by code.
    pub codes: BTreeMap<String, u64>,
    /// Errors of upstreams, by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Replies of upstreams, by how their tokens are known: `told`, `counted`, `unknown`.
    pub usage: BTreeMap<String, u64>,
    /// Tokens of upstreams' replies.
    pub completions: Spread,
    /// Microseconds from prompt to decision, by stage.
    pub verdicts: BTreeMap<String, Spread>,
    /// Microseconds to the first byte of upstreams.
    pub first_byte: Spread,
    /// Microseconds of requests that were completed, by decision.
    pub totals: BTreeMap<String, Spread>,
    /// Judged requests by log-odds.
    pub scores: Scores,
    /// The threshold of the newest decision that has one, and when.
    pub threshold: Option<(i64, f64)>,
    /// Requests of which the question is kept.
    pub questions: u64,
}

/// How many requests have log-odds in each interval.
#[derive(Clone, Debug)]
pub struct Scores {
    /// Those that pass.
    pub passed: Vec<u64>,
    /// Those that are or would be rejected.
    pub rejected: Vec<u64>,
}

impl Default for Scores {
    fn default() -> Self {
        Scores {
            passed: vec![0; BINS],
            rejected: vec![0; BINS],
        }
    }
}

impl Scores {
    /// Where an interval begins.
    pub fn start(interval: usize) -> f64 {
        (interval as f64 - BINS as f64 / 2.0) * BIN
    }

    fn add(&mut self, log_odds: f64, rejected: bool) {
        let interval = log_odds / BIN + BINS as f64 / 2.0;
        let interval = interval.clamp(0.0, (BINS - 1) as f64) as usize;
        let kind = if rejected {
            &mut self.rejected
        } else {
            &mut self.passed
        };
        kind[interval] += 1;
    }
}

impl Tally {
    /// Nothing yet.
    pub fn new(span: &Span) -> Self {
        Tally {
            cells: vec![HashMap::new(); span.parts().max(1)],
            ..Tally::default()
        }
    }

    /// Counts a row.
    pub fn add(&mut self, span: &Span, row: &Seen<'_>) {
        *of(&mut self.protocols, row.protocol) += 1;
        self.questions += u64::from(row.has_question);
        self.add_waived(row);
        self.add_times(row);
        self.add_scores(row);
        self.add_ends(row);
        let part = span.part(row.at).min(self.cells.len() - 1);
        let cells = &mut self.cells[part];
        match cells.get_mut(row.intent) {
            Some(cell) => cell.add(row),
            None => cells.entry(row.intent.to_owned()).or_default().add(row),
        }
    }

    /// All cells together.
    pub fn total(&self) -> Cell {
        Cell::sum(self.cells.iter().flat_map(HashMap::values))
    }

    /// The cells of a part together.
    pub fn part(&self, part: usize) -> Cell {
        Cell::sum(self.cells.get(part).into_iter().flat_map(HashMap::values))
    }

    /// By intent, the most asked first.
    pub fn intents(&self) -> Vec<(&str, Cell)> {
        let mut intents: BTreeMap<&str, Cell> = BTreeMap::new();
        for (intent, cell) in self.cells.iter().flatten() {
            intents.entry(intent).or_default().plus(cell);
        }
        let mut intents: Vec<_> = intents.into_iter().collect();
        intents.sort_by_key(|(_, cell)| Reverse(cell.requests));
        intents
    }

    /// The times of a decision's requests.
    pub fn total_of(&self, decision: &str) -> Spread {
        self.totals.get(decision).cloned().unwrap_or_default()
    }

    /// The times of replies that were made here.
    pub fn total_here(&self) -> Spread {
        self.total_of("answer").with(&self.total_of("reject"))
    }

    fn add_waived(&mut self, row: &Seen<'_>) {
        if let (Some(why), Some(what)) = (row.waived, row.would_be) {
            let key = (why.to_owned(), what.to_owned());
            *self.waived.entry(key).or_default() += 1;
        }
        if let Some(reason) = row.reason
            && row.decision == "forward"
            && Reason::BYPASSES.contains(&reason)
        {
            *of(&mut self.bypassed, reason) += 1;
        }
    }

    fn add_times(&mut self, row: &Seen<'_>) {
        if let (Some(stage), Some(micros)) = (row.stage, row.gate_us) {
            of(&mut self.verdicts, stage).add(micros);
        }
        if let Some(micros) = row.first_byte_us {
            self.first_byte.add(micros);
        }
        if row.outcome == "complete" {
            of(&mut self.totals, row.decision).add(row.total_us);
        }
    }

    fn add_scores(&mut self, row: &Seen<'_>) {
        if let Some(log_odds) = row.log_odds {
            self.scores.add(log_odds, row.is_rejection());
        }
        if let Some(threshold) = row.threshold
            && self.threshold.is_none_or(|(at, _)| at <= row.at)
        {
            self.threshold = Some((row.at, threshold));
        }
    }

    fn add_ends(&mut self, row: &Seen<'_>) {
        if row.is_error() {
            *of(&mut self.codes, row.outcome) += 1;
        }
        let Some(status) = row.upstream_status else {
            return;
        };
        if status >= 400 {
            *self.statuses.entry(status).or_default() += 1;
        } else {
            *of(&mut self.usage, row.usage.unwrap_or("unknown")) += 1;
        }
        if let (Some(_), Some(tokens)) = (row.usage, row.completion_tokens) {
            self.completions.add(tokens);
        }
    }
}

/// The value of a key, made where there is none yet.
fn of<'m, V: Default>(map: &'m mut BTreeMap<String, V>, key: &str) -> &'m mut V {
    if !map.contains_key(key) {
        map.insert(key.to_owned(), V::default());
    }
    map.entry(key.to_owned()).or_default()
}
