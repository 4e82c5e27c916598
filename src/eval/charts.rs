//! Scores → pictures that stand in a page as they are.
//!
//! Colours here are names: [`plotters`] writes each as an attribute, which the page's style sheet overrides with
//! the colour of its light or dark side.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::ranking::Scores;

/// Text, axes.
const INK: RGBColor = RGBColor(1, 1, 1);
/// Grid lines.
const GRID: RGBColor = RGBColor(2, 2, 2);
/// The shop's business; the present folder.
const FIRST: RGBColor = RGBColor(3, 3, 3);
/// Off-topic; the changed folder.
const SECOND: RGBColor = RGBColor(4, 4, 4);
/// The threshold.
const MARK: RGBColor = RGBColor(5, 5, 5);

/// Width and height, in pixels where there is room.
const SIZE: (u32, u32) = (560, 360);
const BINS: u16 = 40;
const FONT: (&str, u32) = ("sans-serif", 14);
/// In a page of HTML an `svg` needs no name space, and the page's claim to name no address stays simple.
const NAME_SPACE: &str = " xmlns=\"http://www.w3.org/2000/svg\"";

/// Why a picture could not be drawn.
pub type ChartError = DrawingAreaErrorKind<std::io::Error>;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What stands at the axes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axes<'a> {
    /// At the horizontal one.
    pub(super) x: &'a str,
    /// At the vertical one.
    pub(super) y: &'a str,
}

/// The curves of one or two folders.
pub(super) fn curves(all: &[Vec<(f64, f64)>], axes: Axes<'_>) -> Result<String, ChartError> {
    draw(|area| {
        let mut chart = chart(area, 0.0..1.0, 0.0..1.0)?;
        mesh(&mut chart, axes, &|x| percent(*x))?;
        let chance = [(0.0, 0.0), (1.0, 1.0)];
        chart.draw_series(LineSeries::new(chance, GRID.stroke_width(1)))?;
        for (curve, colour) in all.iter().zip([FIRST, SECOND]) {
            chart.draw_series(LineSeries::new(corners(curve), colour.stroke_width(2)))?;
        }
        Ok(())
    })
}

/// Of each kind the share of questions in each interval of log-odds, one kind over the other, and the threshold.
pub(super) fn histogram(
    scores: &Scores,
    threshold: Option<f64>,
    axes: Axes<'_>,
) -> Result<String, ChartError> {
    let bins = Bins::over(scores, threshold);
    let kinds = [scores.off_topic(), scores.on_topic()].map(|kind| bins.shares(kind));
    let highest = kinds.iter().flatten().copied().fold(0.01, f64::max);
    draw(|area| {
        let mut chart = chart(area, bins.low..bins.high, 0.0..1.05 * highest)?;
        mesh(&mut chart, axes, &|x| format!("{x:.0}"))?;
        for (shares, colour) in kinds.iter().zip([SECOND, FIRST]) {
            let bars = (0..BINS).zip(shares).filter(|(_, share)| **share > 0.0);
            chart.draw_series(bars.map(|(bin, share)| {
                let corners = [(bins.start(bin), 0.0), (bins.start(bin + 1), *share)];
                Rectangle::new(corners, colour.mix(0.5).filled())
            }))?;
        }
        let mark = threshold.map(|x| [(x, 0.0), (x, 1.05 * highest)]);
        chart.draw_series(mark.map(|line| PathElement::new(line, MARK.stroke_width(2))))?;
        Ok(())
    })
}

fn draw(picture: impl FnOnce(&Area<'_>) -> Result<(), ChartError>) -> Result<String, ChartError> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    picture(&area)?;
    area.present()?;
    drop(area);
    Ok(svg.replace(NAME_SPACE, ""))
}

type Plane =
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>;

fn chart<'a, 'b>(
    area: &'b Area<'a>,
    x: std::ops::Range<f64>,
    y: std::ops::Range<f64>,
) -> Result<ChartContext<'b, SVGBackend<'a>, Plane>, ChartError> {
    ChartBuilder::on(area)
        .margin(10)
        .margin_right(28)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(x, y)
}

fn mesh(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Plane>,
    axes: Axes<'_>,
    x_label: &dyn Fn(&f64) -> String,
) -> Result<(), ChartError> {
    chart
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(GRID)
        .max_light_lines(0)
        .label_style(FONT.into_font().color(&INK))
        .axis_desc_style(FONT.into_font().color(&INK))
        .x_label_formatter(x_label)
        .y_label_formatter(&|y| percent(*y))
        .x_desc(axes.x)
        .y_desc(axes.y)
        .draw()
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
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

    const AXES: Axes<'_> = Axes { x: "x", y: "y" };

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
    fn pictures_name_no_address_and_draw_what_there_is() {
        let one_side = Scores::of([(1.0, true)].into_iter());
        let nothing = Scores::default();
        for scores in [&one_side, &nothing] {
            let picture = histogram(scores, None, AXES).unwrap();
            assert!(
                picture.starts_with("<svg") && !picture.contains("http"),
                "{picture}"
            );
        }
        let picture = curves(&[vec![(0.0, 0.0), (1.0, 1.0)], Vec::new()], AXES).unwrap();
        assert!(
            picture.contains("polyline") && !picture.contains("http"),
            "{picture}"
        );
    }
}
