//! Vectors of examples → what judges questions. Pure, deterministic, and the one place that knows how a
//! verdict is computed: what is outside only sees [`Judge::fit`], [`Judge::verdict`] and what they return.
//!
//! A stage's vectors are compared with the shop's intents and with the [`background`](crate::background) on
//! the axes that tell these apart best (`space`), where the density of each one's examples is estimated
//! (`density`). Two numbers speak for the shop's business: the density of its intents against that of
//! everything that rejects, and the side of a plane between the two. Examples that were held out say what the
//! numbers are worth (`calibration`), and where the thresholds lie (`promise`).

mod calibration;
mod cholesky;
mod claims;
mod density;
mod head;
mod promise;
mod space;
#[cfg(test)]
mod tests;

pub use claims::Claims;
pub use promise::{Promise, Thresholds};

use std::collections::HashSet;

use crate::embed::Layout;
use crate::intent::Action;
use crate::verdict::{Candidate, Stage, Topic, Verdict};
use head::{Head, HeldOut};

/// Log-odds where nothing rejects.
const NOTHING_REJECTS: f64 = 10.0;
/// Candidates that a verdict names, beside the likeliest of each action.
const NAMED: usize = 6;

/// Examples that belong together, as vectors.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// What they are about.
    pub topic: Topic,
    /// What is done about it.
    pub action: Action,
    /// The examples' embeddings, at least one; each of the layout's length, or of its static stage's.
    pub examples: Vec<&'a [f32]>,
}

impl Group<'_> {
    fn side(&self) -> Side {
        match self.action {
            Action::Reject => Side::OffTopic,
            Action::Forward | Action::Answer => Side::Business,
        }
    }
}

/// What a judge is fitted to.
#[derive(Clone, Debug)]
pub struct Material<'a> {
    /// The shop's intents, and the kinds of off-topic questions of the background.
    pub groups: Vec<Group<'a>>,
    /// What any shop is asked.
    pub business: Vec<&'a [f32]>,
    /// What is clear only from what was said before.
    pub follow_ups: Vec<&'a [f32]>,
    /// What an embedding's numbers are.
    pub layout: &'a Layout,
}

impl<'a> Material<'a> {
    /// The examples of each group, then business, then follow-ups.
    fn columns(&self) -> Vec<Vec<&'a [f32]>> {
        let groups = self.groups.iter().map(|group| group.examples.clone());
        groups
            .chain([self.business.clone(), self.follow_ups.clone()])
            .collect()
    }

    /// How far the examples are embedded.
    fn stage(&self) -> Stage {
        let first = self.groups.iter().find_map(|group| group.examples.first());
        let length = first.map_or(0, |example| example.len());
        match self.layout.static_length() {
            Some(of_static) if length <= of_static => Stage::Static,
            _ => Stage::Encoder,
        }
    }

    /// Takes out what the shop's own examples claim, and kinds of which nothing is left.
    pub fn leave_out(&mut self, claims: &Claims) {
        let claimed: HashSet<_> = claims.off_topic.iter().copied().collect();
        for (group, of) in self.groups.iter_mut().enumerate() {
            let mut index = 0;
            of.examples.retain(|_| {
                index += 1;
                !claimed.contains(&(group, index - 1))
            });
        }
        self.groups.retain(|group| !group.examples.is_empty());
        let claimed: HashSet<_> = claims.business.iter().copied().collect();
        let mut index = 0;
        self.business.retain(|_| {
            index += 1;
            !claimed.contains(&(index - 1))
        });
    }
}

/// Which side a group is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Business,
    OffTopic,
}

/// Judges embeddings.
#[derive(Clone, Debug)]
pub struct Judge {
    topics: Vec<(Topic, Action)>,
    /// What has read everything of the examples, and how far that goes.
    /// None before there are any.
    head: Option<Head>,
    stage: Stage,
    /// What judges before it by static vectors; none where there are none, or nothing else.
    static_head: Option<Head>,
    /// Multiplies scores before the softmax over topics.
    sharpness: f64,
    /// What decisions compare verdicts with.
    pub thresholds: Thresholds,
    /// What is to be expected of them.
    pub promise: Promise,
}

/// An example as judged by what was fitted without it.
#[derive(Clone, Debug)]
pub struct Reviewed {
    /// The index of its group.
    pub group: usize,
    /// Its place among the group's examples.
    pub index: usize,
    /// Log-odds that it is the shop's business.
    pub log_odds: f64,
    /// The index of the likeliest group.
    pub likeliest: usize,
    /// How far the likeliest is above its own, in nats of density.
    pub lead: f64,
}

impl Judge {
    /// Fits heads and thresholds, and reviews every example. `false_reject_target` is the share of real
    /// questions that may be turned away.
    pub fn fit(material: &Material<'_>, false_reject_target: f64) -> (Judge, Vec<Reviewed>) {
        let (layout, stage) = (material.layout, material.stage());
        let first = layout.static_blocks();
        let first = first.map(|blocks| Head::fit(material, blocks, false));
        let (first, (head, held_out)) = match (first, stage) {
            (Some(only), Stage::Cache | Stage::Static) => (None, only),
            (first, _) => (first, Head::fit(material, &layout.blocks, true)),
        };
        let (static_head, before) = first.unzip();
        let topics: Vec<_> = material
            .groups
            .iter()
            .map(|group| (group.topic.clone(), group.action))
            .collect();
        let actions: Vec<_> = topics.iter().map(|(_, action)| *action).collect();
        let thresholds =
            Thresholds::fit(before.as_deref(), &held_out, &actions, false_reject_target);
        let promise = match actions.contains(&Action::Reject) {
            true => Promise::of(&held_out, &actions, &thresholds),
            false => Promise::default(),
        };
        let judge = Judge {
            topics,
            head: Some(head),
            stage,
            static_head,
            sharpness: sharpness(&held_out),
            thresholds,
            promise,
        };
        (judge, reviewed(&held_out, material.groups.len()))
    }

