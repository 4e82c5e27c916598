//! How well one number tells two kinds apart, whatever threshold is chosen: Fawcett, "An introduction to ROC
//! analysis" (2006).

/// Questions of the shop are to pass at least so often, in per cent, where the false positive rate is taken.
const PASSING: usize = 95;

/// The scores of both kinds.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    on_topic: Vec<f64>,
    off_topic: Vec<f64>,
}

impl Scores {
    /// `cases` are scores, and whether they are those of the shop's business.
    pub fn of(cases: impl Iterator<Item = (f64, bool)>) -> Self {
        let mut scores = Scores::default();
        for (score, on_topic) in cases {
            let kind = if on_topic {
                &mut scores.on_topic
            } else {
                &mut scores.off_topic
            };
            kind.push(score);
        }
        for kind in [&mut scores.on_topic, &mut scores.off_topic] {
            kind.sort_by(|a, b| b.total_cmp(a));
        }
        scores
    }

    /// The scores of the shop's business, the highest first.
    pub fn on_topic(&self) -> &[f64] {
        &self.on_topic
    }

    /// The others, the highest first.
    pub fn off_topic(&self) -> &[f64] {
        &self.off_topic
    }

    /// The curve of the receiver operating characteristic from (0, 0) to (1, 1): the share of off-topic scores at
    /// or above a threshold, and that of on-topic ones, as the threshold falls. Equal scores pass together.
    /// Empty where one kind has no score.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let (mut on, mut off) = (self.on_topic.as_slice(), self.off_topic.as_slice());
        if on.is_empty() || off.is_empty() {
            return Vec::new();
        }
        let mut curve = vec![(0.0, 0.0)];
        while let Some(threshold) = highest(on, off) {
            on = below(on, threshold);
            off = below(off, threshold);
            let passed = |left: &[f64], all: &[f64]| 1.0 - left.len() as f64 / all.len() as f64;
            curve.push((passed(off, &self.off_topic), passed(on, &self.on_topic)));
        }
        curve
    }

    /// The area under the curve: the probability that an on-topic question scores above an off-topic one, ties
    /// counting half. None where one kind has no score.
    pub fn auroc(&self) -> Option<f64> {
        let curve = self.curve();
        let areas = curve
            .windows(2)
            .map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0);
        (!curve.is_empty()).then(|| areas.sum())
    }

    /// The share of off-topic scores at or above the score that 95 % of the on-topic ones reach. None where one
    /// kind has no score.
    pub fn fpr95(&self) -> Option<f64> {
        let reached_by = (PASSING * self.on_topic.len()).div_ceil(100);
        let threshold = *self.on_topic.get(reached_by.checked_sub(1)?)?;
        let passed = self.off_topic.partition_point(|score| *score >= threshold);
        (!self.off_topic.is_empty()).then(|| passed as f64 / self.off_topic.len() as f64)
    }
}

fn highest(on: &[f64], off: &[f64]) -> Option<f64> {
    let firsts = on.first().into_iter().chain(off.first()).copied();
    firsts.max_by(f64::total_cmp)
}

fn below(falling: &[f64], threshold: f64) -> &[f64] {
    &falling[falling.partition_point(|score| *score >= threshold)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(on: &[f64], off: &[f64]) -> Scores {
        let on = on.iter().map(|score| (*score, true));
        Scores::of(on.chain(off.iter().map(|score| (*score, false))))
    }

    #[test]
    fn the_area_is_the_share_of_pairs_in_order() {
        for (on, off, area) in [
            (&[2.0, 3.0][..], &[0.0, 1.0][..], 1.0),
            (&[0.0, 1.0], &[2.0, 3.0], 0.0),
            // Three pairs of four.
            (&[1.0, 3.0], &[0.0, 2.0], 0.75),
            // A tie counts half: (1 + ½ + 1 + 1) of 4.
            (&[1.0, 2.0], &[1.0, 0.0], 0.875),
            (&[1.0, 1.0], &[1.0, 1.0, 1.0], 0.5),
            // (½ + 1 + ½ + 1 + 0 + ½) of 6.
            (&[2.0, 2.0, 1.0], &[2.0, 1.0], 3.5 / 6.0),
        ] {
            let found = scores(on, off).auroc().unwrap();
            assert!((found - area).abs() < 1e-12, "{on:?} {off:?}: {found}");
        }
        assert_eq!(scores(&[1.0], &[]).auroc(), None);
        assert_eq!(scores(&[], &[1.0]).auroc(), None);
    }

    #[test]
    fn the_false_positive_rate_is_taken_where_95_in_100_pass() {
        let twenty: Vec<_> = (1_u8..=20).map(f64::from).collect();
        for (on, off, rate) in [
            // 19 of 20 reach 2; one of two off-topic scores does.
            (&twenty[..], &[1.5, 2.0][..], 0.5),
            (&twenty, &[1.0, 1.9], 0.0),
            // 18 of 19 are too few, so all must pass.
            (&twenty[..19], &[0.5, 1.0, 1.5], 2.0 / 3.0),
            (&[5.0], &[5.0, 4.0], 0.5),
        ] {
            assert_eq!(scores(on, off).fpr95(), Some(rate), "{on:?} {off:?}");
        }
        assert_eq!(scores(&[], &[1.0]).fpr95(), None);
        assert_eq!(scores(&[1.0], &[]).fpr95(), None);
    }

    #[test]
    fn the_curve_goes_from_corner_to_corner() {
        let curve = scores(&[1.0, 2.0], &[1.0, 0.0]).curve();
        assert_eq!(curve, [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]);
        assert_eq!(scores(&[1.0], &[]).curve(), []);
    }
}
