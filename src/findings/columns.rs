//! The examples of all intents as unit vectors, and which of them are near each other.

use nalgebra::{DMatrix, DVectorView};

use crate::intent::Intent;
use crate::judge::Judge;
use crate::snapshot::Vectors;

/// So many columns are compared with the rest at a time: the products of a block stay in the cache.
const BLOCK: usize = 128;

/// A column an example: the intents in order, their examples in order.
pub(super) struct Columns {
    vectors: DMatrix<f32>,
    /// The first column of each intent, and the end.
    starts: Vec<usize>,
}

impl Columns {
    pub(super) fn new(intents: &[Intent], vectors: &Vectors, judge: &Judge) -> Columns {
        let mut starts = vec![0];
        let mut numbers = Vec::new();
        let any = vectors.values().next();
        let nowhere = vec![0.0; any.map_or(0, |any| judge.centred(any).len())];
        for intent in intents {
            for example in &intent.examples {
                let vector = vectors.get(&example.read);
                let centred = vector.map(|vector| judge.centred(vector));
                numbers.extend(centred.as_ref().unwrap_or(&nowhere));
            }
            starts.push(starts[starts.len() - 1] + intent.examples.len());
        }
        Columns::of(numbers, starts)
    }

    fn of(numbers: Vec<f32>, starts: Vec<usize>) -> Columns {
        let columns = starts.last().copied().unwrap_or_default();
        let length = numbers.len().checked_div(columns).unwrap_or_default();
        Columns {
            vectors: DMatrix::from_vec(length, columns, numbers),
            starts,
        }
    }

    /// The example, as intent and place, that is nearest to a vector among the intents that `of` holds for.
    pub(super) fn nearest(
        &self,
        vector: &[f32],
        of: impl Fn(usize) -> bool,
    ) -> Option<(usize, usize)> {
        let vector = DVectorView::from_slice(vector, vector.len());
        let intents = (0..self.starts.len() - 1).filter(|intent| of(*intent));
        let columns = intents.flat_map(|intent| self.starts[intent]..self.starts[intent + 1]);
        let cosines = columns.map(|column| (column, self.vectors.column(column).dot(&vector)));
        let nearest = cosines.max_by(|a, b| a.1.total_cmp(&b.1));
        nearest.map(|(column, _)| self.place(column))
    }

    /// The example of one intent that is nearest to an example.
    pub(super) fn nearest_in(
        &self,
        intent: usize,
        (owner, example): (usize, usize),
    ) -> Option<(usize, usize)> {
        let vector = self.vectors.column(self.starts[owner] + example);
        self.nearest(vector.as_slice(), |of| of == intent)
    }

    /// Every pair whose cosine is at least `least`, as intent and example, the nearest first. All pairs are
    /// looked at, by products of blocks of columns: a quarter of a second for five thousand examples.
    pub(super) fn pairs(&self, least: f32) -> Vec<[(usize, usize); 2]> {
        let columns = self.vectors.ncols();
        let mut pairs = Vec::new();
        for start in (0..columns).step_by(BLOCK) {
            // The product of two matrices is several times as quick as nalgebra's `tr_mul`.
            let block = self
                .vectors
                .columns(start, BLOCK.min(columns - start))
                .transpose();
            let cosines = block * self.vectors.columns_range(start..);
            for (column, cosines) in cosines.column_iter().enumerate() {
                let earlier = cosines.iter().enumerate().take(column);
                let near = earlier.filter(|(_, cosine)| **cosine >= least);
                pairs.extend(near.map(|(row, cosine)| (start + row, start + column, *cosine)));
            }
        }
        pairs.sort_by(|a, b| b.2.total_cmp(&a.2));
        let pairs = pairs.into_iter();
        pairs
            .map(|(a, b, _)| [self.place(a), self.place(b)])
            .collect()
    }

    fn place(&self, column: usize) -> (usize, usize) {
        let intent = self.starts.partition_point(|start| *start <= column) - 1;
        (intent, column - self.starts[intent])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three intents of 150, 1 and 149 examples, all on a circle a degree apart, so that blocks have borders.
    fn circle() -> Columns {
        let angles = (0..300).map(|degrees| f64::from(degrees).to_radians());
        let numbers = angles.flat_map(|angle| [angle.cos() as f32, angle.sin() as f32]);
        Columns::of(numbers.collect(), vec![0, 150, 151, 300])
    }

    #[test]
    fn pairs_are_those_of_all_pairs() {
        let columns = circle();
        for (degrees, expected) in [(0.5, 0), (1.5, 299), (2.5, 299 + 298)] {
            let pairs = columns.pairs(f64::to_radians(degrees).cos() as f32);
            assert_eq!(pairs.len(), expected, "{degrees}");
            let neighbours = pairs.iter().filter(|[a, b]| (a.0, a.1 + 1) == *b).count();
            assert!(expected == 0 || neighbours >= 297, "{neighbours}");
        }
    }

    #[test]
    fn the_nearest_is_looked_for_in_one_intent() {
        let columns = circle();
        for (of, among, nearest) in [
            ((0, 20), 1, 0),
            ((0, 149), 2, 0),
            ((2, 0), 0, 149),
            ((2, 80), 2, 80),
        ] {
            let found = columns.nearest_in(among, of);
            assert_eq!(found, Some((among, nearest)), "{of:?} {among}");
        }
        for (of, nearest) in [
            ([0, 1], Some((1, 0))),
            ([2, 3], Some((2, 29))),
            ([3, 3], None),
        ] {
            let found = columns.nearest(&[-1.0, 0.0], |intent| of.contains(&intent));
            assert_eq!(found, nearest, "{of:?}");
        }
    }

    #[test]
    fn of_no_examples_there_are_no_pairs() {
        assert!(Columns::of(Vec::new(), vec![0]).pairs(0.5).is_empty());
    }
}
