//! Vectors of examples → what judges questions. Pure, deterministic, and the one place that knows how a
//! verdict is computed: what is outside only sees [`Judge::fit`], [`Judge::verdict`] and what they return.
//!
//! There are two levels of evidence. What any shop is asked, and what none is, the [general
//! evidence](crate::embed::General) says: it was learned before there was a shop. What this shop is asked its own
//! examples say: a stage's vectors are compared with them on the axes that tell its intents apart best (`space`),
//! where the density of each intent's examples is estimated (`density`); examples that were held out say what that is
//! worth (`calibration`). A question is business where either level says so, for the most part (`together`). Where the thresholds lie
//! (`thresholds`), and what is to be expected of them (`promise`), held-out examples say as well.

mod calibration;
mod cholesky;
mod density;
mod head;
mod promise;
mod sharpness;
mod side_by_side;
mod space;
#[cfg(test)]
mod tests;
mod thresholds;

pub use promise::{Expected, Promise};
pub use thresholds::Thresholds;

use std::sync::Arc;

use crate::embed::{General, Known, Layout, Opinion};
use crate::intent::Action;
use crate::language::Script;
use crate::vector::dot;
use crate::verdict::{Candidate, Stage, Topic, Verdict};
use head::{Head, HeldOut, Reading};
use sharpness::{sharpness, softmax};
use side_by_side::both;

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
    /// What each is written in; none where it has no letters.
    pub scripts: Vec<Option<Script>>,
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
    /// The shop's intents; behind them, where there is general evidence, its off-topic references.
    pub groups: Vec<Group<'a>>,
    /// What is known of any shop; none where the operator wants none of it.
    pub general: Option<Background<'a>>,
    /// What an embedding's numbers are.
    pub layout: &'a Layout,
}

/// What is known of any shop, and references for what it is worth beside this one's examples.
#[derive(Clone, Debug)]
pub struct Background<'a> {
    /// What judges.
    pub general: Arc<General>,
    /// References that are no off-topic ones, as vectors.
    pub references: Vec<(Known, &'a [f32])>,
}

impl Material<'_> {
    /// How far the examples are embedded.
    fn stage(&self) -> Stage {
        let first = self.groups.iter().find_map(|group| group.examples.first());
        let length = first.map_or(0, |example| example.len());
        match self.layout.static_length() {
            Some(of_static) if length <= of_static => Stage::Static,
            _ => Stage::Encoder,
        }
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
    general: Option<Arc<General>>,
    /// Reject intents whose examples are what shops are asked: there the shop's word is the last.
    overruling: Vec<bool>,
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
    /// The same by the general evidence alone.
    pub general: f64,
    /// The index of the likeliest group.
    pub likeliest: usize,
    /// How far the likeliest is above its own, in nats of density.
    pub lead: f64,
}

/// A text as both levels of evidence judge it, one stage of it.
#[derive(Clone, Debug)]
struct Judged {
    /// Its group and its place there, where it is an example.
    owner: usize,
    index: usize,
    opinion: Option<Opinion>,
    log_odds: f64,
    as_follow_up: f64,
    /// Both as if its group were not there; the same as they where it is no example.
    without_group: (f64, f64),
    /// The log density of each group.
    scores: Vec<f64>,
}

