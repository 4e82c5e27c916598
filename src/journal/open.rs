//! The open journal: its connection, and what is done with the file as a whole.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use super::{Error, file, open_for_writing, retention};

/// Between two looks for records that are too old.
const PAUSE: Duration = Duration::from_secs(60);

/// An open journal.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) database: Connection,
    path: PathBuf,
    /// The file itself, whatever has its name later.
    identity: Option<(u64, u64)>,
    /// When records that are too old are looked for.
    next_look: Instant,
}

impl Open {
    /// Opens it and takes its salt, or gives it one.
    pub(super) fn new(path: PathBuf, salt: &mut [u8; 32]) -> Result<Self, Error> {
        let open = Open {
            database: open_for_writing(&path)?,
            identity: identity(&path),
            path,
            next_look: Instant::now(),
        };
        *salt = open.failing(|database| {
            // It is read where another process writes for long, so that callers keep their numbers.
            if let Some(found) = file::salt(database)? {
                return Ok(found);
            }
            let sql = "INSERT OR IGNORE INTO meta (key, value) VALUES ('salt', ?1)";
            database.execute(sql, [*salt])?;
            Ok(file::salt(database)?.unwrap_or(*salt))
        })?;
        Ok(open)
    }

    pub(super) fn failing<T>(
        &self,
        act: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        act(&self.database).map_err(|error| Error::of(&self.path, error))
    }

    /// Whether the file still has its name: it may be deleted or moved while it is open.
    pub(super) fn is_in_place(&self) -> bool {
        identity(&self.path) == self.identity
    }

    /// Refuses to write where the write-ahead log is over `room`, since somebody reads and reads.
    pub(super) fn check_log(&self, room: u64) -> Result<(), Error> {
        let is_long = || length(&self.path, "-wal") > room;
        if is_long() {
            self.failing(|database| {
                database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            })?;
        }
        match is_long() {
            true => Err(Error::LongLog(self.path.clone())),
            false => Ok(()),
        }
    }

    pub(super) fn tidy(&mut self, keep: Duration, max_size: u64) -> Result<(), Error> {
        let now = Instant::now();
        let is_time = now >= self.next_look;
        let before = is_time.then(|| ago(keep));
        let room = max_size.saturating_sub(retention::log_room(max_size));
        let done = self.failing(|database| retention::tidy(database, before, room))?;
        if is_time && done {
            self.next_look = now + PAUSE;
        }
        Ok(())
    }

    /// Bytes of its files.
    pub(super) fn size(&self) -> u64 {
        ["", "-wal", "-shm"]
            .iter()
            .map(|end| length(&self.path, end))
            .sum()
    }
}

/// So long ago, in microseconds of Unix time.
fn ago(time: Duration) -> i64 {
    let then = SystemTime::now().checked_sub(time);
    let since = then.and_then(|then| then.duration_since(UNIX_EPOCH).ok());
    let since = since.map(|since| i64::try_from(since.as_micros()));
    since.and_then(Result::ok).unwrap_or(i64::MIN)
}

/// Device and number of a file.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let file = fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// Bytes of the file whose name goes on with `end`; 0 where there is none.
fn length(path: &Path, end: &str) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    fs::metadata(name).map_or(0, |file| file.len())
}
