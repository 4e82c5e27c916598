//! A report as one JSON document, for programs. Times are in milliseconds, moments in RFC 3339.

use serde_json::{Map, Value, json};

use super::accounts;
use super::cell::{Cell, Money};
use super::groups::{Group, Question};
use super::headline::{Headline, Range};
use super::rejections::Followed;
use super::spread::Spread;
use super::tally::Scores;
use super::{Groups, Report};
use crate::journal::read::Told;

/// The format of `report --json`.
pub fn document(report: &Report) -> Value {
    let micros = report.span.micros();
    json!({
        "from": report.span.stamp(micros.start),
        "until": report.span.stamp(micros.end),
        "journal": report.journal,
        "headline": headline(report),
        "savings": savings(report),
        "billed": billed(report),
        "rejections": rejections(report),
        "traffic": traffic(report),
        "errors": {
            "codes": report.tally.codes,
            "upstream_statuses": report.tally.statuses,
            "cut": report.total.cut,
        },
        "intents": intents(report),
        "time_ms": times(report),
        "log_odds": scores(report),
        "questions": questions(report),
    })
}

fn headline(report: &Report) -> Value {
    let Headline {
        costs,
        replies,
        customers,
        asked_again,
    } = &report.headline;
    let costs = costs.iter().map(|cost| {
        let ends = cost.interval();
        let sums = json!({
            "saved": cost.saved, "spent": cost.spent, "saved_share": cost.share(),
            "low": ends.map(|[low, _]| low), "high": ends.map(|[_, high]| high),
        });
        (cost.currency.clone(), sums)
    });
    json!({
        "cost": costs.collect::<Map<_, _>>(),
        "reply_ms": replies.map(|replies| json!({
            "mean_with": millis(replies.with),
            "mean_without": millis(replies.without),
            "times_as_fast": replies.times(),
        })),
        "customers_turned_away": customers.map(|customers| json!({
            "known_by": customers.known_by.as_str(),
            "number": range(customers.number),
            "share_of_business": range(customers.share),
        })),
        "asked_again_share": asked_again,
    })
}

fn range(range: Range) -> Value {
    json!({"estimate": range.estimate, "low": range.low, "high": range.high})
}

fn savings(report: &Report) -> Value {
    let (savings, replies) = (&report.savings, &report.tally.completions);
    let saved = &savings.saved;
    let ends = savings.completion.and_then(|expected| {
        let doubt = expected.doubt?;
        Some([(expected.total - doubt).max(0.0), expected.total + doubt])
    });
    json!({
        "calls": saved.calls,
        "repeats": report.total.repeats,
        "share_of_judged": savings.share(),
        "prompt_tokens": saved.prompt,
        "prompt_uncounted": saved.uncounted,
        "completion_tokens": {
            "expected": savings.completion.map(|expected| expected.total),
            "low": ends.map(|[low, _]| low),
            "high": ends.map(|[_, high]| high),
            "as_recorded": saved.completion,
            "replies": spread(replies),
        },
        "money": money(&saved.cost),
        "unpriced": saved.unpriced,
        "time_ms": savings.time.map(|sooner| json!({
            "expected": millis(sooner.total),
            "forwarded_p50": millis(sooner.forwarded),
            "here_p50": millis(sooner.here),
        })),
        "assumptions": accounts::assumptions().iter().map(|phrase| &phrase.en).collect::<Vec<_>>(),
    })
}

fn billed(report: &Report) -> Value {
    let (billed, usage) = (&report.total.billed, &report.tally.usage);
    let known = |how: &str| usage.get(how).copied().unwrap_or_default();
    json!({
        "replies": usage.values().sum::<u64>(),
        "usage": {
            "told": known("told"), "counted": known("counted"), "unknown": known("unknown"),
        },
        "prompt_tokens": billed.prompt,
        "cached_tokens": billed.cached,
        "completion_tokens": billed.completion,
        "money": money(&billed.cost),
        "unpriced": billed.unpriced,
    })
}

fn rejections(report: &Report) -> Value {
    let (found, total) = (&report.rejections, &report.total);
    let interval = found.reviews.interval();
    let wrong = found.wrong(total);
    json!({
        "rejected": total.rejected,
        "would_be": total.would_reject,
        "reviewed": {"right": found.reviews.right, "wrong": found.reviews.wrong},
        "awaiting_review": found.awaiting,
        "wrong_share": {
            "estimate": found.reviews.share(),
            "low": interval.map(|(low, _)| low),
            "high": interval.map(|(_, high)| high),
        },
        "wrong_customers": {
            "estimate": wrong.map(|[estimate, ..]| estimate),
            "low": wrong.map(|[_, low, _]| low),
            "high": wrong.map(|[.., high]| high),
        },
        "asked_again": followed(report, &found.again),
        "handed_over": followed(report, &found.handed_over),
    })
}

fn followed(report: &Report, followed: &Followed) -> Value {
    let told = |told: &Told| self::told(report, told);
    let pairs = followed.pairs.iter();
    let pairs: Vec<_> = pairs
        .map(|(first, next)| json!({"rejection": first.as_ref().map(told), "next": told(next)}))
        .collect();
    json!({"count": followed.count, "newest": pairs})
}

