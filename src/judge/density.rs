//! How dense each group's examples lie around a question: kernel density classification (Hastie, Tibshirani
//! and Friedman, "The Elements of Statistical Learning", 6.6.3) on the discriminant axes.
//!
//! An intent is seldom one cloud around one mean: "where is my parcel" and "change the courier" are both
//! delivery. What counts is whether there are examples near the question.

use super::space::Point;

/// The spread of a kernel, in units of the spread within groups, squared.
const BANDWIDTH: f32 = 8.0;
/// So many groups of each side are looked at example by example; the others, which are farther away, get a
/// bound.
const REFINED: usize = 8;

/// The examples of the groups on the discriminant axes.
#[derive(Clone, Debug)]
pub(super) struct Density {
    axes: usize,
    groups: Vec<Cloud>,
}

/// The examples of one group.
#[derive(Clone, Debug)]
struct Cloud {
    mean: Vec<f32>,
    /// The mean squared distance from the mean.
    scatter: f32,
    /// One example after the other; none where means are all that counts.
    points: Vec<f32>,
}

impl Density {
    /// Of the points of each group. Without `kernels` a group is its mean, and its density that of a normal
    /// distribution around it: enough for vectors as coarse as the static ones, and faster.
    pub(super) fn new(groups: &[Vec<Point>], kernels: bool) -> Density {
        let axes = groups
            .iter()
            .flatten()
            .next()
            .map_or(0, |point| point.coordinates.len());
        Density {
            axes,
            groups: groups
                .iter()
                .map(|group| cloud(group, axes, kernels))
                .collect(),
        }
    }

    /// The log density of each group at a point, without the terms that all share. `sides` tells groups apart
    /// of which the nearest are looked at closely.
    pub(super) fn scores<S: PartialEq + Copy>(&self, at: &Point, sides: &[S]) -> Vec<f64> {
        let at = &at.coordinates;
        let mut scores: Vec<_> = self.groups.iter().map(|group| group.bound(at)).collect();
        let mut nearest: Vec<_> = (0..scores.len()).collect();
        nearest.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        for (place, index) in nearest.iter().enumerate() {
            let nearer = &nearest[..place];
            let rivals = nearer
                .iter()
                .filter(|other| sides[**other] == sides[*index]);
            if rivals.count() < REFINED
                && let Some(score) = self.groups[*index].log_mean_kernel(at, self.axes)
            {
                scores[*index] = score;
            }
        }
        scores
    }
}

fn cloud(group: &[Point], axes: usize, kernels: bool) -> Cloud {
    let count = group.len().max(1) as f32;
    let mut mean = vec![0.0; axes];
    for point in group {
        mean.iter_mut()
            .zip(&point.coordinates)
            .for_each(|(m, x)| *m += x / count);
    }
    let scatter = group
        .iter()
        .map(|point| squared_distance(&point.coordinates, &mean) / count)
        .sum();
    let points = group
        .iter()
        .flat_map(|point| point.coordinates.iter().copied());
    Cloud {
        mean,
        scatter,
        points: if kernels {
            points.collect()
        } else {
            Vec::new()
        },
    }
}

impl Cloud {
    /// By Jensen's inequality never more than the density itself; where there are no kernels, the density.
    fn bound(&self, at: &[f32]) -> f64 {
        let distance = squared_distance(at, &self.mean);
        if self.points.is_empty() {
            return f64::from(-distance / 2.0);
        }
        f64::from(-(distance + self.scatter) / (2.0 * BANDWIDTH))
    }

    fn log_mean_kernel(&self, at: &[f32], axes: usize) -> Option<f64> {
        if self.points.is_empty() || axes == 0 {
            return None;
        }
        let exponents: Vec<_> = self
            .points
            .chunks_exact(axes)
            .map(|point| -squared_distance(at, point) / (2.0 * BANDWIDTH))
            .collect();
        let most = exponents.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = exponents
            .iter()
            .map(|exponent| (exponent - most).exp())
            .sum();
        Some(f64::from(most + (sum / exponents.len() as f32).ln()))
    }
}

fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            let difference = a[lane] - b[lane];
            sums[lane] += difference * difference;
        }
    }
    let rest: f32 = a_rest
        .iter()
        .zip(b_rest)
        .map(|(a, b)| (a - b) * (a - b))
        .sum();
    sums.iter().sum::<f32>() + rest
}
