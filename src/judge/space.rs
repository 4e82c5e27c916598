//! The space that questions are compared in: linear discriminant analysis with a shrunken covariance
//! (Friedman 1989, "Regularized Discriminant Analysis").
//!
//! Vectors of one model all point roughly the same way, so the mean of the groups' means is taken out first.
//! What is left is measured by the covariance that examples have within their own groups: a direction in which
//! the examples of one intent differ says little about which intent it is. In that measure the groups' means
//! span a space of few axes, in which everything else happens. With few examples the covariance is mostly
//! guesswork and is drawn towards the sphere.

use nalgebra::{DMatrix, DVector};

use super::Group;
use super::cholesky::cholesky;
use crate::embed::Block;
use crate::vector::dot;

/// Keeps the covariance invertible where examples do not differ at all.
const RIDGE: f32 = 1e-6;
/// The covariance is drawn towards the sphere as if by so many examples a dimension. One would do where
/// examples are typical; four keep more accuracy on 150 intents, and lose nothing on thirty.
const SHRINKAGE: f32 = 4.0;
/// Axes with less than this share of the widest one's spread are rounding errors.
const NARROWEST: f64 = 1e-9;

/// Turns an embedding into one vector of unit length around the middle of the groups.
#[derive(Clone, Debug)]
pub(super) struct Centring {
    /// The unit vectors that are looked at, in order.
    blocks: Vec<Block>,
    centre: Vec<f32>,
}

impl Centring {
    /// Around the mean of the groups' means: each group counts once, however many examples it has.
    pub(super) fn new(groups: &[Group<'_>], blocks: &[Block]) -> Centring {
        let length = blocks.iter().map(|block| block.length).sum();
        let mut centring = Centring {
            blocks: blocks.to_vec(),
            centre: vec![0.0; length],
        };
        let groups = groups.iter().map(|group| &group.examples);
        let filled = groups.clone().filter(|group| !group.is_empty()).count();
        let mut centre = centring.centre.clone();
        for group in groups {
            let share = 1.0 / (group.len() * filled).max(1) as f32;
            for vectors in group {
                let weighted = centring.weighted(vectors);
                centre
                    .iter_mut()
                    .zip(weighted)
                    .for_each(|(c, x)| *c += share * x);
            }
        }
        centring.centre = centre;
        centring
    }

    /// The length of what [`Centring::apply`] returns.
    pub(super) fn length(&self) -> usize {
        self.centre.len()
    }

    /// The embedding without what all have in common, of unit length.
    pub(super) fn apply(&self, vectors: &[f32]) -> Vec<f32> {
        let mut vector: Vec<_> = self.weighted(vectors).collect();
        vector
            .iter_mut()
            .zip(&self.centre)
            .for_each(|(x, c)| *x -= c);
        let length = dot(&vector, &vector).sqrt().max(1e-12) as f32;
        vector.iter_mut().for_each(|x| *x /= length);
        vector
    }

    fn weighted(&self, vectors: &[f32]) -> impl Iterator<Item = f32> {
        let mut rest = vectors;
        self.blocks.iter().flat_map(move |block| {
            let now;
            (now, rest) = rest.split_at(block.length.min(rest.len()));
            now.iter().map(|x| block.weight * x)
        })
    }
}

/// What axes are fitted from. Sums, so that the sums of a fold can be taken out again.
#[derive(Clone)]
pub(super) struct Sums {
    /// Of the outer products of the examples with themselves.
    products: DMatrix<f32>,
    /// A column a group: its examples.
    columns: DMatrix<f32>,
    counts: Vec<f32>,
}

/// Centred examples, a column each; the group that each belongs to, and its place there.
pub(super) struct Rows {
    pub(super) vectors: DMatrix<f32>,
    pub(super) owners: Vec<usize>,
    pub(super) indices: Vec<usize>,
}

impl Rows {
    /// Those whose place in their group is among the `chosen`.
    pub(super) fn chosen(&self, chosen: impl Fn(usize) -> bool) -> Rows {
        let columns = (0..self.owners.len()).filter(|column| chosen(self.indices[*column]));
        let columns: Vec<_> = columns.collect();
        let of = |all: &[usize]| columns.iter().map(|column| all[*column]).collect();
        Rows {
            vectors: self.vectors.select_columns(&columns),
            owners: of(&self.owners),
            indices: of(&self.indices),
        }
    }
}

impl Sums {
    /// Of rows whose owners are below `groups`.
    pub(super) fn new(rows: &Rows, groups: usize) -> Sums {
        let length = rows.vectors.nrows();
        let mut sums = Sums {
            products: DMatrix::zeros(length, length),
            columns: DMatrix::zeros(length, groups),
            counts: vec![0.0; groups],
        };
        for (vector, owner) in rows.vectors.column_iter().zip(&rows.owners) {
            sums.columns.column_mut(*owner).axpy(1.0, &vector, 1.0);
            sums.counts[*owner] += 1.0;
        }
        let across = rows.vectors.transpose();
        sums.products.gemm(1.0, &rows.vectors, &across, 1.0);
        sums
    }

