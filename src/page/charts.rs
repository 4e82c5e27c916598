//! Lines and bars → pictures that stand in a page as they are.
//!
//! Colours here are names: [`plotters`] writes each as an attribute, which the page's style sheet overrides with
//! the colour of its light or dark side.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

/// Width and height, in pixels where there is room.
const SIZE: (u32, u32) = (560, 360);
const FONT: (&str, u32) = ("sans-serif", 14);
/// In a page of HTML an `svg` needs no name space, and the page's claim to name no address stays simple.
const NAME_SPACE: &str = " xmlns=\"http://www.w3.org/2000/svg\"";

/// Why a picture could not be drawn.
pub type ChartError = DrawingAreaErrorKind<std::io::Error>;

/// The colours of the style sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Colour {
    /// Text, axes.
    Ink = 1,
    /// Grid lines.
    Grid,
    /// What is looked at first.
    First,
    /// What is held against it.
    Second,
    /// A line that separates.
    Mark,
    /// A third kind.
    Third,
    /// A fourth.
    Fourth,
}

/// One part of a picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Series {
    /// A line through points.
    Line(Colour, Vec<(f64, f64)>),
    /// Rectangles, by two corners each, that what is drawn before shines through.
    Bars(Colour, Vec<[(f64, f64); 2]>),
}

/// One of the two axes.
pub struct Axis<'a> {
    /// What stands at it.
    pub name: &'a str,
    /// From where to where.
    pub range: Range<f64>,
    /// What stands at a value.
    pub label: &'a dyn Fn(f64) -> String,
}

/// Draws `series`, one over the other.
///
/// # Errors
/// The library's own; none is known for a picture in memory.
pub fn draw(series: &[Series], x: &Axis<'_>, y: &Axis<'_>) -> Result<String, ChartError> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    draw_on(&area, series, x, y)?;
    area.present()?;
    drop(area);
    Ok(svg.replace(NAME_SPACE, ""))
}

/// A share as it stands at an axis.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

fn draw_on(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    series: &[Series],
    x: &Axis<'_>,
    y: &Axis<'_>,
) -> Result<(), ChartError> {
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_right(28)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(x.range.clone(), y.range.clone())?;
    let (ink, grid) = (Colour::Ink.written(), Colour::Grid.written());
    chart
        .configure_mesh()
        .axis_style(ink)
        .bold_line_style(grid)
        .max_light_lines(0)
        .label_style(FONT.into_font().color(&ink))
        .axis_desc_style(FONT.into_font().color(&ink))
        .x_label_formatter(&|at| (x.label)(*at))
        .y_label_formatter(&|at| (y.label)(*at))
        .x_desc(x.name)
        .y_desc(y.name)
        .draw()?;
    for series in series {
        match series {
            Series::Line(colour, points) => {
                let style = colour.written().stroke_width(colour.width());
                chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
            }
            Series::Bars(colour, bars) => {
                let style = colour.written().mix(0.5).filled();
                chart.draw_series(bars.iter().map(|bar| Rectangle::new(*bar, style)))?;
            }
        }
    }
    Ok(())
}

impl Colour {
    /// As the style sheet finds it.
    fn written(self) -> RGBColor {
        let number = self as u8;
        RGBColor(number, number, number)
    }

    fn width(self) -> u32 {
        if self == Colour::Grid { 1 } else { 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_names_no_address_and_holds_what_was_given() {
        let axis = |name| Axis {
            name,
            range: 0.0..1.0,
            label: &percent,
        };
        let series = [
            Series::Bars(Colour::Third, vec![[(0.0, 0.0), (0.5, 0.5)]]),
            Series::Line(Colour::Second, vec![(0.0, 0.0), (1.0, 1.0)]),
            Series::Line(Colour::Mark, Vec::new()),
        ];
        let picture = draw(&series, &axis("<x>"), &axis("y")).unwrap();
        assert!(
            picture.starts_with("<svg") && !picture.contains("http"),
            "{picture}"
        );
        for part in ["polyline", "#060606", "#040404", "50 %", "&lt;x&gt;"] {
            assert!(picture.contains(part), "{part} in {picture}");
        }
        assert!(!picture.contains("#050505"), "{picture}");
    }
}
