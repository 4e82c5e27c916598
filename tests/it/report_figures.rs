//! Every figure of `intentgate report`, held against an independent count of what was put into the journal.

use std::collections::BTreeMap;

use intentgate::journal::Entry;
use serde_json::{Value, json};

use crate::commands::number;
use crate::kit::journal::{BEGIN, DAY, PERIOD, Shop, entries};

pub(crate) fn in_period(entries: &[Entry]) -> Vec<&Entry> {
    let end = BEGIN + 3 * DAY;
    entries
        .iter()
        .filter(|entry| (BEGIN..end).contains(&entry.at))
        .collect()
}

pub(crate) fn count(entries: &[&Entry], of: impl Fn(&Entry) -> bool) -> u64 {
    entries.iter().filter(|entry| of(entry)).count() as u64
}

fn sum(entries: &[&Entry], of: impl Fn(&Entry) -> Option<i64>) -> i64 {
    entries.iter().filter_map(|entry| of(entry)).sum()
}

pub(crate) fn amount(entries: &[&Entry], of: impl Fn(&Entry) -> Option<f64>) -> f64 {
    entries.iter().filter_map(|entry| of(entry)).sum()
}

/// So many of each word.
fn words<'e>(entries: &[&'e Entry], of: impl Fn(&'e Entry) -> Option<&'e str>) -> Value {
    let mut words: BTreeMap<&str, u64> = BTreeMap::new();
    for word in entries.iter().filter_map(|entry| of(entry)) {
        *words.entry(word).or_default() += 1;
    }
    json!(words)
}

/// The smallest number that at least `share` of all do not exceed.
fn percentile(mut numbers: Vec<i64>, share: f64) -> f64 {
    numbers.sort_unstable();
    let place = (share * numbers.len() as f64).ceil() as usize;
    numbers[place.max(1) - 1] as f64
}

#[track_caller]
pub(crate) fn near(found: &Value, expected: f64, tolerance: f64) {
    let found = number(found);
    let most = tolerance * expected.abs().max(1e-9);
    assert!((found - expected).abs() <= most, "{found}, not {expected}");
}

pub(crate) fn is(word: &str) -> impl Fn(&Entry) -> bool {
    move |entry| entry.decision == word
}

pub(crate) fn is_local(entry: &Entry) -> bool {
    ["answer", "reject"].contains(&entry.decision.as_str())
}

pub(crate) fn is_saved(entry: &Entry) -> bool {
    is_local(entry) && entry.repeat_of.is_none()
}

/// Not what is only sent once more.
pub(crate) fn is_rejected(entry: &Entry) -> bool {
    entry.decision == "reject" && entry.repeat_of.is_none()
}

/// Whole times, in microseconds.
pub(crate) fn times(rows: &[&Entry], of: impl Fn(&Entry) -> bool) -> Vec<i64> {
    let complete = rows
        .iter()
        .filter(|entry| entry.outcome == "complete" && of(entry));
    complete.map(|entry| entry.total_us).collect()
}