    /// What stands for a judge until the examples are embedded.
    pub fn unfitted() -> Judge {
        Judge {
            topics: Vec::new(),
            head: None,
            stage: Stage::Encoder,
            static_head: None,
            sharpness: 1.0,
            thresholds: Thresholds::default(),
            promise: Promise::default(),
        }
    }

    /// Whether it judges.
    pub fn is_fitted(&self) -> bool {
        self.head.is_some()
    }

    /// The verdict on one embedding: static vectors alone, or all that the examples had.
    pub fn verdict(&self, stage: Stage, vectors: &[f32]) -> Verdict {
        let head = match (&self.static_head, stage) {
            (Some(head), Stage::Cache | Stage::Static) => Some(head),
            _ => self.head.as_ref(),
        };
        let Some(head) = head else {
            return Verdict {
                log_odds: NOTHING_REJECTS,
                as_follow_up: NOTHING_REJECTS,
                candidates: Vec::new(),
            };
        };
        let reading = head.read(vectors);
        let (mut log_odds, mut as_follow_up) = (reading.log_odds, reading.as_follow_up);
        if !self.rejects() {
            (log_odds, as_follow_up) = (NOTHING_REJECTS, NOTHING_REJECTS);
        }
        Verdict {
            log_odds,
            as_follow_up,
            candidates: self.candidates(&reading.scores),
        }
    }

    /// Whether a static verdict is as good as the encoder's.
    pub fn beyond_doubt(&self, verdict: &Verdict) -> bool {
        let likeliest = verdict.candidates.first();
        let answers = likeliest.is_some_and(|likeliest| likeliest.action == Action::Answer);
        self.thresholds
            .beyond_doubt(verdict.log_odds, verdict.lead())
            && !answers
    }

    /// How far questions are embedded: as far as the examples were.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether anything rejects.
    pub fn rejects(&self) -> bool {
        let mut actions = self.topics.iter().map(|(_, action)| *action);
        actions.any(|action| action == Action::Reject)
    }

    /// What a group of the material is about, by its index in [`Reviewed`].
    pub fn topic(&self, group: usize) -> Option<&Topic> {
        self.topics.get(group).map(|(topic, _)| topic)
    }

    /// An embedding without what all have in common, of unit length.
    pub fn centred(&self, vectors: &[f32]) -> Vec<f32> {
        let head = self.head.as_ref();
        head.map_or_else(Vec::new, |head| head.centred(vectors))
    }

    /// Cosine of two embeddings without what all have in common.
    pub fn similarity(&self, a: &[f32], b: &[f32]) -> f64 {
        space::dot(&self.centred(a), &self.centred(b))
    }

    fn candidates(&self, scores: &[f64]) -> Vec<Candidate> {
        let probabilities = softmax(scores, self.sharpness);
        let mut candidates: Vec<_> = self
            .topics
            .iter()
            .zip(scores.iter().zip(probabilities))
            .map(|((topic, action), (score, probability))| Candidate {
                topic: topic.clone(),
                action: *action,
                score: *score,
                probability,
            })
            .collect();
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut place = 0;
        let mut met = Vec::new();
        candidates.retain(|candidate| {
            place += 1;
            let kind = (candidate.action, candidate.topic.intent().is_some());
            let first = !met.contains(&kind);
            met.push(kind);
            place <= NAMED || first
        });
        candidates
    }
}

fn reviewed(held_out: &[HeldOut], groups: usize) -> Vec<Reviewed> {
    let members = held_out.iter().filter(|held| held.owner < groups);
    members
        .map(|held| {
            let scores = &held.reading.scores;
            let likeliest = (0..groups)
                .max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
                .unwrap_or(held.owner);
            Reviewed {
                group: held.owner,
                index: held.index,
                log_odds: held.reading.log_odds,
                likeliest,
                lead: scores[likeliest] - scores[held.owner],
            }
        })
        .collect()
}

/// The sharpness of the softmax under which the held-out examples' own topics are likeliest.
fn sharpness(held_out: &[HeldOut]) -> f64 {
    let log_likelihood = |sharpness: f64| -> f64 {
        // Every fourth tells as much.
        let members = held_out
            .iter()
            .step_by(4)
            .filter_map(|held| held.reading.scores.get(held.owner).map(|own| (held, *own)));
        members
            .map(|(held, own)| -> f64 {
                let scores = held.reading.scores.iter();
                -scores
                    .map(|score| (sharpness * (score - own)).exp())
                    .sum::<f64>()
                    .min(1e12)
                    .ln()
            })
            .sum()
    };
    // From 1/16 to 16 in steps of the square root of two.
    let candidates = (-8..=8).map(|step| f64::from(step) / 2.0).map(f64::exp2);
    let likelihoods = candidates.map(|candidate| (candidate, log_likelihood(candidate)));
    likelihoods
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(1.0, |(best, _)| best)
}

fn softmax(scores: &[f64], sharpness: f64) -> Vec<f64> {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<_> = scores
        .iter()
        .map(|score| (sharpness * (score - most)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}
