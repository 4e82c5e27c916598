//! `intentgate forget`: one customer's rows and words leave the journal's files, and everybody else's stay.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use intentgate::chat::Protocol;
use intentgate::journal::{self, Entry, Error, Journal, open_for_reading, open_for_writing};
use intentgate::ledger;
use intentgate::metrics::Metrics;
use rusqlite::Connection;
use rusqlite::types::Value as Cell;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commands::{Ended, intentgate};
use crate::kit::journal::{PERIOD, Shop, entries};
use crate::kit::{Answer, Gateway, Upstream, ask_in, eventually};

/// Of `foo` and `bar`.
const KEYS: &str = "access.keys = [
    { name = 'web', sha256 = '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae' },
    { name = 'app', sha256 = 'fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9' },
]\n";

/// Whether any file of a folder holds these bytes: the database, its write-ahead log, what else may be there.
/// Read by a process of its own: a process that closes a file loses its locks on it, SQLite's among them.
fn holds(folder: &Path, words: &str) -> bool {
    let files = fs::read_dir(folder).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let read = Command::new("cat").args(files).output().unwrap();
    memchr::memmem::find(&read.stdout, words.as_bytes()).is_some()
}

fn forget(path: &Path, user: &str, language: &str) -> Ended {
    intentgate(&["forget", user, "--journal", path.to_str().unwrap()])
        .env("INTENTGATE_LANG", language)
        .output()
}

/// How many requests `forget --json` says that it forgot.
fn forgotten(path: &Path, user: &str) -> u64 {
    let run = intentgate(&[
        "forget",
        "--json",
        user,
        "--journal",
        path.to_str().unwrap(),
    ]);
    let run = run.output();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    document["forgotten_requests"].as_u64().unwrap()
}

