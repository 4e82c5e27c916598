//! What holds whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use intentgate::journal;
use intentgate::metrics::Metrics;

use crate::client::{End, Outcome};
use crate::plan::{Act, Plan};
use crate::record::Record;
use crate::upstream::Received;

/// The first thing that does not hold.
pub(crate) type Checked = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}

/// Each request has one outcome and no more than one record; exactly one where anybody has noticed that it came.
pub(crate) fn requests(
    plan: &Plan,
    outcomes: &[Outcome],
    records: &[Record],
    upstream: &[Received],
) -> Checked {
    let asked: usize = plan.clients.iter().map(|client| client.asks.len()).sum();
    let marks: BTreeSet<_> = outcomes
        .iter()
        .map(|outcome| outcome.mark.as_str())
        .collect();
    ensure!(
        outcomes.len() == asked,
        "{} of {asked} requests have an outcome",
        outcomes.len()
    );
    ensure!(marks.len() == asked, "a request has two outcomes");
    let mut recorded: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records
        .iter()
        .filter(|record| !record.mark.starts_with("probe-"))
    {
        ensure!(
            marks.contains(record.mark.as_str()),
            "nobody asked {record:?}"
        );
        recorded.entry(&record.mark).or_default().push(record);
    }
    for outcome in outcomes {
        let of_it = recorded
            .get(outcome.mark.as_str())
            .map_or(&[][..], Vec::as_slice);
        ensure!(of_it.len() <= 1, "recorded twice: {outcome:?} {of_it:?}");
        let received: Vec<_> = upstream
            .iter()
            .filter(|one| one.mark == outcome.mark)
            .collect();
        let noticed = outcome.status.is_some() || !received.is_empty();
        ensure!(
            !noticed || of_it.len() == 1,
            "not recorded: {outcome:?} {received:?}"
        );
        one(plan, outcome, of_it.first().copied())?;
        at_upstreams(outcome, &received)?;
    }
    Ok(())
}

/// What its client saw of a request is what is recorded of it.
fn one(plan: &Plan, outcome: &Outcome, record: Option<&Record>) -> Checked {
    let client = outcome
        .mark
        .split('-')
        .nth(1)
        .and_then(|client| client.parse().ok());
    let cut_off = client.is_some_and(|client| plan.cuts_off(client));
    ensure!(
        outcome.end != End::Lost || cut_off,
        "it never ended: {outcome:?} {record:?}"
    );
    let (Some(record), Some(status)) = (record, outcome.status) else {
        return Ok(());
    };
    ensure!(
        record.status == u64::from(status),
        "another status: {outcome:?} {record:?}"
    );
    if outcome.end != End::Whole {
        return Ok(());
    }
    let expected = match outcome.code.as_deref() {
        _ if outcome.told => record.outcome.starts_with("upstream_stream_"),
        // Anthropic's errors have none, and an upstream's may have any.
        None | Some("") => record.outcome != "cut",
        Some(code) => record.outcome == code,
    };
    ensure!(expected, "another outcome: {outcome:?} {record:?}");
    Ok(())
}

/// What is answered here is asked nowhere else, and what may have been worked on is not asked again.
fn at_upstreams(outcome: &Outcome, received: &[&Received]) -> Checked {
    for received in received {
        ensure!(received.wrong.is_none(), "{:?}", received.wrong);
    }
    let local = outcome
        .decision
        .as_deref()
        .is_some_and(|decision| decision != "forward");
    ensure!(
        !local || received.is_empty(),
        "answered here, and asked upstream: {outcome:?} {received:?}"
    );
    let refuses = |one: &&&Received| matches!(one.act, Act::Status(429 | 503));
    let worked_on = received.iter().filter(|one| !refuses(one)).count();
    let harmless = received.iter().any(|one| one.line.starts_with("GET "));
    ensure!(
        harmless || worked_on <= 1,
        "worked on twice: {outcome:?} {received:?}"
    );
    Ok(())
}

/// What is counted is what is recorded.
pub(crate) fn counts(metrics: &Metrics, records: &[Record]) -> Checked {
    let judged = records.iter().filter(|record| record.protocol != "none");
    let counted = sum(metrics, "intentgate_requests_total");
    ensure!(
        counted == judged.count(),
        "{counted} requests are counted: {records:#?}"
    );
    for series in [
        "intentgate_requests_in_flight",
        "intentgate_ledger_dropped_total",
    ] {
        let sum = sum(metrics, series);
        ensure!(sum == 0, "{series} is {sum} at the end");
    }
    Ok(())
}

fn sum(metrics: &Metrics, name: &str) -> usize {
    let text = metrics.render().unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let wanted = lines.filter(|(series, _)| series.split('{').next() == Some(name));
    wanted
        .map(|(_, value)| value.parse().unwrap_or(usize::MAX))
        .sum()
}

/// Each record of a judged protocol is one row of the journal.
pub(crate) fn journal(folder: &Path, records: &[Record]) -> Checked {
    let database = journal::open_for_reading(&folder.join("journal.sqlite"));
    let database = database.map_err(|error| format!("{error:?}"))?;
    let read = || -> rusqlite::Result<Vec<String>> {
        let mut rows = database.prepare("SELECT request_id FROM request ORDER BY request_id")?;
        rows.query_map([], |row| row.get(0))?.collect()
    };
    let rows = read().map_err(|error| error.to_string())?;
    let judged = records.iter().filter(|record| record.protocol != "none");
    let judged: Vec<_> = judged.map(|record| record.mark.clone()).collect();
    ensure!(
        rows == judged,
        "in the journal: {rows:?}; recorded: {judged:?}"
    );
    Ok(())
}
