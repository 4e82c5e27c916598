//! `intentgate report` and `review`: figures held against an independent count of what was put into the journal.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use intentgate::config;
use intentgate::journal::{Entry, Journal, open_for_reading};
use intentgate::metrics::Metrics;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commands::{Ended, intentgate, number, snapshot};
use crate::eval::closed;

/// 2026-11-20T00:00:00Z, in microseconds.
const BEGIN: i64 = 1_795_132_800_000_000;
const DAY: i64 = 86_400_000_000;
/// The period of most tests: three days, by the clock of `TZ=UTC`.
const PERIOD: [&str; 4] = ["--since", "2026-11-20", "--until", "2026-11-23"];

/// A journal, and what was put into it.
struct Shop {
    folder: TempDir,
    entries: Vec<Entry>,
}

impl Shop {
    fn of(entries: Vec<Entry>) -> Self {
        let folder = TempDir::new().unwrap();
        let shop = Shop { folder, entries };
        let mut journal = shop.journal();
        for entry in &shop.entries {
            journal.put(entry.clone());
            if journal.waiting() == 1000 {
                journal.flush();
            }
        }
        while journal.waiting() > 0 {
            journal.flush();
        }
        shop
    }

    /// As a gateway has it.
    fn journal(&self) -> Journal {
        let config = config::Journal {
            path: Some(self.path()),
            questions: true,
            keep: Duration::from_secs(u64::from(u32::MAX)),
            ..config::Journal::default()
        };
        Journal::new(&config, &Metrics::new().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("journal.sqlite")
    }

    fn run(&self, arguments: &[&str], language: &str, stdin: &str) -> Ended {
        let path = self.path();
        let journal = ["--journal", path.to_str().unwrap()];
        intentgate(&[&arguments[..1], &journal, &arguments[1..]].concat())
            .env("INTENTGATE_LANG", language)
            .env("TZ", "UTC")
            .stdin(stdin)
            .output()
    }

    fn report(&self, arguments: &[&str]) -> Ended {
        self.run(&[&["report"], arguments].concat(), "en", "")
    }

    fn document(&self, arguments: &[&str]) -> Value {
        let run = self.report(&[&["--json"], arguments].concat());
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        serde_json::from_str(&run.stdout).unwrap()
    }

    /// The output without the folder's name, which differs each time.
    fn plain(&self, text: &str) -> String {
        text.replace(self.folder.path().to_str().unwrap(), "FOLDER")
    }
}

/// Numbers that look random and are always the same.
struct Dice(u64);

impl Dice {
    /// From 0 to below `sides` (SplitMix64; Steele, Lea and Flood 2014).
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.roll(texts.len() as u64) as usize]
    }

    fn micros(&mut self, least: i64) -> i64 {
        least + self.roll(9 * least.cast_unsigned()).cast_signed()
    }
}

/// As many requests, spread over four days from [`BEGIN`] on, the last of which is not in the period.
fn entries(count: u64) -> Vec<Entry> {
    let mut dice = Dice(count);
    (0..count)
        .map(|index| entry(index, count, &mut dice))
        .collect()
}

fn entry(index: u64, count: u64, dice: &mut Dice) -> Entry {
    let at = BEGIN + (index as i64) * (4 * DAY / count as i64);
    let mut entry = Entry {
        at,
        request_id: format!("request-{index:05}"),
        protocol: dice
            .of(&["chat_completions", "responses", "messages"])
            .to_owned(),
        model: Some(dice.of(&["small", "small", "large"]).to_owned()),
        outcome: "complete".to_owned(),
        status: 200,
        stage: Some(dice.of(&["cache", "static", "encoder"]).to_owned()),
        gate_us: Some(dice.micros(200)),
        threshold: Some(-1.5),
        ..Entry::default()
    };
    match dice.roll(100) {
        0..45 => passed(&mut entry, dice),
        45..55 => answered(&mut entry, dice),
        55..90 => off_topic(&mut entry, index, dice),
        90..94 => unjudged(&mut entry, dice),
        94..97 => failed(&mut entry, dice),
        97..99 => refused(&mut entry, dice),
        _ => {
            (entry.stage, entry.gate_us, entry.threshold) = (None, None, None);
            (entry.decision, entry.outcome) = ("none".to_owned(), "cut".to_owned());
            (entry.intent, entry.status) = ("none".to_owned(), 0);
        }
    }
    entry
}

