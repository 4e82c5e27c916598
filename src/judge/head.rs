//! One stage's judgement: vectors → where they lie → how dense each group is there → log-odds.

use nalgebra::DMatrix;

use super::calibration::{Calibration, Evidence};
use super::density::Density;
use super::space::{Axes, Centring, Point, Rows, Sums};
use super::{Material, Side};
use crate::embed::Block;

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
    /// Fits a head on the `blocks` that each embedding begins with, and reads each example by a
    /// head fitted without its fold. `kernels` looks at single examples, not only at the means of groups.
    pub(super) fn fit(
        material: &Material<'_>,
        blocks: &[Block],
        kernels: bool,
    ) -> (Head, Vec<HeldOut>) {
        let columns = material.columns();
        let groups = material.groups.len();
        let centring = Centring::new(&columns[..groups], blocks);
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
        let nothing = Sums::new(&fit.rows(|_| false), groups);
        let whole = folds
            .iter()
            .fold(nothing, |whole, fold| whole.plus(fold, 1.0));

        let mut seen = Vec::new();
        for (fold, sums) in folds.into_iter().enumerate() {
            let without = whole.clone().plus(&sums, -1.0);
            let fitted = fit.fitted(&without, &whole, |index| index % FOLDS != fold);
            let rows = fit.rows(|index| index % FOLDS == fold);
            let points = fitted.axes.points(&rows.vectors);
            for ((owner, index), at) in rows.owners.into_iter().zip(rows.indices).zip(points) {
                // Commonplace business is no question that a threshold has to fit.
                if owner != groups {
                    seen.push((owner.min(groups), index, fitted.look(&at, &sides)));
                }
            }
        }
        let (calibration, follow_up) = calibrate(&seen, &sides);
        let head = Head {
            fitted: fit.fitted(&whole, &whole, |_| true),
            centring,
            sides,
            calibration,
            follow_up,
        };
        let held_out = seen.into_iter().map(|(owner, index, look)| HeldOut {
            owner,
            index,
            reading: head.reading(look),
        });
        let held_out = held_out.collect();
        (head, held_out)
    }

    /// Reads an embedding.
    pub(super) fn read(&self, vectors: &[f32]) -> Reading {
        let centred = DMatrix::from_vec(self.centring.length(), 1, self.centring.apply(vectors));
        let mut points = self.fitted.axes.points(&centred);
        let at = points.swap_remove(0);
        self.reading(self.fitted.look(&at, &self.sides))
    }

    /// An embedding without what all have in common, of unit length.
    pub(super) fn centred(&self, vectors: &[f32]) -> Vec<f32> {
        self.centring.apply(vectors)
    }

    fn reading(&self, look: Look) -> Reading {
        let log_odds = self.calibration.log_odds(look.evidence);
        Reading {
            log_odds,
            as_follow_up: self.follow_up.log_odds([log_odds, look.follow_up]),
            scores: look.scores,
        }
    }
}

/// What is seen of one embedding before anything is calibrated.
struct Look {
    /// The log density of each group.
    scores: Vec<f64>,
    /// For business: the densities, and the side of the plane.
    evidence: Evidence,
    /// How far on the side of what continues a conversation.
    follow_up: f64,
}

impl Fitted {
    fn look(&self, at: &Point, sides: &[Side]) -> Look {
        let scores = self.density.scores(at, sides);
        let of = |side: Side| {
            let of_side = scores.iter().zip(sides).filter(|(_, of)| **of == side);
            log_sum_exp(of_side.map(|(score, _)| *score))
        };
        let density = of(Side::Business) - of(Side::OffTopic);
        Look {
            evidence: [density.clamp(-NONE, NONE), at.business],
            follow_up: at.follow_up,
            scores,
        }
    }
}

/// The scale of the evidence from examples that were held out: groups against each other, then whatever a
/// conversation about business may hold, follow-ups and full questions, against what rejects.
fn calibrate(seen: &[(usize, usize, Look)], sides: &[Side]) -> (Calibration, Calibration) {
    let side = |owner: usize| sides.get(owner).copied();
    let labelled: Vec<_> = seen
        .iter()
        .filter_map(|(owner, _, look)| Some((side(*owner)? == Side::Business, look.evidence)))
        .collect();
    let calibration = Calibration::fit(&labelled);
    let labelled: Vec<_> = seen
        .iter()
        .map(|(owner, _, look)| {
            let log_odds = calibration.log_odds(look.evidence);
            let continues = side(*owner) != Some(Side::OffTopic);
            (continues, [log_odds, look.follow_up])
        })
        .collect();
    let follow_up = Calibration::fit(&labelled);
    (calibration, follow_up)
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
