//! Vectors of examples → the numbers that judge. Pure, deterministic, and the one place that knows how a
//! verdict is computed: what is outside only sees [`Judge::fit`], [`Judge::verdict`] and what they return.
//!
//! The evidence for the shop's business is the best score among the intents that do not reject, less the best
//! among those that do. Its scale comes from a logistic regression on cross-validated evidence (Platt 1999),
//! its threshold from a quantile of it.

mod discriminant;

pub use discriminant::Group;

use crate::intent::{Action, IntentName};
use crate::verdict::Verdict;
use discriminant::{Discriminant, HeldOut, dot};

/// Each example is judged once by planes that have not seen it.
const FOLDS: usize = 5;
/// An answer must lead by so much that at most this share of other intents' examples would get it.
const WRONG_ANSWERS: f64 = 0.005;
/// Log-odds where no intent rejects: nothing speaks against the shop's business.
const NOTHING_REJECTS: f64 = 10.0;

/// Judges embeddings.
#[derive(Clone, Debug)]
pub struct Judge {
    discriminant: Discriminant,
    /// The intents of the scores, in order.
    intents: Vec<(IntentName, Action)>,
    /// Multiplies scores before the softmax over intents.
    sharpness: f64,
    /// Evidence → log-odds; none where nothing rejects.
    calibration: Option<Calibration>,
    /// Log-odds below this are off-topic.
    pub threshold: f64,
    /// The lead in score that an answer needs over every other intent.
    pub answer_margin: f64,
}

#[derive(Clone, Debug)]
struct Calibration {
    slope: f64,
    offset: f64,
}

/// A score an intent for one embedding.
#[derive(Clone, Debug)]
pub struct Scores(Vec<f64>);

