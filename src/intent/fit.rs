//! Vectors of examples → the numbers that judge. Pure, deterministic, and the one place that knows how a
//! verdict is computed: what is outside only sees [`Judge::fit`] and [`Judge::verdict`].
//!
//! The method is nearest centroid with the common direction taken out ("all-but-the-mean", Mu and
//! Viswanath 2018): sentence vectors of one model all point roughly the same way, and what tells texts
//! apart is the rest. The evidence for the shop's business is the best cosine among the intents that do not
//! reject, less the best among those that do; its scale comes from a logistic regression on cross-validated
//! evidence (Platt 1999), its threshold from a quantile of it.

use super::{Action, IntentName};
use crate::embed::BLOCKS;
use crate::verdict::Verdict;

/// How much each of an embedding's unit vectors counts beside the others: static, layer 6, last layer.
const WEIGHTS: [f32; BLOCKS] = [0.5, 0.7, 1.0];
/// Each example is judged once by centroids that have not seen it.
const FOLDS: usize = 5;
/// An answer must lead by so much that at most this share of forwarded examples would get it.
const WRONG_ANSWERS: f64 = 0.005;

/// The examples of one intent as vectors.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The intent.
    pub name: IntentName,
    /// What is done about it.
    pub action: Action,
    /// The examples' embeddings, of as many unit vectors each; at least one.
    pub examples: Vec<&'a [f32]>,
}

/// Judges embeddings.
#[derive(Clone, Debug)]
pub struct Judge {
    centroids: Centroids,
    /// Multiplies cosines before the softmax over intents.
    sharpness: f64,
    /// Evidence → log-odds; none where nothing rejects.
    calibration: Option<Calibration>,
    /// Log-odds below this are off-topic.
    pub threshold: f64,
    /// The lead in cosine that an answer needs over every other intent.
    pub answer_margin: f64,
}

#[derive(Clone, Debug)]
struct Calibration {
    slope: f64,
    offset: f64,
}

#[derive(Clone, Debug)]
struct Centroids {
    dimension: usize,
    centre: Vec<f32>,
    classes: Vec<Class>,
}

#[derive(Clone, Debug)]
struct Class {
    name: IntentName,
    action: Action,
    /// A unit vector.
    centroid: Vec<f32>,
}

/// What the centroids say of one embedding.
#[derive(Clone, Debug)]
pub struct Cosines(Vec<f64>);

/// Log-odds where no intent rejects: nothing speaks against the shop's business.
const NOTHING_REJECTS: f64 = 10.0;

impl Judge {
    /// Fits centroids, calibration and thresholds. `false_reject_target` is the share of examples that may
    /// fall below the threshold when judged by centroids that have not seen them.
    /// `dimension` is that of one unit vector.
    pub fn fit(groups: &[Group<'_>], dimension: usize, false_reject_target: f64) -> Judge {
        let rejects = groups.iter().any(|g| g.action == Action::Reject);
        let held_out = cross_validate(groups, dimension);
        let mut judge = Judge {
            centroids: Centroids::fit(groups, dimension, |_| true),
            sharpness: sharpness(&held_out),
            calibration: None,
            threshold: f64::NEG_INFINITY,
            answer_margin: answer_margin(&held_out),
        };
        if rejects {
            let calibration = Calibration::fit(&held_out);
            let on_topic = held_out.iter().filter(|h| h.action != Action::Reject);
            let mut log_odds: Vec<_> = on_topic.map(|h| calibration.log_odds(h.evidence)).collect();
            // Few examples cannot show where the quantile is, and a miss is cheaper than a customer: never
            // reject what is likelier business than not.
            judge.threshold = quantile(&mut log_odds, false_reject_target).min(0.0);
            judge.calibration = Some(calibration);
        }
        judge
    }

    /// The verdict on one embedding of as many unit vectors as the examples had.
    pub fn verdict(&self, vectors: &[f32]) -> (Verdict, Cosines) {
        let cosines = self.centroids.cosines(vectors);
        let log_odds = match &self.calibration {
            Some(calibration) => calibration.log_odds(self.centroids.evidence(&cosines)),
            None => NOTHING_REJECTS,
        };
        let probabilities = softmax(&cosines.0, self.sharpness);
        let names = self
            .centroids
            .classes
            .iter()
            .map(|class| class.name.clone());
        let mut intents: Vec<_> = names.zip(probabilities).collect();
        intents.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        (Verdict { log_odds, intents }, cosines)
    }

    /// Whether anything rejects.
    pub fn rejects(&self) -> bool {
        self.calibration.is_some()
    }

    /// The likeliest intent of one action, with its lead over every intent of another action.
    pub fn likeliest(&self, cosines: &Cosines, action: Action) -> Option<(&IntentName, f64)> {
        let best = |wanted: bool| {
            self.centroids
                .classes
                .iter()
                .zip(&cosines.0)
                .filter(move |(class, _)| (class.action == action) == wanted)
                .max_by(|a, b| a.1.total_cmp(b.1))
        };
        let (class, cosine) = best(true)?;
        let other = best(false).map_or(f64::NEG_INFINITY, |(_, cosine)| *cosine);
        Some((&class.name, cosine - other))
    }

    /// Cosine of two embeddings as the judge sees them.
    pub fn similarity(&self, a: &[f32], b: &[f32]) -> f64 {
        dot(&self.centroids.centred(a), &self.centroids.centred(b))
    }
}

impl Centroids {
    /// From those examples whose index within their intent `keeps`.
    fn fit(groups: &[Group<'_>], dimension: usize, keeps: impl Fn(usize) -> bool) -> Centroids {
        // Each intent counts once, however many examples it has.
        let means: Vec<_> = groups
            .iter()
            .map(|group| mean(kept(group, &keeps).map(|vectors| weighted(vectors, dimension))))
            .collect();
        let mut centroids = Centroids {
            dimension,
            centre: mean(means.into_iter()),
            classes: Vec::new(),
        };
        let class = |group: &Group<'_>| Class {
            name: group.name.clone(),
            action: group.action,
            centroid: unit(mean(
                kept(group, &keeps).map(|vectors| centroids.centred(vectors)),
            )),
        };
        centroids.classes = groups.iter().map(class).collect();
        centroids
    }

