//! How dense each group's examples lie around a question: kernel density classification (Hastie, Tibshirani
//! and Friedman, "The Elements of Statistical Learning", 6.6.3) on the discriminant axes.
//!
//! An intent is seldom one cloud around one mean: "where is my parcel" and "change the courier" are both
//! delivery. What counts is whether there are examples near the question.

use std::ops::Range;

use nalgebra::{DMatrix, DVector};

/// The spread of a kernel, in units of the spread within groups, squared.
const BANDWIDTH: f32 = 8.0;
/// What a kernel adds that is so many nats below the greatest of its group is lost in rounding.
const NEGLIGIBLE: f32 = 16.0;

/// Places are compared with all points so many at a time, which bounds the memory that it takes.
const TOGETHER: usize = 128;

/// The examples of the groups on the discriminant axes.
#[derive(Clone, Debug)]
pub(super) struct Density {
    /// A row a point, a column an axis.
    points: DMatrix<f32>,
    /// The squared length of each point.
    squares: DVector<f32>,
    groups: Vec<Cloud>,
    /// What a squared distance is divided by.
    spread: f32,
}

/// One group.
#[derive(Clone, Debug)]
struct Cloud {
    examples: f64,
    /// Its points among all: the examples, or their mean.
    points: Range<usize>,
}

impl Density {
    /// Of the points of each group. Without `kernels` a group is its mean, and its density that of a normal
    /// distribution around it: enough for vectors as coarse as the static ones, and faster.
    pub(super) fn new(groups: &[Vec<DVector<f32>>], kernels: bool) -> Density {
        let axes = groups.iter().flatten().next().map_or(0, DVector::len);
        let mut places = Vec::new();
        let clouds = groups.iter().map(|group| {
            let start = places.len();
            match kernels {
                true => places.extend(group.iter().map(|point| point.transpose())),
                false => places.push(mean(group, axes).transpose()),
            }
            Cloud {
                examples: group.len() as f64,
                points: start..places.len(),
            }
        });
        let groups = clouds.collect();
        let points = match places.is_empty() {
            true => DMatrix::zeros(0, axes),
            false => DMatrix::from_rows(&places),
        };
        Density {
            squares: DVector::from_iterator(
                points.nrows(),
                points.row_iter().map(|point| point.norm_squared()),
            ),
            points,
            groups,
            spread: match kernels {
                true => 2.0 * BANDWIDTH,
                false => 2.0,
            },
        }
    }

    /// The log density of each group at each place, a column each, without the terms that all groups share.
    pub(super) fn scores(&self, places: &DMatrix<f32>) -> Vec<Vec<f64>> {
        let mut scores = Vec::with_capacity(places.ncols());
        for start in (0..places.ncols()).step_by(TOGETHER) {
            let some = places.columns(start, TOGETHER.min(places.ncols() - start));
            // Squared distances, less the place's own square.
            let square = |point, _| self.squares[point];
            let mut distances = DMatrix::from_fn(self.squares.len(), some.ncols(), square);
            distances.gemm(-2.0, &self.points, &some, 1.0);
            for (place, distances) in some.column_iter().zip(distances.column_iter()) {
                let (square, distances) = (place.norm_squared(), distances.as_slice());
                let of_group = |group: &Cloud| {
                    let distances = &distances[group.points.clone()];
                    log_mean_kernel(distances, square, self.spread)
                };
                scores.push(self.groups.iter().map(of_group).collect());
            }
        }
        scores
    }

    /// The log density of some groups' examples together, by the `scores` of all groups.
    pub(super) fn pooled(
        &self,
        scores: &[f64],
        groups: impl Iterator<Item = usize> + Clone,
    ) -> f64 {
        let examples = groups.clone().map(|group| self.groups[group].examples);
        let weighed = groups.map(|group| scores[group] + self.groups[group].examples.ln());
        log_sum_exp(weighed) - examples.sum::<f64>().max(1.0).ln()
    }
}

fn mean(group: &[DVector<f32>], axes: usize) -> DVector<f32> {
    let sum = group
        .iter()
        .fold(DVector::zeros(axes), |sum, point| sum + point);
    sum / group.len().max(1) as f32
}

/// The logarithm of the mean kernel, by squared distances less `square`.
fn log_mean_kernel(distances: &[f32], square: f32, spread: f32) -> f64 {
    let nearest = distances.iter().copied().fold(f32::INFINITY, f32::min);
    let sum: f32 = distances
        .iter()
        .map(|distance| (nearest - distance) / spread)
        .filter(|exponent| *exponent > -NEGLIGIBLE)
        .map(f32::exp)
        .sum();
    f64::from((sum / distances.len().max(1) as f32).ln() - (nearest + square) / spread)
}

fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + values.map(|value| (value - most).exp()).sum::<f64>().ln()
}
