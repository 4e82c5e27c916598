//! The sections of what was saved and of what was billed.

use super::Report;
use super::numbers::{count, estimate, money, money_estimate, percent, time, waited};
use super::sections::Section;
use super::spread::Spread;
use crate::language::{Phrase, say};

/// What was saved, with the assumptions that it rests on.
pub(super) fn savings(report: &Report) -> Section {
    let mut section = Section::new(say("省下了什么", "What was saved"));
    let savings = &report.savings;
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
    if report.total.repeats > 0 {
        section.figure(
            say("重复的请求", "repeats"),
            count(report.total.repeats),
            say(
                "一分钟内同一个问题又发来，与第一次合计为一次，不计入节省",
                "the same question once more within a minute: one saved call with the first, and not in these sums",
            ),
        );
    }
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
        say("输入 token", "prompt tokens"),
        count(saved.prompt),
        say("整个请求，逐个数出来的", "counted, of the whole requests") + &uncounted,
    );
    estimates(&mut section, report);
    unpriced(&mut section, saved.unpriced, report);
    section.remarks = assumptions().map(|phrase| phrase.here().to_owned()).into();
    section
}

/// What is known of savings by what forwarded requests came to.
fn estimates(section: &mut Section, report: &Report) {
    let savings = &report.savings;
    if let Some(expected) = savings.completion {
        section.figure(
            say("输出 token", "completion tokens"),
            around(expected.total, expected.doubt),
            spread_of(&report.tally.completions),
        );
    }
    for (currency, amount) in &savings.saved.cost {
        section.figure(
            say("金额", "money"),
            format!(
                "≈ {}",
                money_estimate(currency, *amount, savings.doubt_of(*amount))
            ),
            say(
                "输入按数出的、输出按预计的 token",
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
}

/// What every estimate of savings assumes.
pub(super) fn assumptions() -> [Phrase; 3] {
    [
        Phrase::new(
            "假设：省下的问题如果交给大模型，答复会和这段时间转发的问题一样长。",
            "Assumed: a saved question would have drawn as long a reply as the forwarded ones of this period did.",
        ),
        Phrase::new(
            "括号里是总数有 95 % 把握落在的范围；金额是每次省下时按当时 [prices] 的单价和当时的平均答复长度算的，第一个答复之前的按第一个答复补算。",
            "Ranges hold the total with 95 % confidence; money was reckoned call by call, with the prices of [prices] and the mean reply as they were then, and by the first reply for calls before it.",
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
        say("输入 token", "prompt tokens"),
        count(billed.prompt),
        say(
            format!("其中 {cached} 来自上游的缓存"),
            format!("{cached} of them from the upstream's cache"),
        ),
    );
    section.figure(
        say("输出 token", "completion tokens"),
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
