//! A report's pictures: traffic, what was saved by and by, times, and how scores are spread.

use maud::{Markup, PreEscaped, html};

use super::Report;
use super::cell::Cell;
use super::numbers::{count, time};
use super::spread::Spread;
use super::tally::Scores;
use crate::language::say;
use crate::page::charts::{Axis, ChartError, Colour, Series, draw, percent};

/// Points of a curve of times, from a tenth of a millisecond to a hundred seconds.
const STEPS: i32 = 240;

/// All that have something to show.
///
/// # Errors
/// A picture that cannot be drawn.
pub(super) fn pictures(report: &Report) -> Result<Markup, ChartError> {
    let pictures = [
        traffic(report)?,
        saved(report)?,
        times(report)?,
        scores(report)?,
    ];
    Ok(html! { div.charts { @for picture in pictures { (picture) } } })
}

fn traffic(report: &Report) -> Result<Markup, ChartError> {
    let parts: Vec<_> = (0..report.span.parts())
        .map(|part| report.tally.part(part))
        .collect();
    let kinds = [Colour::First, Colour::Third, Colour::Second, Colour::Fourth];
    let numbers = |cell: &Cell| {
        let other = cell.refused + cell.left;
        [cell.forwarded, cell.answered, cell.rejected, other]
    };
    let mut heights = vec![0.0; parts.len()];
    let mut series = Vec::new();
    for (kind, colour) in kinds.into_iter().enumerate() {
        let mut bars = Vec::new();
        for (part, cell) in parts.iter().enumerate() {
            let (left, low) = (part as f64, heights[part]);
            heights[part] += numbers(cell)[kind] as f64;
            bars.push([(left + 0.1, low), (left + 0.9, heights[part])]);
        }
        bars.retain(|[low, high]| low.1 < high.1);
        series.push(Series::Bars(colour, bars));
    }
    let caption = html! {
        (by_time(report)) ": "
        b.first { (say("转发", "forwarded")) } ", "
        b.third { (say("直接回答", "answered here")) } ", "
        b.second { (say("婉拒", "rejected")) } ", "
        b.fourth { (say("其他", "other")) }
    };
    let highest = heights.iter().copied().fold(1.0, f64::max);
    over_time(
        report,
        &series,
        (highest, &say("请求", "requests")),
        &caption,
    )
}

/// Money by and by where there is any, else calls.
fn saved(report: &Report) -> Result<Markup, ChartError> {
    let currencies: Vec<_> = report.total.saved.cost.keys().take(2).cloned().collect();
    let so_far = |amount: &dyn Fn(&Cell) -> f64| {
        let mut sum = 0.0;
        let parts = (0..report.span.parts()).map(|part| {
            sum += amount(&report.tally.part(part));
            (part as f64 + 1.0, sum)
        });
        std::iter::once((0.0, 0.0)).chain(parts).collect::<Vec<_>>()
    };
    let curves: Vec<_> = match currencies.is_empty() {
        true => vec![so_far(&|cell| cell.saved.calls as f64)],
        false => currencies
            .iter()
            .map(|currency| {
                so_far(&|cell| cell.saved.cost.get(currency).copied().unwrap_or_default())
            })
            .collect(),
    };
    let highest = curves
        .iter()
        .flatten()
        .map(|(_, sum)| *sum)
        .fold(1e-6, f64::max);
    let colours = [(Colour::First, "first"), (Colour::Second, "second")];
    let series = curves.into_iter().zip(colours);
    let series: Vec<_> = series
        .map(|(curve, (colour, _))| Series::Line(colour, curve))
        .collect();
    let name = match currencies.is_empty() {
        true => say("省下的调用", "calls saved"),
        false => currencies.join(", "),
    };
    let caption = html! {
        (say("累计省下：", "Saved so far: "))
        @if currencies.is_empty() { b.first { (name) } }
        @for (currency, (_, class)) in currencies.iter().zip(colours) { b class=(class) { (currency) } " " }
    };
    over_time(report, &series, (highest, &name), &caption)
}

fn by_time(report: &Report) -> String {
    match report.span.hourly {
        true => say("每小时", "By the hour"),
        false => say("每天", "By the day"),
    }
}

