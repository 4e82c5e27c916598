//! Questions and outcomes → figures.

use std::collections::BTreeMap;

use super::ranking::Scores;
use super::{Outcome, Question};
use crate::intent::{Action, Intent, IntentName};
use crate::language::Phrase;
use crate::share::Share;

/// Intents that people are told one is taken for.
const CONFUSIONS: usize = 3;

/// How well one folder of intents judges the questions.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The likeliest intent is the label's; of the questions labelled with an intent of the folder.
    pub intent_right: Share,
    /// On-topic questions that are rejected.
    pub on_topic_rejected: Share,
    /// On-topic questions that get a fixed answer.
    pub on_topic_answered: Share,
    /// Questions answered for an intent that is not the label's; of those answered whose intent is known.
    pub wrongly_answered: Share,
    /// Off-topic questions that are rejected.
    pub off_topic_rejected: Share,
    /// The area under the curve of the log-odds; none where all questions are of one side.
    pub auroc: Option<f64>,
    /// The share of off-topic questions at or above the log-odds that 95 % of the on-topic ones reach.
    pub fpr95: Option<f64>,
    /// Each intent that questions are labelled with, in the folder's order.
    pub intents: Vec<OfIntent>,
    /// What went wrong.
    pub mistakes: Mistakes,
}

/// The questions labelled with one intent.
#[derive(Clone, Debug, PartialEq)]
pub struct OfIntent {
    /// Its name.
    pub name: IntentName,
    /// For people.
    pub title: Phrase,
    /// How many questions have the label.
    pub questions: usize,
    /// How many are rejected.
    pub rejected: usize,
    /// Their likeliest intents, the most frequent first.
    pub likeliest: Vec<(IntentName, usize)>,
}

impl OfIntent {
    /// How many questions this intent is likeliest for.
    pub fn right(&self) -> usize {
        self.times(&self.name)
    }

    /// How many questions an intent is likeliest for.
    pub fn times(&self, name: &IntentName) -> usize {
        let found = self
            .likeliest
            .iter()
            .find(|(likeliest, _)| likeliest == name);
        found.map_or(0, |(_, times)| *times)
    }

    /// The intents it is taken for most, with their times: `exchange 3, human 1`.
    pub fn confusions(&self) -> String {
        let all = self.confused_with().take(CONFUSIONS);
        let named: Vec<_> = all.map(|(name, times)| format!("{name} {times}")).collect();
        named.join(", ")
    }

    /// The intents it is taken for, the most frequent first.
    pub fn confused_with(&self) -> impl Iterator<Item = &(IntentName, usize)> {
        self.likeliest.iter().filter(|(name, _)| *name != self.name)
    }
}

/// Places of questions, the worst first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// On-topic, but rejected; the lowest log-odds first.
    pub rejected: Vec<usize>,
    /// Off-topic, but not rejected; the highest log-odds first.
    pub passed: Vec<usize>,
    /// Answered for another intent than the label's; the highest log-odds first.
    pub wrongly_answered: Vec<usize>,
}

impl Figures {
    /// The figures of a folder's `intents`; `outcomes` are those of `questions`, in order.
    pub fn of(intents: &[Intent], questions: &[Question], outcomes: &[Outcome]) -> Self {
        let rows = || questions.iter().zip(outcomes);
        let is = |action: Action, on_topic| {
            let side = rows().filter(move |(question, _)| question.on_topic == on_topic);
            Share::of(side.map(move |(_, outcome)| outcome.action == action))
        };
        let known = |question: &&Question| {
            let label = question.intent.as_ref();
            label
                .filter(|name| intents.iter().any(|intent| intent.name == **name))
                .cloned()
        };
        let labelled = || rows().filter_map(|(q, outcome)| Some((known(&q)?, outcome)));
        let answered = rows().filter(|(q, o)| q.intent.is_some() && o.action == Action::Answer);
        let scores = Scores::of(rows().map(|(q, outcome)| (outcome.log_odds, q.on_topic)));
        Figures {
            intent_right: Share::of(labelled().map(|(name, outcome)| outcome.likeliest == name)),
            on_topic_rejected: is(Action::Reject, true),
            on_topic_answered: is(Action::Answer, true),
            wrongly_answered: Share::of(answered.map(|(q, outcome)| q.wrongly_answered(outcome))),
            off_topic_rejected: is(Action::Reject, false),
            auroc: scores.auroc(),
            fpr95: scores.fpr95(),
            intents: of_intents(intents, &labelled().collect::<Vec<_>>()),
            mistakes: Mistakes::of(questions, outcomes),
        }
    }
}

impl Mistakes {
    fn of(questions: &[Question], outcomes: &[Outcome]) -> Self {
        let lowest_first = |is: &dyn Fn((&Question, &Outcome)) -> bool| -> Vec<usize> {
            let rows = questions.iter().zip(outcomes).enumerate();
            let mut found: Vec<_> = rows
                .filter(|(_, row)| is(*row))
                .map(|(row, _)| row)
                .collect();
            found.sort_by(|a, b| outcomes[*a].log_odds.total_cmp(&outcomes[*b].log_odds));
            found
        };
        let highest_first = |is| {
            let mut found = lowest_first(is);
            found.reverse();
            found
        };
        Mistakes {
            rejected: lowest_first(&|(q, outcome)| q.on_topic && outcome.rejected()),
            passed: highest_first(&|(q, outcome)| !q.on_topic && !outcome.rejected()),
            wrongly_answered: highest_first(&|(q, outcome)| q.wrongly_answered(outcome)),
        }
    }
}

