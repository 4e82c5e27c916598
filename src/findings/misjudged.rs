//! Examples that are judged as something else than what they stand for.

use std::collections::BTreeMap;

use super::{Collision, TOO_FEW};
use crate::intent::{Action, Intent};
use crate::judge::Reviewed;

/// An example lies nearer to another intent where that is likelier by so many nats…
const CLEAR: f64 = 6.0;
/// …and where something else would be done, by so many.
const CLEAR_OF_ANOTHER_ACTION: f64 = 3.0;
/// Intents collide where this share of one's examples is likeliest in the other…
const COLLIDING: f64 = 0.15;
/// …and at least so many of them.
const FEWEST_COLLIDING: usize = 3;
/// An example is likeliest in another intent by chance where that is likelier by less, in nats.
const CHANCE: f64 = 1.0;

/// Where findings that rest on verdicts are looked for.
pub(super) struct Search<'a, 'r> {
    pub(super) intents: &'a [Intent],
    /// The reviews of the intents' examples.
    pub(super) own: Vec<&'r Reviewed>,
    /// Below it a question is rejected; none where nothing is.
    pub(super) reject: Option<f64>,
}

impl<'a, 'r> Search<'a, 'r> {
    fn action(&self, group: usize) -> Option<Action> {
        Some(self.intents.get(group)?.action)
    }

    fn rejected(&self, row: &Reviewed) -> bool {
        self.reject.is_some_and(|reject| row.log_odds < reject)
    }

    fn is_off_topic(&self, row: &Reviewed) -> bool {
        self.action(row.group) == Some(Action::Reject)
    }

