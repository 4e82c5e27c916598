//! What commands read out of the journal, and the one thing that they write: what a person says of a rejection.
//!
//! A span is microseconds of Unix time, its end not included. Nothing here holds more rows than it was asked for.

use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Range;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use sha2::{Digest, Sha256};

/// A question follows a rejection within minutes; this far back it is looked for.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// Would-be rejections: what was forwarded all the same, by which rejections are judged.
const WAIVED: &str = "would_be = 'reject' AND waived IS NOT NULL";

/// A row of `request` as figures are made from it; `journal/1.sql` says what the columns mean.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the fields are the columns of journal/1.sql")]
pub struct Seen<'r> {
    pub at: i64,
    pub decision: &'r str,
    pub would_be: Option<&'r str>,
    pub waived: Option<&'r str>,
    pub intent: &'r str,
    pub protocol: &'r str,
    pub reason: Option<&'r str>,
    pub outcome: &'r str,
    pub log_odds: Option<f64>,
    pub threshold: Option<f64>,
    pub stage: Option<&'r str>,
    pub gate_us: Option<i64>,
    pub first_byte_us: Option<i64>,
    pub total_us: i64,
    pub upstream_status: Option<u16>,
    pub usage: Option<&'r str>,
    pub prompt_tokens: Option<i64>,
    pub cached_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    pub cost: Option<f64>,
    pub saved_prompt_tokens: Option<i64>,
    pub saved_completion_tokens: Option<f64>,
    pub saved_cost: Option<f64>,
    pub currency: Option<&'r str>,
    pub has_question: bool,
    /// Whether it repeats a saved call, and saved nothing of its own.
    pub is_repeat: bool,
}

const SEEN: &str = "SELECT at, decision, would_be, waived, intent, protocol, reason, outcome,
    log_odds, threshold, stage, gate_us, first_byte_us, total_us, upstream_status, usage,
    prompt_tokens, cached_tokens, completion_tokens, cost, saved_prompt_tokens,
    saved_completion_tokens, saved_cost, currency, question IS NOT NULL, repeat_of IS NOT NULL
    FROM request WHERE at >= ?1 AND at < ?2";

/// One decision, as people look at it.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields are the columns of journal/1.sql")]
pub struct Told {
    pub at: i64,
    pub request_id: String,
    pub decision: String,
    pub waived: Option<String>,
    pub intent: String,
    pub topic: Option<String>,
    pub nearest: Option<String>,
    pub reason: Option<String>,
    pub log_odds: Option<f64>,
    pub threshold: Option<f64>,
    /// The beginning of it.
    pub question: Option<String>,
}

/// More than 500 characters say nothing more of what a question is about.
const TOLD: &str =
    "at, request_id, decision, waived, intent, topic, nearest, reason, log_odds, threshold,
    substr(question, 1, 500)";

/// A kind of decisions that are worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Rejected, would-be rejections included; the nearest to the threshold first.
    NearThreshold,
    /// Rejected for no intent of the shop, or forwarded since it was unclear; the newest first, and with their
    /// question only.
    Uncovered,
}

/// What followed a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// The same question, put again.
    Again,
    /// The wish for a person.
    HandedOver,
}

/// Shows every row of a span to `see`, in no order.
///
/// # Errors
/// The database's own.
pub fn each(db: &Connection, span: &Range<i64>, mut see: impl FnMut(&Seen<'_>)) -> Result<()> {
    let mut query = db.prepare(SEEN)?;
    let mut rows = query.query(params![span.start, span.end])?;
    while let Some(row) = rows.next()? {
        see(&seen(row)?);
    }
    Ok(())
}

/// When the first and the last request came; none where there is none.
///
/// # Errors
/// The database's own.
pub fn reach(db: &Connection) -> Result<Option<(i64, i64)>> {
    let query = "SELECT (SELECT min(at) FROM request), (SELECT max(at) FROM request)";
    db.query_row(query, [], |row| {
        Ok(row.get::<_, Option<i64>>(0)?.zip(row.get(1)?))
    })
}

/// Decisions of a kind, shown to `see` until it says false.
///
/// # Errors
/// The database's own.
pub fn kind(
    db: &Connection,
    span: &Range<i64>,
    kind: Kind,
    mut see: impl FnMut(Told) -> bool,
) -> Result<()> {
    let of = match kind {
        Kind::NearThreshold => format!(
            "(decision = 'reject' OR {WAIVED}) AND log_odds IS NOT NULL AND threshold IS NOT NULL
             ORDER BY abs(threshold - log_odds), at, request_id LIMIT 1000"
        ),
        Kind::Uncovered => format!(
            "question IS NOT NULL AND (((decision = 'reject' OR {WAIVED}) AND intent IN ('background', 'none'))
                OR reason IN ('grey', 'answer_unsure'))
             ORDER BY at DESC, request_id"
        ),
    };
    let query = format!("SELECT {TOLD} FROM request WHERE at >= ?1 AND at < ?2 AND {of}");
    let mut query = db.prepare(&query)?;
    let mut rows = query.query(params![span.start, span.end])?;
    while let Some(row) = rows.next()? {
        if !see(told(row)?) {
            break;
        }
    }
    Ok(())
}