#[test]
fn traffic_and_errors_are_those_that_were_put_in() {
    let shop = Shop::of(entries(3000));
    let rows = in_period(&shop.entries);
    let document = shop.document(&PERIOD);
    assert_eq!(document["from"], "2026-11-20T00:00:00+00:00");
    assert_eq!(document["until"], "2026-11-23T00:00:00+00:00");
    let traffic = &document["traffic"];
    for (key, expected) in [
        ("requests", rows.len() as u64),
        ("judged", count(&rows, |entry| entry.stage.is_some())),
        ("forwarded", count(&rows, is("forward"))),
        ("answered", count(&rows, is("answer"))),
        ("rejected", count(&rows, is("reject"))),
        ("repeats", count(&rows, |entry| entry.repeat_of.is_some())),
        ("refused", count(&rows, is("refused"))),
        ("left", count(&rows, is("none"))),
        (
            "would_be_rejected",
            count(&rows, |entry| entry.waived.is_some()),
        ),
        ("cut", count(&rows, |entry| entry.outcome == "cut")),
        (
            "errors",
            count(&rows, |entry| {
                !["complete", "cut"].contains(&entry.outcome.as_str())
                    || entry.upstream_status == Some(429)
            }),
        ),
    ] {
        assert_eq!(traffic[key], expected, "{key}");
        assert!(expected > 5, "{key} is not put to the test");
        let days = traffic["by_time"].as_array().unwrap().iter();
        assert_eq!(
            days.map(|day| day[key].as_u64().unwrap()).sum::<u64>(),
            expected,
            "{key}"
        );
        let intents = document["intents"].as_array().unwrap().iter();
        assert_eq!(
            intents
                .map(|intent| intent[key].as_u64().unwrap())
                .sum::<u64>(),
            expected,
            "{key}"
        );
    }
    let begins: Vec<_> = traffic["by_time"]
        .as_array()
        .unwrap()
        .iter()
        .map(|day| &day["begin"])
        .collect();
    assert_eq!(begins, ["2026-11-20", "2026-11-21", "2026-11-22"]);
    assert_eq!(
        traffic["protocols"],
        words(&rows, |entry| Some(&entry.protocol))
    );
    assert_eq!(
        traffic["waived"],
        json!([{
            "reason": "audit", "would_be": "reject", "requests": count(&rows, |entry| entry.waived.is_some()),
        }])
    );
    let bypass = |entry: &'_ Entry| {
        entry
            .reason
            .as_deref()
            .filter(|reason| ["no_text", "queue_full"].contains(reason))
            .map(str::to_owned)
    };
    let bypassed: BTreeMap<_, u64> =
        rows.iter()
            .filter_map(|entry| bypass(entry))
            .fold(BTreeMap::new(), |mut sums, reason| {
                *sums.entry(reason).or_default() += 1;
                sums
            });
    assert_eq!(traffic["bypassed"], json!(bypassed));
    let errors = &document["errors"];
    let code = |entry: &Entry| !["complete", "cut"].contains(&entry.outcome.as_str());
    let failed: Vec<_> = rows.iter().copied().filter(|entry| code(entry)).collect();
    assert_eq!(
        errors["codes"],
        words(&failed, |entry| Some(&entry.outcome))
    );
    assert_eq!(
        errors["upstream_statuses"],
        json!({"429": count(&rows, |entry| entry.upstream_status == Some(429))})
    );
}

#[test]
fn savings_and_bills_are_those_that_were_put_in() {
    let shop = Shop::of(entries(3000));
    let rows = in_period(&shop.entries);
    let document = shop.document(&PERIOD);
    let saved = &document["savings"];
    let calls = count(&rows, is_saved);
    assert_eq!(saved["calls"], calls);
    let repeats = count(&rows, |entry| entry.repeat_of.is_some());
    assert_eq!(saved["repeats"], repeats);
    let judged = count(&rows, |entry| entry.stage.is_some()) - repeats;
    near(
        &saved["share_of_judged"],
        calls as f64 / judged as f64,
        1e-12,
    );
    assert_eq!(
        saved["prompt_tokens"],
        sum(&rows, |entry| entry.saved_prompt_tokens)
    );
    assert_eq!(
        saved["prompt_uncounted"],
        count(&rows, |entry| is_saved(entry)
            && entry.saved_prompt_tokens.is_none())
    );
    assert_eq!(
        saved["unpriced"],
        count(&rows, |entry| is_saved(entry) && entry.saved_cost.is_none())
    );
    near(
        &saved["money"]["CNY"],
        amount(&rows, |entry| entry.saved_cost),
        1e-9,
    );

    let replies: Vec<_> = rows
        .iter()
        .filter_map(|entry| entry.completion_tokens)
        .collect();
    let (all, mean) = (
        replies.len() as f64,
        replies.iter().sum::<i64>() as f64 / replies.len() as f64,
    );
    let variance = replies
        .iter()
        .map(|tokens| (*tokens as f64 - mean).powi(2))
        .sum::<f64>()
        / (all - 1.0);
    let completion = &saved["completion_tokens"];
    near(&completion["expected"], calls as f64 * mean, 1e-9);
    near(&completion["as_recorded"], 190.25 * calls as f64, 1e-9);
    near(&completion["replies"]["mean"], mean, 1e-9);
    near(&completion["replies"]["stddev"], variance.sqrt(), 1e-9);
    for (key, share) in [("p10", 0.1), ("p90", 0.9)] {
        near(
            &completion["replies"][key],
            percentile(replies.clone(), share),
            1e-3,
        );
    }
    // With so many replies Student's distribution is nearly the normal one.
    let doubt = 1.961 * (variance * calls as f64 * (1.0 + calls as f64 / all)).sqrt();
    near(&completion["low"], calls as f64 * mean - doubt, 1e-3);
    near(&completion["high"], calls as f64 * mean + doubt, 1e-3);

    let medians = [times(&rows, is("forward")), times(&rows, is_local)];
    let medians = medians.map(|times| percentile(times, 0.5));
    near(&saved["time_ms"]["forwarded_p50"], medians[0] / 1e3, 1e-3);
    near(&saved["time_ms"]["here_p50"], medians[1] / 1e3, 1e-3);
    near(
        &saved["time_ms"]["expected"],
        calls as f64 * (medians[0] - medians[1]) / 1e3,
        2e-3,
    );
    assert_eq!(saved["assumptions"].as_array().unwrap().len(), 3);

    let billed = &document["billed"];
    assert_eq!(
        billed["replies"],
        count(&rows, |entry| entry.upstream_status == Some(200))
    );
    for how in ["told", "counted"] {
        assert_eq!(
            billed["usage"][how],
            count(&rows, |entry| entry.usage.as_deref() == Some(how)),
            "{how}"
        );
    }
    assert_eq!(
        billed["usage"]["unknown"],
        count(&rows, |entry| entry.upstream_status == Some(200)
            && entry.usage.is_none())
    );
    assert_eq!(
        billed["prompt_tokens"],
        sum(&rows, |entry| entry.prompt_tokens)
    );
    assert_eq!(
        billed["cached_tokens"],
        sum(&rows, |entry| entry.cached_tokens)
    );
    assert_eq!(billed["completion_tokens"], replies.iter().sum::<i64>());
    assert_eq!(
        billed["unpriced"],
        count(&rows, |entry| entry.usage.is_some() && entry.cost.is_none())
    );
    near(
        &billed["money"]["CNY"],
        amount(&rows, |entry| entry.cost),
        1e-9,
    );
}

