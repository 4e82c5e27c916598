//! An evaluation as a page.

use maud::{Markup, PreEscaped, html};

use super::ranking::Scores;
use super::{Evaluation, Trial, charts, tables, wording};
use crate::language::say;
use crate::page;

pub use crate::page::charts::ChartError;

/// The page, in the operator's language.
///
/// # Errors
/// A picture that cannot be drawn.
pub fn page(evaluation: &Evaluation) -> Result<String, ChartError> {
    let title = say("意图评测", "How the intents judge");
    let body = html! {
        p.quiet { (wording::counts(evaluation)) }
        @for note in &evaluation.notes { p { (note.here()) } }
        (figures(evaluation))
        (pictures(evaluation)?)
        @if let Some((trial, changes)) = &evaluation.changed {
            (tables::changes(evaluation, trial, changes))
        }
        @for trial in evaluation.trials() {
            h2 { (trial.folder) }
            (tables::intents(&trial.figures))
            (tables::confusion(&trial.figures))
            (tables::mistakes(evaluation, trial))
        }
    };
    Ok(page::page(&title, &evaluation.file, &body))
}

fn figures(evaluation: &Evaluation) -> Markup {
    let told: Vec<_> = evaluation.trials().map(wording::figures).collect();
    let rows = told.first().map_or(0, Vec::len);
    html! {
        h2 { (say("数字", "Figures")) }
        div.wide { table {
            thead { tr {
                th {}
                @for trial in evaluation.trials() { th { (trial.folder) } }
                th {}
            } }
            tbody { @for row in 0..rows { tr {
                th { (told[0][row].name.here()) }
                @for trial in &told { td.value { (trial[row].value.here()) } }
                td.quiet { (told[0][row].meaning.here()) }
            } } }
        } }
        p.quiet { (wording::brackets()) }
    }
}

/// The curves of all folders in one picture, and one of the scores for each.
fn pictures(evaluation: &Evaluation) -> Result<Markup, ChartError> {
    let scores: Vec<_> = evaluation
        .trials()
        .map(|trial| (trial, scores(evaluation, trial)))
        .collect();
    Ok(html! {
        div.charts {
            (curves(&scores)?)
            @for (trial, scores) in &scores { (histogram(trial, scores)?) }
        }
    })
}

fn scores(evaluation: &Evaluation, trial: &Trial) -> Scores {
    let rows = evaluation.questions.iter().zip(&trial.outcomes);
    Scores::of(rows.map(|(question, outcome)| (outcome.log_odds, question.on_topic)))
}

fn curves(trials: &[(&Trial, Scores)]) -> Result<Markup, ChartError> {
    let curves: Vec<_> = trials.iter().map(|(_, scores)| scores.curve()).collect();
    let (x, y) = (
        say("放行的无关的问题", "off-topic questions that pass"),
        say("放行的店里的事", "on-topic questions that pass"),
    );
    let picture = charts::curves(&curves, [&x, &y])?;
    let caption = say(
        "ROC 曲线：阈值从高到低，两类问题各放行多少；越靠左上角越好。",
        "ROC curve: how many of both kinds pass as the threshold falls; the nearer to the upper left, the better.",
    );
    Ok(html! { figure {
        (PreEscaped(picture))
        figcaption {
            (caption) " "
            @for ((trial, _), class) in trials.iter().zip(["first", "second"]) {
                b class=(class) { (trial.folder) } " "
            }
        }
    } })
}

fn histogram(trial: &Trial, scores: &Scores) -> Result<Markup, ChartError> {
    let (x, y) = (
        say("对数几率", "log-odds"),
        say("占该类的比例", "share of its kind"),
    );
    let picture = charts::histogram(scores, trial.threshold, [&x, &y])?;
    Ok(html! { figure {
        (PreEscaped(picture))
        figcaption {
            (say("得分的分布，", "How the scores are spread, ")) (trial.folder) ": "
            b.first { (say("店里的事", "on-topic")) } ", "
            b.second { (say("无关的问题", "off-topic")) }
            @if trial.threshold.is_some() { ", " b.mark { (say("阈值", "threshold")) } }
        }
    } })
}