/// How many rejections had this after them.
///
/// # Errors
/// The database's own.
pub fn followed(db: &Connection, span: &Range<i64>, what: Follows) -> Result<u64> {
    let of = what.column();
    let query = format!("SELECT count(DISTINCT {of}) FROM request WHERE at >= ?1 AND at < ?2");
    db.query_row(&query, params![span.start, span.end], |row| count(row, 0))
}

/// The newest questions that followed a rejection, each behind that rejection where the journal still has it.
///
/// # Errors
/// The database's own.
pub fn pairs(
    db: &Connection,
    span: &Range<i64>,
    what: Follows,
    most: u32,
) -> Result<Vec<(Option<Told>, Told)>> {
    let of = what.column();
    let query = format!(
        "SELECT {TOLD}, {of} FROM request WHERE at >= ?1 AND at < ?2 AND {of} IS NOT NULL
         ORDER BY at DESC, request_id LIMIT ?3"
    );
    let before = format!(
        "SELECT {TOLD} FROM request WHERE at >= ?1 AND at <= ?2 AND request_id = ?3
         ORDER BY at DESC LIMIT 1"
    );
    let (mut query, mut before) = (db.prepare(&query)?, db.prepare(&before)?);
    let rows = query.query_map(params![span.start, span.end, most], |row| {
        Ok((told(row)?, row.get::<_, String>(11)?))
    })?;
    let window = i64::try_from(FOLLOWS_WITHIN.as_micros()).unwrap_or(i64::MAX);
    rows.map(|row| {
        let (next, id) = row?;
        let from = next.at.saturating_sub(window);
        let first = before.query_row(params![from, next.at, id], told);
        Ok((first.optional()?, next))
    })
    .collect()
}

/// The models of requests for which no money is known, the most frequent first, and how often.
///
/// # Errors
/// The database's own.
pub fn unpriced(db: &Connection, span: &Range<i64>, most: u32) -> Result<Vec<(String, u64)>> {
    let mut query = db.prepare(
        "SELECT substr(coalesce(model, ''), 1, 100) AS name, count(*) FROM request
         WHERE at >= ?1 AND at < ?2 AND ((decision IN ('answer', 'reject') AND repeat_of IS NULL AND saved_cost IS NULL)
            OR (usage IS NOT NULL AND cost IS NULL))
         GROUP BY name ORDER BY 2 DESC, 1 LIMIT ?3",
    )?;
    let rows = query.query_map(params![span.start, span.end, most], |row| {
        Ok((row.get(0)?, count(row, 1)?))
    })?;
    rows.collect()
}

/// At most so many of the would-be rejections that nobody has reviewed, and how many there are. They are in the
/// order of their ids' hashes: random, so that the first of them are a fair sample, and the same each time.
///
/// # Errors
/// The database's own.
pub fn awaiting(db: &Connection, span: &Range<i64>, most: u32) -> Result<(Vec<Told>, u64)> {
    let query = format!(
        "SELECT rowid, request_id FROM request WHERE at >= ?1 AND at < ?2 AND {WAIVED}
         AND NOT EXISTS (SELECT 1 FROM review WHERE review.request_id = request.request_id)"
    );
    let mut query = db.prepare(&query)?;
    let mut rows = query.query(params![span.start, span.end])?;
    let (mut first, mut all) = (BinaryHeap::new(), 0_u64);
    while let Some(row) = rows.next()? {
        let id = row.get_ref(1)?.as_bytes()?;
        first.push((<[u8; 32]>::from(Sha256::digest(id)), row.get::<_, i64>(0)?));
        all += 1;
        if first.len() as u64 > u64::from(most) {
            first.pop();
        }
    }
    let query = format!("SELECT {TOLD} FROM request WHERE rowid = ?1");
    let mut query = db.prepare(&query)?;
    let order = first.into_sorted_vec().into_iter();
    let found = order.map(|(_, row)| query.query_row([row], told));
    Ok((found.collect::<Result<_>>()?, all))
}

