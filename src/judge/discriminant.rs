//! Centroids and the metric they are compared in: linear discriminant analysis with a shrunken covariance
//! (Friedman 1989, "Regularized Discriminant Analysis").
//!
//! Vectors of one model all point roughly the same way, so the mean of the intents' means is taken out first.
//! What is left is compared with each intent's centroid under the covariance that examples have within their
//! own intents: a direction in which the same intent's examples differ says little about which intent it is.
//! With few examples that covariance is mostly guesswork and is drawn towards the sphere.

use nalgebra::{DMatrix, DVector};

use crate::embed::BLOCKS;
use crate::intent::{Action, IntentName};

/// How much each of an embedding's unit vectors counts beside the others: static, layer 6, last layer.
const WEIGHTS: [f32; BLOCKS] = [0.5, 0.7, 1.0];
/// Keeps the covariance invertible where examples do not differ at all.
const RIDGE: f32 = 1e-6;

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

/// One score an intent for an embedding; the highest is the likeliest.
#[derive(Clone, Debug)]
pub(super) struct Discriminant {
    dimension: usize,
    centre: Vec<f32>,
    planes: Vec<Plane>,
}

/// A linear function.
#[derive(Clone, Debug)]
struct Plane {
    normal: Vec<f32>,
    offset: f64,
}

/// An example's scores from planes that have not seen it.
#[derive(Clone, Debug)]
pub(super) struct HeldOut {
    /// The index of its group.
    pub(super) group: usize,
    /// A score a group.
    pub(super) scores: Vec<f64>,
}