/// Every cell of what a query finds.
fn cells(database: &Connection, query: &str) -> Vec<Vec<Cell>> {
    let mut query = database.prepare(query).unwrap();
    let columns = query.column_count();
    let row = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
    let rows = query.query_map([], row).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn count(path: &Path) -> usize {
    let Ok(database) = open_for_reading(path) else {
        return 0;
    };
    cells(&database, "SELECT 1 FROM request").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_of_a_running_gateway_is_forgotten_in_every_protocol() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.sqlite");
    let upstream = Upstream::start().await;
    let keys = format!(
        "{KEYS}journal.path = '{}'\njournal.questions = true\n",
        path.display()
    );
    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    // Names are kept to their first 256 characters.
    let long = "n".repeat(300);
    let ask = async |key: &str, user: &str, words: &str| {
        for protocol in Protocol::ALL {
            let mut request = ask_in(protocol, &format!("{words} {}", protocol.as_str()));
            match protocol {
                Protocol::Messages => request["metadata"] = json!({"user_id": user}),
                Protocol::Responses => request["safety_identifier"] = json!(user),
                _ => request["user"] = json!(user),
            }
            let request = gateway.post(protocol.path(), request.to_string());
            let answer = Answer::to(request.bearer_auth(key)).await;
            assert!(answer.status.is_success(), "{}", answer.text());
        }
    };
    ask("foo", "ann", "安娜要退款").await;
    ask("bar", "ann", "安娜问物流").await;
    ask("foo", "bob", "鲍勃要退款").await;
    ask("foo", &long, "长名要退款").await;
    eventually("16 rows", async || count(&path) == 16).await;
    assert!(holds(folder.path(), "安娜要退款") && holds(folder.path(), "长名要退款"));

    assert_eq!(forgotten(&path, "ann"), 8);
    for (words, held) in [("安娜", false), ("鲍勃要退款", true), ("长名要退款", true)] {
        assert_eq!(holds(folder.path(), words), held, "{words}");
    }
    // The gateway goes on, and knows whom it knew.
    ask("bar", "ann", "安娜又来了").await;
    eventually("12 rows", async || count(&path) == 12).await;
    assert_eq!(forgotten(&path, "ann"), 4);
    assert_eq!(forgotten(&path, &long), 4);
    assert_eq!(forgotten(&path, "nobody"), 0);
    assert!(!holds(folder.path(), "安娜") && !holds(folder.path(), "长名"));
    let left = cells(
        &open_for_reading(&path).unwrap(),
        "SELECT question FROM request",
    );
    assert_eq!(left.len(), 4);
    gateway.stop().await;
    assert_eq!(count(&path), 4);
}

/// A journal of three days, whose every third request is Ann's, and every third Bob's; some of Ann's first were
/// deleted in the way of a journal that lets go what is too old.
fn shared() -> Shop {
    let shop = Shop::of(Vec::new());
    let mut gateway = shop.journal();
    let salt = gateway.salt();
    for (index, entry) in entries(3000).into_iter().enumerate() {
        let name = [Some("ann"), Some("bob"), None][index % 3];
        let client = (index % 2 == 0).then(|| "web".to_owned());
        let words = name.map(|name| format!("{name} says {index} ").repeat(index % 200 + 1));
        gateway.put(Entry {
            caller: name.map(|name| ledger::caller(salt, client.as_deref(), name)),
            conversation: name.map(|_| index as i64),
            question: words.or(entry.question),
            client,
            ..entry
        });
    }
    while gateway.waiting() > 0 {
        gateway.flush();
    }
    let writer = open_for_writing(&shop.path()).unwrap();
    writer
        .execute("DELETE FROM request WHERE rowid % 3 = 1 AND rowid < 40", [])
        .unwrap();
    let review = "INSERT INTO review SELECT request_id, at, 1 FROM request WHERE waived IS NOT NULL AND rowid % 3 > 0";
    writer.execute(review, []).unwrap();
    writer
        .execute("INSERT INTO review VALUES ('ann-once', 0, 1)", [])
        .unwrap();
    shop
}

/// How many of these rows are Bob's.
fn bobs(rows: &[Vec<Cell>]) -> u64 {
    let is_bobs = |cell: &Cell| matches!(cell, Cell::Text(text) if text.starts_with("bob says"));
    let own = rows.iter().filter(|row| row.iter().any(is_bobs));
    own.count() as u64
}

#[test]
fn everybody_elses_rows_stay_as_they_are() {
    let shop = shared();
    let folder = shop.folder.path();
    let before = open_for_reading(&shop.path()).unwrap();
    let others = "SELECT * FROM request WHERE (question IS NULL OR question NOT LIKE 'ann says%') ORDER BY at";
    let reviews = "SELECT * FROM review WHERE request_id IN
        (SELECT request_id FROM request WHERE question LIKE 'bob says%') ORDER BY request_id";
    let (rows, reviewed) = (cells(&before, others), cells(&before, reviews));
    let number = |of: &str| match cells(&before, of)[0][0] {
        Cell::Integer(number) => number,
        _ => panic!("no number: {of}"),
    };
    let anns = number("SELECT count(*) FROM request WHERE question LIKE 'ann says%'");
    let all_reviews = number("SELECT count(*) FROM review");
    assert!(anns > 900 && !reviewed.is_empty() && all_reviews > reviewed.len() as i64);
    drop(before);
    // Rows that are deleted in the plain way leave their words behind.
    assert!(holds(folder, "ann says 6 ") && holds(folder, "ann says 2997 "));
    let size = |shop: &Shop| fs::metadata(shop.path()).unwrap().len();
    let large = size(&shop);
    let told = shop.document(&PERIOD)["traffic"]["requests"]
        .as_u64()
        .unwrap();

    // A gateway has it open, and rows of its own ready to be written.
    let mut gateway = shop.journal();
    gateway.put(entries(1).remove(0));
    gateway.flush();
    let run = forget(&shop.path(), "ann", "en");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let said = format!("Requests forgotten: {anns}. Reports no longer count them. ");
    assert!(run.stdout.starts_with(&said), "{run:?}");
    gateway.put(entries(1).remove(0));
    gateway.flush();
    assert_eq!(gateway.waiting(), 0);
    assert!(!holds(folder, "ann says"), "Ann's words are still there");

    let after = open_for_reading(&shop.path()).unwrap();
    let own = "AND at > (SELECT min(at) FROM request)";
    let others = others.replace("ORDER", &format!("{own} ORDER"));
    assert!(cells(&after, &others) == rows, "other customers' rows");
    assert_eq!(
        cells(&after, "SELECT * FROM review ORDER BY request_id"),
        reviewed
    );
    let checked = cells(&after, "PRAGMA integrity_check");
    assert_eq!(checked, [[Cell::Text("ok".to_owned())]]);
    // Free pages are still given back one by one.
    let vacuum = cells(&after, "PRAGMA auto_vacuum");
    assert_eq!(vacuum, [[Cell::Integer(2)]]);
    assert!(size(&shop) < large * 3 / 4, "{} of {large}", size(&shop));
    let document = shop.document(&PERIOD);
    let requests = document["traffic"]["requests"].as_u64().unwrap();
    assert!(
        requests < told && requests > told / 2,
        "{requests} of {told}"
    );

    let run = forget(&shop.path(), "ann", "zh");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert!(run.stdout.starts_with("删除的请求：0。"), "{run:?}");
    assert_eq!(forgotten(&shop.path(), "bob"), bobs(&rows));
}

// Words that were deleted stay in the write-ahead log while somebody reads an older state of it.
#[test]
fn who_reads_an_older_state_is_waited_for_and_named() {
    let shop = shared();
    let path = shop.path();
    let reader = open_for_reading(&path).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM request")
        .unwrap();
    let mut database = open_for_writing(&path).unwrap();
    let caller = |salt, client: Option<&str>| ledger::caller(salt, client, "ann");
    assert!(journal::forget(&mut database, &path, caller).unwrap() > 900);
    let patience = Duration::from_millis(200);
    let error = journal::rewrite(&database, &path, patience).unwrap_err();
    assert!(matches!(error, Error::LongLog(_)), "{error}");
    reader.execute_batch("COMMIT").unwrap();
    // The next run has nothing to delete, and finishes it.
    assert_eq!(journal::forget(&mut database, &path, caller).unwrap(), 0);
    journal::rewrite(&database, &path, patience).unwrap();
    assert!(!holds(shop.folder.path(), "ann says"));
}

// Else those who ask meanwhile could never be forgotten.
#[test]
fn callers_keep_their_numbers_while_another_writes_and_in_another_file() {
    let (shop, other) = (shared(), shared());
    let salt = shop.journal().salt();
    assert_ne!(other.journal().salt(), salt);
    let writer = open_for_writing(&shop.path()).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(shop.journal().salt(), salt);
    writer.execute_batch("ROLLBACK").unwrap();

    let config = |shop: &Shop| intentgate::config::Journal {
        path: Some(shop.path()),
        ..Default::default()
    };
    let mut journal = Journal::new(&config(&other), &Metrics::new().unwrap());
    journal.configure(&config(&shop));
    assert_eq!(journal.salt(), salt);
}

#[test]
fn what_is_not_there_or_no_journal_is_said_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("journal.sqlite");
    let run = forget(&missing, "ann", "en");
    assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{run:?}");
    assert!(run.stderr.contains("holds no journal yet"), "{run:?}");
    assert!(!missing.exists());

    let foreign = folder.path().join("notes.txt");
    let notes = "not a database, surely".repeat(99);
    fs::write(&foreign, &notes).unwrap();
    let run = forget(&foreign, "ann", "en");
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{run:?}");
    assert!(
        run.stderr.contains("is no journal of intentgate"),
        "{run:?}"
    );
    assert_eq!(fs::read_to_string(&foreign).unwrap(), notes);

    // A journal that no gateway has written to yet knows nobody.
    drop(open_for_writing(&missing).unwrap());
    assert_eq!(forgotten(&missing, "ann"), 0);

    let run = forget(&missing, "", "en");
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    assert!(run.stderr.contains("write the front end's name"), "{run:?}");
}