    /// With `sign` 1 the sums of both, with -1 those of `self` without `other`.
    pub(super) fn plus(mut self, other: &Sums, sign: f32) -> Sums {
        self.products
            .zip_apply(&other.products, |a, b| *a += sign * b);
        self.columns
            .zip_apply(&other.columns, |a, b| *a += sign * b);
        self.counts
            .iter_mut()
            .zip(&other.counts)
            .for_each(|(a, b)| *a += sign * b);
        self
    }

    /// The mean of each column; where a fold has left a column empty, that of `fallback`.
    fn means(&self, fallback: &Sums) -> DMatrix<f32> {
        let mut means = self.columns.clone();
        for (index, count) in self.counts.iter().enumerate() {
            if *count < 0.5 {
                let column = fallback.columns.column(index) / fallback.counts[index].max(1.0);
                means.set_column(index, &column);
            } else {
                means.column_mut(index).scale_mut(1.0 / count);
            }
        }
        means
    }

    /// The covariance within groups, drawn towards the sphere.
    fn covariance(&self, means: &DMatrix<f32>) -> DMatrix<f32> {
        let mut spread = means.clone();
        for (mut column, count) in spread.column_iter_mut().zip(&self.counts) {
            column.scale_mut(count.max(0.0).sqrt());
        }
        let mut covariance = self.products.clone();
        covariance.gemm(-1.0, &spread, &spread.transpose(), 1.0);
        let count: f32 = self.counts.iter().sum();
        let dimension = covariance.nrows() as f32;
        let towards_sphere = SHRINKAGE * dimension / (SHRINKAGE * dimension + count);
        covariance /= count.max(1.0);
        let variance = covariance.trace() / dimension;
        covariance *= 1.0 - towards_sphere;
        for index in 0..covariance.nrows() {
            covariance[(index, index)] += towards_sphere * variance + RIDGE;
        }
        covariance
    }
}

/// The axes of the space, a row each, in units of the spread within groups.
#[derive(Clone, Debug)]
pub(super) struct Axes {
    rows: DMatrix<f32>,
}

impl Axes {
    /// Fits them to `sums`. `whole` are the sums with all folds.
    pub(super) fn fit(sums: &Sums, whole: &Sums) -> Axes {
        let means = sums.means(whole);
        let covariance = sums.covariance(&means);
        let solved = match cholesky(covariance) {
            Some(cholesky) => cholesky.solve(&means),
            None => means.clone(),
        };
        // Everything that follows lies in the span of the means, so their Gram matrix is enough.
        let gram = (means.transpose() * &solved).cast::<f64>();
        let along = &solved * discriminants(&gram).cast::<f32>();
        Axes {
            rows: along.transpose(),
        }
    }