fn passed(entry: &mut Entry, dice: &mut Dice) {
    about(entry, "forward", dice.of(&["refund", "delivery"]));
    entry.log_odds = Some(-1.0 + dice.roll(800) as f64 / 100.0);
    entry.reason = Some(
        dice.of(&["on_topic", "on_topic", "grey", "follows_on"])
            .to_owned(),
    );
    entry.question = Some(
        dice.of(&["我要退款", "where is my parcel", "多久到货"])
            .to_owned(),
    );
    forwarded(entry, dice);
    if dice.roll(20) == 0 {
        entry.outcome = "cut".to_owned();
    }
}

fn answered(entry: &mut Entry, dice: &mut Dice) {
    about(entry, "answer", "greeting");
    entry.log_odds = Some(4.0);
    entry.reason = Some("answered".to_owned());
    entry.question = Some("你好".to_owned());
    saved(entry, dice);
}

fn off_topic(entry: &mut Entry, index: u64, dice: &mut Dice) {
    about(
        entry,
        "reject",
        dice.of(&["background", "background", "chitchat"]),
    );
    entry.topic = Some("general_knowledge".to_owned());
    entry.nearest = Some(dice.of(&["refund", "human"]).to_owned());
    entry.log_odds = Some(-1.51 - dice.roll(600) as f64 / 100.0);
    entry.reason = Some("off_topic".to_owned());
    let texts = [
        "你们招聘客服吗",
        "还招聘兼职客服吗",
        "你们店招聘吗？",
        "你们店招聘吗",
        "<b>今天天气</b>",
        "write a quicksort in python",
    ];
    entry.question = Some(dice.of(&texts).to_owned());
    match dice.roll(10) {
        0 | 1 => {
            (entry.would_be, entry.waived) = (Some("reject".to_owned()), Some("audit".to_owned()));
            (entry.decision, entry.audit_share) = ("forward".to_owned(), Some(0.2));
            return forwarded(entry, dice);
        }
        2 if index > 0 => entry.again_of = Some(format!("request-{:05}", dice.roll(index))),
        3 if index > 0 => entry.handed_over_of = Some(format!("request-{:05}", dice.roll(index))),
        _ => {}
    }
    saved(entry, dice);
}

fn unjudged(entry: &mut Entry, dice: &mut Dice) {
    about(entry, "forward", "none");
    (entry.topic, entry.nearest) = (None, None);
    (entry.stage, entry.threshold) = (None, None);
    entry.reason = Some(dice.of(&["no_text", "queue_full"]).to_owned());
    forwarded(entry, dice);
    (
        entry.usage,
        entry.prompt_tokens,
        entry.completion_tokens,
        entry.cached_tokens,
    ) = (None, None, None, None);
    (entry.cost, entry.currency) = (None, None);
}

fn failed(entry: &mut Entry, dice: &mut Dice) {
    about(entry, "forward", "refund");
    entry.log_odds = Some(3.0);
    entry.total_us = dice.micros(5_000_000);
    if dice.roll(2) == 0 {
        (entry.outcome, entry.status) = ("upstream_timeout".to_owned(), 504);
    } else {
        (entry.upstream_status, entry.status) = (Some(429), 429);
    }
}

fn refused(entry: &mut Entry, dice: &mut Dice) {
    about(entry, "refused", "none");
    (entry.topic, entry.nearest) = (None, None);
    (entry.stage, entry.gate_us, entry.threshold) = (None, None, None);
    entry.outcome = dice.of(&["unauthorized", "too_many_requests"]).to_owned();
    entry.total_us = 300;
}

