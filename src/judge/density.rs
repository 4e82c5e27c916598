//! How dense each group's examples lie around a question: kernel density classification (Hastie, Tibshirani
//! and Friedman, "The Elements of Statistical Learning", 6.6.3) on the discriminant axes.
//!
//! An intent is seldom one cloud around one mean: "where is my parcel" and "change the courier" are both
//! delivery. What counts is whether there are examples near the question.

use crate::vector::squared_distance;

/// The spread of a kernel, in units of the spread within groups, squared.
const BANDWIDTH: f32 = 8.0;
/// What a kernel adds that is so many nats below the greatest of its group is lost in rounding.
const NEGLIGIBLE: f32 = 16.0;

/// The examples of the groups on the discriminant axes.
#[derive(Clone, Debug)]
pub(super) struct Density {
    axes: usize,
    groups: Vec<Cloud>,
}

/// The examples of one group.
#[derive(Clone, Debug)]
struct Cloud {
    examples: f64,
    /// One point after the other: the examples, or their mean.
    points: Vec<f32>,
    /// What a squared distance is divided by.
    spread: f32,
}

impl Density {
    /// Of the points of each group. Without `kernels` a group is its mean, and its density that of a normal
    /// distribution around it: enough for vectors as coarse as the static ones, and faster.
    pub(super) fn new(groups: &[Vec<Vec<f32>>], kernels: bool) -> Density {
        let axes = groups.iter().flatten().next().map_or(0, Vec::len);
        let clouds = groups.iter().map(|group| Cloud {
            examples: group.len() as f64,
            points: match kernels {
                true => group.concat(),
                false => mean(group, axes),
            },
            spread: match kernels {
                true => 2.0 * BANDWIDTH,
                false => 2.0,
            },
        });
        Density {
            axes,
            groups: clouds.collect(),
        }
    }

    /// The log density of each group at a point, without the terms that all share.
    pub(super) fn scores(&self, at: &[f32]) -> Vec<f64> {
        let groups = self.groups.iter();
        groups.map(|group| group.score(at, self.axes)).collect()
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

fn mean(group: &[Vec<f32>], axes: usize) -> Vec<f32> {
    let count = group.len().max(1) as f32;
    let mut mean = vec![0.0; axes];
    for point in group {
        mean.iter_mut()
            .zip(point)
            .for_each(|(m, x)| *m += x / count);
    }
    mean
}

impl Cloud {
    /// The logarithm of the mean kernel.
    fn score(&self, at: &[f32], axes: usize) -> f64 {
        if axes == 0 {
            return 0.0;
        }
        let points = self.points.chunks_exact(axes);
        let exponents: Vec<_> = points
            .map(|point| -squared_distance(at, point) / self.spread)
            .collect();
        let most = exponents.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = exponents
            .iter()
            .map(|exponent| exponent - most)
            .filter(|exponent| *exponent > -NEGLIGIBLE)
            .map(f32::exp)
            .sum();
        f64::from(most + (sum / exponents.len().max(1) as f32).ln())
    }
}

fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + values.map(|value| (value - most).exp()).sum::<f64>().ln()
}