fn traffic(report: &Report) -> Value {
    let tally = &report.tally;
    let waived = tally.waived.iter();
    let waived = waived
        .map(|((why, what), count)| json!({"reason": why, "would_be": what, "requests": count}));
    let parts = (0..report.span.parts()).map(|part| {
        let mut row = sums(&tally.part(part));
        row.insert("begin".to_owned(), json!(report.span.name(part)));
        Value::Object(row)
    });
    let mut whole = sums(&report.total);
    whole.insert("protocols".to_owned(), json!(tally.protocols));
    whole.insert("waived".to_owned(), waived.collect());
    whole.insert("bypassed".to_owned(), json!(tally.bypassed));
    let unit = if report.span.hourly { "hour" } else { "day" };
    whole.insert("unit".to_owned(), json!(unit));
    whole.insert("by_time".to_owned(), parts.collect());
    Value::Object(whole)
}

fn intents(report: &Report) -> Vec<Value> {
    let intents = report.tally.intents().into_iter();
    let row = |(name, cell): (&str, Cell)| {
        let mut row = sums(&cell);
        row.insert("name".to_owned(), json!(name));
        row.insert("mean_log_odds".to_owned(), json!(cell.mean_log_odds()));
        row.insert("near_threshold".to_owned(), json!(cell.near));
        Value::Object(row)
    };
    intents.map(row).collect()
}

/// What every row of requests has.
fn sums(cell: &Cell) -> Map<String, Value> {
    let numbers = [
        ("requests", cell.requests),
        ("judged", cell.judged),
        ("forwarded", cell.forwarded),
        ("answered", cell.answered),
        ("rejected", cell.rejected),
        ("repeats", cell.repeats),
        ("would_be_rejected", cell.would_reject),
        ("refused", cell.refused),
        ("left", cell.left),
        ("errors", cell.errors),
        ("cut", cell.cut),
    ];
    let numbers = numbers.map(|(name, number)| (name.to_owned(), json!(number)));
    let money = [
        ("saved".to_owned(), money(&cell.saved.cost)),
        ("billed".to_owned(), money(&cell.billed.cost)),
    ];
    numbers.into_iter().chain(money).collect()
}

fn times(report: &Report) -> Value {
    let tally = &report.tally;
    let of = |times: &std::collections::BTreeMap<String, Spread>| -> Map<String, Value> {
        let rows = times.iter();
        rows.map(|(name, times)| (name.clone(), percentiles(times)))
            .collect()
    };
    json!({
        "verdict": of(&tally.verdicts),
        "first_byte": percentiles(&tally.first_byte),
        "request": of(&tally.totals),
    })
}

fn percentiles(times: &Spread) -> Value {
    let share = |share| times.quantile(share).map(millis);
    json!({"count": times.count, "p50": share(0.5), "p95": share(0.95), "p99": share(0.99)})
}

fn spread(numbers: &Spread) -> Value {
    json!({
        "count": numbers.count,
        "mean": numbers.mean(),
        "stddev": numbers.stddev(),
        "p10": numbers.quantile(0.1),
        "p90": numbers.quantile(0.9),
    })
}

fn scores(report: &Report) -> Value {
    let Scores { passed, rejected } = &report.tally.scores;
    let rows = passed.iter().zip(rejected).enumerate();
    let rows = rows.filter(|(_, (passed, rejected))| **passed + **rejected > 0);
    let rows: Vec<_> = rows
        .map(|(interval, (passed, rejected))| {
            json!({"from": Scores::start(interval), "passed": passed, "rejected": rejected})
        })
        .collect();
    let threshold = report.tally.threshold.map(|(_, threshold)| threshold);
    json!({"threshold": threshold, "intervals": rows})
}

fn questions(report: &Report) -> Value {
    let groups = match &report.groups {
        Groups::Found(groups) => Some(
            groups
                .iter()
                .map(|found| group(report, found))
                .collect::<Vec<_>>(),
        ),
        Groups::Unkept | Groups::Unknown(_) => None,
    };
    let near: Vec<_> = report
        .near
        .iter()
        .map(|one| question(report, one))
        .collect();
    json!({
        "kept": report.tally.questions,
        "near_threshold": near,
        "groups": groups,
    })
}

fn group(report: &Report, group: &Group) -> Value {
    let examples = group.examples.iter();
    json!({
        "requests": group.count,
        "different": group.different,
        "rejected": group.rejected,
        "nearest_intent": group.nearest,
        "examples": examples.map(|one| question(report, one)).collect::<Vec<_>>(),
    })
}

fn question(report: &Report, question: &Question) -> Value {
    let mut row = told(report, &question.told);
    row["times"] = json!(question.count);
    row
}

fn told(report: &Report, told: &Told) -> Value {
    json!({
        "at": report.span.stamp(told.at),
        "request_id": told.request_id,
        "question": told.question,
        "decision": told.decision,
        "waived": told.waived,
        "topic": told.topic,
        "nearest_intent": told.nearest,
        "reason": told.reason,
        "log_odds": told.log_odds,
        "threshold": told.threshold,
    })
}

fn money(amounts: &Money) -> Value {
    json!(amounts)
}

fn millis(micros: f64) -> f64 {
    micros / 1e3
}