impl Judge {
    /// Fits planes, calibration and thresholds. `dimension` is that of one unit vector; `false_reject_target`
    /// the share of examples that may fall below the threshold when judged by planes that have not seen them.
    pub fn fit(groups: &[Group<'_>], dimension: usize, false_reject_target: f64) -> Judge {
        let actions: Vec<_> = groups.iter().map(|group| group.action).collect();
        let (discriminant, held_out) = Discriminant::fit(groups, dimension, FOLDS);
        let mut judge = Judge {
            discriminant,
            intents: groups
                .iter()
                .map(|group| (group.name.clone(), group.action))
                .collect(),
            sharpness: sharpness(&held_out),
            calibration: None,
            threshold: f64::NEG_INFINITY,
            answer_margin: answer_margin(&held_out, &actions),
        };
        if actions.contains(&Action::Reject) {
            let evidence = Labelled::of(&held_out, &actions);
            let calibration = Calibration::fit(&evidence);
            let on_topic = evidence.iter().filter(|labelled| labelled.on_topic);
            let mut log_odds: Vec<_> = on_topic.map(|l| calibration.log_odds(l.evidence)).collect();
            // Few examples cannot show where the quantile is, and a miss is cheaper than a customer: never
            // reject what is likelier business than not.
            judge.threshold = quantile(&mut log_odds, false_reject_target).min(0.0);
            judge.calibration = Some(calibration);
        }
        judge
    }

    /// The verdict on one embedding of as many unit vectors as the examples had.
    pub fn verdict(&self, vectors: &[f32]) -> (Verdict, Scores) {
        let scores = Scores(self.discriminant.scores(vectors));
        let actions = self.intents.iter().map(|(_, action)| *action);
        let log_odds = match &self.calibration {
            Some(calibration) => calibration.log_odds(-lead(&scores.0, actions, Action::Reject)),
            None => NOTHING_REJECTS,
        };
        let names = self.intents.iter().map(|(name, _)| name.clone());
        let mut intents: Vec<_> = names.zip(softmax(&scores.0, self.sharpness)).collect();
        intents.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        (Verdict { log_odds, intents }, scores)
    }

    /// Whether anything rejects.
    pub fn rejects(&self) -> bool {
        self.calibration.is_some()
    }

    /// The likeliest intent of one action, with its lead over every intent of another action.
    pub fn likeliest(&self, scores: &Scores, action: Action) -> Option<(&IntentName, f64)> {
        let of_action = self
            .intents
            .iter()
            .zip(&scores.0)
            .filter(|((_, a), _)| *a == action);
        let ((name, _), _) = of_action.max_by(|a, b| a.1.total_cmp(b.1))?;
        let actions = self.intents.iter().map(|(_, action)| *action);
        Some((name, lead(&scores.0, actions, action)))
    }

    /// Cosine of two embeddings without what all have in common.
    pub fn similarity(&self, a: &[f32], b: &[f32]) -> f64 {
        dot(&self.discriminant.centred(a), &self.discriminant.centred(b))
    }
}

/// How far the best score of `action` is above the best of every other; infinite where one side is empty.
fn lead(scores: &[f64], actions: impl Iterator<Item = Action>, action: Action) -> f64 {
    let (mut own, mut others) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (score, of) in scores.iter().zip(actions) {
        let side = if of == action { &mut own } else { &mut others };
        *side = score.max(*side);
    }
    own - others
}

/// A held-out example's evidence, and the truth about it.
struct Labelled {
    on_topic: bool,
    evidence: f64,
}

impl Labelled {
    fn of(held_out: &[HeldOut], actions: &[Action]) -> Vec<Labelled> {
        let label = |held: &HeldOut| Labelled {
            on_topic: actions[held.group] != Action::Reject,
            evidence: -lead(&held.scores, actions.iter().copied(), Action::Reject),
        };
        held_out.iter().map(label).collect()
    }
}

/// The least lead that keeps wrong answers to [`WRONG_ANSWERS`] of the examples of other intents.
fn answer_margin(held_out: &[HeldOut], actions: &[Action]) -> f64 {
    let others = held_out
        .iter()
        .filter(|held| actions[held.group] != Action::Answer);
    let mut behind: Vec<_> = others
        .map(|held| -lead(&held.scores, actions.iter().copied(), Action::Answer))
        .filter(|behind| behind.is_finite())
        .collect();
    (-quantile(&mut behind, WRONG_ANSWERS)).max(0.0)
}

/// The sharpness of the softmax under which the held-out examples' own intents are likeliest.
fn sharpness(held_out: &[HeldOut]) -> f64 {
    let log_likelihood = |sharpness: f64| -> f64 {
        let of_own = |held: &HeldOut| softmax(&held.scores, sharpness)[held.group].max(1e-12).ln();
        held_out.iter().map(of_own).sum()
    };
    // From 1/256 to 32 in steps of the square root of two.
    let candidates = (-16..=10).map(|step| f64::from(step) / 2.0).map(f64::exp2);
    let likelihoods = candidates.map(|candidate| (candidate, log_likelihood(candidate)));
    likelihoods
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(1.0, |(best, _)| best)
}

impl Calibration {
    /// Logistic regression of business against off-topic on the evidence by Newton's method, both sides counted
    /// alike. The truth is smoothed as Platt does, since a few examples that happen to be separable prove no
    /// certainty.
    fn fit(labelled: &[Labelled]) -> Calibration {
        let sides = labelled.iter().filter(|l| l.on_topic).count();
        let sides = [labelled.len() - sides, sides].map(|count| count.max(1) as f64);
        let truths = [1.0 / (sides[0] + 2.0), (sides[1] + 1.0) / (sides[1] + 2.0)];
        let square = |l: &Labelled| l.evidence * l.evidence / labelled.len() as f64;
        let unit = labelled.iter().map(square).sum::<f64>().sqrt().max(1e-9);
        // In units of the evidence's own size, where the curve is neither flat nor steep.
        let mut fit = Calibration {
            slope: 1.0,
            offset: 0.0,
        };
        for _ in 0..50 {
            let (mut gradient, mut curvature) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
            for l in labelled {
                let (side, evidence) = (usize::from(l.on_topic), l.evidence / unit);
                let p = 1.0 / (1.0 + (-fit.log_odds(evidence)).exp());
                let error = (p - truths[side]) / sides[side];
                let spread = p * (1.0 - p) / sides[side];
                gradient[0] += error * evidence;
                gradient[1] += error;
                curvature[0] += spread * evidence * evidence;
                curvature[1] += spread * evidence;
                curvature[2] += spread;
            }
            let [a, b, c] = curvature;
            let determinant = a * c - b * b;
            let slope = (c * gradient[0] - b * gradient[1]) / determinant;
            let offset = (a * gradient[1] - b * gradient[0]) / determinant;
            // A bounded step keeps Newton's method from overshooting.
            let scale = (2.0 / slope.hypot(offset)).min(1.0);
            fit.slope -= scale * slope;
            fit.offset -= scale * offset;
            if slope.hypot(offset) < 1e-9 {
                break;
            }
        }
        fit.slope /= unit;
        fit
    }

