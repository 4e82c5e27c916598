//! What has to go, by age and by size, a little at a time.

use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

/// How long one call goes on; what is left is the next one's.
const STRETCH: Duration = Duration::from_millis(50);
/// Rows that go in one transaction.
const ROWS: u32 = 500;
/// Pages that are given back in one, and free ones that are kept for what comes.
const PAGES: u32 = 256;

/// The least and the most that the write-ahead log may take, in bytes.
const LOG: (u64, u64) = (8 << 20, 64 << 20);

/// The part of the journal's size that is the write-ahead log's, in bytes.
pub(super) fn log_room(max_size: u64) -> u64 {
    (max_size / 4).clamp(LOG.0, LOG.1)
}

/// Deletes rows older than `before` (microseconds of Unix time), where there is one, and the oldest while all take more than `room`
/// bytes; gives their space back. Whether nothing is left to do.
///
/// # Errors
/// The database's own.
pub(super) fn tidy(
    database: &Connection,
    before: Option<i64>,
    room: u64,
) -> rusqlite::Result<bool> {
    let end = Instant::now() + STRETCH;
    loop {
        let pages = Pages::of(database)?;
        // Some room is left for what comes until the next call.
        let full = pages.used() > room - room / 16;
        let before = if full { Some(i64::MAX) } else { before };
        let gone = before.map_or(Ok(0), |before| delete(database, before))?;
        if gone == 0 && !pages.is_loose(room) {
            return Ok(true);
        }
        if gone == 0 {
            give_back(database)?;
        }
        if Instant::now() > end {
            return Ok(false);
        }
    }
}

/// What the database's file is made of.
struct Pages {
    all: u64,
    free: u64,
    size: u64,
}

impl Pages {
    fn of(database: &Connection) -> rusqlite::Result<Self> {
        let number = |name| {
            let number = database.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            number.map(i64::unsigned_abs)
        };
        Ok(Pages {
            all: number("page_count")?,
            free: number("freelist_count")?,
            size: number("page_size")?,
        })
    }

    fn used(&self) -> u64 {
        self.all.saturating_sub(self.free) * self.size
    }

    /// Whether free pages are to be given back: they will be written again soon, unless they are many.
    fn is_loose(&self, room: u64) -> bool {
        self.free > 0
            && (self.all * self.size > room || self.free > self.all.div_ceil(4).max(PAGES.into()))
    }
}

/// Deletes some of the oldest rows, and the reviews of those that are gone. How many rows.
fn delete(database: &Connection, before: i64) -> rusqlite::Result<usize> {
    let transaction = database.unchecked_transaction()?;
    let mut delete = transaction.prepare_cached(
        "DELETE FROM request WHERE rowid IN
         (SELECT rowid FROM request WHERE at < ?1 ORDER BY at LIMIT ?2)",
    )?;
    let gone = delete.execute(params![before, ROWS])?;
    if gone > 0 {
        // A review is later than its request.
        transaction.execute(
            "DELETE FROM review WHERE at < (SELECT min(at) FROM request)",
            [],
        )?;
    }
    drop(delete);
    transaction.commit()?;
    Ok(gone)
}

/// Gives some free pages back, and has the file shortened.
fn give_back(database: &Connection) -> rusqlite::Result<()> {
    // A row for each page, and the next one goes only when it is asked for.
    database.pragma(None, "incremental_vacuum", PAGES, |_| Ok(()))?;
    database.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}
