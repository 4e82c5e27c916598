//! What changes from one folder of intents to another.

use super::{Outcome, Question};
use crate::intent::{Action, IntentName};

/// Whether a change is for the better, by the label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It was right and is not any more.
    Worse,
    /// It is right and was not.
    Better,
    /// Right both times, wrong both times, or the label does not say.
    Neither,
}

impl Effect {
    /// The word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Worse => "worse",
            Effect::Better => "better",
            Effect::Neither => "neither",
        }
    }

    fn of(right_before: bool, right_after: bool) -> Self {
        match (right_before, right_after) {
            (true, false) => Effect::Worse,
            (false, true) => Effect::Better,
            _ => Effect::Neither,
        }
    }
}

/// A question that is judged otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place among the questions.
    pub row: usize,
    /// For better or worse.
    pub effect: Effect,
}

/// Every question that is judged otherwise, those for the worse first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Something else is done: another action, or an answer for another intent.
    pub decisions: Vec<Change>,
    /// The same is done, but another intent is likeliest.
    pub intents: Vec<Change>,
}

impl Changes {
    /// What is otherwise in `after`; both have an outcome for each question.
    pub fn between(questions: &[Question], before: &[Outcome], after: &[Outcome]) -> Self {
        let mut changes = Changes::default();
        let outcomes = before.iter().zip(after);
        for (row, (question, (before, after))) in questions.iter().zip(outcomes).enumerate() {
            if done(before) != done(after) {
                let right = |outcome| question.rightly_judged(outcome);
                let effect = Effect::of(right(before), right(after));
                changes.decisions.push(Change { row, effect });
            } else if before.likeliest != after.likeliest {
                let right =
                    |outcome: &Outcome| question.intent.as_ref() == Some(&outcome.likeliest);
                let effect = Effect::of(right(before), right(after));
                changes.intents.push(Change { row, effect });
            }
        }
        for changes in [&mut changes.decisions, &mut changes.intents] {
            changes.sort_by_key(|change| change.effect);
        }
        changes
    }
}

/// What the customer gets. Which intent a forwarded or rejected question is nearest is not the customer's matter.
fn done(outcome: &Outcome) -> (Action, Option<&IntentName>) {
    let answers = outcome.action == Action::Answer;
    (outcome.action, outcome.intent.as_ref().filter(|_| answers))
}

#[cfg(test)]
mod tests {
    use super::super::cases::{outcome, question};
    use super::*;

    const FORWARD: Action = Action::Forward;
    const ANSWER: Action = Action::Answer;
    const REJECT: Action = Action::Reject;

    #[test]
    fn a_change_is_judged_by_the_label() {
        for (label, on_topic, before, after, effect) in [
            (None, true, (FORWARD, "a"), (REJECT, "b"), Effect::Worse),
            (None, false, (FORWARD, "a"), (REJECT, "b"), Effect::Better),
            (None, true, (FORWARD, "a"), (ANSWER, "b"), Effect::Neither),
            (
                Some("a"),
                true,
                (FORWARD, "a"),
                (ANSWER, "b"),
                Effect::Worse,
            ),
            (
                Some("a"),
                true,
                (ANSWER, "b"),
                (ANSWER, "a"),
                Effect::Better,
            ),
            (
                Some("a"),
                false,
                (FORWARD, "a"),
                (ANSWER, "a"),
                Effect::Neither,
            ),
        ] {
            let questions = [question(label, on_topic)];
            let of = |(action, intent)| [outcome(action, intent, 0.0)];
            let changes = Changes::between(&questions, &of(before), &of(after));
            let change = Change { row: 0, effect };
            assert_eq!(changes.decisions, [change], "{before:?} {after:?}");
            assert_eq!(changes.intents, []);
        }
    }

    #[test]
    fn another_likeliest_intent_counts_apart_and_the_worse_come_first() {
        let labels = [Some("b"), Some("a"), None, Some("a")];
        let questions = labels.map(|label| question(label, true));
        let before = [FORWARD; 4].map(|action| outcome(action, "a", 1.0));
        let mut after = [FORWARD; 4].map(|action| outcome(action, "b", 1.0));
        // Other log-odds are no change.
        after[3] = outcome(FORWARD, "a", 2.0);
        let changes = Changes::between(&questions, &before, &after);
        assert_eq!(changes.decisions, []);
        let found: Vec<_> = changes.intents.iter().map(|c| (c.row, c.effect)).collect();
        assert_eq!(
            found,
            [
                (1, Effect::Worse),
                (0, Effect::Better),
                (2, Effect::Neither)
            ]
        );
    }
}