    /// Where centred examples lie, a column each.
    pub(super) fn places(&self, centred: &DMatrix<f32>) -> DMatrix<f32> {
        &self.rows * centred
    }
}

/// With more groups than this, only the widest axes are looked for: all of them would take the cube of the groups.
const ALL_AXES: usize = 256;
/// How many are then, and in how many rounds.
const WIDEST_AXES: usize = 96;
const ROUNDS: usize = 8;

/// Orthonormal axes, in the measure of `gram`, of the space that the means of the groups span.
fn discriminants(gram: &DMatrix<f64>) -> DMatrix<f64> {
    let groups = gram.nrows();
    let spread = around_the_mean(gram);
    let (values, vectors) = match groups > ALL_AXES {
        true => widest(&spread),
        false => {
            let eigen = spread.symmetric_eigen();
            (eigen.eigenvalues, eigen.eigenvectors)
        }
    };
    let widest = values.max();
    let mut kept = Vec::new();
    for (vector, value) in vectors.column_iter().zip(&values) {
        if *value > NARROWEST * widest {
            kept.push(vector.add_scalar(-vector.mean()) / value.sqrt());
        }
    }
    if kept.is_empty() {
        return DMatrix::zeros(groups, 0);
    }
    DMatrix::from_columns(&kept)
}

/// The Gram matrix of what lies around the mean, by that of what lies around the origin.
fn around_the_mean(gram: &DMatrix<f64>) -> DMatrix<f64> {
    let (of_rows, of_columns, of_all) = (gram.column_mean(), gram.row_mean(), gram.mean());
    DMatrix::from_fn(gram.nrows(), gram.ncols(), |row, column| {
        gram[(row, column)] - of_rows[row] - of_columns[column] + of_all
    })
}

/// The greatest eigenvalues and their vectors, by subspace iteration with a Rayleigh-Ritz step (Golub and Van Loan,
/// "Matrix Computations", 8.2).
fn widest(matrix: &DMatrix<f64>) -> (DVector<f64>, DMatrix<f64>) {
    // Any start will do that is not orthogonal to what is looked for, and the same each time.
    let start = |row: usize, column: usize| ((row * 31 + column * 17 + 7) % 101) as f64 - 50.0;
    let mut basis = DMatrix::from_fn(matrix.nrows(), WIDEST_AXES, start)
        .qr()
        .q();
    for _ in 0..ROUNDS {
        basis = (matrix * basis).qr().q();
    }
    let small = (basis.transpose() * (matrix * &basis)).symmetric_eigen();
    (small.eigenvalues, basis * small.eigenvectors)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::density::Density;
    use super::*;

    const GROUPS: usize = 3;

    fn numbers<T: serde::de::DeserializeOwned>(name: &str) -> T {
        let text = include_str!("../../tests/reference/discriminant.json");
        let reference: Value = serde_json::from_str(text).unwrap();
        serde_json::from_value(reference[name].clone()).unwrap()
    }

    fn columns(rows: &[Vec<f32>]) -> DMatrix<f32> {
        DMatrix::from_vec(rows[0].len(), rows.len(), rows.concat())
    }

    /// Axes of the reference's rows, and the places of its rows, by group, and of its questions.
    fn placed() -> (Vec<Vec<DVector<f32>>>, DMatrix<f32>) {
        let (rows, owners): (Vec<Vec<f32>>, Vec<usize>) = (numbers("rows"), numbers("groups"));
        let vectors = columns(&rows);
        let rows = Rows {
            indices: (0..owners.len()).collect(),
            owners,
            vectors,
        };
        let sums = Sums::new(&rows, GROUPS);
        let axes = Axes::fit(&sums, &sums);
        let mut groups = vec![Vec::new(); GROUPS];
        let places = axes.places(&rows.vectors);
        for (place, owner) in places.column_iter().zip(&rows.owners) {
            groups[*owner].push(place.into_owned());
        }
        let questions: Vec<Vec<f32>> = numbers("questions");
        (groups, axes.places(&columns(&questions)))
    }

    /// To 1e-3 of the reference, or of one where that is less.
    fn near(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 1e-3 * expected.abs().max(1.0)
    }

    // Without kernels a group's density is that of a normal distribution: linear discriminant analysis.
    #[test]
    fn scores_are_those_of_scikit_learn() {
        let (groups, questions) = placed();
        let density = Density::new(&groups, false);
        let expected: Vec<Vec<f64>> = numbers("scores");
        for (scores, expected) in density.scores(&questions).iter().zip(expected) {
            for (score, expected) in scores.iter().zip(&expected) {
                assert!(
                    near(score - scores[0], *expected),
                    "{scores:?} {expected:?}"
                );
            }
        }
    }

    #[test]
    fn densities_are_those_of_scikit_learn() {
        let (groups, questions) = placed();
        let density = Density::new(&groups, true);
        let expected: Vec<Vec<f64>> = numbers("densities");
        for (scores, expected) in density.scores(&questions).iter().zip(expected) {
            for (score, expected) in scores.iter().zip(&expected) {
                assert!(near(*score, *expected), "{scores:?} {expected:?}");
            }
        }
    }

    #[test]
    fn the_widest_axes_of_many_are_those_of_all() {
        let random = |row: usize, column: usize| {
            ((row * 7919 + column * 104_729) % 1_000) as f64 / 1e3 - 0.5
        };
        let wide = DMatrix::from_fn(300, 40, random);
        let matrix = &wide * wide.transpose();
        let (values, vectors) = widest(&matrix);
        let all = matrix.clone().symmetric_eigen().eigenvalues;
        assert!(
            near(values.max(), all.max()),
            "{} {}",
            values.max(),
            all.max()
        );
        let at = values.imax();
        let (vector, value) = (vectors.column(at), values[at]);
        assert!((&matrix * vector - vector * value).norm() < 1e-6 * value);
    }

    #[test]
    fn a_fold_taken_out_again_leaves_what_the_others_make() {
        let (rows, owners): (Vec<Vec<f32>>, Vec<usize>) = (numbers("rows"), numbers("groups"));
        let sums = |from: usize, to: usize| {
            let rows = Rows {
                vectors: columns(&rows[from..to]),
                owners: owners[from..to].to_vec(),
                indices: (from..to).collect(),
            };
            Sums::new(&rows, GROUPS)
        };
        let (whole, first, rest) = (sums(0, 60), sums(0, 20), sums(20, 60));
        let left = whole.plus(&first, -1.0);
        assert!((left.products - rest.products).amax() < 1e-3);
        assert!((left.columns - rest.columns).amax() < 1e-3);
        assert_eq!(left.counts, rest.counts);
    }
}
