//! The journal's file: where it is, how it is opened, and its versions.

use std::env;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, ToSql, TransactionBehavior};

use super::Error;
use crate::config::{self, Store};

/// What takes a database from each version to the next, from an empty one on.
const MIGRATIONS: [&str; 2] = [include_str!("1.sql"), include_str!("2.sql")];
/// The version that they lead to.
const LATEST: i64 = MIGRATIONS.len() as i64;
/// `igjl`, in the header of the file: a database of this program.
const APPLICATION: i32 = 0x6967_6a6c;
/// How long a statement waits for another process.
const PATIENCE: Duration = Duration::from_millis(50);
/// The same for who only reads.
const READERS_PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of the write-ahead log that are moved into the database at once. It is kept at that length.
const LOG: u32 = 4 << 20;

/// Where the journal is; none where there is none to be, or no folder is known: `STATE_DIRECTORY` (systemd's, the
/// first of several), else the user's folder for state.
pub fn path(config: &config::Journal) -> Option<PathBuf> {
    match config.store {
        Store::Off => None,
        Store::Sqlite => config
            .path
            .clone()
            .or_else(|| standing(|name| env::var_os(name))),
    }
}

/// The journal in the folders that `variable` names.
fn standing(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let service = || env::split_paths(&set("STATE_DIRECTORY")?).next();
    let user = || {
        let state = set("XDG_STATE_HOME").map(PathBuf::from);
        let home = || set("HOME").map(|home| Path::new(&home).join(".local/state"));
        Some(state.or_else(home)?.join("intentgate"))
    };
    Some(service().or_else(user)?.join("journal.sqlite"))
}