fn about(entry: &mut Entry, decision: &str, intent: &str) {
    entry.decision = decision.to_owned();
    entry.intent = intent.to_owned();
    entry.topic = Some(intent.to_owned());
    entry.nearest = Some(intent.to_owned());
}

fn forwarded(entry: &mut Entry, dice: &mut Dice) {
    entry.upstream_status = Some(200);
    entry.first_byte_us = Some(dice.micros(200_000));
    entry.total_us = entry.first_byte_us.unwrap() + dice.micros(900_000);
    entry.usage = Some(dice.of(&["told", "told", "counted"]).to_owned());
    let (prompt, completion) = (100 + dice.roll(900) as i64, 1 + dice.roll(400) as i64);
    (entry.prompt_tokens, entry.completion_tokens) = (Some(prompt), Some(completion));
    entry.cached_tokens = Some(prompt / 4);
    if entry.model.as_deref() == Some("small") {
        entry.cost = Some(1e-5 * prompt as f64 + 4e-5 * completion as f64);
        entry.currency = Some("CNY".to_owned());
    }
}

fn saved(entry: &mut Entry, dice: &mut Dice) {
    entry.total_us = dice.micros(400);
    let prompt = (dice.roll(12) > 0).then(|| 80 + dice.roll(500) as i64);
    (entry.saved_prompt_tokens, entry.saved_completion_tokens) = (prompt, Some(190.25));
    if entry.model.as_deref() == Some("small") {
        entry.saved_cost = prompt.map(|prompt| 1e-5 * prompt as f64 + 4e-5 * 190.25);
        entry.currency = prompt.map(|_| "CNY".to_owned());
    }
}

fn in_period(entries: &[Entry]) -> Vec<&Entry> {
    let end = BEGIN + 3 * DAY;
    entries
        .iter()
        .filter(|entry| (BEGIN..end).contains(&entry.at))
        .collect()
}

fn count(entries: &[&Entry], of: impl Fn(&Entry) -> bool) -> u64 {
    entries.iter().filter(|entry| of(entry)).count() as u64
}

fn sum(entries: &[&Entry], of: impl Fn(&Entry) -> Option<i64>) -> i64 {
    entries.iter().filter_map(|entry| of(entry)).sum()
}

