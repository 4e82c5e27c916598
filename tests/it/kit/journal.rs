//! Journals of made-up traffic.

use std::path::PathBuf;
use std::time::Duration;

use intentgate::config;
use intentgate::journal::{Entry, Journal};
use intentgate::metrics::Metrics;
use serde_json::Value;
use tempfile::TempDir;

use crate::commands::{Ended, intentgate};

/// 2026-11-20T00:00:00Z, in microseconds.
pub(crate) const BEGIN: i64 = 1_795_132_800_000_000;
pub(crate) const DAY: i64 = 86_400_000_000;
/// Three days, by the clock of `TZ=UTC`.
pub(crate) const PERIOD: [&str; 4] = ["--since", "2026-11-20", "--until", "2026-11-23"];

/// A journal, and what was put into it.
pub(crate) struct Shop {
    pub(crate) folder: TempDir,
    pub(crate) entries: Vec<Entry>,
}

impl Shop {
    pub(crate) fn of(entries: Vec<Entry>) -> Self {
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
    pub(crate) fn journal(&self) -> Journal {
        let config = config::Journal {
            path: Some(self.path()),
            questions: true,
            keep: Duration::from_secs(u64::from(u32::MAX)),
            ..config::Journal::default()
        };
        Journal::new(&config, &Metrics::new().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("journal.sqlite")
    }

    pub(crate) fn run(&self, arguments: &[&str], language: &str, stdin: &str) -> Ended {
        let path = self.path();
        let journal = ["--journal", path.to_str().unwrap()];
        intentgate(&[&arguments[..1], &journal, &arguments[1..]].concat())
            .env("INTENTGATE_LANG", language)
            .env("TZ", "UTC")
            .stdin(stdin)
            .output()
    }

    pub(crate) fn report(&self, arguments: &[&str]) -> Ended {
        self.run(&[&["report"], arguments].concat(), "en", "")
    }

    pub(crate) fn document(&self, arguments: &[&str]) -> Value {
        let run = self.report(&[&["--json"], arguments].concat());
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        serde_json::from_str(&run.stdout).unwrap()
    }

    /// The output without the folder's name, which differs each time.
    pub(crate) fn plain(&self, text: &str) -> String {
        text.replace(self.folder.path().to_str().unwrap(), "FOLDER")
    }
}

/// Numbers that look random and are always the same.
pub(crate) struct Dice(pub(crate) u64);

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
pub(crate) fn entries(count: u64) -> Vec<Entry> {
    let mut dice = Dice(count);
    (0..count)
        .map(|index| entry(index, count, &mut dice))
        .collect()
}

pub(crate) fn entry(index: u64, count: u64, dice: &mut Dice) -> Entry {
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
    if dice.roll(12) == 0 {
        entry.repeat_of = Some("request-00000".to_owned());
        return;
    }
    let prompt = (dice.roll(12) > 0).then(|| 80 + dice.roll(500) as i64);
    (entry.saved_prompt_tokens, entry.saved_completion_tokens) = (prompt, Some(190.25));
    if entry.model.as_deref() == Some("small") {
        entry.saved_cost = prompt.map(|prompt| 1e-5 * prompt as f64 + 4e-5 * 190.25);
        entry.currency = prompt.map(|_| "CNY".to_owned());
    }
}