    fn centred(&self, vectors: &[f32]) -> Vec<f32> {
        unit(minus(weighted(vectors, self.dimension), &self.centre))
    }

    fn cosines(&self, vectors: &[f32]) -> Cosines {
        let centred = self.centred(vectors);
        let cosine = |class: &Class| dot(&class.centroid, &centred);
        Cosines(self.classes.iter().map(cosine).collect())
    }

    /// How much nearer the shop's business is than what rejects.
    fn evidence(&self, cosines: &Cosines) -> f64 {
        let best = |rejects: bool| {
            let classes = self.classes.iter().zip(&cosines.0);
            let side = classes.filter(|(class, _)| (class.action == Action::Reject) == rejects);
            side.map(|(_, cosine)| *cosine).fold(-1.0, f64::max)
        };
        best(false) - best(true)
    }
}

/// The examples whose index `keeps`. An intent of one example keeps it: without it there is no centroid.
fn kept<'g>(
    group: &'g Group<'_>,
    keeps: impl Fn(usize) -> bool,
) -> impl Iterator<Item = &'g [f32]> {
    let alone = group.examples.len() == 1;
    let all = group.examples.iter().enumerate();
    all.filter(move |(index, _)| alone || keeps(*index))
        .map(|(_, vectors)| *vectors)
}

/// An example judged by centroids that have not seen it.
struct HeldOut {
    class: usize,
    action: Action,
    cosines: Vec<f64>,
    evidence: f64,
    /// Lead of the likeliest `answer` intent over every other intent.
    answer_lead: f64,
}

