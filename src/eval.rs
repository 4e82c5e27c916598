//! Labelled questions → figures of how well a folder of intents judges them.
//!
//! ```text
//! file text → Question, judged → Outcome → Figures → terminal, document, report
//! ```
//!
//! All of it is arithmetic and text; the command reads the files and has the gate judge.

mod charts;
mod comparison;
pub mod document;
mod figures;
pub mod labels;
mod notes;
pub mod ranking;
pub mod report;
mod tables;
pub mod wording;

pub use comparison::{Change, Changes, Effect};
pub use figures::{Figures, Mistakes, OfIntent};

use crate::chat::Prompt;
use crate::intent::{Action, Intent, IntentName};
use crate::language::Phrase;
use crate::snapshot::Snapshot;
use crate::verdict::Decision;

/// A question, and what is known to be true of it.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its line in the file, from 1.
    pub line: usize,
    /// What is judged.
    pub prompt: Prompt,
    /// The customer's words.
    pub text: String,
    /// Its intent, where that is known to one of the folders.
    pub intent: Option<IntentName>,
    /// Whether it is the shop's business.
    pub on_topic: bool,
}

impl Question {
    /// Whether it gets the answer of another intent than its own.
    pub fn wrongly_answered(&self, outcome: &Outcome) -> bool {
        let answered = outcome.action == Action::Answer;
        answered && self.intent.is_some() && outcome.intent != self.intent
    }

    /// Whether the labels agree with what is done.
    pub fn rightly_judged(&self, outcome: &Outcome) -> bool {
        self.on_topic != outcome.rejected() && !self.wrongly_answered(outcome)
    }
}

/// What one folder's intents make of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What is done.
    pub action: Action,
    /// The intent it is done for.
    pub intent: Option<IntentName>,
    /// The likeliest intent of all.
    pub likeliest: IntentName,
    /// How likely that is.
    pub probability: f64,
    /// The log-odds that the question is the shop's business.
    pub log_odds: f64,
    /// Why it is done, for operators.
    pub reason: Phrase,
}

impl Outcome {
    /// The outcome of a decision; none where nothing was judged.
    pub fn of(decision: &Decision) -> Option<Self> {
        let judgement = decision.judgement.as_ref()?;
        let (likeliest, probability) = judgement.assessment.verdict.intents().next()?;
        Some(Outcome {
            action: decision.action,
            intent: decision.intent().cloned(),
            likeliest: likeliest.clone(),
            probability,
            log_odds: judgement.log_odds,
            reason: decision.reason.explain(),
        })
    }

    /// Whether the question is turned away.
    pub fn rejected(&self) -> bool {
        self.action == Action::Reject
    }
}

/// One folder of intents, and how it did.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The folder as the operator named it.
    pub folder: String,
    /// Its intents.
    pub intents: Vec<Intent>,
    /// Log-odds below this are rejected; none where nothing rejects.
    pub threshold: Option<f64>,
    /// An outcome for each question, in order.
    pub outcomes: Vec<Outcome>,
    /// What they add up to.
    pub figures: Figures,
}

impl Trial {
    /// The trial of a snapshot. `outcomes` are those of `questions`, in order.
    pub fn new(
        folder: String,
        snapshot: Snapshot,
        questions: &[Question],
        outcomes: Vec<Outcome>,
    ) -> Self {
        let judge = &snapshot.judge;
        let threshold = judge.rejects().then_some(judge.thresholds.reject);
        let figures = Figures::of(&snapshot.intents, questions, &outcomes);
        Trial {
            folder,
            intents: snapshot.intents,
            threshold,
            outcomes,
            figures,
        }
    }
}

/// All that is to be shown.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The file of the questions as the operator named it.
    pub file: String,
    /// What it holds.
    pub questions: Vec<Question>,
    /// What the operator should know about the file.
    pub notes: Vec<Phrase>,
    /// The present folder.
    pub present: Trial,
    /// The changed folder, and what changes with it.
    pub changed: Option<(Trial, Changes)>,
}

impl Evaluation {
    /// Puts both trials side by side.
    pub fn new(
        file: String,
        labelled: labels::Labelled,
        present: Trial,
        changed: Option<Trial>,
    ) -> Self {
        let labels::Labelled { questions, notes } = labelled;
        let changed = changed.map(|trial| {
            let changes = Changes::between(&questions, &present.outcomes, &trial.outcomes);
            (trial, changes)
        });
        Evaluation {
            file,
            questions,
            notes,
            present,
            changed,
        }
    }

    /// The present folder's trial, and the changed one's.
    pub fn trials(&self) -> impl Iterator<Item = &Trial> {
        std::iter::once(&self.present).chain(self.changed.iter().map(|(trial, _)| trial))
    }

    /// How many questions are the shop's business.
    pub fn on_topic(&self) -> usize {
        self.questions.iter().filter(|q| q.on_topic).count()
    }
}

#[cfg(test)]
mod cases {
    //! Small questions and outcomes for the tests of this module's parts.

    use super::*;
    use crate::chat::line::Line;

    /// A question on line 1; its intent and its side.
    pub(super) fn question(intent: Option<&str>, on_topic: bool) -> Question {
        let line = Line {
            text: Some("?".to_owned()),
            messages: None,
        };
        Question {
            line: 1,
            prompt: line.prompt().unwrap(),
            text: "?".to_owned(),
            intent: intent.map(name),
            on_topic,
        }
    }

    /// What is done, the likeliest intent, which it is done for, and the log-odds.
    pub(super) fn outcome(action: Action, likeliest: &str, log_odds: f64) -> Outcome {
        Outcome {
            action,
            intent: Some(name(likeliest)),
            likeliest: name(likeliest),
            probability: 0.5,
            log_odds,
            reason: Phrase::same("because"),
        }
    }

    /// An intent without examples.
    pub(super) fn intent(of: &str, action: Action) -> Intent {
        Intent {
            name: name(of),
            title: Phrase::same(of),
            action,
            reply: None,
            first_turn_only: false,
            examples: Vec::new(),
        }
    }

    pub(super) fn name(name: &str) -> IntentName {
        IntentName::new(name).unwrap()
    }
}
