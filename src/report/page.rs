//! A report as a page.

use maud::{Markup, html};

use super::sections::{self, Head, Kind, Section, Table};
use super::{Report, pictures};
use crate::language::say;
use crate::page::charts::ChartError;
use crate::page::page as framed;

/// More rows of a table than anybody reads.
const MOST_ROWS: usize = 400;

/// The page, in the operator's language.
///
/// # Errors
/// A picture that cannot be drawn.
pub fn page(report: &Report) -> Result<String, ChartError> {
    let title = say("intentgate 报告", "intentgate report");
    let about = sections::about(report);
    let sections = sections::sections(report);
    let (first, others) = sections.split_at(sections.len().min(1));
    let body = html! {
        p.quiet { (about) }
        @for part in first { (section(part)) }
        (pictures::pictures(report)?)
        @for part in others { (section(part)) }
    };
    Ok(framed(&title, &about, &body))
}

fn section(section: &Section) -> Markup {
    html! {
        h2 { (section.title) }
        @if !section.figures.is_empty() {
            div.wide { table { tbody { @for figure in &section.figures { tr {
                th { (figure.name) }
                td.value { (figure.value) }
                td.quiet { (figure.meaning) }
            } } } } }
        }
        @for remark in &section.remarks { p.quiet { (remark) } }
        @for of in &section.tables { (table(of)) }
    }
}

fn table(table: &Table) -> Markup {
    let class = |head: &Head| match head.kind {
        Kind::Word => "",
        Kind::Number => "number",
        Kind::Text => "text",
    };
    html! {
        @if !table.title.is_empty() { h3 { (table.title) } }
        @if !table.advice.is_empty() { p.quiet { (table.advice) } }
        div.wide { table {
            thead { tr { @for head in &table.heads { th class=(class(head)) { (head.name) } } } }
            tbody { @for row in table.rows.iter().take(MOST_ROWS) { tr {
                @for (head, cell) in table.heads.iter().zip(row) { td class=(class(head)) { (cell) } }
            } } }
        } }
    }
}
