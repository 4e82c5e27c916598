//! The sections of traffic, intents, times and errors.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Report;
use super::cell::Cell;
use super::numbers::{count, log_odds, money_estimate, percent, time};
use super::sections::{Kind, Section, Table};
use crate::language::say;

/// What came, and what became of it.
pub(super) fn traffic(report: &Report) -> Section {
    let mut section = Section::new(say("流量", "Traffic"));
    let total = &report.total;
    let judged = count(total.judged);
    section.figure(
        say("请求", "requests"),
        count(total.requests),
        say(format!("判断了 {judged}"), format!("{judged} were judged")),
    );
    for (name, number) in [
        (say("转发", "forwarded"), total.forwarded),
        (say("直接回答", "answered here"), total.answered),
        (say("婉拒", "rejected"), total.rejected),
        (say("网关拒收", "turned away by the gateway"), total.refused),
        (say("顾客先离开", "client left first"), total.left),
    ] {
        let share = percent(number as f64 / total.requests.max(1) as f64);
        if number > 0 {
            section.figure(name, count(number), share);
        }
    }
    waived(&mut section, report);
    let protocols = report.tally.protocols.len();
    section.figure(
        say("协议", "protocols"),
        protocols.to_string(),
        listed(&report.tally.protocols),
    );
    section.tables.extend(by_time(report));
    section
}

/// What was not acted upon, and what was not judged.
fn waived(section: &mut Section, report: &Report) {
    for ((why, what), number) in &report.tally.waived {
        let meaning = match why.as_str() {
            "audit" => say(
                "gate.audit_share 抽中的，照样转发",
                "drawn by gate.audit_share, forwarded all the same",
            ),
            _ => say(
                "gate.mode = \"shadow\"，照样转发",
                "gate.mode is \"shadow\", forwarded all the same",
            ),
        };
        let name = match what.as_str() {
            "reject" => say("本来会婉拒", "would have been rejected"),
            _ => say("本来会直接回答", "would have been answered here"),
        };
        section.figure(name, count(*number), meaning);
    }
    if !report.tally.bypassed.is_empty() {
        section.figure(
            say("未经判断就转发", "forwarded unjudged"),
            count(report.tally.bypassed.values().sum()),
            listed(&report.tally.bypassed),
        );
    }
}

/// A row a day or hour, the newest first.
fn by_time(report: &Report) -> Option<Table> {
    let title = match report.span.hourly {
        true => say("按小时", "By the hour"),
        false => say("按天", "By the day"),
    };
    let currencies: Vec<_> = report.total.saved.cost.keys().collect();
    let mut heads = vec![
        (Kind::Word, say("时间", "time")),
        (Kind::Number, say("请求", "requests")),
        (Kind::Number, say("转发", "forwarded")),
        (Kind::Number, say("直接回答", "answered")),
        (Kind::Number, say("婉拒", "rejected")),
        (Kind::Number, say("出错", "errors")),
    ];
    let saved = currencies.iter();
    heads.extend(saved.map(|_| (Kind::Number, say("省下", "saved"))));
    let rows = (0..report.span.parts()).rev().map(|part| {
        let cell = report.tally.part(part);
        let numbers = [
            cell.requests,
            cell.forwarded,
            cell.answered,
            cell.rejected,
            cell.errors,
        ];
        let saved = currencies.iter().map(|currency| {
            let amount = cell.saved.cost.get(*currency).copied();
            money_estimate(currency, amount.unwrap_or_default(), None)
        });
        let cells = std::iter::once(report.span.name(part));
        cells.chain(numbers.map(count)).chain(saved).collect()
    });
    Table::new(title, heads).of(rows.collect())
}

/// What customers asked about, the most asked first.
pub(super) fn intents(report: &Report) -> Section {
    let mut section = Section::new(say("意图", "Intents"));
    let heads = vec![
        (Kind::Word, say("意图", "intent")),
        (Kind::Number, say("请求", "requests")),
        (Kind::Number, say("转发", "forwarded")),
        (Kind::Number, say("直接回答", "answered")),
        (Kind::Number, say("婉拒", "rejected")),
        (Kind::Number, say("平均对数几率", "mean log-odds")),
        (Kind::Number, say("接近阈值", "near the threshold")),
    ];
    let row = |(intent, cell): (&str, Cell)| {
        let numbers = [cell.requests, cell.forwarded, cell.answered, cell.rejected];
        let mean = cell.mean_log_odds().map_or("–".to_owned(), log_odds);
        let cells = std::iter::once(intent.to_owned()).chain(numbers.map(count));
        cells.chain([mean, count(cell.near)]).collect()
    };
    let rows = report.tally.intents().into_iter().map(row).collect();
    section
        .tables
        .extend(Table::new(String::new(), heads).of(rows));
    section.remarks.push(say(
        "接近阈值：对数几率与阈值相差不到 1，决定很容易变成另一个。background 是与任何意图无关的问题，none 是没有判断的。",
        "Near the threshold: the log-odds are less than 1 from it, so the decision could easily have been the other. background stands for questions of no intent, none for those that were not judged.",
    ));
    section
}

/// How long things took.
pub(super) fn times(report: &Report) -> Section {
    let mut section = Section::new(say("时间", "Time"));
    let heads = vec![
        (Kind::Word, String::new()),
        (Kind::Number, say("次数", "count")),
        (Kind::Number, "p50".to_owned()),
        (Kind::Number, "p95".to_owned()),
        (Kind::Number, "p99".to_owned()),
    ];
    let tally = &report.tally;
    let verdicts = tally.verdicts.iter().map(|(stage, times)| {
        (
            say(format!("判断，{stage}"), format!("verdict, {stage}")),
            times,
        )
    });
    let totals = tally.totals.iter().map(|(decision, times)| {
        (
            say(
                format!("整个请求，{decision}"),
                format!("whole request, {decision}"),
            ),
            times,
        )
    });
    let first = (
        say("上游的第一个字节", "the upstream's first byte"),
        &tally.first_byte,
    );
    let rows = verdicts
        .chain([first])
        .chain(totals)
        .filter(|(_, times)| times.count > 0);
    let rows = rows.map(|(name, times)| {
        let shares =
            [0.5, 0.95, 0.99].map(|share| times.quantile(share).map_or(String::new(), time));
        [name, count(times.count)]
            .into_iter()
            .chain(shares)
            .collect()
    });
    section
        .tables
        .extend(Table::new(String::new(), heads).of(rows.collect()));
    section
}

/// What went wrong.
pub(super) fn errors(report: &Report) -> Section {
    let mut section = Section::new(say("出错", "Errors"));
    for (code, number) in &report.tally.codes {
        section.figure(
            code.clone(),
            count(*number),
            say("网关给顾客的错误", "an error of the gateway"),
        );
    }
    for (status, number) in &report.tally.statuses {
        section.figure(
            format!("HTTP {status}"),
            count(*number),
            say("上游的状态", "the upstream's status"),
        );
    }
    if report.total.cut > 0 {
        section.figure(
            say("中断", "cut"),
            count(report.total.cut),
            say(
                "顾客在答复结束前离开",
                "the client left before the reply's end",
            ),
        );
    }
    section
}

fn listed(numbers: &BTreeMap<String, u64>) -> String {
    let mut numbers: Vec<_> = numbers.iter().collect();
    numbers.sort_by_key(|(_, number)| Reverse(**number));
    let numbers = numbers
        .into_iter()
        .map(|(name, number)| format!("{name} {}", count(*number)));
    numbers.collect::<Vec<_>>().join(", ")
}
