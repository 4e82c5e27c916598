//! How often the gate is expected to be wrong, and what that rests on: the examples, and where people looked at
//! what the gateway would have rejected, what they said of it.

use std::io::{self, Write};

use crate::config::Config;
use crate::journal::{self, open_for_reading, read, reviews};
use crate::judge::Expected;
use crate::language::{Phrase, say};
use crate::share::Share;
use crate::snapshot::{Review, Snapshot};
use crate::verdict::Reason;

/// Turns of a conversation that is spoken of.
const TURNS: i32 = 5;

/// Says what is to be expected of a snapshot.
pub(super) fn print(
    out: &mut impl Write,
    snapshot: &Snapshot,
    review: &Review,
    config: &Config,
) -> io::Result<()> {
    let (judge, target) = (&snapshot.judge, config.gate.false_reject_target);
    if !judge.rejects() {
        let why = Reason::NothingRejects.explain();
        return writeln!(
            out,
            "{}",
            say(format!("注意：{}。", why.zh), format!("Note: {}.", why.en))
        );
    }
    writeln!(out)?;
    let promise = &judge.promise;
    if !promise.is_firm(target) {
        let business = promise.business;
        let line = say(
            format!(
                "店里的事只有 {business} 个例句，太少了，保证不了什么：把顾客真实的问法写进意图，总共 300 句以上为好。"
            ),
            format!(
                "{business} examples of the shop's business are too few to promise anything: add what customers really ask to the intents, better 300 or more altogether."
            ),
        );
        writeln!(out, "{line}")?;
    }
    if let Some(questions) = promise.questions {
        print_questions(out, questions, target)?;
    }
    if let Some(turns) = promise.turns {
        print_turns(out, turns)?;
    }
    print_reviewed(out, config)?;
    print_caught(out, promise.caught)?;
    print_basis(out, snapshot, review)
}

fn print_questions(out: &mut impl Write, expected: Expected, target: f64) -> io::Result<()> {
    let (interval, target) = (range(expected.interval), percent(target));
    let [alike, new] = [expected.like_examples, expected.of_new_kinds].map(percent);
    let line = say(
        format!(
            "预计误拒 {alike} 的真实问题（95 % 的把握在 {interval} 之间）；目标是 {target}，见 gate.false_reject_target。\n和例句问得差不多的，误拒 {alike}；问的事哪个意图都没写到的，误拒 {new}。"
        ),
        format!(
            "About {alike} of real questions will be rejected ({interval} with 95 % confidence); the target is {target}, gate.false_reject_target.\nOf those that are asked as the examples are, {alike}; of those about what no intent describes, {new}."
        ),
    );
    writeln!(out, "{line}")
}

fn print_turns(out: &mut impl Write, turns: Expected) -> io::Result<()> {
    let met = turns.of_conversations(TURNS);
    let (turn, conversation) = (percent(turns.like_examples), percent(met.like_examples));
    let (turns, met) = (range(turns.interval), range(met.interval));
    let line = say(
        format!(
            "在谈店里的事的对话里，预计误拒 {turn} 的话（{turns}）；顾客说了 {TURNS} 句的对话，{conversation}（{met}）会碰到一次误拒。"
        ),
        format!(
            "In conversations about the shop's business, about {turn} of turns ({turns}); of conversations in which the customer speaks {TURNS} times, {conversation} ({met}) meet such a rejection."
        ),
    );
    writeln!(out, "{line}")
}

/// What people said of rejections that were let through to be looked at: where there is a journal with such.
fn print_reviewed(out: &mut impl Write, config: &Config) -> io::Result<()> {
    let Some(reviewed) = Reviewed::read(config) else {
        return Ok(());
    };
    let Reviewed {
        looked_at,
        wrong,
        turned_away: [share, low, high],
    } = reviewed;
    let (share, interval) = (percent(share), range((low, high)));
    let line = say(
        format!(
            "真实流量：人工看过 {looked_at} 个婉拒，错了 {wrong} 个；也就是 {share} 的顾客问题被误拒（95 % 的把握在 {interval} 之间）。"
        ),
        format!(
            "By your own traffic: of {looked_at} rejections that people looked at {wrong} were wrong, which is {share} of what customers ask ({interval} with 95 % confidence)."
        ),
    );
    writeln!(out, "{line}")
}

/// Rejections that people looked at, and the share of customers' questions that they come to.
struct Reviewed {
    looked_at: usize,
    wrong: usize,
    /// With the ends of its 95 % interval.
    turned_away: [f64; 3],
}

impl Reviewed {
    /// Of the whole journal; none where there is none, or nobody looked.
    fn read(config: &Config) -> Option<Reviewed> {
        let database = open_for_reading(&journal::path(&config.journal)?).ok()?;
        let reviews = reviews(&database, i64::MIN..i64::MAX).ok()?;
        let (rejected, passed) = read::judged(&database).ok()?;
        let (share, (low, high)) = reviews.share().zip(reviews.interval())?;
        // Whatever else passed counts as a customer's: what it cost is rather said too high.
        let turned_away = [share, low, high].map(|wrong| {
            let wrong = wrong * rejected as f64;
            wrong / (wrong + passed as f64).max(1.0)
        });
        Some(Reviewed {
            looked_at: reviews.right + reviews.wrong,
            wrong: reviews.wrong,
            turned_away,
        })
    }
}

fn print_caught(out: &mut impl Write, caught: Share) -> io::Result<()> {
    let (Some(share), Some(interval)) = (caught.value(), caught.interval()) else {
        return Ok(());
    };
    let (share, interval) = (percent(share), range(interval));
    let line = say(
        format!("预计拦下 {share} 的无关问题（95 % 的把握在 {interval} 之间）。"),
        format!(
            "About {share} of off-topic questions will be caught ({interval} with 95 % confidence)."
        ),
    );
    writeln!(out, "{line}")
}

/// How much the promise rests on.
fn print_basis(out: &mut impl Write, snapshot: &Snapshot, review: &Review) -> io::Result<()> {
    let promise = &snapshot.judge.promise;
    let rows = review.examples.iter();
    let rows = rows
        .filter(|row| row.group >= snapshot.intents.len())
        .count();
    let (business, off_topic) = (promise.business, promise.caught.of - rows);
    let background = match rows {
        0 => Phrase::default(),
        _ => Phrase::new(
            format!("，{rows} 句内置的无关问题"),
            format!(" and {rows} built-in off-topic questions"),
        ),
    };
    let line = say(
        format!(
            "依据：店里的事 {business} 个例句，婉拒的 {off_topic} 个{}；判断每一句时都假装没有它，再假装没有它那个意图。例句里没有的语言，不在其内。",
            background.zh
        ),
        format!(
            "This rests on {business} examples of business, {off_topic} that are rejected{}, each judged as if it were not there, and again as if its intent were not. It says nothing of languages that no example is written in.",
            background.en
        ),
    );
    writeln!(out, "{line}")
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn range((low, high): (f64, f64)) -> String {
    format!("{:.1}–{:.1} %", 100.0 * low, 100.0 * high)
}
