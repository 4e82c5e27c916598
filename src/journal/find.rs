//! Requests, looked up by any of their ids.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result, Row};
use serde_json::{Map, Value};

/// The columns that hold ids. A journal that no gateway of this version has written to has the first alone.
const IDS: [&str; 3] = ["request_id", "gate_id", "upstream_id"];

/// The rows that have one of these ids, whole, by the names of their columns; the newest first, and at most so many: a
/// client may give an id twice. Every row is looked at.
///
/// # Errors
/// The database's own.
pub fn find(db: &Connection, ids: &[&str], most: u32) -> Result<Vec<Map<String, Value>>> {
    let columns: Vec<String> = {
        let any = db.prepare("SELECT * FROM request")?;
        any.column_names().map(str::to_owned).collect()
    };
    let has = |id: &&str| columns.iter().any(|column| column == id);
    let known = IDS.iter().copied().filter(has);
    let is_one = known.map(|column| format!("{column} IN (SELECT value FROM json_each(?1))"));
    let of = is_one.collect::<Vec<_>>().join(" OR ");
    let query = format!("SELECT * FROM request WHERE {of} ORDER BY at DESC, rowid DESC LIMIT ?2");
    let mut query = db.prepare(&query)?;
    let ids = serde_json::json!(ids).to_string();
    let rows = query.query_map((ids, most), |row| cells(row, &columns))?;
    rows.collect()
}

fn cells(row: &Row<'_>, columns: &[String]) -> Result<Map<String, Value>> {
    let named = columns.iter().enumerate().map(|(index, column)| {
        let value = match row.get_ref(index)? {
            ValueRef::Null | ValueRef::Blob(_) => Value::Null,
            ValueRef::Integer(number) => number.into(),
            ValueRef::Real(number) => number.into(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        };
        Ok((column.clone(), value))
    });
    named.collect()
}
