//! Where the thresholds lie, and what is to be expected of them: both from examples that were held out.

use super::Judged;
use super::calibration::quantile;
use crate::intent::Action;
use crate::share::Share;

/// Examples that are held out are rejected more often than questions are: an operator writes each case down
/// once, and fragments beside sentences, while most customers ask what others have asked before. Over six
/// sets of intents, real questions were rejected a quarter as often.
const EXAMPLES_OVERSTATE: f64 = 4.0;
/// However little the target forbids: what is likelier business than off-topic is not rejected.
const MOST: f64 = 0.0;
/// A target beyond this share is one that may reject what is likelier business, counted as the examples are.
const ALLOWS_MUCH: f64 = 0.05;
/// However few examples there are: what is off-topic even where three of four questions are business is
/// rejected. (The logarithm of 1/3.)
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
    /// `held_out` are examples as judged without them, `continuing` what may follow on them in a conversation;
    /// `actions` are those of the groups.
    pub(super) fn fit(
        held_out: &[Judged],
        continuing: &[Judged],
        actions: &[Action],
        target: f64,
    ) -> Thresholds {
        let sides = Sides::of(held_out, actions);
        let careful = |values: &mut [f64]| {
            let share = (EXAMPLES_OVERSTATE * target).min(1.0);
            // By a standard error fewer, so that few examples make the gate careful.
            let error = (share * (1.0 - share) / values.len().max(1) as f64).sqrt();
            quantile(values, (share - error).max(0.0))
        };
        let reject = careful(&mut sides.business()).clamp(LEAST, MOST);
        // Whoever allows much more gets it, whatever is likelier.
        let reject = match target - ALLOWS_MUCH {
            much if much > 0.0 => reject.max(quantile(&mut sides.business(), much)),
            _ => reject,
        };
        let passes = quantile(&mut sides.off_topic(), 1.0 - target);
        let mut following = sides.as_follow_up();
        following.extend(continuing.iter().map(|turn| turn.as_follow_up));
        Thresholds {
            reject,
            sure: passes.max(reject),
            follow_up: careful(&mut following).min(MOST_AS_FOLLOW_UP),
            clause: quantile(&mut sides.business(), STRAY_CLAUSES).min(MOST_OF_CLAUSE),
            answer_lead: answer_lead(held_out, actions),
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
        actions: &[Action],
    ) -> Exits {
        Exits::fit(first, held_out, business, actions, self)
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

/// Fewer examples of business promise nothing, however well they are told apart.
const FEWEST: usize = 60;
/// Nor does an interval that reaches beyond this share…
const WIDEST: f64 = 0.1;
/// …and beyond the share of examples that the target allows by so much.
const SLACK: f64 = 1.25;

/// What is to be expected, from examples that were held out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Promise {
    /// How many examples of the shop's business are rejected.
    pub rejected: Share,
    /// How many off-topic examples are, the background's included.
    pub caught: Share,
}

impl Promise {
    pub(super) fn of(held_out: &[Judged], actions: &[Action], thresholds: &Thresholds) -> Promise {
        let sides = Sides::of(held_out, actions);
        let below =
            |values: Vec<f64>| Share::of(values.into_iter().map(|value| value < thresholds.reject));
        Promise {
            rejected: below(sides.business()),
            caught: below(sides.off_topic()),
        }
    }

    /// The expected share of real questions that are rejected.
    pub fn rejected_share(&self) -> Option<f64> {
        Some(self.rejected.value()? / EXAMPLES_OVERSTATE)
    }

    /// Its 95 % interval. The lower end trusts that examples overstate, the upper that they do not.
    pub fn rejected_interval(&self) -> Option<(f64, f64)> {
        let (low, high) = self.rejected.interval()?;
        Some((low / EXAMPLES_OVERSTATE, high))
    }

    /// Whether there are examples enough to promise anything, where the share of real questions that may be
    /// rejected is `target`.
    pub fn is_firm(&self, target: f64) -> bool {
        let high = self.rejected_interval().map_or(1.0, |(_, high)| high);
        let allowed = SLACK * EXAMPLES_OVERSTATE * target;
        self.rejected.of >= FEWEST && high <= WIDEST.max(allowed)
    }
}

/// Held-out examples by what is done about their groups.
struct Sides<'a> {
    held_out: &'a [Judged],
    actions: &'a [Action],
}

impl<'a> Sides<'a> {
    fn of(held_out: &'a [Judged], actions: &'a [Action]) -> Self {
        Sides { held_out, actions }
    }

    fn rejects(&self, held: &Judged) -> Option<bool> {
        let action = self.actions.get(held.owner)?;
        Some(*action == Action::Reject)
    }

    fn of_side(&self, rejects: bool) -> impl Iterator<Item = &'a Judged> {
        let held_out = self.held_out.iter();
        held_out.filter(move |held| self.rejects(held) == Some(rejects))
    }

    fn business(&self) -> Vec<f64> {
        self.of_side(false).map(|held| held.log_odds).collect()
    }

    fn off_topic(&self) -> Vec<f64> {
        self.of_side(true).map(|held| held.log_odds).collect()
    }

    /// What a conversation about business may hold: business, and what follows on it.
    fn as_follow_up(&self) -> Vec<f64> {
        let turns = self.held_out.iter();
        turns
            .filter(|held| self.rejects(held) != Some(true))
            .map(|held| held.as_follow_up)
            .collect()
    }
}

/// The least lead that keeps wrong answers to [`WRONG_ANSWERS`] of the examples of other intents.
fn answer_lead(held_out: &[Judged], actions: &[Action]) -> f64 {
    let best = |held: &Judged, answers: bool| {
        let scores = held.scores.iter().zip(actions);
        scores
            .filter(|(_, action)| (**action == Action::Answer) == answers)
            .map(|(score, _)| *score)
            .fold(f64::NEG_INFINITY, f64::max)
    };
    let others = held_out
        .iter()
        .filter(|held| actions.get(held.owner) != Some(&Action::Answer));
    let mut behind: Vec<_> = others
        .map(|held| best(held, false) - best(held, true))
        .filter(|behind| behind.is_finite())
        .collect();
    if behind.is_empty() {
        return 0.0;
    }
    (-quantile(&mut behind, WRONG_ANSWERS)).max(0.0)
}

impl Exits {
    fn fit(
        first: &[Judged],
        held_out: &[Judged],
        business: &[Judged],
        actions: &[Action],
        thresholds: &Thresholds,
    ) -> Exits {
        let sides = Sides::of(first, actions);
        let mut passing = sides.business();
        passing.extend(business.iter().map(|question| question.log_odds));
        let low = quantile(&mut passing, 0.0).min(thresholds.reject - NEAR);
        let high = quantile(&mut sides.off_topic(), 1.0 - WRONG_PASSES).max(thresholds.sure);
        let wrong = |held: &Judged| lead(held).0 != held.owner;
        let business = first
            .iter()
            .zip(held_out)
            .filter(|(held, _)| sides.rejects(held) == Some(false));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_takes_enough_examples() {
        for (count, of, target, firm) in [
            (0, 0, 0.02, false),
            (0, 59, 0.02, false),
            (0, 60, 0.02, true),
            (3, 60, 0.02, false),
            (2, 100, 0.02, true),
            (5, 100, 0.02, false),
            (250, 3300, 0.02, true),
            // As many as are to be rejected, of many.
            (660, 3300, 0.05, true),
            (660, 3300, 0.02, false),
        ] {
            let promise = Promise {
                rejected: Share { count, of },
                caught: Share::default(),
            };
            assert_eq!(promise.is_firm(target), firm, "{count} of {of}, {target}");
        }
    }
}