impl Judge {
    /// Fits heads and thresholds, and reviews every example. `false_reject_target` is the share of real
    /// questions that may be turned away.
    pub fn fit(material: &Material<'_>, false_reject_target: f64) -> (Judge, Vec<Reviewed>) {
        let (layout, groups) = (material.layout, &material.groups);
        let of_static = |blocks| Head::fit(groups, blocks, false);
        let (static_fit, (head, held_out), stage) = match (layout.static_blocks(), material.stage())
        {
            (Some(blocks), Stage::Cache | Stage::Static) => {
                (None, of_static(blocks), Stage::Static)
            }
            (blocks, _) => {
                let of_all = || Head::fit(groups, &layout.blocks, true);
                let (before, all) = both(|| blocks.map(of_static), of_all);
                (before, all, Stage::Encoder)
            }
        };
        let (static_head, before) = static_fit.unzip();
        let topics = groups
            .iter()
            .map(|group| (group.topic.clone(), group.action));
        let mut judge = Judge {
            topics: topics.collect(),
            general: material.general.as_ref().map(|known| known.general.clone()),
            overruling: Vec::new(),
            head: Some(head),
            stage,
            static_head,
            sharpness: sharpness(&held_out),
            thresholds: Thresholds::default(),
            promise: Promise::default(),
        };
        judge.overruling = judge.overruling(groups);
        let examples = |held_out: Vec<HeldOut>, stage| -> Vec<_> {
            let held_out = held_out.into_iter();
            held_out
                .map(|held| {
                    let vectors = groups[held.owner].examples[held.index];
                    let judged = judge.judged(stage, vectors, held.reading);
                    Judged {
                        owner: held.owner,
                        index: held.index,
                        without_group: judge.both_levels(&judged.opinion, &held.without_group),
                        ..judged
                    }
                })
                .collect()
        };
        let (before, held_out) = both(
            || before.map(|before| examples(before, Stage::Static)),
            || examples(held_out, stage),
        );
        let references = material.general.iter().flat_map(|known| &known.references);
        let of_known = |known: Known, stage| -> Vec<_> {
            let references = references.clone().filter(|(of, _)| *of == known);
            references
                .map(|(_, vectors)| judge.read(stage, vectors))
                .collect()
        };
        let continuing = of_known(Known::Continuing, stage);
        let thresholds = Thresholds::fit(groups, &held_out, &continuing, false_reject_target);
        let exits = before.map(|before| {
            let mut business = of_known(Known::Business, Stage::Static);
            business.extend(of_known(Known::Continuing, Stage::Static));
            thresholds.exits(&before, &held_out, &business, groups)
        });
        let promise = match judge.rejects() {
            true => Promise::of(groups, &held_out, &thresholds),
            false => Promise::default(),
        };
        let reviewed = reviewed(&held_out);
        judge.thresholds = Thresholds {
            exits,
            ..thresholds
        };
        judge.promise = promise;
        (judge, reviewed)
    }