/// Opens the journal to write to it; makes it where it is not there, and brings an older one up to date. Of two
/// processes that do so at the same time one waits for the other. A statement waits for 50 ms at most.
///
/// # Errors
/// A file that cannot be made, is no journal, is a newer program's, or is locked.
pub fn open_for_writing(path: &Path) -> Result<Connection, Error> {
    create(path).map_err(|error| Error::File(path.to_owned(), error))?;
    let failed = |error| Error::of(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_with_flags(path, flags).map_err(failed)?;
    database.busy_timeout(PATIENCE).map_err(failed)?;
    migrate(&mut database, &MIGRATIONS)
        .map_err(failed)?
        .or_refuse(path)?;
    let tune = |name, value: &dyn ToSql| database.pragma_update(None, name, value).map_err(failed);
    tune("journal_mode", &"wal")?;
    tune("synchronous", &"normal")?;
    tune("wal_autocheckpoint", &(LOG / 4096))?;
    tune("journal_size_limit", &LOG)?;
    Ok(database)
}

/// Opens the journal to read it beside a gateway that writes. What is read in one transaction is of one moment;
/// the file grows as long as that goes on.
///
/// # Errors
/// There is no file yet, or it is no journal, or a newer program's.
pub fn open_for_reading(path: &Path) -> Result<Connection, Error> {
    if !path.exists() {
        return Err(Error::Absent(path.to_owned()));
    }
    let failed = |error| Error::of(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags).map_err(failed)?;
    database.busy_timeout(READERS_PATIENCE).map_err(failed)?;
    match Found::of(&database).map_err(failed)? {
        Found::Empty => Err(Error::Absent(path.to_owned())),
        // Later versions have more columns, and those of the first.
        Found::Version(1..LATEST) => Ok(database),
        found => found.or_refuse(path).map(|()| database),
    }
}

/// What hashes begin with; none in a journal that no gateway has opened.
pub(super) fn salt(database: &Connection) -> rusqlite::Result<Option<[u8; 32]>> {
    let sql = "SELECT value FROM meta WHERE key = 'salt'";
    database.query_row(sql, [], |row| row.get(0)).optional()
}

/// What a file is found to be.
#[derive(Clone, Copy, Debug)]
enum Found {
    Empty,
    Foreign,
    Version(i64),
}

impl Found {
    fn of(database: &Connection) -> rusqlite::Result<Self> {
        let number = |sql| database.query_row(sql, [], |row| row.get::<_, i64>(0));
        let version = number("PRAGMA user_version")?;
        let application = number("PRAGMA application_id")?;
        let objects = number("SELECT count(*) FROM sqlite_schema")?;
        Ok(match (application, version, objects) {
            (0, 0, 0) => Found::Empty,
            (application, version, _) if application == i64::from(APPLICATION) => {
                Found::Version(version)
            }
            _ => Found::Foreign,
        })
    }

    /// Nothing, where the database is of this program's version.
    fn or_refuse(self, path: &Path) -> Result<(), Error> {
        match self {
            Found::Version(version) if version == LATEST => Ok(()),
            Found::Version(version) => Err(Error::Version {
                path: path.to_owned(),
                found: version,
                known: LATEST,
            }),
            Found::Empty | Found::Foreign => Err(Error::Foreign(path.to_owned())),
        }
    }
}

/// Brings a journal up to date, and makes one of an empty file; leaves any other alone. What it is then.
fn migrate(database: &mut Connection, migrations: &[&str]) -> rusqlite::Result<Found> {
    let latest = migrations.len() as i64;
    let is_done = |found: &Found| match found {
        Found::Empty => false,
        Found::Foreign => true,
        Found::Version(version) => *version >= latest,
    };
    let found = Found::of(database)?;
    if is_done(&found) {
        return Ok(found);
    }
    // Counts only before anything is written.
    database.pragma_update(None, "auto_vacuum", "incremental")?;
    // Another process may have been faster.
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = Found::of(&transaction)?;
    if is_done(&found) {
        return Ok(found);
    }
    let version = match found {
        Found::Version(version) => usize::try_from(version).unwrap_or_default(),
        _ => 0,
    };
    for migration in &migrations[version..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", latest)?;
    transaction.commit()?;
    Ok(Found::Version(latest))
}

/// An empty file where there is none, that nobody else reads: it may hold what customers said.
fn create(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_in_the_services_folder_or_the_users() {
        for (variables, folder) in [
            ("STATE_DIRECTORY=/a:/b HOME=/h", Some("/a")),
            ("STATE_DIRECTORY= XDG_STATE_HOME=/x", Some("/x/intentgate")),
            ("XDG_STATE_HOME=/x HOME=/h", Some("/x/intentgate")),
            (
                "XDG_STATE_HOME= HOME=/h",
                Some("/h/.local/state/intentgate"),
            ),
            ("HOME=", None),
            ("", None),
        ] {
            let set = variables.split(' ').filter_map(|set| set.split_once('='));
            let found =
                standing(|name| set.clone().find(|(n, _)| *n == name).map(|(_, v)| v.into()));
            let expected = folder.map(|folder| Path::new(folder).join("journal.sqlite"));
            assert_eq!(found, expected, "{variables}");
        }
    }

    #[test]
    fn an_older_journal_is_brought_up_to_date_and_keeps_its_rows() {
        let steps = [
            "CREATE TABLE a (x)",
            "ALTER TABLE a ADD y; UPDATE a SET y = x + 1",
        ];
        let mut database = Connection::open_in_memory().unwrap();
        migrate(&mut database, &steps[..1]).unwrap();
        database.execute("INSERT INTO a VALUES (7)", []).unwrap();
        for _ in 0..2 {
            let found = migrate(&mut database, &steps).unwrap();
            assert!(matches!(found, Found::Version(2)));
        }
        let row = database.query_row("SELECT x, y FROM a", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        });
        assert_eq!(row.unwrap(), (7, 8));
        // An older program leaves it as it is.
        assert!(matches!(
            migrate(&mut database, &steps[..1]).unwrap(),
            Found::Version(2)
        ));
    }

    #[test]
    fn a_journal_of_the_first_version_keeps_its_rows() {
        let mut database = Connection::open_in_memory().unwrap();
        migrate(&mut database, &MIGRATIONS[..1]).unwrap();
        let row = "INSERT INTO request (at, request_id, protocol, decision, intent, mixed, total_us, status, outcome)
            VALUES (7, 'a', 'messages', 'reject', 'background', 0, 9, 200, 'complete')";
        database.execute(row, []).unwrap();
        migrate(&mut database, &MIGRATIONS).unwrap();
        let row = database.query_row("SELECT at, repeat_of FROM request", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?))
        });
        assert_eq!(row.unwrap(), (7, None));
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let mut database = Connection::open_in_memory().unwrap();
        migrate(&mut database, &["CREATE TABLE a (x); no sql"]).unwrap_err();
        assert!(matches!(Found::of(&database).unwrap(), Found::Empty));
    }
}