fn of_intents(intents: &[Intent], labelled: &[(IntentName, &Outcome)]) -> Vec<OfIntent> {
    let of_intent = |intent: &Intent| {
        let own = labelled.iter().filter(|(name, _)| *name == intent.name);
        let own: Vec<_> = own.map(|(_, outcome)| *outcome).collect();
        let mut times: BTreeMap<&IntentName, usize> = BTreeMap::new();
        for outcome in &own {
            *times.entry(&outcome.likeliest).or_default() += 1;
        }
        let mut likeliest: Vec<_> = times
            .into_iter()
            .map(|(name, n)| (name.clone(), n))
            .collect();
        // Equally frequent ones stay in the order of their names.
        likeliest.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        OfIntent {
            name: intent.name.clone(),
            title: intent.title.clone(),
            questions: own.len(),
            rejected: own.iter().filter(|outcome| outcome.rejected()).count(),
            likeliest,
        }
    };
    let all = intents.iter().map(of_intent);
    all.filter(|of_intent| of_intent.questions > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::super::cases::{intent, name, outcome, question};
    use super::*;

    fn share(count: usize, of: usize) -> Share {
        Share { count, of }
    }

    /// Label, side, action, likeliest intent, log-odds.
    type Row = (Option<&'static str>, bool, Action, &'static str, f64);

    fn figures(rows: &[Row]) -> Figures {
        let intents = [
            intent("human", Action::Answer),
            intent("poem", Action::Reject),
            intent("refund", Action::Forward),
        ];
        let questions: Vec<_> = rows.iter().map(|row| question(row.0, row.1)).collect();
        let outcomes: Vec<_> = rows
            .iter()
            .map(|row| outcome(row.2, row.3, row.4))
            .collect();
        Figures::of(&intents, &questions, &outcomes)
    }

    #[test]
    fn every_figure_counts_its_own_questions() {
        let figures = figures(&[
            (Some("refund"), true, Action::Forward, "refund", 4.0),
            (Some("refund"), true, Action::Reject, "poem", -3.0),
            (Some("refund"), true, Action::Answer, "human", 1.0),
            (Some("human"), true, Action::Answer, "human", 3.0),
            (None, true, Action::Reject, "poem", -4.0),
            (Some("poem"), false, Action::Reject, "poem", -5.0),
            (None, false, Action::Forward, "refund", 2.0),
            (None, false, Action::Answer, "human", 2.5),
            // An intent that only the other folder has.
            (Some("gift"), true, Action::Forward, "refund", 0.5),
        ]);
        assert_eq!(figures.on_topic_rejected, share(2, 6));
        assert_eq!(figures.on_topic_answered, share(2, 6));
        assert_eq!(figures.off_topic_rejected, share(1, 3));
        assert_eq!(figures.intent_right, share(3, 5));
        assert_eq!(figures.wrongly_answered, share(1, 2));
        // Above the off-topic scores 2.5, 2 and -5: three of 4, three of 3, one of 1 and of 0.5, one of -3, of -4.
        let pairs = 3.0 + 3.0 + 1.0 + 1.0 + 1.0 + 1.0;
        assert!((figures.auroc.unwrap() - pairs / 18.0).abs() < 1e-12);
        assert_eq!(figures.fpr95, Some(2.0 / 3.0));
        let mistakes = &figures.mistakes;
        assert_eq!(mistakes.rejected, [4, 1]);
        assert_eq!(mistakes.passed, [7, 6]);
        assert_eq!(mistakes.wrongly_answered, [2]);
    }

    #[test]
    fn labels_are_held_against_likeliest_intents() {
        let forward = |label, likeliest| (Some(label), true, Action::Forward, likeliest, 1.0);
        let figures = figures(&[
            forward("refund", "refund"),
            forward("refund", "human"),
            forward("refund", "poem"),
            forward("refund", "human"),
            (Some("poem"), false, Action::Reject, "poem", -1.0),
        ]);
        let [poem, refund] = &figures.intents[..] else {
            panic!("{:?}", figures.intents);
        };
        let counts = |of: &OfIntent| (of.questions, of.right(), of.rejected);
        assert_eq!((counts(poem), counts(refund)), ((1, 1, 1), (4, 1, 0)));
        assert_eq!(refund.confusions(), "human 2, poem 1");
        assert_eq!(refund.times(&name("human")), 2);
        assert_eq!(poem.confusions(), "");
    }

    #[test]
    fn of_one_side_there_is_no_ranking() {
        let figures = figures(&[(None, true, Action::Forward, "refund", 1.0)]);
        assert_eq!((figures.auroc, figures.fpr95), (None, None));
        assert_eq!(figures.off_topic_rejected, share(0, 0));
        assert!(figures.intents.is_empty());
    }
}
