//! Where the thresholds lie, by examples that were held out.

use std::collections::HashSet;

use super::calibration::quantile;
use super::promise::FEWEST;
use super::{Group, Judged, Side};
use crate::intent::Action;
use crate::language::Script;

/// An operator writes each case down once, and fragments beside sentences, while most customers ask what others have
/// asked before: a target for customers allows so many times the share of examples. What is promised is not
/// computed from it.
const WRITTEN_ONCE: f64 = 4.0;
/// However little the target forbids: what is likelier business than off-topic is not rejected.
const MOST: f64 = 0.0;
/// A target beyond this share is one that may reject what is likelier business, counted as the examples are.
const ALLOWS_MUCH: f64 = 0.05;
/// However much they forbid: what is off-topic even where three of four questions are business is rejected. (The
/// logarithm of 1/3.)
const LEAST: f64 = -1.1;
/// The same in a conversation about the shop's business.
const MOST_AS_FOLLOW_UP: f64 = -0.35;
/// A clause has less context than a question; at most this share of examples may look like none of business.
const STRAY_CLAUSES: f64 = 0.008;
/// However little that forbids.
const MOST_OF_CLAUSE: f64 = -1.5;
/// An answer must lead by so much that at most this share of other intents' examples would get it.
const WRONG_ANSWERS: f64 = 0.005;
/// The static stage rejects where no business would be rejected by it, and passes where at most this share of
/// off-topic examples would pass.
const WRONG_PASSES: f64 = 0.001;
/// It decides nothing this near to the threshold.
const NEAR: f64 = 1.0;

/// What decisions compare verdicts with; log-odds where nothing else is said.
#[derive(Clone, Debug, Default)]
pub struct Thresholds {
    /// Below it a question is off-topic.
    pub reject: f64,
    /// From it on a question is business; between the two it is grey.
    pub sure: f64,
    /// Below it, a turn of a conversation about business is off-topic. On another scale:
    /// [`Verdict::as_follow_up`](crate::verdict::Verdict::as_follow_up).
    pub follow_up: f64,
    /// Below it one of several clauses is off-topic.
    pub clause: f64,
    /// The lead in log density that an answer needs over everything else.
    pub answer_lead: f64,
    pub(super) exits: Option<Exits>,
}

/// Where the static stage is beyond doubt.
#[derive(Clone, Debug)]
pub(super) struct Exits {
    low: f64,
    high: f64,
    /// The log-odds of held-out examples below the one and above the other, both sides counted alike: at the ends a
    /// static verdict is worth more than it says.
    below: f64,
    above: f64,
    /// The lead over the next topic that business needs.
    lead: f64,
}

impl Thresholds {
    /// `held_out` are examples of the `groups` as judged without them, `continuing` what may follow on them in a
    /// conversation; `target` is the share of questions that may be rejected.
    pub(super) fn fit(
        groups: &[Group<'_>],
        held_out: &[Judged],
        continuing: &[Judged],
        target: f64,
    ) -> Thresholds {
        let sides = Sides::of(groups, held_out);
        let questions = sides.cases(|held| held.log_odds);
        let reject = most_allowed(&questions, target).clamp(LEAST, MOST);
        // Whoever allows much more gets it, whatever is likelier.
        let reject = match target - ALLOWS_MUCH {
            much if much > 0.0 => reject.max(quantile(&mut sides.business(), much)),
            _ => reject,
        };
        let passes = quantile(&mut sides.off_topic(), 1.0 - target);
        let mut turns = sides.cases(|held| held.as_follow_up);
        turns.extend(continuing.iter().map(|turn| Case {
            script: None,
            value: turn.as_follow_up,
        }));
        Thresholds {
            reject,
            sure: passes.max(reject),
            follow_up: most_allowed(&turns, target).min(MOST_AS_FOLLOW_UP),
            clause: quantile(&mut sides.business(), STRAY_CLAUSES).min(MOST_OF_CLAUSE),
            answer_lead: sides.answer_lead(),
            exits: None,
        }
    }

    /// Where the static stage may decide: `first` are the examples as judged by it, `business` what any
    /// shop is asked and told.
    pub(super) fn exits(
        &self,
        first: &[Judged],
        held_out: &[Judged],
        business: &[Judged],
        groups: &[Group<'_>],
    ) -> Exits {
        Exits::fit(first, held_out, business, groups, self)
    }

    /// The log-odds of what is beyond doubt by a static verdict; none where it is not.
    pub(super) fn beyond_doubt(&self, log_odds: f64, as_follow_up: f64, lead: f64) -> Option<f64> {
        let exits = self.exits.as_ref()?;
        // A name or an address says little by itself, and is no off-topic question.
        if log_odds.max(as_follow_up) <= exits.low {
            return Some(log_odds.min(exits.below));
        }
        (log_odds >= exits.high && lead >= exits.lead).then_some(log_odds.max(exits.above))
    }
}

/// Held-out examples by the side of their groups.
struct Sides<'a> {
    groups: &'a [Group<'a>],
    held_out: &'a [Judged],
}