fn amount(entries: &[&Entry], of: impl Fn(&Entry) -> Option<f64>) -> f64 {
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
fn near(found: &Value, expected: f64, tolerance: f64) {
    let found = number(found);
    let most = tolerance * expected.abs().max(1e-9);
    assert!((found - expected).abs() <= most, "{found}, not {expected}");
}

fn is(word: &str) -> impl Fn(&Entry) -> bool {
    move |entry| entry.decision == word
}

fn is_saved(entry: &Entry) -> bool {
    ["answer", "reject"].contains(&entry.decision.as_str())
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
    let judged = count(&rows, |entry| entry.stage.is_some());
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

    let times = |of: &dyn Fn(&Entry) -> bool| -> Vec<i64> {
        let complete = rows
            .iter()
            .filter(|entry| entry.outcome == "complete" && of(entry));
        complete.map(|entry| entry.total_us).collect()
    };
    let medians = [times(&is("forward")), times(&is_saved)].map(|times| percentile(times, 0.5));
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
    let rejected = count(&rows, is("reject"));
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

#[test]
fn people_read_it_in_both_languages() {
    let shop = Shop::of(entries(400));
    for language in ["en", "zh"] {
        let run = shop.run(&[&["report"], &PERIOD[..]].concat(), language, "");
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        assert!(!run.stdout.contains('\x1b'), "{run:?}");
        snapshot(&format!("report_{language}"), &shop.plain(&run.stdout));
    }
}

#[test]
fn the_page_needs_nothing_but_a_browser() {
    let shop = Shop::of(entries(400));
    let path = shop.folder.path().join("report.html");
    for language in ["en", "zh"] {
        let page = ["report", "--html", path.to_str().unwrap()];
        let run = shop.run(&[&page, &PERIOD[..]].concat(), language, "");
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        let page = fs::read_to_string(&path).unwrap();
        for part in [
            "<!DOCTYPE html>",
            &format!("<html lang=\"{language}\">"),
            "prefers-color-scheme: dark",
            "&lt;b&gt;今天天气&lt;/b&gt;",
            "CNY",
            "11-21",
        ] {
            assert!(page.contains(part), "{part:?} in {page}");
        }
        assert_eq!(page.matches("<svg").count(), 4, "{page}");
        for part in [
            "<script", "http:", "https:", "//", "src=", "href=", "url(", "@import",
        ] {
            assert!(!page.contains(part), "{part:?} in {page}");
        }
        closed(&page);
    }
}

#[test]
fn rows_of_the_sheet_add_up_to_the_document() {
    let shop = Shop::of(entries(3000));
    let document = shop.document(&PERIOD);
    let run = shop.report(&[&["--csv"], &PERIOD[..]].concat());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let text = run.stdout.strip_prefix('\u{feff}').unwrap();
    assert!(text.lines().count() > 10 && text.matches("\r\n").count() == text.lines().count());
    let mut sheet = csv::Reader::from_reader(text.as_bytes());
    let heads = sheet.headers().unwrap().clone();
    let rows: Vec<_> = sheet.records().map(Result::unwrap).collect();
    let column = |name: &str| -> f64 {
        let place = heads.iter().position(|head| head == name).unwrap();
        rows.iter()
            .map(|row| row[place].parse::<f64>().unwrap())
            .sum()
    };
    for (name, pointer) in [
        ("requests", "/traffic/requests"),
        ("forwarded", "/traffic/forwarded"),
        ("answered", "/traffic/answered"),
        ("rejected", "/traffic/rejected"),
        ("would_be_rejected", "/traffic/would_be_rejected"),
        ("refused", "/traffic/refused"),
        ("client_left", "/traffic/left"),
        ("errors", "/traffic/errors"),
        ("cut", "/traffic/cut"),
        ("saved_calls", "/savings/calls"),
        ("saved_prompt_tokens", "/savings/prompt_tokens"),
        (
            "saved_completion_tokens",
            "/savings/completion_tokens/as_recorded",
        ),
        ("saved_unpriced", "/savings/unpriced"),
        ("saved_CNY", "/savings/money/CNY"),
        ("billed_prompt_tokens", "/billed/prompt_tokens"),
        ("billed_completion_tokens", "/billed/completion_tokens"),
        ("billed_unpriced", "/billed/unpriced"),
        ("billed_CNY", "/billed/money/CNY"),
    ] {
        near(document.pointer(pointer).unwrap(), column(name), 1e-9);
    }
    let days: std::collections::BTreeSet<_> = rows.iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(
        days.into_iter().collect::<Vec<_>>(),
        ["2026-11-20", "2026-11-21", "2026-11-22"]
    );
}

#[test]
fn short_periods_go_by_the_hour_of_the_clock_on_the_wall() {
    let shop = Shop::of(entries(400));
    let path = shop.path();
    let run = intentgate(&["report", "--json", "--journal", path.to_str().unwrap()])
        .env("TZ", "<+0530>-05:30")
        .args(&[
            "--since",
            "2026-11-21T01:00",
            "--until",
            "2026-11-20T21:30:00Z",
        ])
        .output();
    assert_eq!(run.code, 0, "{run:?}");
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["from"], "2026-11-21T01:00:00+05:30");
    let hours = document["traffic"]["by_time"].as_array().unwrap();
    let begins: Vec<_> = hours.iter().map(|hour| &hour["begin"]).collect();
    assert_eq!(begins, ["2026-11-21 01:00", "2026-11-21 02:00"]);
}

// What a journal does not hold cannot be shown, but how much of it there is.
#[test]
fn without_questions_there_are_counts_and_the_way_to_keep_them() {
    let mut entries = entries(400);
    entries.iter_mut().for_each(|entry| entry.question = None);
    let shop = Shop::of(entries);
    let run = shop.report(&PERIOD);
    for part in [
        "\nQuestions worth a look\n  The journal keeps no questions, only how many: ",
        "set questions = true under [journal]",
        "  request-00",
    ] {
        assert!(run.stdout.contains(part), "{part:?} in {}", run.stdout);
    }
    let document = shop.document(&PERIOD);
    assert!(document["questions"]["groups"].is_null());
    assert_eq!(document["questions"]["near_threshold"], json!([]));
    let run = shop.run(&[&["review", "--list"], &PERIOD[..]].concat(), "en", "");
    assert!(
        run.stdout
            .contains("\nThe journal keeps no questions, only the ids"),
        "{run:?}"
    );
}

#[test]
fn what_is_not_there_is_said_and_ends_with_5() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("journal.sqlite");
    for command in ["report", "review"] {
        let run = intentgate(&[command, "--journal", missing.to_str().unwrap()]).output();
        assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{run:?}");
        assert!(run.stderr.contains("holds no journal yet"), "{run:?}");
    }
    assert!(!missing.exists());

    let empty = Shop::of(Vec::new());
    drop(intentgate::journal::open_for_writing(&empty.path()).unwrap());
    let run = empty.report(&[]);
    assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{run:?}");
    assert!(run.stderr.contains("holds no requests yet"), "{run:?}");

    let shop = Shop::of(entries(400));
    let run = shop.report(&["--since", "2020-01-01", "--until", "2020-02-01"]);
    assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{run:?}");
    let said = "no requests from 2020-01-01 00:00 to 2020-02-01 00:00; the journal holds those from 2026-11-20 00:00 to 2026-11-23 23:";
    assert!(run.stderr.starts_with(said), "{run:?}");
    // A program still reads a document of zeros, and a sheet of no rows.
    let run = shop.report(&["--json", "--since", "2020-01-01", "--until", "2020-02-01"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, &document["traffic"]["requests"]), (5, &json!(0)));
    let run = shop.report(&["--csv", "--since", "2020-01-01", "--until", "2020-02-01"]);
    assert_eq!((run.code, run.stdout.lines().count()), (5, 1));
}