/// A picture over the period's parts; the highest value, and what stands beside it.
fn over_time(
    report: &Report,
    series: &[Series],
    (highest, name): (f64, &str),
    caption: &Markup,
) -> Result<Markup, ChartError> {
    let tick = |at: f64| match at.fract() == 0.0 && at >= 0.0 {
        true => report.span.tick(at as usize),
        false => String::new(),
    };
    let x = Axis {
        name: "",
        range: 0.0..report.span.parts().max(1) as f64,
        label: &tick,
    };
    let number = |value: f64| match highest < 10.0 {
        true => format!("{value:.2}"),
        false => count(value.round() as u64),
    };
    let y = Axis {
        name,
        range: 0.0..1.05 * highest,
        label: &number,
    };
    figure(&draw(series, &x, &y)?, caption)
}

/// The share of replies that are there after a time, on a scale of powers of ten.
fn times(report: &Report) -> Result<Markup, ChartError> {
    let curve = |times: &Spread| -> Vec<(f64, f64)> {
        let exponents = (0..=STEPS).map(|step| 2.0 + 6.0 * f64::from(step) / f64::from(STEPS));
        let points = exponents.map(|exponent| {
            let share = times.share_up_to(10_f64.powf(exponent) as u64);
            Some((exponent, share?))
        });
        points.collect::<Option<_>>().unwrap_or_default()
    };
    let tally = &report.tally;
    let series = [
        Series::Line(Colour::First, curve(&tally.total_of("forward"))),
        Series::Line(Colour::Second, curve(&tally.total_here())),
    ];
    let x = Axis {
        name: "",
        range: 2.0..8.0,
        label: &|exponent| time(10_f64.powf(exponent)),
    };
    let (name, caption) = (
        say("已答完的", "replies that are complete"),
        html! {
            (say("多久答完：", "How soon replies are complete: "))
            b.first { (say("转发的", "forwarded")) } ", "
            b.second { (say("这里答的", "made here")) }
        },
    );
    let y = Axis {
        name: &name,
        range: 0.0..1.0,
        label: &percent,
    };
    figure(&draw(&series, &x, &y)?, &caption)
}

fn scores(report: &Report) -> Result<Markup, ChartError> {
    let Scores { passed, rejected } = &report.tally.scores;
    let seen = |interval: &usize| passed[*interval] + rejected[*interval] > 0;
    let (low, high) = (
        (0..passed.len()).find(seen).unwrap_or(passed.len() / 2 - 4),
        (0..passed.len())
            .rfind(seen)
            .unwrap_or(passed.len() / 2 + 4)
            + 1,
    );
    let bars = |numbers: &[u64], below: &[u64]| {
        let bars = (low..high).filter(|interval| numbers[*interval] > 0);
        bars.map(|interval| {
            let (from, number) = (below[interval], numbers[interval]);
            [
                (Scores::start(interval), from as f64),
                (Scores::start(interval + 1), (from + number) as f64),
            ]
        })
        .collect()
    };
    let highest = (low..high).map(|interval| passed[interval] + rejected[interval]);
    let highest = 1.05 * highest.max().unwrap_or_default().max(1) as f64;
    let threshold = report
        .tally
        .threshold
        .map(|(_, at)| vec![(at, 0.0), (at, highest)]);
    let series = [
        Series::Bars(Colour::First, bars(passed, &vec![0; passed.len()])),
        Series::Bars(Colour::Second, bars(rejected, passed)),
        Series::Line(Colour::Mark, threshold.unwrap_or_default()),
    ];
    let (x_name, y_name) = (say("对数几率", "log-odds"), say("问题", "questions"));
    let x = Axis {
        name: &x_name,
        range: Scores::start(low)..Scores::start(high),
        label: &|x| format!("{x:.0}"),
    };
    let y = Axis {
        name: &y_name,
        range: 0.0..highest,
        label: &|y| count(y.round() as u64),
    };
    let caption = html! {
        (say("得分的分布：", "How scores are spread: "))
        b.first { (say("通过的", "passed")) } ", "
        b.second { (say("婉拒或本来会婉拒的", "rejected, or would be")) } ", "
        b.mark { (say("现在的阈值", "the threshold now")) }
    };
    figure(&draw(&series, &x, &y)?, &caption)
}

fn figure(picture: &str, caption: &Markup) -> Result<Markup, ChartError> {
    Ok(html! { figure { (PreEscaped(picture)) figcaption { (caption) } } })
}