    /// The farthest from being let through first.
    pub(super) fn turned_away(&self) -> Vec<&'r Reviewed> {
        let mut rows = self.own.clone();
        rows.retain(|row| !self.is_off_topic(row) && self.rejected(row));
        rows.sort_by(|a, b| a.log_odds.total_cmp(&b.log_odds));
        rows
    }

    /// The farthest from being rejected first.
    pub(super) fn let_through(&self) -> Vec<&'r Reviewed> {
        let mut rows = self.own.clone();
        rows.retain(|row| self.is_off_topic(row) && self.reject.is_some() && !self.rejected(row));
        rows.sort_by(|a, b| b.log_odds.total_cmp(&a.log_odds));
        rows
    }

    /// Those for which something else would be done first, then the clearest. What is told as decided wrongly,
    /// as a collision or as an intent of too few examples is not told again.
    pub(super) fn astray(&self, collisions: &[Collision<'_>]) -> Vec<&'r Reviewed> {
        let told = |row: &Reviewed| {
            let (own, other) = (&self.intents[row.group], &self.intents[row.likeliest]);
            let rejected_wrongly =
                self.reject.is_some() && self.rejected(row) != self.is_off_topic(row);
            rejected_wrongly
                || own.examples.len() < TOO_FEW
                || collisions.iter().any(|pair| {
                    (&pair.intent.name, &pair.taken_for.name) == (&own.name, &other.name)
                })
        };
        let same_action = |row: &Reviewed| self.action(row.group) == self.action(row.likeliest);
        let mut rows = self.own.clone();
        rows.retain(|row| {
            let other = row.likeliest != row.group && row.likeliest < self.intents.len();
            let clear = if same_action(row) {
                CLEAR
            } else {
                CLEAR_OF_ANOTHER_ACTION
            };
            other && row.lead >= clear && !told(row)
        });
        rows.sort_by(|a, b| {
            let by_action = same_action(a).cmp(&same_action(b));
            by_action.then(b.lead.total_cmp(&a.lead))
        });
        rows
    }

    /// Those for which something else would be done first, then the largest shares.
    pub(super) fn collisions(&self) -> Vec<Collision<'a>> {
        let mut counts = BTreeMap::new();
        let strays = self.own.iter().filter(|row| row.likeliest != row.group);
        for row in strays.filter(|row| row.lead >= CHANCE) {
            *counts.entry((row.group, row.likeliest)).or_insert(0) += 1;
        }
        let pairs = counts
            .into_iter()
            .filter_map(|((group, likeliest), count)| {
                Some(Collision {
                    intent: &self.intents[group],
                    taken_for: self.intents.get(likeliest)?,
                    count,
                })
            });
        let mut pairs: Vec<_> = pairs
            .filter(|pair| pair.count >= FEWEST_COLLIDING && pair.share() >= COLLIDING)
            .collect();
        let same_action = |pair: &Collision<'_>| pair.intent.action == pair.taken_for.action;
        pairs.sort_by(|a, b| {
            let by_action = same_action(a).cmp(&same_action(b));
            by_action.then(b.share().total_cmp(&a.share()))
        });
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::shop;
    use super::*;

    fn reviewed(
        (group, index, log_odds, likeliest, lead): (usize, usize, f64, usize, f64),
    ) -> Reviewed {
        Reviewed {
            group,
            index,
            general: 0.0,
            log_odds,
            likeliest,
            lead,
        }
    }

    fn places(rows: Vec<&Reviewed>) -> Vec<(usize, usize)> {
        rows.into_iter().map(|row| (row.group, row.index)).collect()
    }

    #[test]
    fn an_example_that_is_judged_wrongly_is_told_once() {
        let intents = shop(9);
        let rows = [
            // Business, below the threshold: told as turned away whatever it is nearest to.
            (0, 0, -2.0, 0, 0.0),
            (0, 1, -3.0, 3, 9.0),
            (2, 0, -2.5, 4, 9.0),
            // At the threshold it is not rejected.
            (0, 2, -1.0, 0, 0.0),
            // Off-topic, not below it.
            (3, 0, 0.5, 3, 0.0),
            (3, 1, 4.0, 0, 9.0),
            (3, 2, -4.0, 3, 0.0),
            // Decided rightly, and nearer to another intent: by a clear lead, by none, and to no intent.
            (0, 3, 5.0, 1, CLEAR),
            (0, 4, 5.0, 1, CLEAR + 4.0),
            (0, 5, 5.0, 2, CLEAR_OF_ANOTHER_ACTION),
            (0, 6, 5.0, 1, CLEAR - 0.1),
            (0, 7, 5.0, 4, 9.0),
        ]
        .map(reviewed);
        let search = Search {
            intents: &intents,
            own: rows.iter().collect(),
            reject: Some(-1.0),
        };
        assert_eq!(places(search.turned_away()), [(0, 1), (2, 0), (0, 0)]);
        assert_eq!(places(search.let_through()), [(3, 1), (3, 0)]);
        assert_eq!(places(search.astray(&[])), [(0, 5), (0, 4), (0, 3)]);
        let search = Search {
            reject: None,
            ..search
        };
        assert!(search.turned_away().is_empty() && search.let_through().is_empty());
        let collision = Collision {
            intent: &intents[0],
            taken_for: &intents[1],
            count: 3,
        };
        assert_eq!(
            places(search.astray(&[collision])),
            [(0, 1), (3, 1), (0, 5)]
        );
        assert_eq!(search.astray(&[]).len(), 5);
    }

    #[test]
    fn intents_collide_where_many_examples_are_taken_for_the_other() {
        for (examples, to_delivery, to_greeting, to_background, expected) in [
            (10, 2, 0, 0, vec![]),
            (10, 3, 0, 0, vec!["delivery"]),
            (20, 3, 0, 0, vec!["delivery"]),
            (21, 3, 0, 0, vec![]),
            (10, 0, 0, 9, vec![]),
            // What is done differs, so it comes first.
            (20, 9, 3, 0, vec!["greeting", "delivery"]),
        ] {
            let intents = shop(examples);
            let likeliest = [(to_delivery, 1), (to_greeting, 2), (to_background, 4)];
            let likeliest = likeliest.iter().flat_map(|(count, to)| vec![*to; *count]);
            let rows = likeliest
                .enumerate()
                .map(|(index, to)| reviewed((0, index, 1.0, to, CHANCE)));
            let rows: Vec<_> = rows.collect();
            let search = Search {
                intents: &intents,
                own: rows.iter().collect(),
                reject: None,
            };
            let found = search.collisions();
            let found: Vec<_> = found
                .iter()
                .map(|pair| pair.taken_for.name.as_str())
                .collect();
            assert_eq!(found, expected, "{to_delivery} {to_greeting} of {examples}");
        }
    }
}
