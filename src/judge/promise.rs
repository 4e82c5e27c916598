//! What is to be expected, measured on examples that were held out.
//!
//! An example is judged by what was fitted without it, which tells how customers fare who ask as the examples do; and
//! again as if its whole intent were not there, which tells how those fare who ask about what no intent describes.
//! Real customers lie between. How many ask about which intent nobody knows beforehand, so that intents are what the
//! interval is drawn over.

use super::{Group, Judged, Side, Thresholds};
use crate::share::{Share, interval};

/// Fewer examples of business promise nothing, however well they are told apart.
pub(super) const FEWEST: usize = 60;
/// Nor does an interval that reaches beyond this share, where no more is allowed.
const WIDEST: f64 = 0.1;
/// Customers ask about few things. In five sources of real conversations their questions lie on forty intents as
/// unevenly as if they fell on 2, 8, 9, 14 and 15 of them alone (the inverse of the sum of squared shares). The
/// variance goes with the inverse, and the mean of that is a sixth of the intents.
const ASKED_ABOUT: f64 = 1.0 / 6.0;

/// What is to be expected.
#[derive(Clone, Copy, Debug, Default)]
pub struct Promise {
    /// How many questions of customers are rejected that are asked by themselves; none where nothing is known.
    pub questions: Option<Expected>,
    /// How many turns are, in a conversation about the shop's business.
    pub turns: Option<Expected>,
    /// On how many examples of business that rests.
    pub business: usize,
    /// How many off-topic examples are rejected, the background's included.
    pub caught: Share,
}

/// The share of customers' questions that is rejected, as far as examples tell it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Of those that are asked as the examples are.
    pub like_examples: f64,
    /// Of those about what no intent describes.
    pub of_new_kinds: f64,
    /// From the lower end of the 95 % interval of the one to the upper end of that of the other.
    pub interval: (f64, f64),
}

impl Expected {
    /// What it comes to in conversations of so many turns: how many of them meet a rejection.
    pub fn of_conversations(self, turns: i32) -> Expected {
        let meets = |share: f64| 1.0 - (1.0 - share).powi(turns);
        Expected {
            like_examples: meets(self.like_examples),
            of_new_kinds: meets(self.of_new_kinds),
            interval: (meets(self.interval.0), meets(self.interval.1)),
        }
    }
}

impl Promise {
    pub(super) fn of(
        groups: &[Group<'_>],
        held_out: &[Judged],
        thresholds: &Thresholds,
    ) -> Promise {
        let on = |side| {
            let held_out = held_out.iter();
            held_out.filter(move |held| groups[held.owner].side() == side)
        };
        let expected = |is_rejected: &dyn Fn(f64, f64) -> bool| {
            let mut known = vec![Share::default(); groups.len()];
            let mut unknown = known.clone();
            for held in on(Side::Business) {
                let (log_odds, as_follow_up) = held.without_group;
                known[held.owner].add(is_rejected(held.log_odds, held.as_follow_up));
                unknown[held.owner].add(is_rejected(log_odds, as_follow_up));
            }
            let (known, unknown) = (Spread::of(&known), Spread::of(&unknown));
            Some(Expected {
                like_examples: known.mean,
                of_new_kinds: unknown.mean,
                interval: (
                    known.interval()?.0.min(unknown.interval()?.0),
                    known.interval()?.1.max(unknown.interval()?.1),
                ),
            })
        };
        let Thresholds {
            reject, follow_up, ..
        } = *thresholds;
        Promise {
            questions: expected(&|log_odds, _| log_odds < reject),
            turns: expected(&|log_odds, as_follow_up| {
                log_odds < reject && as_follow_up < follow_up
            }),
            business: on(Side::Business).count(),
            caught: Share::of(on(Side::OffTopic).map(|held| held.log_odds < reject)),
        }
    }

    /// The expected share of real questions that are rejected.
    pub fn rejected_share(&self) -> Option<f64> {
        Some(self.questions?.like_examples)
    }

    /// Whether there are examples enough to promise anything, where the share of real questions that may be
    /// rejected is `target`.
    pub fn is_firm(&self, target: f64) -> bool {
        let high = self.questions.map_or(1.0, |expected| expected.interval.1);
        self.business >= FEWEST && high <= WIDEST.max(2.0 * target)
    }
}

/// A share over intents, where nobody knows how many ask about which.
#[derive(Clone, Copy, Debug)]
struct Spread {
    /// Of all examples.
    mean: f64,
    /// How many questions, each drawn by itself, would tell as much: the variance over and within intents, in
    /// questions (Kish 1965, "Survey Sampling", the design effect of clusters).
    worth: f64,
}

impl Spread {
    /// Of each intent's share; those without examples count for nothing.
    fn of(intents: &[Share]) -> Spread {
        let filled: Vec<_> = intents.iter().filter(|share| share.of > 0).collect();
        let of: usize = filled.iter().map(|share| share.of).sum();
        let count: usize = filled.iter().map(|share| share.count).sum();
        let mean = count as f64 / of.max(1) as f64;
        let effective = (ASKED_ABOUT * filled.len() as f64).max(1.0);
        let of_mean = mean * (1.0 - mean);
        // How far the intents' shares differ, less what they would by chance.
        let differ = |share: &&Share| {
            let (of, value) = (share.of as f64, share.value().unwrap_or(mean));
            (value - mean).powi(2) - value * (1.0 - value) / (of - 1.0).max(1.0)
        };
        let between = filled.iter().map(differ).sum::<f64>() / filled.len().max(1) as f64;
        let asked = of as f64 * effective / filled.len().max(1) as f64;
        let variance = between.max(0.0) / effective + of_mean / asked.max(1.0);
        let worth = match of_mean > 0.0 {
            true => of_mean / variance,
            false => asked,
        };
        Spread { mean, worth }
    }

