//! The sections of what is worth a look: wrong rejections, and questions.

use super::groups::{Group, Question};
use super::numbers::{count, estimate, log_odds, percent};
use super::rejections::Followed;
use super::sections::{Kind, Section, Table};
use super::{Groups, Report};
use crate::journal::read::Told;
use crate::language::say;

/// Groups that are listed.
const GROUPS: usize = 10;

/// How many rejections may have been wrong.
pub(super) fn rejections(report: &Report) -> Section {
    let mut section = Section::new(say("婉拒错了吗", "Were rejections wrong?"));
    let (found, total) = (&report.rejections, &report.total);
    let all = total.rejected + total.would_reject;
    if all + found.again.count + found.handed_over.count == 0 {
        return section;
    }
    reviewed(&mut section, report);
    let rejected = total.turned_away();
    for (name, followed, meaning) in [
        (
            say("婉拒后又问", "asked again"),
            &found.again,
            say(
                "同一对话或同一位有名字的顾客几分钟内又问了相近的问题",
                "the same conversation, or a customer with a name, asked alike within minutes",
            ),
        ),
        (
            say("婉拒后要人工", "asked for a person"),
            &found.handed_over,
            say("婉拒后几分钟内要求人工", "within minutes of the rejection"),
        ),
    ] {
        let share = percent(followed.count.min(rejected) as f64 / rejected.max(1) as f64);
        let number = count(followed.count);
        section.figure(
            name,
            say(
                format!("{number}（婉拒的 {share}）"),
                format!("{number} ({share} of rejections)"),
            ),
            meaning,
        );
    }
    section.tables.extend(pairs(report, &found.again));
    section
}

/// What reviews say, and what is left to review.
fn reviewed(section: &mut Section, report: &Report) {
    let (found, total) = (&report.rejections, &report.total);
    let (right, wrong) = (found.reviews.right, found.reviews.wrong);
    let number = right + wrong;
    if let (Some(share), Some((low, high))) = (found.reviews.share(), found.reviews.interval()) {
        let [share, low, high] = [share, low, high].map(percent);
        section.figure(
            say("错误的婉拒", "wrong rejections"),
            say(
                format!("{share}（95 % 的把握在 {low} 到 {high} 之间）"),
                format!("{share} ({low} to {high} with 95 % confidence)"),
            ),
            say(
                format!("随机抽样，人工看过 {number} 个，其中 {wrong} 个错了"),
                format!("by a random sample: {number} reviewed by people, {wrong} of them wrong"),
            ),
        );
    }
    if let Some([value, low, high]) = found.wrong(total) {
        section.figure(
            say("被错拒的顾客", "customers turned away"),
            ends([value, low, high]),
            say(
                "错误的比例乘以这段时间的婉拒次数",
                "that share of the period's rejections",
            ),
        );
    }
    let waiting = count(found.awaiting);
    let meaning = match (found.awaiting, number) {
        (0, 0) => say(
            "没有抽样：设置 gate.audit_share（如 0.05），就能知道婉拒里有多少是错的",
            "there is no sample: set gate.audit_share, such as 0.05, to learn how many rejections are wrong",
        ),
        (0, _) => say("都看过了", "all are reviewed"),
        _ => {
            let options = &report.options;
            say(
                format!("现在就看：intentgate review {options}"),
                format!("review them: intentgate review {options}"),
            )
        }
    };
    section.figure(say("等待人工查看", "awaiting review"), waiting, meaning);
}

/// `≈ 92 (20–250)`
fn ends([value, low, high]: [f64; 3]) -> String {
    let doubt = Some((high - low) / 2.0);
    let [value, low, high] = [value, low, high].map(|number| estimate(number, doubt));
    format!("≈ {value} ({low}–{high})")
}