    /// What stands for a judge until the examples are embedded.
    pub fn unfitted() -> Judge {
        Judge {
            topics: Vec::new(),
            general: None,
            overruling: Vec::new(),
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
        if self.head.is_none() {
            return Verdict {
                log_odds: NOTHING_REJECTS,
                as_follow_up: NOTHING_REJECTS,
                small_talk: false,
                candidates: Vec::new(),
            };
        }
        let judged = self.read(stage, vectors);
        let (mut log_odds, mut as_follow_up) = (judged.log_odds, judged.as_follow_up);
        if !self.rejects() {
            (log_odds, as_follow_up) = (NOTHING_REJECTS, NOTHING_REJECTS);
        }
        Verdict {
            log_odds,
            as_follow_up,
            small_talk: judged
                .opinion
                .is_some_and(|opinion| opinion.small_talk > 0.0),
            candidates: self.candidates(&judged.scores),
        }
    }

    /// The verdict on a static vector alone, where it is as good as the encoder's or all there is; else none.
    pub fn static_verdict(&self, vector: &[f32]) -> Option<Verdict> {
        let verdict = self.verdict(Stage::Static, vector);
        if self.stage == Stage::Static {
            return Some(verdict);
        }
        let likeliest = verdict.candidates.first()?;
        if likeliest.action == Action::Answer {
            return None;
        }
        let (thresholds, lead) = (&self.thresholds, verdict.lead());
        let log_odds = thresholds.beyond_doubt(verdict.log_odds, verdict.as_follow_up, lead)?;
        Some(Verdict {
            log_odds,
            as_follow_up: verdict.as_follow_up + log_odds - verdict.log_odds,
            ..verdict
        })
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
        dot(&self.centred(a), &self.centred(b))
    }

    /// What both levels say of an embedding, as far as `stage`.
    fn read(&self, stage: Stage, vectors: &[f32]) -> Judged {
        let head = match (&self.static_head, stage) {
            (Some(head), Stage::Cache | Stage::Static) => Some(head),
            _ => self.head.as_ref(),
        };
        let reading = head.map_or_else(Reading::default, |head| head.read(vectors));
        self.judged(stage, vectors, reading)
    }

    /// Both levels together, where the shop's examples say `reading`.
    fn judged(&self, stage: Stage, vectors: &[f32], reading: Reading) -> Judged {
        let general = self.general.as_ref();
        let opinion = general.map(|general| general.opinion(stage, vectors));
        let (log_odds, as_follow_up) = self.both_levels(&opinion, &reading);
        Judged {
            owner: 0,
            index: 0,
            opinion,
            log_odds,
            as_follow_up,
            without_group: (log_odds, as_follow_up),
            scores: reading.scores,
        }
    }

    /// The log-odds of business, as a question by itself and in a conversation.
    fn both_levels(&self, opinion: &Option<Opinion>, reading: &Reading) -> (f64, f64) {
        let own = reading.log_odds;
        match (opinion, self.last_word(&reading.scores)) {
            (_, Some(last_word)) => (own.min(last_word), own.min(last_word)),
            (Some(opinion), None) => (
                together(opinion.business, own),
                together(opinion.follow_up, own),
            ),
            (None, None) => (own, own),
        }
    }

    /// How far the shop's business is behind, where the likeliest of all is an intent that rejects what other shops
    /// are asked.
    fn last_word(&self, scores: &[f64]) -> Option<f64> {
        let likeliest = likeliest(scores);
        self.overruling
            .get(likeliest)
            .filter(|overrules| **overrules)?;
        let topics = scores.iter().zip(&self.topics);
        let business = topics.filter(|(_, (_, action))| *action != Action::Reject);
        let best = business.map(|(score, _)| *score).reduce(f64::max)?;
        Some(best - scores[likeliest])
    }

    /// Which reject intents hold mostly what shops are asked.
    fn overruling(&self, groups: &[Group<'_>]) -> Vec<bool> {
        let Some(general) = &self.general else {
            return Vec::new();
        };
        let of_shops = |group: &Group<'_>| {
            let examples = group.examples.iter();
            let opinions = examples.map(|vectors| general.opinion(self.stage, vectors).business);
            2 * opinions.filter(|business| *business > 0.0).count() > group.examples.len()
        };
        let groups = groups.iter();
        groups
            .map(|group| group.side() == Side::OffTopic && of_shops(group))
            .collect()
    }

    fn candidates(&self, scores: &[f64]) -> Vec<Candidate> {
        let probabilities = softmax(scores, self.sharpness);
        let mut order: Vec<_> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let mut met = Vec::new();
        let named = order.into_iter().enumerate().filter(|(place, topic)| {
            let (topic, action) = &self.topics[*topic];
            let kind = (*action, topic.intent().is_some());
            let first = !met.contains(&kind);
            if first {
                met.push(kind);
            }
            *place < NAMED || first
        });
        let candidate = |topic: usize| Candidate {
            topic: self.topics[topic].0.clone(),
            action: self.topics[topic].1,
            score: scores[topic],
            probability: probabilities[topic],
        };
        named.map(|(_, topic)| candidate(topic)).collect()
    }
}

/// How much it counts that either level of evidence says so, beside that both do.
const EITHER: f64 = 0.65;

/// Log-odds of business by two levels of evidence. For the most part they are those that at least one of the two is
/// right to call it business, where odds are added; for the rest their mean, so that doubts of both count.
fn together(general: f64, own: f64) -> f64 {
    let (less, more) = (general.min(own), general.max(own));
    let either = more + (less - more).exp().ln_1p();
    EITHER * either + (1.0 - EITHER) * f64::midpoint(general, own)
}

fn likeliest(scores: &[f64]) -> usize {
    let best = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(group, _)| group)
}

fn reviewed(held_out: &[Judged]) -> Vec<Reviewed> {
    let held_out = held_out.iter();
    held_out
        .map(|held| {
            let likeliest = likeliest(&held.scores);
            Reviewed {
                group: held.owner,
                index: held.index,
                log_odds: held.log_odds,
                general: held.opinion.map_or(0.0, |opinion| opinion.business),
                likeliest,
                lead: held.scores[likeliest] - held.scores[held.owner],
            }
        })
        .collect()
}