impl<'a> Sides<'a> {
    fn of(groups: &'a [Group<'a>], held_out: &'a [Judged]) -> Self {
        Sides { groups, held_out }
    }

    fn on(&self, side: Side) -> impl Iterator<Item = &'a Judged> {
        let groups = self.groups;
        let held_out = self.held_out.iter();
        held_out.filter(move |held| groups[held.owner].side() == side)
    }

    /// Those of business, by one of the scores that they have.
    fn cases(&self, score: impl Fn(&Judged) -> f64) -> Vec<Case> {
        let cases = self.on(Side::Business).map(|held| Case {
            script: self.groups[held.owner].scripts[held.index],
            value: score(held),
        });
        cases.collect()
    }

    fn business(&self) -> Vec<f64> {
        self.on(Side::Business).map(|held| held.log_odds).collect()
    }

    fn off_topic(&self) -> Vec<f64> {
        self.on(Side::OffTopic).map(|held| held.log_odds).collect()
    }

    /// The least lead that keeps wrong answers to [`WRONG_ANSWERS`] of the examples of other intents.
    fn answer_lead(&self) -> f64 {
        let answers = |group: usize| self.groups[group].action == Action::Answer;
        let best = |held: &Judged, answering: bool| {
            let scores = held.scores.iter().enumerate();
            scores
                .filter(|(group, _)| answers(*group) == answering)
                .map(|(_, score)| *score)
                .fold(f64::NEG_INFINITY, f64::max)
        };
        let others = self.held_out.iter().filter(|held| !answers(held.owner));
        let mut behind: Vec<_> = others
            .map(|held| best(held, false) - best(held, true))
            .filter(|behind| behind.is_finite())
            .collect();
        if behind.is_empty() {
            return 0.0;
        }
        (-quantile(&mut behind, WRONG_ANSWERS)).max(0.0)
    }
}

/// A held-out example of business.
#[derive(Clone, Copy, Debug)]
struct Case {
    script: Option<Script>,
    value: f64,
}

/// The threshold below which so few of the examples lie that `target` of real questions may: of all of them, and of
/// those in each script that enough are written in.
fn most_allowed(cases: &[Case], target: f64) -> f64 {
    let share = (WRITTEN_ONCE * target).min(1.0);
    let careful = |script: Option<Script>| {
        let chosen = cases
            .iter()
            .filter(|case| script.is_none_or(|script| case.script == Some(script)));
        let mut values: Vec<_> = chosen.map(|case| case.value).collect();
        // By a standard error fewer, so that few examples make the gate careful.
        let error = (share * (1.0 - share) / values.len().max(1) as f64).sqrt();
        let threshold = quantile(&mut values, (share - error).max(0.0));
        (values.len() >= FEWEST || script.is_none()).then_some(threshold)
    };
    let scripts: HashSet<_> = cases.iter().filter_map(|case| case.script).collect();
    let scripts = scripts.into_iter().map(Some).chain([None]);
    scripts.filter_map(careful).fold(f64::INFINITY, f64::min)
}

impl Exits {
    fn fit(
        first: &[Judged],
        held_out: &[Judged],
        business: &[Judged],
        groups: &[Group<'_>],
        thresholds: &Thresholds,
    ) -> Exits {
        let sides = Sides::of(groups, first);
        let mut passing = sides.business();
        passing.extend(business.iter().map(|question| question.log_odds));
        let low = quantile(&mut passing, 0.0).min(thresholds.reject - NEAR);
        let high = quantile(&mut sides.off_topic(), 1.0 - WRONG_PASSES).max(thresholds.sure);
        let wrong = |held: &Judged| lead(held).0 != held.owner;
        let business = first
            .iter()
            .zip(held_out)
            .filter(|(held, _)| groups[held.owner].side() == Side::Business);
        // The more often the encoder is wrong about intents, as it is where they overlap, the less its word is
        // worth: the static stage may be wrong more often in the same proportion.
        let own = business.clone().filter(|(_, held)| wrong(held)).count() as f64;
        let allowed = own * own / business.clone().count().max(1) as f64;
        let mut exits: Vec<_> = business
            .filter(|(held, _)| held.log_odds >= high)
            .map(|(first, held)| {
                let added = f64::from(u8::from(wrong(first))) - f64::from(u8::from(wrong(held)));
                (lead(first).1, added)
            })
            .collect();
        // From the clearest on: as far down as the wrong intents that come with it are allowed.
        exits.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut added = 0.0;
        let mut least = f64::INFINITY;
        for (lead, more) in exits {
            added += more;
            if added <= allowed {
                least = lead;
            }
        }
        let off_topic = sides.off_topic();
        let odds = |within: &dyn Fn(f64) -> bool| {
            (share(&passing, within) / share(&off_topic, within)).ln()
        };
        Exits {
            low,
            high,
            below: odds(&|log_odds| log_odds <= low),
            above: odds(&|log_odds| log_odds >= high),
            lead: least,
        }
    }
}

/// The share of `values` that are `within`, drawn to one half by one value.
fn share(values: &[f64], within: &dyn Fn(f64) -> bool) -> f64 {
    let count = values.iter().filter(|value| within(**value)).count();
    (count as f64 + 0.5) / (values.len() as f64 + 1.0)
}

/// The likeliest group, and its lead over the next.
fn lead(held: &Judged) -> (usize, f64) {
    let (mut likeliest, mut best, mut next) = (0, f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (index, score) in held.scores.iter().enumerate() {
        if *score > best {
            (likeliest, next, best) = (index, best, *score);
        } else {
            next = next.max(*score);
        }
    }
    (likeliest, best - next)
}