fn pairs(report: &Report, followed: &Followed) -> Option<Table> {
    let heads = vec![
        (Kind::Word, say("时间", "time")),
        (Kind::Text, say("婉拒的", "rejected")),
        (Kind::Text, say("又问的", "asked again")),
        (Kind::Word, say("这次", "this time")),
    ];
    let rows = followed.pairs.iter().map(|(first, next)| {
        let first = first.as_ref().map_or("–".to_owned(), words);
        vec![
            report.span.clock(next.at),
            first,
            words(next),
            next.decision.clone(),
        ]
    });
    Table::new(say("婉拒后又问", "Asked again after a rejection"), heads).of(rows.collect())
}

/// Questions that an operator should see.
pub(super) fn questions(report: &Report) -> Section {
    let mut section = Section::new(say("值得一看的问题", "Questions worth a look"));
    match &report.groups {
        Groups::Unkept => {
            let near = count(
                report
                    .tally
                    .intents()
                    .iter()
                    .map(|(_, cell)| cell.near)
                    .sum(),
            );
            let unsure = count(report.total.rejected + report.total.would_reject);
            section.remarks.push(say(
                format!("请求记录里没有问题的文字，只有数目：接近阈值 {near} 个，婉拒（或本来会婉拒）{unsure} 个。要看问题本身，请在配置里写 [journal] questions = true，之后的问题会保留。"),
                format!("The journal keeps no questions, only how many: {near} near the threshold, {unsure} that were or would be rejected. To see them, set questions = true under [journal]; those that come then are kept."),
            ));
            return section;
        }
        Groups::Unknown(why) => section.remarks.push(say(
            format!("问题没有分组：{why}"),
            format!("Questions are not grouped: {why}"),
        )),
        Groups::Found(groups) => section.tables.extend(grouped(groups)),
    }
    section.tables.extend(near(&report.near));
    section
}

fn near(near: &[Question]) -> Option<Table> {
    let heads = vec![
        (Kind::Text, say("问题", "question")),
        (Kind::Number, say("次数", "times")),
        (Kind::Number, say("对数几率", "log-odds")),
        (Kind::Number, say("阈值", "threshold")),
        (Kind::Word, say("最接近的意图", "likeliest intent")),
    ];
    let number = |number: Option<f64>| number.map_or("–".to_owned(), log_odds);
    let rows = near.iter().map(|question| {
        let told = &question.told;
        vec![
            words(told),
            count(question.count),
            number(told.log_odds),
            number(told.threshold),
            told.nearest.clone().unwrap_or_default(),
        ]
    });
    let mut table = Table::new(
        say("婉拒里最接近阈值的", "Rejections nearest to the threshold"),
        heads,
    );
    table.advice = say(
        "如果是店里的事，把它加进该意图的例句。",
        "Where one is the shop's business, add it to the examples of its intent.",
    );
    table.of(rows.collect())
}

fn grouped(groups: &[Group]) -> Option<Table> {
    let heads = vec![
        (Kind::Number, say("问题", "questions")),
        (Kind::Number, say("婉拒", "rejected")),
        (Kind::Word, say("最接近的意图", "likeliest intent")),
        (Kind::Text, say("例如", "such as")),
    ];
    let rows = groups.iter().take(GROUPS).map(|group| {
        let examples: Vec<_> = group
            .examples
            .iter()
            .map(|example| words(&example.told))
            .collect();
        vec![
            count(group.count),
            count(group.rejected),
            group.nearest.clone().unwrap_or_default(),
            examples.join(" / "),
        ]
    });
    let title = say(
        "相近而没有意图管的问题",
        "Alike questions that no intent covers",
    );
    let mut table = Table::new(title, heads);
    table.advice = say(
        "如果是店里的事，为它建一个意图，或加进最接近的意图的例句；如果不是，一个 reject 意图可以给它更合适的答复。",
        "Where they are the shop's business, add an intent for them, or add them to the likeliest one's examples; where not, a reject intent gives them a reply of their own.",
    );
    table.of(rows.collect())
}

/// The question, or where it was not kept the id of its request.
fn words(told: &Told) -> String {
    told.question
        .clone()
        .unwrap_or_else(|| told.request_id.clone())
}
