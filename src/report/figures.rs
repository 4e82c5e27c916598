//! The sections of what was added up: savings, bills, traffic, intents, times, errors.

use super::numbers::{count, estimate, log_odds, money, money_estimate, percent, time, waited};
use super::sections::{Kind, Section, Table};
use super::spread::Spread;
use super::{Report, cell::Cell};
use crate::language::{Phrase, say};

/// What was saved, with the assumptions that it rests on.
pub(super) fn savings(report: &Report) -> Section {
    let mut section = Section::new(say("省下了什么", "What was saved"));
    let (savings, completions) = (&report.savings, &report.tally.completions);
    let saved = &savings.saved;
    let of_judged = savings.share().map(|share| {
        let share = percent(share);
        say(
            format!("（判断过的 {share}）"),
            format!(" ({share} of judged)"),
        )
    });
    section.figure(
        say("大模型调用", "LLM calls"),
        count(saved.calls) + &of_judged.unwrap_or_default(),
        say(
            "直接回答或婉拒，没有用到大模型",
            "answered or rejected here: the LLM was not needed",
        ),
    );
    let uncounted = match saved.uncounted {
        0 => String::new(),
        uncounted => {
            let uncounted = count(uncounted);
            say(
                format!("；{uncounted} 次没有数"),
                format!("; of {uncounted} calls not counted"),
            )
        }
    };
    section.figure(
        say("输入词元", "prompt tokens"),
        count(saved.prompt),
        say("整个请求，逐个数出来的", "counted, of the whole requests") + &uncounted,
    );
    if let Some(expected) = savings.completion {
        section.figure(
            say("输出词元", "completion tokens"),
            around(expected.total, expected.doubt),
            spread_of(completions),
        );
    }
    for (currency, amount) in &saved.cost {
        section.figure(
            say("金额", "money"),
            format!(
                "≈ {}",
                money_estimate(currency, *amount, savings.doubt_of(*amount))
            ),
            say(
                "输入按数出的、输出按预计的词元",
                "for prompt tokens as counted and completion tokens as expected",
            ),
        );
    }
    if let Some(sooner) = savings.time {
        let [forwarded, here] = [sooner.forwarded, sooner.here].map(time);
        section.figure(
            say("顾客少等的时间", "waiting time"),
            format!("≈ {}", waited(sooner.total)),
            say(
                format!("完整答复的中位时间：大模型 {forwarded}，这里 {here}"),
                format!("median time to a whole reply: {forwarded} from the LLM, {here} here"),
            ),
        );
    }
    unpriced(&mut section, saved.unpriced, report);
    section.remarks = assumptions().map(|phrase| phrase.here().to_owned()).into();
    section
}

/// What every estimate of savings assumes.
pub(super) fn assumptions() -> [Phrase; 3] {
    [
        Phrase::new(
            "假设：省下的问题如果交给大模型，答复会和这段时间转发的问题一样长。",
            "Assumed: a saved question would have drawn as long a reply as the forwarded ones of this period did.",
        ),
        Phrase::new(
            "括号里是总数有 95 % 把握落在的范围；金额是每次省下时按当时 [prices] 的单价和当时的平均答复长度算的。",
            "Ranges hold the total with 95 % confidence; money was reckoned call by call, with the prices of [prices] and the mean reply as they were then.",
        ),
        Phrase::new(
            "图片没有计入；缓存折扣也没有计入省下的部分。",
            "Pictures are not counted, and no discount for cached prompts is assumed.",
        ),
    ]
}

/// What upstreams billed.
pub(super) fn billed(report: &Report) -> Section {
    let mut section = Section::new(say(
        "大模型实际用了什么",
        "What the LLM was really used for",
    ));
    let (billed, usage) = (&report.total.billed, &report.tally.usage);
    if usage.is_empty() {
        return section;
    }
    let known = |how: &str| count(usage.get(how).copied().unwrap_or_default());
    let [told, counted, unknown] = ["told", "counted", "unknown"].map(known);
    section.figure(
        say("答复", "replies"),
        count(usage.values().sum()),
        say(
            format!("用量：上游告知 {told}，这里数出 {counted}，未知 {unknown}"),
            format!("usage told by the upstream {told}, counted here {counted}, unknown {unknown}"),
        ),
    );
    let cached = count(billed.cached);
    section.figure(
        say("输入词元", "prompt tokens"),
        count(billed.prompt),
        say(
            format!("其中 {cached} 来自上游的缓存"),
            format!("{cached} of them from the upstream's cache"),
        ),
    );
    section.figure(
        say("输出词元", "completion tokens"),
        count(billed.completion),
        spread_of(&report.tally.completions),
    );
    for (currency, amount) in &billed.cost {
        section.figure(
            say("金额", "money"),
            money(currency, *amount),
            say(
                "按当时 [prices] 的单价",
                "by the prices of [prices] as they were then",
            ),
        );
    }
    unpriced(&mut section, billed.unpriced, report);
    section
}

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
    let protocols = report.tally.protocols.len();
    section.figure(
        say("协议", "protocols"),
        protocols.to_string(),
        listed(&report.tally.protocols),
    );
    section.tables.extend(by_time(report));
    section
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

/// Says for how many calls no money is known, and for which models.
fn unpriced(section: &mut Section, calls: u64, report: &Report) {
    if calls == 0 {
        return;
    }
    let models = report
        .unpriced
        .iter()
        .map(|(model, _)| match model.as_str() {
            "" => "–",
            model => model,
        });
    let models = models.collect::<Vec<_>>().join(", ");
    section.figure(
        say("没有单价的调用", "calls without a price"),
        count(calls),
        say(
            format!("不在金额里；请在 [prices] 写上：{models}"),
            format!("not in the money; add to [prices]: {models}"),
        ),
    );
}

fn spread_of(replies: &Spread) -> String {
    let (Some(mean), Some(low), Some(high)) =
        (replies.mean(), replies.quantile(0.1), replies.quantile(0.9))
    else {
        return String::new();
    };
    let number = count(replies.count);
    let [mean, low, high] = [mean, low, high].map(|tokens| estimate(tokens, Some(10.0)));
    let stddev = replies
        .stddev()
        .map_or("–".to_owned(), |stddev| estimate(stddev, Some(10.0)));
    say(
        format!(
            "每个答复平均 {mean}，标准差 {stddev}，中间 80 %：{low}–{high}（{number} 个转发的答复）"
        ),
        format!(
            "{mean} a reply, standard deviation {stddev}, the middle 80 %: {low}–{high} ({number} forwarded replies)"
        ),
    )
}

/// `≈ 234,000 (220,000–248,000)`
fn around(value: f64, doubt: Option<f64>) -> String {
    let whole = format!("≈ {}", estimate(value, doubt));
    match doubt {
        Some(doubt) => {
            let [low, high] =
                [value - doubt, value + doubt].map(|end| estimate(end.max(0.0), Some(doubt)));
            format!("{whole} ({low}–{high})")
        }
        None => whole,
    }
}

fn listed(numbers: &std::collections::BTreeMap<String, u64>) -> String {
    let mut numbers: Vec<_> = numbers.iter().collect();
    numbers.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
    let numbers = numbers
        .into_iter()
        .map(|(name, number)| format!("{name} {}", count(*number)));
    numbers.collect::<Vec<_>>().join(", ")
}
