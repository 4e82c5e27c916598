//! How long replies were: what the expected completion of a saved call rests on after a restart.

use rusqlite::Connection;

/// Models that are told apart, those with the most replies.
const MOST_MODELS: i64 = 256;

/// The completion tokens of one model's whole replies.
#[derive(Clone, Debug, PartialEq)]
pub struct Completions {
    /// The model as clients asked for it; empty where they named none.
    pub model: String,
    /// How many replies.
    pub count: f64,
    /// Their mean.
    pub mean: f64,
    /// Their variance.
    pub variance: f64,
}

/// The completions of requests since a time in microseconds of Unix time.
pub(super) fn completions(database: &Connection, since: i64) -> rusqlite::Result<Vec<Completions>> {
    let mut query = database.prepare(
        "SELECT coalesce(model, ''), count(*), avg(completion_tokens),
            avg(completion_tokens * completion_tokens) - avg(completion_tokens) * avg(completion_tokens)
        FROM request
        WHERE at >= ?1 AND completion_tokens IS NOT NULL AND outcome = 'complete'
        GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?2",
    )?;
    let rows = query.query_map((since, MOST_MODELS), |row| {
        Ok(Completions {
            model: row.get(0)?,
            count: row.get(1)?,
            mean: row.get(2)?,
            variance: row.get(3)?,
        })
    })?;
    rows.collect()
}