#[test]
fn a_journal_that_cannot_be_read_ends_with_1_and_the_next_step() {
    let shop = Shop::of(entries(20));
    let newer = intentgate::journal::open_for_writing(&shop.path()).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let run = shop.report(&[]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{run:?}");
    assert!(run.stderr.contains("is of version 99"), "{run:?}");

    let folder = TempDir::new().unwrap();
    let foreign = folder.path().join("notes.txt");
    fs::write(&foreign, "not a database, surely".repeat(99)).unwrap();
    let run = intentgate(&["report", "--journal", foreign.to_str().unwrap()]).output();
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr.contains("is no journal of intentgate"),
        "{run:?}"
    );

    let off = intentgate(&["report"])
        .env("INTENTGATE_JOURNAL__STORE", "off")
        .output();
    assert_eq!(off.code, 1, "{off:?}");
    assert!(off.stderr.contains("name a file with --journal"), "{off:?}");
}

#[test]
fn a_report_says_when_questions_cannot_be_grouped() {
    let shop = Shop::of(entries(100));
    let path = shop.path();
    let run = intentgate(&["report", "--journal", path.to_str().unwrap()])
        .args(&PERIOD)
        .env("INTENTGATE_MODEL__PATH", "/nowhere")
        .output();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stdout.contains("\n  Questions are not grouped: "),
        "{run:?}"
    );
    assert!(
        run.stdout.contains("Rejections nearest to the threshold"),
        "{run:?}"
    );
}

