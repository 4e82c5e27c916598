//! Vectors of examples, kept between starts: an embedded SQLite database by content hash and model.
//!
//! It is a cache. Whatever is wrong with it costs time, never a start: without a folder it keeps the vectors
//! in memory, for the edits to come.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

/// Vectors that nobody asked for this long are forgotten.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
/// How long after a change of the model what was expected before is told.
const TOLD: Duration = Duration::from_secs(7 * 24 * 3600);
/// A vector's last use is written down no finer than this, so that reading seldom writes.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What was expected of a folder of intents under a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// The model's name.
    pub model: String,
    /// The expected share of real questions that are rejected; none where the examples are too few to tell.
    pub rejected: Option<f64>,
    /// The expected share of off-topic questions that are caught.
    pub caught: Option<f64>,
}

/// The vectors of one model's examples.
#[derive(Debug)]
pub struct Store {
    database: Mutex<Connection>,
    model: String,
    length: usize,
}

impl Store {
    /// Opens or makes the database in `folder` for the model of `fingerprint` with vectors of `length`.
    ///
    /// # Errors
    /// A folder that cannot be written, or a file that is no database of ours.
    pub fn open(folder: &Path, fingerprint: &str, length: usize) -> rusqlite::Result<Self> {
        std::fs::create_dir_all(folder).ok();
        let database = Connection::open(folder.join("examples.sqlite"))?;
        database.busy_timeout(Duration::from_secs(2))?;
        database.pragma_update(None, "journal_mode", "wal")?;
        database.pragma_update(None, "synchronous", "normal")?;
        Self::over(database, fingerprint, length)
    }

    /// A database that ends with the process.
    ///
    /// # Errors
    /// The database's own.
    pub fn in_memory(fingerprint: &str, length: usize) -> rusqlite::Result<Self> {
        Self::over(Connection::open_in_memory()?, fingerprint, length)
    }