/// How many questions were rejected, or would have been, and how many others were judged.
///
/// # Errors
/// The database's own.
pub fn judged(db: &Connection) -> Result<(u64, u64)> {
    let query = format!(
        "SELECT coalesce(sum(decision = 'reject' OR {WAIVED}), 0), count(*) FROM request
         WHERE log_odds IS NOT NULL"
    );
    db.query_row(&query, [], |row| {
        let (rejected, all) = (count(row, 0)?, count(row, 1)?);
        Ok((rejected, all - rejected))
    })
}

/// Which of these ids belong to no would-be rejection.
///
/// # Errors
/// The database's own.
pub fn unknown<'i>(db: &Connection, ids: &[&'i str]) -> Result<Vec<&'i str>> {
    let query = format!("SELECT request_id FROM request WHERE {WAIVED}");
    let mut query = db.prepare(&query)?;
    let mut rows = query.query([])?;
    let mut open: BTreeSet<_> = ids.iter().copied().collect();
    while !open.is_empty()
        && let Some(row) = rows.next()?
    {
        open.remove(row.get_ref(0)?.as_str()?);
    }
    Ok(open.into_iter().collect())
}

/// Notes what a person says of a would-be rejection, in place of what was said of it before.
///
/// # Errors
/// The database's own.
pub fn mark(db: &Connection, request_id: &str, wrong: bool, at: i64) -> Result<()> {
    db.execute(
        "INSERT INTO review (request_id, at, wrong) VALUES (?1, ?2, ?3)
         ON CONFLICT (request_id) DO UPDATE SET at = excluded.at, wrong = excluded.wrong",
        params![request_id, at, wrong],
    )?;
    Ok(())
}

impl Seen<'_> {
    /// Whether it was or would have been rejected.
    pub fn is_rejection(&self) -> bool {
        self.decision == "reject" || self.would_be == Some("reject")
    }

    /// Whether no LLM was needed; a repeat saved nothing that its first call had not.
    pub fn is_saved(&self) -> bool {
        matches!(self.decision, "answer" | "reject") && !self.is_repeat
    }

    /// Whether its client got an error of the gateway's.
    pub fn is_error(&self) -> bool {
        !matches!(self.outcome, "complete" | "cut")
    }
}

impl Follows {
    fn column(self) -> &'static str {
        match self {
            Follows::Again => "again_of",
            Follows::HandedOver => "handed_over_of",
        }
    }
}

fn seen<'r>(row: &'r Row<'_>) -> Result<Seen<'r>> {
    Ok(Seen {
        at: row.get(0)?,
        decision: text(row, 1)?.unwrap_or_default(),
        would_be: text(row, 2)?,
        waived: text(row, 3)?,
        intent: text(row, 4)?.unwrap_or_default(),
        protocol: text(row, 5)?.unwrap_or_default(),
        reason: text(row, 6)?,
        outcome: text(row, 7)?.unwrap_or_default(),
        log_odds: row.get(8)?,
        threshold: row.get(9)?,
        stage: text(row, 10)?,
        gate_us: row.get(11)?,
        first_byte_us: row.get(12)?,
        total_us: row.get(13)?,
        upstream_status: row.get(14)?,
        usage: text(row, 15)?,
        prompt_tokens: row.get(16)?,
        cached_tokens: row.get(17)?,
        completion_tokens: row.get(18)?,
        cost: row.get(19)?,
        saved_prompt_tokens: row.get(20)?,
        saved_completion_tokens: row.get(21)?,
        saved_cost: row.get(22)?,
        currency: text(row, 23)?,
        has_question: row.get(24)?,
        is_repeat: row.get(25)?,
    })
}

/// A text that stays where it is; what is no UTF-8 is none.
fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<Option<&'r str>> {
    Ok(row.get_ref(column)?.as_str_or_null().unwrap_or_default())
}

fn count(row: &Row<'_>, column: usize) -> Result<u64> {
    Ok(row.get::<_, i64>(column)?.try_into().unwrap_or_default())
}

fn told(row: &Row<'_>) -> Result<Told> {
    Ok(Told {
        at: row.get(0)?,
        request_id: row.get(1)?,
        decision: row.get(2)?,
        waived: row.get(3)?,
        intent: row.get(4)?,
        topic: row.get(5)?,
        nearest: row.get(6)?,
        reason: row.get(7)?,
        log_odds: row.get(8)?,
        threshold: row.get(9)?,
        question: row.get(10)?,
    })
}
