//! A report as a table for spreadsheets: a row a day, or hour, and intent.

use std::collections::BTreeSet;
use std::io::Write;

use super::Report;
use super::cell::Cell;

/// By it a spreadsheet knows UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The columns that every sheet has; two for each currency follow, and then [`LAST`].
const COLUMNS: [&str; 19] = [
    "time",
    "intent",
    "requests",
    "forwarded",
    "answered",
    "rejected",
    "would_be_rejected",
    "refused",
    "client_left",
    "errors",
    "cut",
    "saved_calls",
    "saved_prompt_tokens",
    "saved_completion_tokens",
    "saved_unpriced",
    "billed_replies",
    "billed_prompt_tokens",
    "billed_completion_tokens",
    "billed_unpriced",
];

/// The column that came later than those of money.
const LAST: &str = "repeats";

/// Writes the sheet (RFC 4180).
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut impl Write, report: &Report) -> csv::Result<()> {
    out.write_all(BYTE_ORDER_MARK.as_bytes())?;
    let total = &report.total;
    let currencies: BTreeSet<_> = total
        .saved
        .cost
        .keys()
        .chain(total.billed.cost.keys())
        .collect();
    let mut sheet = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(out);
    let columns = COLUMNS.map(str::to_owned).into_iter();
    let money = currencies.iter();
    let money =
        money.flat_map(|currency| [format!("saved_{currency}"), format!("billed_{currency}")]);
    sheet.write_record(columns.chain(money).chain([LAST.to_owned()]))?;
    for (part, cells) in report.tally.cells.iter().enumerate() {
        let mut cells: Vec<_> = cells.iter().collect();
        cells.sort_by_key(|(intent, _)| *intent);
        for (intent, cell) in cells {
            let names = [report.span.name(part), intent.clone()];
            let money = currencies.iter().flat_map(|currency| {
                let amounts = [&cell.saved.cost, &cell.billed.cost];
                amounts.map(|amounts| {
                    amounts
                        .get(*currency)
                        .copied()
                        .unwrap_or_default()
                        .to_string()
                })
            });
            let row = names.into_iter().chain(numbers(cell)).chain(money);
            sheet.write_record(row.chain([cell.repeats.to_string()]))?;
        }
    }
    Ok(sheet.flush()?)
}

/// What stands in [`COLUMNS`] behind the names.
fn numbers(cell: &Cell) -> [String; COLUMNS.len() - 2] {
    let (saved, billed) = (&cell.saved, &cell.billed);
    [
        cell.requests.to_string(),
        cell.forwarded.to_string(),
        cell.answered.to_string(),
        cell.rejected.to_string(),
        cell.would_reject.to_string(),
        cell.refused.to_string(),
        cell.left.to_string(),
        cell.errors.to_string(),
        cell.cut.to_string(),
        saved.calls.to_string(),
        saved.prompt.to_string(),
        saved.completion.to_string(),
        saved.unpriced.to_string(),
        billed.replies.to_string(),
        billed.prompt.to_string(),
        billed.completion.to_string(),
        billed.unpriced.to_string(),
    ]
}
