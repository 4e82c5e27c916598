//! One stage's judgement by the shop's own examples: vectors → where they lie → how dense each group is there →
//! log-odds.

use nalgebra::DMatrix;

use super::calibration::{Calibration, Evidence};
use super::density::Density;
use super::side_by_side::each;
use super::space::{Axes, Centring, Rows, Sums};
use super::{Group, Side};
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
}

/// What depends on the examples; a fold has its own.
#[derive(Clone, Debug)]
struct Fitted {
    axes: Axes,
    density: Density,
}

/// What a head says of one embedding.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// Log-odds that it is the shop's business.
    pub(super) log_odds: f64,
    /// The log density of each group.
    pub(super) scores: Vec<f64>,
}

/// An example as read by a head that has not seen it.
#[derive(Clone, Debug)]
pub(super) struct HeldOut {
    /// Its group.
    pub(super) owner: usize,
    /// Its place among the group's examples.
    pub(super) index: usize,
    pub(super) reading: Reading,
    /// The same as if its whole group were not there.
    pub(super) without_group: Reading,
}

impl Head {
    /// Fits a head on the `blocks` that each embedding begins with, and reads each example by a
    /// head fitted without its fold. `kernels` looks at single examples, not only at the means of groups.
    pub(super) fn fit(
        groups: &[Group<'_>],
        blocks: &[Block],
        kernels: bool,
    ) -> (Head, Vec<HeldOut>) {
        let centring = Centring::new(groups, blocks);
        let sides: Vec<_> = groups.iter().map(Group::side).collect();
        let fit = Fit {
            rows: rows(groups, &centring),
            groups: groups.len(),
            kernels,
        };
        let folds = each(FOLDS, |fold| fit.sums(|index| index % FOLDS == fold));
        let nothing = fit.sums(|_| false);
        let whole = folds
            .iter()
            .fold(nothing, |whole, fold| whole.plus(fold, 1.0));
        let seen = each(FOLDS, |fold| {
            let without = whole.clone().plus(&folds[fold], -1.0);
            let fitted = fit.fitted(&without, &whole, |index| index % FOLDS != fold);
            let rows = fit.rows.chosen(|index| index % FOLDS == fold);
            let looks = fitted.looks(&rows.vectors, &sides);
            let places = rows.owners.into_iter().zip(rows.indices);
            let looks = places.zip(looks).map(|((owner, index), look)| Seen {
                without_group: fitted.without(owner, &look, &sides),
                owner,
                index,
                look,
            });
            looks.collect::<Vec<_>>()
        });
        let seen: Vec<_> = seen.into_iter().flatten().collect();
        let labelled: Vec<_> = seen
            .iter()
            .map(|seen| (sides[seen.owner] == Side::Business, seen.look.evidence))
            .collect();
        let head = Head {
            fitted: fit.fitted(&whole, &whole, |_| true),
            calibration: Calibration::fit(&labelled),
            centring,
            sides,
        };
        let held_out = seen.into_iter().map(|seen| HeldOut {
            owner: seen.owner,
            index: seen.index,
            reading: head.reading(seen.look),
            without_group: head.reading(seen.without_group),
        });
        let held_out = held_out.collect();
        (head, held_out)
    }

    /// Reads an embedding.
    pub(super) fn read(&self, vectors: &[f32]) -> Reading {
        let centred = DMatrix::from_vec(self.centring.length(), 1, self.centring.apply(vectors));
        let mut looks = self.fitted.looks(&centred, &self.sides);
        self.reading(looks.remove(0))
    }

    /// An embedding without what all have in common, of unit length.
    pub(super) fn centred(&self, vectors: &[f32]) -> Vec<f32> {
        self.centring.apply(vectors)
    }

    fn reading(&self, look: Look) -> Reading {
        Reading {
            log_odds: self.calibration.log_odds(look.evidence),
            scores: look.scores,
        }
    }
}

/// What is seen of one embedding before anything is calibrated.
struct Look {
    /// The log density of each group.
    scores: Vec<f64>,
    /// For business: its density against that of what rejects, and how near the nearest group of business is. Where
    /// there are few examples of many groups, the second tells more.
    evidence: Evidence,
}

/// What is seen of an example by what has not seen it.
struct Seen {
    owner: usize,
    index: usize,
    look: Look,
    without_group: Look,
}

impl Fitted {
    /// What would be seen if there were no group `owner`.
    fn without(&self, owner: usize, look: &Look, sides: &[Side]) -> Look {
        let mut scores = look.scores.clone();
        scores[owner] = f64::NEG_INFINITY;
        self.look(scores, sides)
    }

    /// What is seen of centred embeddings, a column each.
    fn looks(&self, centred: &DMatrix<f32>, sides: &[Side]) -> Vec<Look> {
        let scores = self.density.scores(&self.axes.places(centred));
        let scores = scores.into_iter();
        scores.map(|scores| self.look(scores, sides)).collect()
    }

    fn look(&self, scores: Vec<f64>, sides: &[Side]) -> Look {
        let of = |side: Side| {
            let groups = (0..scores.len()).filter(|group| sides[*group] == side);
            self.density.pooled(&scores, groups)
        };
        let density = of(Side::Business) - of(Side::OffTopic);
        let business = scores.iter().zip(sides);
        let nearest = business
            .filter(|(_, side)| **side == Side::Business)
            .map(|(score, _)| *score)
            .fold(f64::NEG_INFINITY, f64::max);
        Look {
            evidence: [density.clamp(-NONE, NONE), nearest.max(-NONE)],
            scores,
        }
    }
}

/// What fits need.
struct Fit {
    /// All examples, centred.
    rows: Rows,
    groups: usize,
    kernels: bool,
}

/// The centred examples of all groups.
fn rows(groups: &[Group<'_>], centring: &Centring) -> Rows {
    let (mut numbers, mut owners, mut indices) = (Vec::new(), Vec::new(), Vec::new());
    for (owner, group) in groups.iter().enumerate() {
        for (index, vectors) in group.examples.iter().enumerate() {
            numbers.extend(centring.apply(vectors));
            owners.push(owner);
            indices.push(index);
        }
    }
    Rows {
        vectors: DMatrix::from_vec(centring.length(), owners.len(), numbers),
        owners,
        indices,
    }
}

impl Fit {
    /// Of the examples whose place in their group is among the `chosen`.
    fn sums(&self, chosen: impl Fn(usize) -> bool) -> Sums {
        Sums::new(&self.rows.chosen(chosen), self.groups)
    }

    fn fitted(&self, sums: &Sums, whole: &Sums, chosen: impl Fn(usize) -> bool) -> Fitted {
        let axes = Axes::fit(sums, whole);
        let mut points = vec![Vec::new(); self.groups];
        let mut left = vec![Vec::new(); self.groups];
        let places = axes.places(&self.rows.vectors);
        let rows = self.rows.owners.iter().zip(&self.rows.indices);
        for (place, (owner, index)) in places.column_iter().zip(rows) {
            let of_group = match chosen(*index) {
                true => &mut points[*owner],
                false => &mut left[*owner],
            };
            of_group.push(place.into_owned());
        }
        for (points, left) in points.iter_mut().zip(left) {
            // A group that a fold has left without examples keeps all it has.
            if points.is_empty() {
                *points = left;
            }
        }
        Fitted {
            density: Density::new(&points, self.kernels),
            axes,
        }
    }
}