impl Discriminant {
    /// Fits planes to all examples, and judges each example by planes fitted without its fold of `folds`.
    /// `dimension` is that of one unit vector.
    pub(super) fn fit(
        groups: &[Group<'_>],
        dimension: usize,
        folds: usize,
    ) -> (Self, Vec<HeldOut>) {
        let mut all = Discriminant {
            dimension,
            centre: centre(groups, dimension),
            planes: Vec::new(),
        };
        // A fold's examples are centred twice rather than kept, since all of them at once are large.
        let part = |fold| Part::new(&all, groups, fold, folds);
        let whole = (0..folds).fold(Sums::zero(&all, groups), |sums, fold| {
            sums.plus(&part(fold), 1.0)
        });
        let fallback = whole.means();

        let mut held_out = Vec::new();
        for part in (0..folds).map(part) {
            let without = Discriminant {
                planes: whole.clone().plus(&part, -1.0).planes(&fallback),
                ..all.clone()
            };
            for (column, group) in part.examples.column_iter().zip(&part.groups) {
                let scores = without.scores_of(column.as_slice());
                held_out.push(HeldOut {
                    group: *group,
                    scores,
                });
            }
        }
        all.planes = whole.planes(&fallback);
        (all, held_out)
    }

    /// A score a group, in the order that they were fitted in.
    pub(super) fn scores(&self, vectors: &[f32]) -> Vec<f64> {
        self.scores_of(&self.centred(vectors))
    }

    /// An embedding without what all have in common, of unit length.
    pub(super) fn centred(&self, vectors: &[f32]) -> Vec<f32> {
        let mut vector = weighted(vectors, self.dimension);
        vector
            .iter_mut()
            .zip(&self.centre)
            .for_each(|(x, c)| *x -= c);
        let length = dot(&vector, &vector).sqrt().max(1e-12) as f32;
        vector.iter_mut().for_each(|x| *x /= length);
        vector
    }

    fn scores_of(&self, centred: &[f32]) -> Vec<f64> {
        let score = |plane: &Plane| dot(&plane.normal, centred) + plane.offset;
        self.planes.iter().map(score).collect()
    }
}

/// The mean of the groups' means: each intent counts once, however many examples it has.
fn centre(groups: &[Group<'_>], dimension: usize) -> Vec<f32> {
    let length = groups
        .first()
        .map_or(0, |group| group.examples.first().map_or(0, |e| e.len()));
    let mut centre = vec![0.0; length];
    for group in groups {
        let share = 1.0 / (group.examples.len() * groups.len()) as f32;
        for vectors in &group.examples {
            let vector = weighted(vectors, dimension);
            centre
                .iter_mut()
                .zip(vector)
                .for_each(|(c, x)| *c += share * x);
        }
    }
    centre
}

/// One fold of every group's examples, a column each.
struct Part {
    examples: DMatrix<f32>,
    groups: Vec<usize>,
}

impl Part {
    fn new(space: &Discriminant, groups: &[Group<'_>], fold: usize, folds: usize) -> Self {
        let mut numbers = Vec::new();
        let mut owners = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            for vectors in group.examples.iter().skip(fold).step_by(folds) {
                numbers.extend(space.centred(vectors));
                owners.push(index);
            }
        }
        Part {
            examples: DMatrix::from_vec(space.centre.len(), owners.len(), numbers),
            groups: owners,
        }
    }
}

/// What planes are fitted from; sums, so that a fold can be taken out again.
#[derive(Clone)]
struct Sums {
    /// Of the outer products of the examples with themselves.
    products: DMatrix<f32>,
    /// Of each group's examples, a column each.
    sums: DMatrix<f32>,
    counts: Vec<f32>,
}

impl Sums {
    fn zero(space: &Discriminant, groups: &[Group<'_>]) -> Self {
        let length = space.centre.len();
        Sums {
            products: DMatrix::zeros(length, length),
            sums: DMatrix::zeros(length, groups.len()),
            counts: vec![0.0; groups.len()],
        }
    }

    fn plus(mut self, part: &Part, sign: f32) -> Self {
        self.products
            .gemm(sign, &part.examples, &part.examples.transpose(), 1.0);
        for (column, group) in part.examples.column_iter().zip(&part.groups) {
            self.sums.column_mut(*group).axpy(sign, &column, 1.0);
            self.counts[*group] += sign;
        }
        self
    }

    fn means(&self) -> DMatrix<f32> {
        let mut means = self.sums.clone();
        for (mut column, count) in means.column_iter_mut().zip(&self.counts) {
            column /= count.max(1.0);
        }
        means
    }

    /// A group that a fold has left without examples keeps its mean of `fallback`.
    fn planes(self, fallback: &DMatrix<f32>) -> Vec<Plane> {
        let mut means = self.means();
        let mut spread = means.clone();
        for (index, count) in self.counts.iter().enumerate() {
            spread.column_mut(index).scale_mut(count.max(0.0).sqrt());
            if *count < 0.5 {
                means.set_column(index, &fallback.column(index));
            }
        }
        let Sums {
            products, counts, ..
        } = self;
        let mut covariance = products;
        covariance.gemm(-1.0, &spread, &spread.transpose(), 1.0);
        shrink(&mut covariance, counts.iter().sum());
        let normals = match covariance.cholesky() {
            Some(cholesky) => cholesky.solve(&means),
            None => means.clone(),
        };
        let plane = |(normal, mean): (
            nalgebra::DVectorView<'_, f32>,
            nalgebra::DVectorView<'_, f32>,
        )| Plane {
            offset: -0.5 * f64::from(normal.dot(&mean)),
            normal: DVector::from(normal).as_slice().to_vec(),
        };
        normals
            .column_iter()
            .zip(means.column_iter())
            .map(plane)
            .collect()
    }
}

/// The sum of products of `count` examples → their covariance, drawn towards the sphere by as much as the
/// dimension outweighs the examples.
fn shrink(covariance: &mut DMatrix<f32>, count: f32) {
    let dimension = covariance.nrows() as f32;
    let towards_sphere = dimension / (dimension + count);
    *covariance /= count.max(1.0);
    let variance = covariance.trace() / dimension;
    *covariance *= 1.0 - towards_sphere;
    let sphere = towards_sphere * variance + RIDGE;
    for index in 0..covariance.nrows() {
        covariance[(index, index)] += sphere;
    }
}

fn weighted(vectors: &[f32], dimension: usize) -> Vec<f32> {
    let blocks = vectors.chunks_exact(dimension).zip(WEIGHTS);
    blocks
        .flat_map(|(block, weight)| block.iter().map(move |x| weight * x))
        .collect()
}

/// The dot product of two vectors.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
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
