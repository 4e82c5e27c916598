//! An evaluation as one JSON document, for programs.

use serde_json::{Value, json};

use super::{Change, Evaluation, Figures, OfIntent, Outcome, Question, Trial};
use crate::share::Share;

/// The format of `eval --json`.
pub fn document(evaluation: &Evaluation) -> Value {
    let questions = &evaluation.questions;
    let notes: Vec<_> = evaluation.notes.iter().map(|note| note.here()).collect();
    let compare = evaluation.changed.as_ref().map(|(trial, changes)| {
        let list = |changes: &[Change]| -> Vec<Value> {
            let all = changes.iter();
            all.map(|change| changed(evaluation, trial, *change))
                .collect()
        };
        json!({
            "figures": figures(trial, questions),
            "decisions": list(&changes.decisions),
            "intents": list(&changes.intents),
        })
    });
    json!({
        "file": evaluation.file,
        "questions": questions.len(),
        "on_topic": evaluation.on_topic(),
        "off_topic": questions.len() - evaluation.on_topic(),
        "notes": notes,
        "figures": figures(&evaluation.present, questions),
        "compare": compare,
    })
}

fn figures(trial: &Trial, questions: &[Question]) -> Value {
    let Figures {
        intent_right,
        on_topic_rejected,
        on_topic_answered,
        wrongly_answered,
        off_topic_rejected,
        auroc,
        fpr95,
        intents,
        mistakes,
    } = &trial.figures;
    let list = |rows: &[usize]| -> Vec<Value> {
        rows.iter()
            .map(|row| judged(&questions[*row], &trial.outcomes[*row]))
            .collect()
    };
    json!({
        "intents": trial.folder,
        "threshold": trial.threshold,
        "on_topic_rejected": share(*on_topic_rejected),
        "on_topic_answered": share(*on_topic_answered),
        "wrongly_answered": share(*wrongly_answered),
        "off_topic_rejected": share(*off_topic_rejected),
        "intent_right": share(*intent_right),
        "auroc": auroc,
        "fpr95": fpr95,
        "per_intent": intents.iter().map(of_intent).collect::<Vec<_>>(),
        "mistakes": {
            "rejected": list(&mistakes.rejected),
            "passed": list(&mistakes.passed),
            "wrongly_answered": list(&mistakes.wrongly_answered),
        },
    })
}

fn share(share: Share) -> Value {
    let interval = share.interval();
    json!({
        "count": share.count,
        "of": share.of,
        "share": share.value(),
        "low": interval.map(|(low, _)| low),
        "high": interval.map(|(_, high)| high),
    })
}

fn of_intent(of: &OfIntent) -> Value {
    let confused_with: Vec<_> = of
        .confused_with()
        .map(|(name, count)| json!({"name": name.as_str(), "count": count}))
        .collect();
    json!({
        "name": of.name.as_str(),
        "questions": of.questions,
        "right": of.right(),
        "rejected": of.rejected,
        "confused_with": confused_with,
    })
}

fn judged(question: &Question, outcome: &Outcome) -> Value {
    let mut row = labelled(question);
    row["outcome"] = told(outcome);
    row
}

fn changed(evaluation: &Evaluation, after: &Trial, change: Change) -> Value {
    let mut row = labelled(&evaluation.questions[change.row]);
    row["effect"] = json!(change.effect.as_str());
    row["before"] = told(&evaluation.present.outcomes[change.row]);
    row["after"] = told(&after.outcomes[change.row]);
    row
}

fn labelled(question: &Question) -> Value {
    json!({
        "line": question.line,
        "text": question.text,
        "intent": question.intent.as_ref().map(|name| name.as_str()),
        "on_topic": question.on_topic,
    })
}

/// The keys are those of `ask --jsonl`, where it has them.
fn told(outcome: &Outcome) -> Value {
    json!({
        "decision": outcome.action.as_str(),
        "intent": outcome.intent.as_ref().map(|name| name.as_str()),
        "log_odds": outcome.log_odds,
        "likeliest": {"name": outcome.likeliest.as_str(), "probability": outcome.probability},
        "reason": outcome.reason.en,
    })
}
