//! The tables of the page.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{Change, Changes, Evaluation, Figures, OfIntent, Outcome, Question, Trial, wording};
use crate::language::say;

/// More mistakes of a kind than anybody reads.
const MOST_MISTAKES: usize = 300;

/// A row an intent.
pub(super) fn intents(figures: &Figures) -> Markup {
    html! {
        h3 { (say("各个意图", "By intent")) }
        div.wide { table {
            thead { tr {
                th { (say("意图", "intent")) }
                th {}
                th.number { (say("问题", "questions")) }
                th.number { (say("认对", "right")) }
                th.number { (say("被婉拒", "rejected")) }
                th { (say("认成了", "taken for")) }
            } }
            tbody { @for of in &figures.intents { tr {
                td { (of.name.as_str()) }
                td.quiet { (of.title.here()) }
                td.number { (of.questions) }
                td.number { (of.right()) }
                td.number { (of.rejected) }
                td { (of.confusions()) }
            } } }
        } }
    }
}

/// Labels down, likeliest intents across. A table and no picture: it can be searched, copied and read out.
pub(super) fn confusion(figures: &Figures) -> Markup {
    let across: BTreeSet<_> = figures
        .intents
        .iter()
        .flat_map(|of| of.likeliest.iter().map(|(name, _)| name))
        .collect();
    html! {
        h3 { (say("标注（行）和最接近的意图（列）", "Labels (rows) and likeliest intents (columns)")) }
        div.wide { table.confusion {
            thead { tr {
                th {}
                @for name in &across { th { (name.as_str()) } }
            } }
            tbody { @for of in &figures.intents { tr {
                th { (of.name.as_str()) }
                @for name in &across { (cell(of, of.times(name), of.name == **name)) }
            } } }
        } }
    }
}

fn cell(of: &OfIntent, times: usize, right: bool) -> Markup {
    let part = times as f64 / of.questions.max(1) as f64;
    let class = if right { "right" } else { "wrong" };
    html! {
        @if times == 0 { td {} } @else { td class=(class) style=(format!("--part:{part:.3}")) { (times) } }
    }
}

/// A table for each kind, the worst first.
pub(super) fn mistakes(evaluation: &Evaluation, trial: &Trial) -> Markup {
    html! {
        @for (title, rows) in wording::mistakes(&trial.figures.mistakes) {
            (listed(evaluation, trial, &title, rows))
        }
    }
}

fn listed(evaluation: &Evaluation, trial: &Trial, title: &str, rows: &[usize]) -> Markup {
    let all = rows.len();
    let capped = say(
        format!("只列出最严重的 {MOST_MISTAKES} 个；--json 有全部"),
        format!("the worst {MOST_MISTAKES} are listed; --json has all"),
    );
    html! { @if all > 0 {
        h3 { (title) " (" (all) ")" }
        @if all > MOST_MISTAKES { p.quiet { (capped) } }
        div.wide { table {
            thead { tr {
                (question_heads())
                th { (say("决定", "decision")) }
                th.number { (say("对数几率", "log-odds")) }
                th { (say("最接近的意图", "likeliest intent")) }
                th { (say("原因", "reason")) }
            } }
            tbody { @for row in rows.iter().take(MOST_MISTAKES) { tr {
                @let outcome = &trial.outcomes[*row];
                (question(&evaluation.questions[*row]))
                td { (decision(outcome)) }
                td.number { (format!("{:+.2}", outcome.log_odds)) }
                td { (wording::likeliest(outcome)) }
                td.quiet { (outcome.reason.here()) }
            } } }
        } }
    } }
}

/// Every question that is judged otherwise.
pub(super) fn changes(evaluation: &Evaluation, after: &Trial, changes: &Changes) -> Markup {
    html! {
        h2 { (say("变化：", "Changes: ")) (evaluation.present.folder) " → " (after.folder) }
        h3 { (wording::decisions(changes)) }
        (changed(evaluation, after, &changes.decisions))
        h3 { (wording::intents(changes)) }
        (changed(evaluation, after, &changes.intents))
    }
}

fn changed(evaluation: &Evaluation, after: &Trial, changes: &[Change]) -> Markup {
    html! { @if !changes.is_empty() {
        div.wide { table {
            thead { tr {
                th {}
                (question_heads())
                th { (say("之前", "before")) }
                th { (say("之后", "after")) }
            } }
            tbody { @for change in changes { tr {
                td class=(change.effect.as_str()) { (wording::effect(change.effect)) }
                (question(&evaluation.questions[change.row]))
                td { (told(&evaluation.present.outcomes[change.row])) }
                td { (told(&after.outcomes[change.row])) }
            } } }
        } }
    } }
}

fn question_heads() -> Markup {
    html! {
        th.number { (say("行", "line")) }
        th { (say("问题", "question")) }
        th { (say("标注", "label")) }
    }
}

fn question(question: &Question) -> Markup {
    html! {
        td.number { (question.line) }
        td.text { (question.text) }
        td { (wording::label(question)) }
    }
}

fn told(outcome: &Outcome) -> Markup {
    html! {
        (decision(outcome)) br;
        span.quiet { (wording::likeliest(outcome)) ", " (format!("{:+.2}", outcome.log_odds)) }
    }
}

fn decision(outcome: &Outcome) -> String {
    wording::action(outcome.action)
}