    fn over(database: Connection, fingerprint: &str, length: usize) -> rusqlite::Result<Self> {
        database.execute_batch(
            "CREATE TABLE IF NOT EXISTS example (
                model   TEXT    NOT NULL,
                text    BLOB    NOT NULL,
                vectors BLOB    NOT NULL,
                used    INTEGER NOT NULL,
                PRIMARY KEY (model, text)
            );
            CREATE TABLE IF NOT EXISTS outlook (
                folder      TEXT PRIMARY KEY,
                fingerprint TEXT NOT NULL,
                model       TEXT NOT NULL,
                rejected    REAL,
                caught      REAL,
                before          TEXT,
                before_rejected REAL,
                before_caught   REAL,
                changed         INTEGER
            )",
        )?;
        Ok(Store {
            database: Mutex::new(database),
            model: fingerprint.to_owned(),
            length,
        })
    }

    /// The vectors of those of `texts` that are known.
    ///
    /// # Errors
    /// The database's own.
    pub fn load<'t>(
        &self,
        texts: impl Iterator<Item = &'t str>,
    ) -> rusqlite::Result<HashMap<String, Box<[f32]>>> {
        let now = seconds(SystemTime::now());
        let database = self.database();
        let mut read =
            database.prepare("SELECT vectors, used FROM example WHERE model = ?1 AND text = ?2")?;
        let mut touch =
            database.prepare("UPDATE example SET used = ?3 WHERE model = ?1 AND text = ?2")?;
        let transaction = database.unchecked_transaction()?;
        let mut known = HashMap::new();
        for text in texts {
            let key = key(text);
            let mut rows = read.query(params![self.model, key])?;
            let Some(row) = rows.next()? else { continue };
            let used: u64 = row.get::<_, i64>(1)?.try_into().unwrap_or_default();
            let Some(vectors) = decode(row.get_ref(0)?.as_blob()?, self.length) else {
                continue;
            };
            known.insert(text.to_owned(), vectors);
            if now.saturating_sub(used) > DAY.as_secs() {
                touch.execute(params![self.model, key, now.cast_signed()])?;
            }
        }
        transaction.commit()?;
        Ok(known)
    }

    /// Keeps vectors, and forgets those long unused.
    ///
    /// # Errors
    /// The database's own; then none is kept.
    pub fn save(&self, vectors: &[(String, Box<[f32]>)]) -> rusqlite::Result<()> {
        let now = seconds(SystemTime::now());
        let mut database = self.database();
        let transaction = database.transaction()?;
        for (text, vectors) in vectors {
            let blob: Vec<u8> = vectors.iter().flat_map(|x| x.to_le_bytes()).collect();
            transaction.execute(
                "INSERT OR REPLACE INTO example (model, text, vectors, used) VALUES (?1, ?2, ?3, ?4)",
                params![self.model, key(text), blob, now.cast_signed()],
            )?;
        }
        transaction.execute(
            "DELETE FROM example WHERE used < ?1",
            params![now.saturating_sub(KEPT.as_secs()).cast_signed()],
        )?;
        transaction.commit()
    }

    /// Writes down what is expected of a folder of intents, and returns what was expected of it under the model
    /// before this one, if another was there within the last days.
    ///
    /// # Errors
    /// The database's own.
    pub fn expect(&self, folder: &Path, now: &Outlook) -> rusqlite::Result<Option<Outlook>> {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let folder = folder.to_string_lossy();
        let time = seconds(SystemTime::now()).cast_signed();
        let database = self.database();
        // The model of the row is the one before, unless it is this one.
        database.execute(
            "INSERT INTO outlook (folder, fingerprint, model, rejected, caught) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (folder) DO UPDATE SET
                before          = iif(fingerprint = ?2, before, model),
                before_rejected = iif(fingerprint = ?2, before_rejected, rejected),
                before_caught   = iif(fingerprint = ?2, before_caught, caught),
                changed         = iif(fingerprint = ?2, changed, ?6),
                fingerprint = ?2, model = ?3, rejected = ?4, caught = ?5",
            params![folder, self.model, now.model, now.rejected, now.caught, time],
        )?;
        let mut read = database.prepare(
            "SELECT before, before_rejected, before_caught FROM outlook WHERE folder = ?1 AND changed > ?2",
        )?;
        let mut rows = read.query_map(
            params![folder, time - TOLD.as_secs().cast_signed()],
            |row| {
                Ok(Outlook {
                    model: row.get(0)?,
                    rejected: row.get(1)?,
                    caught: row.get(2)?,
                })
            },
        )?;
        rows.next().transpose()
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `CACHE_DIRECTORY` (systemd's), else the user's cache folder, else none.
pub fn default_folder() -> Option<PathBuf> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let user = || {
        set("XDG_CACHE_HOME")
            .or_else(|| set("HOME").map(|home| home.join(".cache")))
            .or_else(|| set("LOCALAPPDATA"))
            .map(|cache| cache.join("intentgate"))
    };
    set("CACHE_DIRECTORY").or_else(user)
}

/// The texts themselves are not written down.
fn key(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn decode(blob: &[u8], length: usize) -> Option<Box<[f32]>> {
    let (numbers, rest) = blob.as_chunks::<4>();
    let numbers: Box<[f32]> = numbers.iter().map(|n| f32::from_le_bytes(*n)).collect();
    let whole = rest.is_empty() && numbers.len() == length;
    (whole && numbers.iter().all(|x| x.is_finite())).then_some(numbers)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_by_model_and_text() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), "a", 2).unwrap();
        store
            .save(&[("退款".to_owned(), [1.0, 2.0].into())])
            .unwrap();

        let again = Store::open(folder.path(), "a", 2).unwrap();
        let known = again.load(["退款", "发票"].into_iter()).unwrap();
        assert_eq!(known.len(), 1);
        assert_eq!(*known["退款"], [1.0, 2.0]);

        let other_model = Store::open(folder.path(), "b", 2).unwrap();
        assert!(other_model.load(["退款"].into_iter()).unwrap().is_empty());
        let other_length = Store::open(folder.path(), "a", 3).unwrap();
        assert!(other_length.load(["退款"].into_iter()).unwrap().is_empty());
    }

    #[test]
    fn the_model_before_is_remembered_until_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let outlook = |model: &str, rejected| Outlook {
            model: model.to_owned(),
            rejected: Some(rejected),
            caught: None,
        };
        let expect = |fingerprint, model, rejected| {
            let store = Store::open(folder.path(), fingerprint, 2).unwrap();
            let before = store.expect(Path::new("intents"), &outlook(model, rejected));
            before.unwrap()
        };
        assert_eq!(expect("1", "a", 0.01), None);
        assert_eq!(expect("1", "a", 0.02), None);
        assert_eq!(expect("2", "b", 0.03), Some(outlook("a", 0.02)));
        assert_eq!(expect("2", "b", 0.04), Some(outlook("a", 0.02)));
        assert_eq!(expect("1", "a", 0.05), Some(outlook("b", 0.04)));
        let store = Store::open(folder.path(), "1", 2).unwrap();
        let other = store.expect(Path::new("others"), &outlook("a", 0.0));
        assert_eq!(other.unwrap(), None);
    }

    #[test]
    fn a_file_that_is_no_database_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("examples.sqlite"),
            "not a database, surely".repeat(99),
        )
        .unwrap();
        assert!(Store::open(folder.path(), "a", 2).is_err());
    }
}
