//! One stage's judgement: vectors → where they lie → how dense each group is there → log-odds.

use nalgebra::DMatrix;

use super::calibration::{Calibration, Evidence};
use super::density::Density;
use super::space::{Axes, Centring, Point, Rows, Sums};
use super::{Material, Side};

/// Each example is judged once by what was fitted without it.
const FOLDS: usize = 5;
/// Evidence of a side without groups.
const NONE: f64 = 60.0;

/// What one stage's vectors are judged by.
#[derive(Clone, Debug)]
pub(super) struct Head {
    centring: Centring,
    sides: Vec<Side>,
    fitted: Fitted,
    calibration: Calibration,
    follow_up: Calibration,
}

/// What depends on the examples; a fold has its own.
#[derive(Clone, Debug)]
struct Fitted {
    axes: Axes,
    density: Density,
}

/// What a head says of one embedding.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// Log-odds that it is the shop's business.
    pub(super) log_odds: f64,
    /// The same of something said in the middle of a conversation about the shop's business.
    pub(super) as_follow_up: f64,
    /// The log density of each group.
    pub(super) scores: Vec<f64>,
}

/// An example as read by a head that has not seen it.
#[derive(Clone, Debug)]
pub(super) struct HeldOut {
    /// Its group; the number of groups for a follow-up.
    pub(super) owner: usize,
    /// Its place among the group's examples.
    pub(super) index: usize,
    pub(super) reading: Reading,
}

impl Head {
    /// Fits a head on the first `weights.len()` unit vectors of each embedding, and reads each example by a
    /// head fitted without its fold. `kernels` looks at single examples, not only at the means of groups.
    pub(super) fn fit(
        material: &Material<'_>,
        weights: &'static [f32],
        kernels: bool,
    ) -> (Head, Vec<HeldOut>) {
        let columns = material.columns();
        let groups = material.groups.len();
        let centring = Centring::new(&columns[..groups], material.dimension, weights);
        let sides: Vec<_> = material.groups.iter().map(|group| group.side()).collect();
        let fit = Fit {
            centring: &centring,
            columns: &columns,
            sides: &sides,
            kernels,
        };
        let folds: Vec<_> = (0..FOLDS)
            .map(|fold| Sums::new(&fit.rows(|index| index % FOLDS == fold), groups))
            .collect();
        let mut sums = folds.iter();
        let zero = sums.next().cloned();
        let whole = zero.map(|first| sums.fold(first, |whole, fold| whole.plus(fold, 1.0)));
        let whole = whole.unwrap_or_else(|| Sums::new(&fit.rows(|_| true), groups));

        let mut seen = Vec::new();
        for (fold, sums) in folds.into_iter().enumerate() {
            let without = whole.clone().plus(&sums, -1.0);
            let fitted = fit.fitted(&without, &whole, |index| index % FOLDS != fold);
            let rows = fit.rows(|index| index % FOLDS == fold);
            let points = fitted.axes.points(&rows.vectors);
            for ((owner, index), at) in rows.owners.into_iter().zip(rows.indices).zip(points) {
                // Commonplace business is no question that a threshold has to fit.
                if owner != groups {
                    let scores = fitted.density.scores(&at, &sides);
                    seen.push((owner, index, at, scores));
                }
            }
        }
        let mut head = Head {
            fitted: fit.fitted(&whole, &whole, |_| true),
            centring,
            sides,
            calibration: Calibration::fit(&[]),
            follow_up: Calibration::fit(&[]),
        };
        head.calibrate(&seen);
        let held_out = seen.into_iter().map(|(owner, index, at, scores)| HeldOut {
            owner: owner.min(groups),
            index,
            reading: head.reading(&at, scores),
        });
        let held_out = held_out.collect();
        (head, held_out)
    }

    /// Reads an embedding.
    pub(super) fn read(&self, vectors: &[f32]) -> Reading {
        let centred = DMatrix::from_vec(self.centring.length(), 1, self.centring.apply(vectors));
        let mut points = self.fitted.axes.points(&centred);
        let at = points.swap_remove(0);
        let scores = self.fitted.density.scores(&at, &self.sides);
        self.reading(&at, scores)
    }