fn cross_validate(groups: &[Group<'_>], dimension: usize) -> Vec<HeldOut> {
    let mut held_out = Vec::new();
    for fold in 0..FOLDS {
        let centroids = Centroids::fit(groups, dimension, |index| index % FOLDS != fold);
        for (class, group) in groups.iter().enumerate() {
            for vectors in group.examples.iter().skip(fold).step_by(FOLDS) {
                let cosines = centroids.cosines(vectors);
                held_out.push(HeldOut {
                    class,
                    action: group.action,
                    evidence: centroids.evidence(&cosines),
                    answer_lead: answer_lead(groups, &cosines.0),
                    cosines: cosines.0,
                });
            }
        }
    }
    held_out
}

fn answer_lead(groups: &[Group<'_>], cosines: &[f64]) -> f64 {
    let best = |answers: bool| {
        let pairs = groups.iter().zip(cosines);
        let side = pairs.filter(|(group, _)| (group.action == Action::Answer) == answers);
        side.map(|(_, cosine)| *cosine).fold(-1.0, f64::max)
    };
    best(true) - best(false)
}

/// The least lead that keeps wrong answers to [`WRONG_ANSWERS`] of the examples of other intents.
fn answer_margin(held_out: &[HeldOut]) -> f64 {
    let others = held_out.iter().filter(|h| h.action != Action::Answer);
    let mut leads: Vec<_> = others.map(|h| -h.answer_lead).collect();
    if leads.is_empty() {
        return 0.0;
    }
    (-quantile(&mut leads, WRONG_ANSWERS)).max(0.0)
}

/// The sharpness of the softmax under which the held-out examples' own intents are likeliest.
fn sharpness(held_out: &[HeldOut]) -> f64 {
    let log_likelihood = |sharpness: f64| -> f64 {
        let of_own = |h: &HeldOut| softmax(&h.cosines, sharpness)[h.class].max(1e-12).ln();
        held_out.iter().map(of_own).sum()
    };
    let candidates = (2..=40).map(f64::from);
    candidates
        .max_by(|a, b| log_likelihood(*a).total_cmp(&log_likelihood(*b)))
        .unwrap_or(1.0)
}

impl Calibration {
    /// Logistic regression of business against off-topic on the evidence, both sides counted alike; Newton's
    /// method on a slightly regularised slope, so that separable examples do not send it to infinity.
    fn fit(held_out: &[HeldOut]) -> Calibration {
        const RIDGE: f64 = 1e-3;
        let count = |rejects: bool| {
            let side = held_out
                .iter()
                .filter(|h| (h.action == Action::Reject) == rejects);
            side.count().max(1) as f64
        };
        let weights = [0.5 / count(false), 0.5 / count(true)];
        let mut fit = Calibration {
            slope: 1.0,
            offset: 0.0,
        };
        for _ in 0..50 {
            let (mut gradient, mut curvature) = ([RIDGE * fit.slope, 0.0], [RIDGE, 0.0, 1e-9]);
            for h in held_out {
                let rejects = h.action == Action::Reject;
                let weight = weights[usize::from(rejects)];
                let p = 1.0 / (1.0 + (-fit.log_odds(h.evidence)).exp());
                let error = weight * (p - f64::from(u8::from(!rejects)));
                let spread = weight * p * (1.0 - p);
                gradient[0] += error * h.evidence;
                gradient[1] += error;
                curvature[0] += spread * h.evidence * h.evidence;
                curvature[1] += spread * h.evidence;
                curvature[2] += spread;
            }
            let [a, b, c] = curvature;
            let determinant = a * c - b * b;
            let step = [
                (c * gradient[0] - b * gradient[1]) / determinant,
                (a * gradient[1] - b * gradient[0]) / determinant,
            ];
            // A bounded step keeps Newton's method from overshooting where the curve is flat.
            let scale = (10.0 / step[0].hypot(step[1])).min(1.0);
            fit.slope -= scale * step[0];
            fit.offset -= scale * step[1];
            if step[0].hypot(step[1]) < 1e-9 {
                break;
            }
        }
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
    values
        .get(index.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

fn softmax(cosines: &[f64], sharpness: f64) -> Vec<f64> {
    let most = cosines.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<_> = cosines
        .iter()
        .map(|c| (sharpness * (c - most)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

fn weighted(vectors: &[f32], dimension: usize) -> Vec<f32> {
    let blocks = vectors.chunks_exact(dimension).zip(WEIGHTS);
    blocks
        .flat_map(|(block, weight)| block.iter().map(move |x| weight * x))
        .collect()
}

fn mean(vectors: impl Iterator<Item = Vec<f32>>) -> Vec<f32> {
    let (mut sum, mut count) = (Vec::new(), 0.0);
    for vector in vectors {
        sum.resize(vector.len(), 0.0);
        sum.iter_mut().zip(vector).for_each(|(s, x)| *s += x);
        count += 1.0;
    }
    sum.iter_mut().for_each(|s: &mut f32| *s /= count);
    sum
}

fn minus(mut a: Vec<f32>, b: &[f32]) -> Vec<f32> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a -= b);
    a
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = dot(&vector, &vector).sqrt().max(1e-12) as f32;
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    // Sixteen sums side by side: the compiler keeps them in vector registers.
    let mut sums = [0.0_f32; 16];
    let (a, a_rest) = a.as_chunks::<16>();
    let (b, b_rest) = b.as_chunks::<16>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    f64::from(sums.iter().sum::<f32>() + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three blocks of two numbers, all the same direction.
    fn vectors(degrees: f32) -> Vec<f32> {
        let (sin, cos) = degrees.to_radians().sin_cos();
        [cos, sin].repeat(BLOCKS)
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
            let (verdict, cosines) = judge.verdict(&vectors(degrees));
            assert_eq!(verdict.intents[0].0.as_str(), name);
            assert_eq!(verdict.log_odds > judge.threshold, on_topic, "{degrees}");
            let sum: f64 = verdict.intents.iter().map(|(_, p)| p).sum();
            assert!((sum - 1.0).abs() < 1e-9);
            let (answer, lead) = judge.likeliest(&cosines, Action::Answer).unwrap();
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
