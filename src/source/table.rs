//! Entries of a TOML table by their path or their place in the text.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where an entry stands.
pub(super) struct Place {
    /// Names, and `[0]` for the first table of a list.
    pub(super) path: Vec<String>,
    pub(super) span: Range<usize>,
}

/// The entry whose key stands at `span`, else the innermost whose value holds it.
pub(super) fn locate(table: &DeTable<'_>, span: &Range<usize>) -> Option<Place> {
    for (key, value) in table {
        let name = key.get_ref().to_string();
        if key.span() == *span {
            return Some(Place {
                path: vec![name],
                span: span.clone(),
            });
        }
        if let Some(inner) = locate_within(value.get_ref(), span) {
            let mut path = vec![name];
            path.extend(inner.path);
            return Some(Place { path, ..inner });
        }
        if holds(&value.span(), span) {
            return Some(Place {
                path: vec![name],
                span: span.clone(),
            });
        }
    }
    None
}

/// The same within a table, or within the tables of a list.
fn locate_within(value: &DeValue<'_>, span: &Range<usize>) -> Option<Place> {
    match value {
        DeValue::Table(table) => locate(table, span),
        DeValue::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            let inner = locate(item.get_ref().as_table()?, span)?;
            let mut path = vec![format!("[{index}]")];
            path.extend(inner.path);
            Some(Place { path, ..inner })
        }),
        _ => None,
    }
}

/// `upstream.fallback[0].url`.
pub(super) fn dotted(path: &[String]) -> String {
    path.join(".").replace(".[", "[")
}

fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end && outer.start < outer.end
}

/// The value at a path of names.
pub(super) fn find<'t, 'a>(table: &'t DeTable<'a>, path: &[String]) -> Option<&'t DeValue<'a>> {
    let (first, rest) = path.split_first()?;
    let value = table.get(first.as_str())?.get_ref();
    if rest.is_empty() {
        Some(value)
    } else {
        find(value.as_table()?, rest)
    }
}

/// Takes an entry out, and the tables that it leaves empty. Whether it was there.
pub(super) fn take(table: &mut DeTable<'_>, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return false;
    };
    if rest.is_empty() {
        return table.remove(first.as_str()).is_some();
    }
    let inner = match table.get_mut(first.as_str()).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => inner,
        Some(DeValue::Array(items)) => return take_of_list(items, rest),
        _ => return false,
    };
    let taken = take(inner, rest);
    if inner.is_empty() {
        table.remove(first.as_str());
    }
    taken
}

/// Takes an entry out of a table of a list. The table stays: those behind it keep their places.
fn take_of_list(items: &mut [Spanned<DeValue<'_>>], path: &[String]) -> bool {
    let Some((place, rest)) = path.split_first() else {
        return false;
    };
    let place = place.trim_matches(['[', ']']).parse::<usize>();
    let item = place.ok().and_then(|place| items.get_mut(place));
    match item.map(Spanned::get_mut) {
        Some(DeValue::Table(table)) => take(table, rest),
        _ => false,
    }
}

/// Puts a value at a path, over what is there; tables on the way are made.
pub(super) fn put<'a>(
    table: &mut DeTable<'a>,
    path: &[String],
    span: Range<usize>,
    value: DeValue<'a>,
) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        table.remove(first.as_str());
        table.insert(
            Spanned::new(span.clone(), first.clone().into()),
            Spanned::new(span, value),
        );
        return;
    }
    let is_table = table
        .get(first.as_str())
        .is_some_and(|v| v.get_ref().is_table());
    if !is_table {
        table.remove(first.as_str());
        table.insert(
            Spanned::new(span.clone(), first.clone().into()),
            Spanned::new(span.clone(), DeValue::Table(DeTable::new())),
        );
    }
    if let Some(inner) = table.get_mut(first.as_str())
        && let DeValue::Table(inner) = inner.get_mut()
    {
        put(inner, rest, span, value);
    }
}

/// Where a section is written as a text, that text becomes the value of a key of it.
pub(super) fn write_out(table: &mut DeTable<'_>, section: &str, key: &str) {
    let value = table.get(section).filter(|value| value.get_ref().is_str());
    if let Some(value) = value.cloned() {
        let path = [section.to_owned(), key.to_owned()];
        put(table, &path, value.span(), value.into_inner());
    }
}

/// Values of an override all stand at the override's own place.
pub(super) fn respan<'a>(value: DeValue<'a>, span: &Range<usize>) -> DeValue<'a> {
    match value {
        DeValue::Array(items) => DeValue::Array(
            items
                .into_iter()
                .map(|item| Spanned::new(span.clone(), respan(item.into_inner(), span)))
                .collect(),
        ),
        DeValue::Table(entries) => DeValue::Table(
            entries
                .into_iter()
                .map(|(key, item)| {
                    let item = Spanned::new(span.clone(), respan(item.into_inner(), span));
                    (Spanned::new(span.clone(), key.into_inner()), item)
                })
                .collect(),
        ),
        other => other,
    }
}
