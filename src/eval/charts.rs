//! Scores → pictures.

use super::ranking::Scores;
use crate::page::charts::{Axis, ChartError, Colour, Series, draw, percent};

const BINS: u16 = 40;

/// The curves of one or two folders; `names` stand at the axes.
pub(super) fn curves(all: &[Vec<(f64, f64)>], names: [&str; 2]) -> Result<String, ChartError> {
    let chance = Series::Line(Colour::Grid, vec![(0.0, 0.0), (1.0, 1.0)]);
    let curves = all.iter().zip([Colour::First, Colour::Second]);
    let curves = curves.map(|(curve, colour)| Series::Line(colour, corners(curve)));
    let series: Vec<_> = std::iter::once(chance).chain(curves).collect();
    let [x, y] = names.map(|name| Axis {
        name,
        range: 0.0..1.0,
        label: &percent,
    });
    draw(&series, &x, &y)
}

/// Of each kind the share of questions in each interval of log-odds, one kind over the other, and the threshold.
pub(super) fn histogram(
    scores: &Scores,
    threshold: Option<f64>,
    names: [&str; 2],
) -> Result<String, ChartError> {
    let bins = Bins::over(scores, threshold);
    let kinds = [scores.off_topic(), scores.on_topic()].map(|kind| bins.shares(kind));
    let highest = 1.05 * kinds.iter().flatten().copied().fold(0.01, f64::max);
    let bars = |shares: &Vec<f64>| {
        let bars = (0..BINS).zip(shares).filter(|(_, share)| **share > 0.0);
        bars.map(|(bin, share)| [(bins.start(bin), 0.0), (bins.start(bin + 1), *share)])
            .collect()
    };
    let mark = threshold.map(|x| vec![(x, 0.0), (x, highest)]);
    let series = [
        Series::Bars(Colour::Second, bars(&kinds[0])),
        Series::Bars(Colour::First, bars(&kinds[1])),
        Series::Line(Colour::Mark, mark.unwrap_or_default()),
    ];
    let x = Axis {
        name: names[0],
        range: bins.low..bins.high,
        label: &|x| format!("{x:.0}"),
    };
    let y = Axis {
        name: names[1],
        range: 0.0..highest,
        label: &percent,
    };
    draw(&series, &x, &y)
}

/// The curve without the points on the way between its corners.
fn corners(curve: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for &(x, y) in curve {
        if let [.., a, b] = corners[..]
            && ((a.0 == b.0 && b.0 == x) || (a.1 == b.1 && b.1 == y))
        {
            corners.pop();
        }
        corners.push((x, y));
    }
    corners
}

/// Equal intervals of log-odds.
struct Bins {
    low: f64,
    high: f64,
}

impl Bins {
    fn over(scores: &Scores, threshold: Option<f64>) -> Self {
        let scores = scores.on_topic().iter().chain(scores.off_topic());
        let values = || scores.clone().copied().chain(threshold);
        let (low, high) = (
            values().fold(f64::INFINITY, f64::min).floor(),
            values().fold(f64::NEG_INFINITY, f64::max).floor() + 1.0,
        );
        if low < high && (high - low).is_finite() {
            Bins { low, high }
        } else {
            Bins {
                low: -1.0,
                high: 1.0,
            }
        }
    }

    fn start(&self, bin: u16) -> f64 {
        self.low + (self.high - self.low) * f64::from(bin) / f64::from(BINS)
    }

    /// The share of `falling` in each interval.
    fn shares(&self, falling: &[f64]) -> Vec<f64> {
        let below = |x| falling.len() - falling.partition_point(|score| *score >= x);
        let counts = (0..BINS).map(|bin| below(self.start(bin + 1)) - below(self.start(bin)));
        let all = falling.len().max(1) as f64;
        counts.map(|count| count as f64 / all).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["x", "y"];

    #[test]
    fn a_curve_keeps_its_ends_and_corners() {
        let curve = [
            (0.0, 0.0),
            (0.0, 0.2),
            (0.0, 0.6),
            (0.5, 0.6),
            (0.7, 0.6),
            (1.0, 1.0),
        ];
        let kept = [(0.0, 0.0), (0.0, 0.6), (0.7, 0.6), (1.0, 1.0)];
        assert_eq!(corners(&curve), kept);
    }

    #[test]
    fn every_score_is_in_one_interval() {
        let values = [
            (-3.0, false),
            (-2.5, false),
            (0.0, false),
            (4.0, true),
            (1.0, true),
        ];
        let scores = Scores::of(values.into_iter());
        let bins = Bins::over(&scores, Some(-6.5));
        assert_eq!((bins.low, bins.high), (-7.0, 5.0));
        for kind in [scores.on_topic(), scores.off_topic()] {
            let sum: f64 = bins.shares(kind).iter().sum();
            assert!((sum - 1.0).abs() < 1e-12, "{kind:?}: {sum}");
        }
    }

    #[test]
    fn pictures_are_drawn_of_what_there_is() {
        let one_side = Scores::of([(1.0, true)].into_iter());
        let nothing = Scores::default();
        for scores in [&one_side, &nothing] {
            let picture = histogram(scores, None, NAMES).unwrap();
            assert!(
                picture.starts_with("<svg") && !picture.contains("http"),
                "{picture}"
            );
        }
        let picture = curves(&[vec![(0.0, 0.0), (1.0, 1.0)], Vec::new()], NAMES).unwrap();
        assert!(
            picture.contains("polyline") && !picture.contains("http"),
            "{picture}"
        );
    }
}
