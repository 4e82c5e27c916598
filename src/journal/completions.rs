//! How long replies were: what the expected completion of a saved call rests on after a restart; and the rows of
//! calls that were saved before there was any.

use rusqlite::{Connection, params};

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

/// What the reply to a saved call is expected to come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Owed {
    /// Its completion tokens.
    pub tokens: f64,
    /// What they cost.
    pub cost: f64,
    /// In which currency; the cost of a row in another one stays as it is.
    pub currency: String,
}

/// Rows that have no completion tokens yet; the index of `2.sql` holds them alone.
const INCOMPLETE: &str = "saved_prompt_tokens IS NOT NULL AND saved_completion_tokens IS NULL";

/// Completes the rows of saved calls that have no completion tokens, all or none.
pub(super) fn make_up(database: &Connection, owed: impl Fn(&str) -> Owed) -> rusqlite::Result<()> {
    let models = format!("SELECT DISTINCT coalesce(model, '') FROM request WHERE {INCOMPLETE}");
    let mut models = database.prepare(&models)?;
    let models = models.query_map([], |row| row.get::<_, String>(0))?;
    let models: Vec<_> = models.collect::<rusqlite::Result<_>>()?;
    if models.is_empty() {
        return Ok(());
    }
    let transaction = database.unchecked_transaction()?;
    let mut complete = transaction.prepare(&format!(
        "UPDATE request SET saved_completion_tokens = ?2,
            saved_cost = saved_cost + CASE WHEN currency = ?4 THEN ?3 ELSE 0.0 END
         WHERE {INCOMPLETE} AND coalesce(model, '') = ?1"
    ))?;
    for model in models {
        let owed = owed(&model);
        complete.execute(params![model, owed.tokens, owed.cost, owed.currency])?;
    }
    drop(complete);
    transaction.commit()
}