    /// An embedding without what all have in common, of unit length.
    pub(super) fn centred(&self, vectors: &[f32]) -> Vec<f32> {
        self.centring.apply(vectors)
    }

    /// The scale of the evidence from examples that were held out: groups against each other, then whatever a
    /// conversation about business may hold, follow-ups and full questions, against what rejects.
    fn calibrate(&mut self, seen: &[(usize, usize, Point, Vec<f64>)]) {
        let side = |owner: usize| self.sides.get(owner).copied();
        let labelled: Vec<_> = seen
            .iter()
            .filter_map(|(owner, _, at, scores)| {
                Some((side(*owner)? == Side::Business, self.evidence(at, scores)))
            })
            .collect();
        self.calibration = Calibration::fit(&labelled);
        let labelled: Vec<_> = seen
            .iter()
            .map(|(owner, _, at, scores)| {
                (
                    side(*owner) != Some(Side::OffTopic),
                    self.follow_up_evidence(at, scores),
                )
            })
            .collect();
        self.follow_up = Calibration::fit(&labelled);
    }

    fn reading(&self, at: &Point, scores: Vec<f64>) -> Reading {
        Reading {
            log_odds: self.calibration.log_odds(self.evidence(at, &scores)),
            as_follow_up: self
                .follow_up
                .log_odds(self.follow_up_evidence(at, &scores)),
            scores,
        }
    }

    fn evidence(&self, at: &Point, scores: &[f64]) -> Evidence {
        let of = |side: Side| {
            let scores = scores.iter().zip(&self.sides);
            log_sum_exp(
                scores
                    .filter(|(_, of)| **of == side)
                    .map(|(score, _)| *score),
            )
        };
        let density = of(Side::Business) - of(Side::OffTopic);
        [density.clamp(-NONE, NONE), at.business]
    }

    fn follow_up_evidence(&self, at: &Point, scores: &[f64]) -> Evidence {
        let log_odds = self.calibration.log_odds(self.evidence(at, scores));
        [log_odds, at.follow_up]
    }
}

/// What fits need.
struct Fit<'a> {
    centring: &'a Centring,
    columns: &'a [Vec<&'a [f32]>],
    sides: &'a [Side],
    kernels: bool,
}

impl Fit<'_> {
    /// The centred examples whose place in their column is among the `chosen`.
    fn rows(&self, chosen: impl Fn(usize) -> bool) -> Rows {
        let (mut numbers, mut owners, mut indices) = (Vec::new(), Vec::new(), Vec::new());
        for (owner, column) in self.columns.iter().enumerate() {
            for (index, vectors) in column
                .iter()
                .enumerate()
                .filter(|(index, _)| chosen(*index))
            {
                numbers.extend(self.centring.apply(vectors));
                owners.push(owner);
                indices.push(index);
            }
        }
        Rows {
            vectors: DMatrix::from_vec(self.centring.length(), owners.len(), numbers),
            owners,
            indices,
        }
    }

    fn fitted(&self, sums: &Sums, whole: &Sums, chosen: impl Fn(usize) -> bool) -> Fitted {
        let axes = Axes::fit(sums, whole, self.sides);
        let groups = self.sides.len();
        let points = self.columns[..groups].iter().map(|column| {
            let places = 0..column.len();
            let mut places: Vec<_> = places.filter(|index| chosen(*index)).collect();
            if places.is_empty() {
                // A group that a fold has left without examples keeps all it has.
                places = (0..column.len()).collect();
            }
            let numbers = places
                .iter()
                .flat_map(|index| self.centring.apply(column[*index]));
            let numbers = numbers.collect();
            axes.points(&DMatrix::from_vec(
                self.centring.length(),
                places.len(),
                numbers,
            ))
        });
        let points: Vec<_> = points.collect();
        Fitted {
            density: Density::new(&points, self.kernels),
            axes,
        }
    }
}

fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + values.map(|value| (value - most).exp()).sum::<f64>().ln()
}
