//! One customer's rows go, and the file is written anew without what they held.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Result, TransactionBehavior};

use super::{Error, file};

/// Between two tries to empty the write-ahead log.
const PAUSE: Duration = Duration::from_millis(50);

/// Deletes every request of one customer, and what people said of them, all or nothing. How many requests.
/// `caller` says by which number the customer is known: by the journal's salt, and the name of the client's key.
///
/// The rows go whole. What would be left of them for sums is as precise as the time of the request, by which anybody
/// who has the log of the front end finds out whose it was.
///
/// # Errors
/// The database's own.
pub fn forget(
    database: &mut Connection,
    path: &Path,
    caller: impl Fn([u8; 32], Option<&str>) -> i64,
) -> Result<usize, Error> {
    delete(database, caller).map_err(|error| Error::of(path, error))
}

fn delete(
    database: &mut Connection,
    caller: impl Fn([u8; 32], Option<&str>) -> i64,
) -> Result<usize> {
    // Zeros in place of what is deleted, so that it is gone even where the file cannot be written anew.
    database.pragma_update(None, "secure_delete", "on")?;
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(salt) = file::salt(&transaction)? else {
        // No gateway has written to it.
        return Ok(0);
    };
    // Keys that the configuration no longer has are among them.
    let mut clients = transaction.prepare("SELECT DISTINCT client FROM request")?;
    let callers = clients.query_map([], |row| {
        Ok(caller(salt, row.get::<_, Option<String>>(0)?.as_deref()))
    })?;
    let callers = serde_json::json!(callers.collect::<Result<Vec<_>>>()?).to_string();
    drop(clients);
    let gone = transaction.execute(
        "DELETE FROM request WHERE caller IN (SELECT value FROM json_each(?1))",
        [&callers],
    )?;
    // Those whose requests went before, since they were too old, are among them.
    transaction.execute(
        "DELETE FROM review WHERE NOT EXISTS (SELECT 1 FROM request
         WHERE request.request_id = review.request_id AND waived IS NOT NULL)",
        [],
    )?;
    transaction.commit()?;
    Ok(gone)
}

/// Writes the file anew, so that it holds its rows and nothing that was ever deleted, and empties the write-ahead
/// log. Other processes read meanwhile, and their writes wait; the log is emptied once nobody reads an older state,
/// which is waited for as long as `patience`.
///
/// # Errors
/// Too little room on the disk, or somebody who reads and reads.
pub fn rewrite(database: &Connection, path: &Path, patience: Duration) -> Result<(), Error> {
    let failed = |error| Error::of(path, error);
    // The copy that this takes holds words too. Beside the journal they are as well kept as in it, there is a disk
    // that may be written, and no other one is left with traces of them.
    let folder = path.parent().and_then(Path::to_str);
    let folder = folder.filter(|folder| !folder.is_empty()).unwrap_or(".");
    database
        .pragma_update(None, "temp_store_directory", folder)
        .and_then(|()| database.execute_batch("VACUUM"))
        .map_err(failed)?;
    let end = Instant::now() + patience;
    loop {
        // Of several that move the log at the same time, all but one are told at once that it is busy.
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let is_busy: bool = database
            .query_row(sql, [], |row| row.get(0))
            .map_err(failed)?;
        if !is_busy {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(Error::LongLog(path.to_owned()));
        }
        thread::sleep(PAUSE);
    }
}