#[test]
fn intents_times_and_scores_are_those_that_were_put_in() {
    let shop = Shop::of(entries(3000));
    let rows = in_period(&shop.entries);
    let document = shop.document(&PERIOD);
    for intent in document["intents"].as_array().unwrap() {
        let own: Vec<_> = rows
            .iter()
            .copied()
            .filter(|entry| intent["name"] == entry.intent.as_str())
            .collect();
        assert_eq!(intent["requests"], own.len());
        assert_eq!(intent["rejected"], count(&own, is("reject")));
        let close = |entry: &Entry| {
            entry
                .log_odds
                .zip(entry.threshold)
                .is_some_and(|(odds, threshold)| (odds - threshold).abs() < 1.0)
        };
        assert_eq!(intent["near_threshold"], count(&own, close), "{intent}");
        let scored = count(&own, |entry| entry.log_odds.is_some());
        if scored > 0 {
            near(
                &intent["mean_log_odds"],
                amount(&own, |entry| entry.log_odds) / scored as f64,
                1e-9,
            );
        } else {
            assert!(intent["mean_log_odds"].is_null());
        }
    }
    let time = &document["time_ms"];
    let held = |found: &Value, numbers: Vec<i64>| {
        assert_eq!(found["count"], numbers.len());
        for (key, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
            near(&found[key], percentile(numbers.clone(), share) / 1e3, 1e-3);
        }
    };
    for stage in ["cache", "static", "encoder"] {
        let of = rows
            .iter()
            .filter(|entry| entry.stage.as_deref() == Some(stage));
        held(
            &time["verdict"][stage],
            of.filter_map(|entry| entry.gate_us).collect(),
        );
    }
    held(
        &time["first_byte"],
        rows.iter()
            .filter_map(|entry| entry.first_byte_us)
            .collect(),
    );
    for decision in ["forward", "answer", "reject"] {
        let of = rows
            .iter()
            .filter(|entry| entry.decision == decision && entry.outcome == "complete");
        held(
            &time["request"][decision],
            of.map(|entry| entry.total_us).collect(),
        );
    }
    let scores = &document["log_odds"];
    assert_eq!(scores["threshold"], -1.5);
    for interval in scores["intervals"].as_array().unwrap() {
        let from = number(&interval["from"]);
        let inside = |entry: &&&Entry| {
            entry
                .log_odds
                .is_some_and(|odds| (from..from + 0.5).contains(&odds))
        };
        let inside: Vec<_> = rows.iter().filter(inside).copied().collect();
        let rejected = count(&inside, |entry| {
            entry.decision == "reject" || entry.waived.is_some()
        });
        assert_eq!(interval["rejected"], rejected, "{from}");
        assert_eq!(interval["passed"], inside.len() as u64 - rejected, "{from}");
    }
}