/// The ids that `review --json` lists.
fn awaiting(shop: &Shop) -> Vec<String> {
    let run = shop.run(&[&["review", "--json"], &PERIOD[..]].concat(), "en", "");
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let rows = document["requests"].as_array().unwrap();
    assert_eq!(document["awaiting_review"], rows.len());
    rows.iter()
        .map(|row| row["request_id"].as_str().unwrap().to_owned())
        .collect()
}

fn reviews(shop: &Shop) -> BTreeMap<String, bool> {
    let database = open_for_reading(&shop.path()).unwrap();
    let mut query = database
        .prepare("SELECT request_id, wrong FROM review")
        .unwrap();
    let rows = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn reviews_are_asked_for_in_random_order_and_noted_at_once() {
    let shop = Shop::of(entries(400));
    let order = awaiting(&shop);
    assert_eq!(order, awaiting(&shop), "the order changed");
    assert!(!order.is_sorted() && !order.iter().rev().is_sorted());
    assert!(order.len() > 6);
    // A gateway that runs has the journal open, and goes on writing.
    let mut gateway = shop.journal();
    gateway.put(entry(9999, 400, &mut Dice(1)));
    gateway.flush();
    let run = shop.run(
        &[&["review"], &PERIOD[..]].concat(),
        "en",
        "r\n what\nW\ns\nw\n",
    );
    gateway.put(entry(10_000, 400, &mut Dice(1)));
    gateway.flush();
    assert_eq!(gateway.waiting(), 0);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert!(
        run.stdout
            .contains("\nNoted: rightly rejected 1, wrong 2. "),
        "{run:?}"
    );
    let expected = [(&order[0], false), (&order[1], true), (&order[3], true)];
    let expected: BTreeMap<_, _> = expected.map(|(id, wrong)| (id.clone(), wrong)).into();
    assert_eq!(reviews(&shop), expected);
    // What was skipped comes again, in its place.
    let left = [&order[2..3], &order[4..]].concat();
    assert_eq!(awaiting(&shop), left);
    let run = shop.run(&[&["review"], &PERIOD[..]].concat(), "zh", "q\n");
    assert!(
        run.stdout.contains("\n记下了：婉拒得对 0，错了 0。"),
        "{run:?}"
    );
}

#[test]
fn marks_replace_what_was_said_and_unknown_ones_change_nothing() {
    let shop = Shop::of(entries(400));
    let id = awaiting(&shop)[0].clone();
    for word in ["wrong", "right"] {
        let run = shop.run(&["review", "--mark", &format!("{id}={word}")], "en", "");
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(reviews(&shop), [(id.clone(), word == "wrong")].into());
    }
    let rejected = shop
        .entries
        .iter()
        .find(|entry| entry.decision == "reject")
        .unwrap();
    let marks = [
        format!("{id}=wrong"),
        format!("{}=wrong", rejected.request_id),
    ];
    let run = shop.run(
        &["review", "--mark", &marks[0], "--mark", &marks[1]],
        "en",
        "",
    );
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr
            .contains(&format!("no would-be rejections: {}", rejected.request_id)),
        "{run:?}"
    );
    assert_eq!(reviews(&shop), [(id, false)].into());
}

#[test]
fn a_wrong_option_ends_with_2() {
    for arguments in [
        &["report", "--since", "yesterday"][..],
        &["report", "--json", "--csv"],
        &["report", "--until", "7"],
        &["review", "--mark", "id"],
        &["review", "--mark", "=wrong"],
        &["review", "--mark", "id=maybe"],
        &["review", "--mark", "id=wrong", "--list"],
    ] {
        let run = intentgate(arguments).output();
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (2, ""),
            "{arguments:?} {run:?}"
        );
    }
    let path = Path::new("/nowhere/journal.sqlite");
    let run = intentgate(&[
        "report",
        "--journal",
        path.to_str().unwrap(),
        "--since",
        "1d",
        "--until",
        "2d",
    ])
    .output();
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("write an earlier --since"), "{run:?}");
}