    fn log_odds(&self, evidence: f64) -> f64 {
        self.slope * evidence + self.offset
    }
}

/// The value below which `share` of `values` lie; the least of them where `share` is less than one of them.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (share * values.len() as f64) as usize;
    let last = values.len().saturating_sub(1);
    values.get(index.min(last)).copied().unwrap_or(0.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Three blocks of two numbers, all the same direction.
    fn vectors(degrees: f32) -> Vec<f32> {
        let (sin, cos) = degrees.to_radians().sin_cos();
        [cos, sin].repeat(3)
    }

    fn around(degrees: f32) -> Vec<Vec<f32>> {
        (-5_i8..=5)
            .map(|step| vectors(degrees + f32::from(step)))
            .collect()
    }

    fn group<'a>(name: &str, action: Action, examples: &'a [Vec<f32>]) -> Group<'a> {
        Group {
            name: IntentName::new(name).unwrap(),
            action,
            examples: examples.iter().map(Vec::as_slice).collect(),
        }
    }

    #[test]
    fn the_nearer_side_wins_and_probabilities_add_up() {
        let (refund, greeting, poem) = (around(0.0), around(120.0), around(240.0));
        let groups = [
            group("refund", Action::Forward, &refund),
            group("greeting", Action::Answer, &greeting),
            group("poem", Action::Reject, &poem),
        ];
        let judge = Judge::fit(&groups, 2, 0.02);
        for (degrees, name, on_topic) in [
            (3.0, "refund", true),
            (118.0, "greeting", true),
            (238.0, "poem", false),
        ] {
            let (verdict, scores) = judge.verdict(&vectors(degrees));
            assert_eq!(verdict.intents[0].0.as_str(), name);
            assert_eq!(verdict.log_odds > judge.threshold, on_topic, "{degrees}");
            let sum: f64 = verdict.intents.iter().map(|(_, p)| p).sum();
            assert!((sum - 1.0).abs() < 1e-9);
            let (answer, lead) = judge.likeliest(&scores, Action::Answer).unwrap();
            assert_eq!(answer.as_str(), "greeting");
            assert_eq!(lead > judge.answer_margin, name == "greeting", "{degrees}");
        }
    }

    #[test]
    fn the_same_examples_give_the_same_judge() {
        let (refund, poem) = (around(10.0), around(100.0));
        let groups = [
            group("refund", Action::Forward, &refund),
            group("poem", Action::Reject, &poem),
        ];
        let fit = || {
            Judge::fit(&groups, 2, 0.02)
                .verdict(&vectors(60.0))
                .0
                .log_odds
                .to_bits()
        };
        assert_eq!(fit(), fit());
    }

    #[test]
    fn without_reject_intents_everything_is_business() {
        let refund = around(0.0);
        let judge = Judge::fit(&[group("refund", Action::Forward, &refund)], 2, 0.02);
        assert!(!judge.rejects());
        assert!(judge.verdict(&vectors(180.0)).0.log_odds > judge.threshold);
    }

    #[test]
    fn one_example_an_intent_is_enough_to_judge() {
        let (refund, poem) = ([vectors(0.0)], [vectors(90.0)]);
        let groups = [
            group("refund", Action::Forward, &refund),
            group("poem", Action::Reject, &poem),
        ];
        let judge = Judge::fit(&groups, 2, 0.02);
        assert!(judge.verdict(&vectors(0.0)).0.log_odds >= judge.threshold);
        assert!(judge.threshold.is_finite());
    }

    #[test]
    fn the_quantile_of_few_values_is_the_least() {
        assert!((quantile(&mut [3.0, 1.0, 2.0], 0.02) - 1.0).abs() < f64::EPSILON);
        assert!((quantile(&mut [3.0, 1.0, 2.0], 0.5) - 2.0).abs() < f64::EPSILON);
    }
}