#[test]
fn wrong_rejections_are_estimated_from_what_people_say() {
    let shop = Shop::of(entries(3000));
    let rows = in_period(&shop.entries);
    let sample: Vec<_> = rows.iter().filter(|entry| entry.waived.is_some()).collect();
    // Every third of the first sixty is a customer.
    let marks: Vec<_> = sample
        .iter()
        .take(60)
        .enumerate()
        .map(|(place, entry)| {
            let word = if place % 3 == 0 { "wrong" } else { "right" };
            format!("{}={word}", entry.request_id)
        })
        .collect();
    let marks: Vec<_> = marks.iter().flat_map(|mark| ["--mark", mark]).collect();
    let run = shop.run(&[&["review"], &marks[..]].concat(), "en", "");
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "60 noted\n"),
        "{run:?}"
    );

    let document = shop.document(&PERIOD);
    let rejections = &document["rejections"];
    let rejected = count(&rows, is_rejected);
    assert_eq!(rejections["reviewed"], json!({"right": 40, "wrong": 20}));
    assert_eq!(rejections["awaiting_review"], sample.len() - 60);
    near(&rejections["wrong_share"]["estimate"], 1.0 / 3.0, 1e-9);
    // Clopper and Pearson's interval of 20 in 60.
    near(&rejections["wrong_share"]["low"], 0.2169, 1e-3);
    near(&rejections["wrong_share"]["high"], 0.4669, 1e-3);
    near(
        &rejections["wrong_customers"]["estimate"],
        rejected as f64 / 3.0,
        1e-9,
    );
    for (key, of) in [
        (
            "asked_again",
            (|entry| entry.again_of.clone()) as fn(&Entry) -> Option<String>,
        ),
        ("handed_over", |entry| entry.handed_over_of.clone()),
    ] {
        let mut followed: Vec<_> = rows.iter().filter_map(|entry| of(entry)).collect();
        let newest = followed.last().unwrap().clone();
        followed.sort();
        followed.dedup();
        assert_eq!(rejections[key]["count"], followed.len(), "{key}");
        let pair = &rejections[key]["newest"][0];
        // One that is more than a day older is not looked for.
        if let Some(id) = pair["rejection"]["request_id"].as_str() {
            assert_eq!(id, newest, "{key}");
        }
        assert!(pair["next"]["question"].is_string(), "{pair}");
    }
}

#[test]
fn questions_worth_a_look_are_named() {
    let shop = Shop::of(entries(3000));
    let rows = in_period(&shop.entries);
    let questions = &shop.document(&PERIOD)["questions"];
    assert_eq!(
        questions["kept"],
        count(&rows, |entry| entry.question.is_some())
    );
    let near: Vec<_> = questions["near_threshold"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    let distances: Vec<_> = near
        .iter()
        .map(|row| number(&row["threshold"]) - number(&row["log_odds"]))
        .collect();
    assert!(
        distances.is_sorted() && distances[0] < 0.05,
        "{distances:?}"
    );
    // 你们店招聘吗 with and without its mark is one question.
    assert_eq!(near.len(), 5);
    let groups = questions["groups"].as_array().unwrap();
    let jobs = |entry: &&&Entry| {
        let unclear = entry.intent == "background";
        unclear
            && entry
                .question
                .as_deref()
                .is_some_and(|text| text.contains("招聘"))
    };
    assert_eq!(groups[0]["requests"], rows.iter().filter(jobs).count());
    assert_eq!(groups[0]["different"], 3);
    let examples = groups[0]["examples"].as_array().unwrap().iter();
    assert!(
        examples
            .clone()
            .all(|row| row["question"].as_str().unwrap().contains("招聘")),
        "{groups:?}"
    );
}