    /// Its 95 % interval; none without examples.
    fn interval(&self) -> Option<(f64, f64)> {
        interval(self.mean * self.worth, self.worth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(count: usize, of: usize) -> Share {
        Share { count, of }
    }

    #[test]
    fn the_interval_is_wider_the_more_intents_differ() {
        let of = |intents: &[Share]| Spread::of(intents).interval().unwrap();
        // As many of as many, evenly and all in one intent.
        let even = of(&[share(2, 100); 20]);
        let uneven: Vec<_> = (0..20)
            .map(|n| share(if n == 0 { 40 } else { 0 }, 100))
            .collect();
        let uneven = of(&uneven);
        assert!(even.0 < 0.02 && 0.02 < even.1, "{even:?}");
        assert!(
            uneven.0 < even.0 && even.1 < uneven.1,
            "{even:?} {uneven:?}"
        );
        // Fewer examples tell less, and none nothing.
        let few = of(&[share(1, 50); 20]);
        assert!(few.0 < even.0 && even.1 < few.1, "{few:?} {even:?}");
        assert!(Spread::of(&[]).interval().is_none());
        // Where nothing is rejected, that much can be told by so many.
        let (low, high) = of(&[share(0, 100); 4]);
        assert!(low < 1e-9 && (0.02..0.05).contains(&high), "{high}");
    }

    #[test]
    fn a_promise_takes_enough_examples() {
        for (business, high, target, firm) in [
            (59, 0.01, 0.02, false),
            (60, 0.06, 0.02, true),
            (60, 0.11, 0.02, false),
            (3_300, 0.11, 0.06, true),
        ] {
            let questions = Expected {
                like_examples: 0.01,
                of_new_kinds: 0.01,
                interval: (0.0, high),
            };
            let promise = Promise {
                questions: Some(questions),
                business,
                ..Promise::default()
            };
            assert_eq!(
                promise.is_firm(target),
                firm,
                "{business}, {high}, {target}"
            );
        }
    }

    #[test]
    fn a_conversation_meets_a_rejection_by_any_of_its_turns() {
        let expected = Expected {
            like_examples: 0.1,
            of_new_kinds: 0.5,
            interval: (0.0, 1.0),
        };
        let met = expected.of_conversations(2);
        assert!((met.like_examples - 0.19).abs() < 1e-12);
        assert!((met.of_new_kinds - 0.75).abs() < 1e-12);
        assert_eq!(met.interval, (0.0, 1.0));
    }
}
