//! What `eval` prints for people.

use std::io::{self, Write};

use comfy_table::CellAlignment;

use super::terminal::{DIM, colour, heading, lines, paint, plain_table, print_table, shortened};
use crate::eval::{Change, Effect, Evaluation, Figures, Outcome, Trial, wording};
use crate::intent::Action;
use crate::language::say;

/// Mistakes of a kind that a terminal shows.
const MOST_MISTAKES: usize = 10;
/// Columns of a question's text.
const TEXT_WIDTH: usize = 60;

/// Prints all of it.
///
/// # Errors
/// Those of `out`.
pub(super) fn print(out: &mut impl Write, evaluation: &Evaluation) -> io::Result<()> {
    writeln!(out, "{}", wording::counts(evaluation))?;
    for note in &evaluation.notes {
        let note = note.here();
        writeln!(
            out,
            "{}",
            say(format!("注意：{note}"), format!("Note: {note}"))
        )?;
    }
    print_figures(out, evaluation)?;
    for trial in evaluation.trials() {
        print_intents(out, &trial.folder, &trial.figures)?;
    }
    let last = evaluation.changed.as_ref().map(|(trial, _)| trial);
    print_mistakes(out, evaluation, last.unwrap_or(&evaluation.present))?;
    if let Some((after, changes)) = &evaluation.changed {
        let (before, folder) = (&evaluation.present.folder, &after.folder);
        heading(out, &format!("{before} → {folder}"))?;
        writeln!(out, "{}", wording::decisions(changes))?;
        print_changes(out, evaluation, after, &changes.decisions)?;
        writeln!(out, "{}", wording::intents(changes))?;
        print_changes(out, evaluation, after, &changes.intents)?;
    }
    Ok(())
}

fn print_figures(out: &mut impl Write, evaluation: &Evaluation) -> io::Result<()> {
    let told: Vec<_> = evaluation.trials().map(wording::figures).collect();
    let mut table = plain_table();
    let folders = evaluation.trials().map(|trial| trial.folder.clone());
    table.add_row(std::iter::once(String::new()).chain(folders));
    for (row, figure) in told[0].iter().enumerate() {
        let values = told.iter().map(|trial| trial[row].value.here());
        table.add_row(std::iter::once(figure.name.here()).chain(values));
    }
    writeln!(out)?;
    print_table(out, &mut table)?;
    writeln!(out, "\n  {}", paint(DIM, &wording::brackets()))?;
    let mut meanings = plain_table();
    for figure in &told[0] {
        meanings.add_row([figure.name.here(), figure.meaning.here()]);
    }
    for line in lines(&mut meanings) {
        writeln!(out, "{}", paint(DIM, &line))?;
    }
    Ok(())
}

fn print_intents(out: &mut impl Write, folder: &str, figures: &Figures) -> io::Result<()> {
    if figures.intents.is_empty() {
        return Ok(());
    }
    heading(out, folder)?;
    let mut table = plain_table();
    table.add_row([
        say("意图", "intent"),
        say("问题", "questions"),
        say("认对", "right"),
        say("被婉拒", "rejected"),
        say("认成了", "taken for"),
    ]);
    for of in &figures.intents {
        table.add_row([
            of.name.to_string(),
            of.questions.to_string(),
            of.right().to_string(),
            of.rejected.to_string(),
            of.confusions(),
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    print_table(out, &mut table)
}

fn print_mistakes(out: &mut impl Write, evaluation: &Evaluation, trial: &Trial) -> io::Result<()> {
    for (title, rows) in wording::mistakes(&trial.figures.mistakes) {
        if rows.is_empty() {
            continue;
        }
        let (all, shown) = (rows.len(), rows.len().min(MOST_MISTAKES));
        let counted = match shown < all {
            true => say(
                format!("{all} 个，最严重的 {shown} 个"),
                format!("{all}, the worst {shown}"),
            ),
            false => all.to_string(),
        };
        heading(out, &format!("{title} ({counted})"))?;
        for row in rows.iter().take(shown) {
            let outcome = &trial.outcomes[*row];
            print_question(out, evaluation, *row)?;
            writeln!(out, "    {}", told(outcome))?;
            writeln!(out, "    {}", paint(DIM, outcome.reason.here()))?;
        }
    }
    Ok(())
}

fn print_changes(
    out: &mut impl Write,
    evaluation: &Evaluation,
    after: &Trial,
    changes: &[Change],
) -> io::Result<()> {
    for change in changes {
        print_question(out, evaluation, change.row)?;
        let before = told(&evaluation.present.outcomes[change.row]);
        let after = told(&after.outcomes[change.row]);
        let effect = match change.effect {
            Effect::Worse => paint(colour(Action::Reject), &wording::effect(change.effect)),
            Effect::Better => paint(colour(Action::Forward), &wording::effect(change.effect)),
            Effect::Neither => wording::effect(change.effect),
        };
        writeln!(out, "    {before} → {after}  {effect}")?;
    }
    Ok(())
}

fn print_question(out: &mut impl Write, evaluation: &Evaluation, row: usize) -> io::Result<()> {
    let question = &evaluation.questions[row];
    let line = question.line;
    writeln!(
        out,
        "  {}  {}  {}",
        say(format!("第 {line} 行"), format!("line {line}")),
        shortened(&question.text, TEXT_WIDTH),
        paint(DIM, &wording::label(question)),
    )
}

/// `reject  −4.31  chitchat 97 %`
fn told(outcome: &Outcome) -> String {
    format!(
        "{}  {:+.2}  {}",
        paint(colour(outcome.action), &wording::action(outcome.action)),
        outcome.log_odds,
        wording::likeliest(outcome)
    )
}
