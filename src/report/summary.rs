//! The section that a report begins with: how much cheaper and faster, and at the cost of how many customers.

use super::Report;
use super::headline::{Cost, Customers, KnownBy, Range, Replies};
use super::numbers::{count, estimate, money, money_estimate, percent, time};
use super::sections::Section;
use crate::language::say;

/// The headline, in words.
pub(super) fn headline(report: &Report) -> Section {
    let mut section = Section::new(say("总的来说", "In short"));
    let headline = &report.headline;
    for of in &headline.costs {
        cost(&mut section, of);
    }
    if let Some(of) = &headline.replies {
        replies(&mut section, of);
    }
    if let Some(of) = &headline.customers {
        customers(&mut section, of);
    }
    if let Some(share) = headline.asked_again {
        let number = count(report.rejections.again.count);
        let share = percent(share);
        section.figure(
            say("婉拒后又问", "asked again"),
            say(format!("婉拒的 {share}"), format!("{share} of rejections")),
            say(
                format!("{number} 个婉拒；可能误拒的线索"),
                format!("{number} rejections; a hint of wrong ones"),
            ),
        );
    }
    section
}

fn cost(section: &mut Section, cost: &Cost) {
    let saved = money_estimate(&cost.currency, cost.saved, cost.doubt);
    let spent = money(&cost.currency, cost.spent);
    section.figure(
        say("费用", "cost"),
        // How far off it may be rests on an assumption more than on chance: no range says that.
        minus(cost.share()),
        say(
            format!("省下 ≈ {saved}，实际花了 {spent}；不用网关时是两者之和"),
            format!("≈ {saved} saved, {spent} spent; without the gateway it would have been both"),
        ),
    );
}

fn replies(section: &mut Section, replies: &Replies) {
    let times = format!("{:.1}", replies.times());
    let [with, without] = [replies.with, replies.without].map(time);
    section.figure(
        say("平均答复", "mean reply"),
        say(format!("快到 {times} 倍"), format!("{times} times as fast")),
        say(
            format!("有网关 {with}，没有 {without}：假设这里答的若转发，要用转发请求的平均时间"),
            format!(
                "{with} with the gateway, {without} without: replies made here would have taken the mean of forwarded ones"
            ),
        ),
    );
}

fn customers(section: &mut Section, customers: &Customers) {
    let (number, share) = (customers.number, customers.share);
    let name = say("被错拒的顾客", "customers turned away");
    match customers.known_by {
        KnownBy::Reviews => section.figure(
            name,
            about(number, whole),
            say(
                format!("店里的事的 {}，按人工看过的样本", about(share, percent_of)),
                format!(
                    "{} of the shop's business, by the reviewed sample",
                    about(share, percent_of)
                ),
            ),
        ),
        KnownBy::Promise => {
            let (most, share) = (estimate(number.high, None), percent(share.high));
            section.figure(
                name,
                say(format!("至多约 {most}"), format!("about {most} at most")),
                say(
                    format!("还没有人看过样本；按 gate.false_reject_target，至多是店里的事的 {share}"),
                    format!("nobody has reviewed a sample; by gate.false_reject_target at most {share} of the shop's business"),
                ),
            );
        }
    }
}

/// `≈ 92 (20–250)`
fn about(range: Range, number: fn(f64, f64) -> String) -> String {
    let doubt = (range.high - range.low) / 2.0;
    let [low, high] = [range.low, range.high].map(|end| number(end, doubt));
    match range.estimate {
        Some(value) => format!("≈ {} ({low}–{high})", number(value, doubt)),
        None => format!("{low}–{high}"),
    }
}

fn whole(number: f64, doubt: f64) -> String {
    estimate(number, Some(doubt))
}

fn percent_of(share: f64, _: f64) -> String {
    percent(share)
}

/// `−73.0 %`
fn minus(share: f64) -> String {
    format!("−{}", percent(share))
}
