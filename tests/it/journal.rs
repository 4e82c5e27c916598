//! The journal on a real disk: what is put is read, and what cannot be written is counted.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use intentgate::config::{self, Store};
use intentgate::journal::{self, Entry, Error, Journal};
use intentgate::metrics::Metrics;
use rusqlite::{Connection, Row};
use tempfile::TempDir;

/// A journal in a folder of its own.
pub(super) struct Kept {
    pub(super) journal: Journal,
    pub(super) metrics: Metrics,
    pub(super) config: config::Journal,
    folder: TempDir,
}

impl Kept {
    pub(super) fn start(change: impl FnOnce(&mut config::Journal)) -> Kept {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config::Journal {
            path: Some(folder.path().join("state/journal.sqlite")),
            ..config::Journal::default()
        };
        change(&mut config);
        let metrics = Metrics::new().unwrap();
        Kept {
            journal: Journal::new(&config, &metrics),
            metrics,
            config,
            folder,
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.config.path.clone().unwrap()
    }

    pub(super) fn put(&mut self, ids: std::ops::Range<usize>) {
        for id in ids {
            self.journal.put(entry(id));
        }
    }

    /// Records that were written, and that were dropped.
    pub(super) fn counted(&self) -> (u64, u64) {
        let count = |result| self.metrics.journal_records.with_label_values(&[result]);
        (count("written").get(), count("dropped").get())
    }

    /// What a reader finds, the oldest first.
    pub(super) fn ids(&self) -> Vec<usize> {
        ids(&journal::open_for_reading(&self.path()).unwrap())
    }
}

pub(super) fn entry(id: usize) -> Entry {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Entry {
        at: i64::try_from(now.as_micros()).unwrap(),
        request_id: id.to_string(),
        protocol: "chat_completions".to_owned(),
        decision: "forward".to_owned(),
        intent: "refund".to_owned(),
        outcome: "complete".to_owned(),
        ..Entry::default()
    }
}

pub(super) fn ids(database: &Connection) -> Vec<usize> {
    let mut read = database
        .prepare("SELECT request_id FROM request ORDER BY rowid")
        .unwrap();
    let rows = read.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|id| id.unwrap().parse().unwrap()).collect()
}

#[test]
fn every_column_is_read_as_it_was_put() {
    let text = |text: &str| Some(text.to_owned());
    let whole = Entry {
        at: 1_764_000_000_000_001,
        request_id: "019ab".to_owned(),
        conversation: Some(i64::MIN),
        caller: Some(i64::MAX),
        client: text("前端"),
        protocol: "messages".to_owned(),
        model: text("claude"),
        decision: "forward".to_owned(),
        would_be: text("reject"),
        waived: text("audit"),
        audit_share: Some(0.05),
        intent: "background".to_owned(),
        topic: text("weather"),
        nearest: text("refund"),
        reason: text("below_threshold"),
        log_odds: Some(-3.5),
        threshold: Some(0.24),
        mixed: true,
        stage: text("static"),
        gate_us: Some(123),
        first_byte_us: Some(456),
        total_us: 789,
        status: 200,
        upstream_status: Some(503),
        outcome: "cut".to_owned(),
        usage: text("told"),
        prompt_tokens: Some(10),
        cached_tokens: Some(4),
        completion_tokens: Some(20),
        cost: Some(0.01),
        saved_prompt_tokens: Some(11),
        saved_completion_tokens: Some(20.25),
        saved_cost: Some(0.02),
        currency: text("CNY"),
        again_of: text("019aa"),
        handed_over_of: text("019a9"),
        question: text("明天会下雨吗\0"),
        gate_id: text("019ac"),
        upstream_id: text("req_1"),
        repeat_of: text("019a8"),
    };
    let mut kept = Kept::start(|config| {
        config.questions = true;
        config.keep = std::time::Duration::from_secs(u32::MAX.into());
    });
    kept.journal.put(whole.clone());
    kept.journal.put(entry(2));
    kept.journal.flush();

    let database = journal::open_for_reading(&kept.path()).unwrap();
    let mut read = database.prepare("SELECT * FROM request").unwrap();
    assert_eq!(read.column_count(), 40);
    let rows = read.query_map([], by_name).unwrap();
    let rows: Vec<_> = rows.map(Result::unwrap).collect();
    assert_eq!(rows[0], whole);
    assert_eq!(rows[1].question, None);
    assert_eq!((rows.len(), kept.counted()), (2, (2, 0)));
}

fn by_name(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        at: row.get("at")?,
        request_id: row.get("request_id")?,
        conversation: row.get("conversation")?,
        caller: row.get("caller")?,
        client: row.get("client")?,
        protocol: row.get("protocol")?,
        model: row.get("model")?,
        decision: row.get("decision")?,
        would_be: row.get("would_be")?,
        waived: row.get("waived")?,
        audit_share: row.get("audit_share")?,
        intent: row.get("intent")?,
        topic: row.get("topic")?,
        nearest: row.get("nearest")?,
        reason: row.get("reason")?,
        log_odds: row.get("log_odds")?,
        threshold: row.get("threshold")?,
        mixed: row.get("mixed")?,
        stage: row.get("stage")?,
        gate_us: row.get("gate_us")?,
        first_byte_us: row.get("first_byte_us")?,
        total_us: row.get("total_us")?,
        status: row.get("status")?,
        upstream_status: row.get("upstream_status")?,
        outcome: row.get("outcome")?,
        usage: row.get("usage")?,
        prompt_tokens: row.get("prompt_tokens")?,
        cached_tokens: row.get("cached_tokens")?,
        completion_tokens: row.get("completion_tokens")?,
        cost: row.get("cost")?,
        saved_prompt_tokens: row.get("saved_prompt_tokens")?,
        saved_completion_tokens: row.get("saved_completion_tokens")?,
        saved_cost: row.get("saved_cost")?,
        currency: row.get("currency")?,
        again_of: row.get("again_of")?,
        handed_over_of: row.get("handed_over_of")?,
        question: row.get("question")?,
        gate_id: row.get("gate_id")?,
        upstream_id: row.get("upstream_id")?,
        repeat_of: row.get("repeat_of")?,
    })
}

#[test]
fn questions_are_kept_only_where_that_is_wanted_and_never_whole_books() {
    let mut kept = Kept::start(|_| ());
    kept.journal.put(Entry {
        question: Some("退款".to_owned()),
        ..entry(1)
    });
    kept.config.questions = true;
    kept.journal.configure(&kept.config);
    kept.journal.put(Entry {
        question: Some("退".repeat(100_000)),
        model: Some("m".repeat(100_000)),
        ..entry(2)
    });
    kept.journal.flush();
    let database = journal::open_for_reading(&kept.path()).unwrap();
    let sql = "SELECT question, model FROM request WHERE request_id = ?1";
    let read = |id: &str| {
        let row = database.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?)));
        row.unwrap()
    };
    let nothing: (Option<String>, Option<String>) = (None, None);
    assert_eq!(read("1"), nothing);
    let (question, model) = read("2");
    assert_eq!(question, Some("退".repeat(4096 / 3)));
    assert_eq!(model, Some("m".repeat(256)));
}

#[test]
fn where_it_is_off_there_is_no_file() {
    let mut kept = Kept::start(|config| config.store = Store::Off);
    kept.put(0..10);
    kept.journal.flush();
    assert_eq!((kept.journal.waiting(), kept.counted()), (0, (0, 0)));
    assert_eq!(journal::path(&kept.config), None);
    assert_eq!(fs::read_dir(kept.folder.path()).unwrap().count(), 0);

    // Turned on and off again while it runs.
    kept.config.store = Store::Sqlite;
    kept.journal.configure(&kept.config);
    kept.put(0..10);
    kept.config.store = Store::Off;
    kept.journal.configure(&kept.config);
    kept.put(10..20);
    kept.journal.flush();
    assert_eq!((kept.ids().len(), kept.counted()), (10, (10, 0)));
}

#[test]
fn nobody_else_reads_it_and_another_path_is_taken_at_once() {
    let mut kept = Kept::start(|_| ());
    let first = kept.path();
    assert_eq!(fs::metadata(&first).unwrap().mode() & 0o777, 0o600);
    kept.put(0..3);
    kept.config.path = Some(kept.folder.path().join("elsewhere.sqlite"));
    kept.journal.configure(&kept.config);
    kept.put(3..5);
    kept.journal.flush();
    assert_eq!(kept.ids(), [3, 4]);
    assert_eq!(ids(&journal::open_for_reading(&first).unwrap()), [0, 1, 2]);
}

#[test]
fn the_salt_outlives_the_process() {
    let kept = Kept::start(|_| ());
    let again = Journal::new(&kept.config, &kept.metrics);
    assert_eq!(again.salt(), kept.journal.salt());
    let other = Kept::start(|_| ());
    assert_ne!(other.journal.salt(), kept.journal.salt());
    let off = |_| {
        Kept::start(|config| config.store = Store::Off)
            .journal
            .salt()
    };
    assert_ne!(off(1), off(2));
}

#[test]
fn many_may_start_at_once_and_write_side_by_side() {
    for _ in 0..10 {
        let kept = Kept::start(|config| config.store = Store::Off);
        let config = config::Journal {
            store: Store::Sqlite,
            ..kept.config.clone()
        };
        let salts = std::thread::scope(|scope| {
            let start = |first| {
                let (config, metrics) = (&config, &kept.metrics);
                scope.spawn(move || {
                    let mut journal = Journal::new(config, metrics);
                    (first..first + 50).for_each(|id| journal.put(entry(id)));
                    while journal.waiting() > 0 {
                        journal.flush();
                    }
                    journal.salt()
                })
            };
            let writers: Vec<_> = (0..6).map(|writer| start(writer * 50)).collect();
            let salts = writers.into_iter().map(|writer| writer.join().unwrap());
            salts.collect::<Vec<_>>()
        });
        assert!(salts.iter().all(|salt| *salt == salts[0]));
        let mut found = kept.ids();
        found.sort_unstable();
        assert!(found.into_iter().eq(0..300));
        assert_eq!(kept.counted(), (300, 0));
    }
}

#[test]
fn a_file_that_is_no_journal_is_left_alone() {
    let text: &[u8] =
        b"not a database, surely, but as long as the header of one would be: some hundred bytes";
    let newer =
        "CREATE TABLE request (x); PRAGMA application_id = 1768385132; PRAGMA user_version = 99";
    let files = [
        ("a newer version", newer),
        ("another program's", "CREATE TABLE bookmarks (x)"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut paths = vec![folder.path().join("text")];
    fs::write(&paths[0], text).unwrap();
    for (name, sql) in files {
        paths.push(folder.path().join(name));
        let database = Connection::open(paths.last().unwrap()).unwrap();
        database.execute_batch(sql).unwrap();
    }
    for path in paths {
        let before = fs::read(&path).unwrap();
        let mut kept = Kept::start(|config| config.path = Some(path.clone()));
        kept.put(0..5);
        kept.journal.flush();
        assert_eq!((kept.journal.waiting(), kept.counted()), (0, (0, 5)));
        assert!(kept.journal.reviews().is_none());
        assert_eq!(fs::read(&path).unwrap(), before, "{}", path.display());
        let error = journal::open_for_reading(&path).unwrap_err();
        match path.ends_with("a newer version") {
            true => assert!(matches!(error, Error::Version { found: 99, .. }), "{error}"),
            false => assert!(matches!(error, Error::Foreign(_)), "{error}"),
        }
        // It may be mended while the gateway runs.
        fs::remove_file(&path).unwrap();
        kept.put(5..7);
        kept.journal.flush();
        assert_eq!(kept.ids(), [5, 6]);
    }
}

#[test]
fn what_is_not_there_yet_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    for _ in 0..2 {
        let error = journal::open_for_reading(&path).unwrap_err();
        assert!(matches!(error, Error::Absent(_)), "{error}");
        // So it looks for the moment in which a gateway makes it.
        fs::write(&path, "").unwrap();
    }
}

#[test]
fn a_folder_that_cannot_be_made_loses_records_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("state");
    fs::write(&in_the_way, "").unwrap();
    let path = in_the_way.join("journal.sqlite");
    let mut kept = Kept::start(|config| config.path = Some(path));
    kept.put(0..3);
    kept.journal.flush();
    assert_eq!(kept.counted(), (0, 3));
    fs::remove_file(in_the_way).unwrap();
    kept.put(3..5);
    kept.journal.flush();
    assert_eq!((kept.ids(), kept.counted()), (vec![3, 4], (2, 3)));
}

#[test]
fn a_file_that_is_deleted_is_begun_again() {
    let mut kept = Kept::start(|_| ());
    kept.put(0..5);
    kept.journal.flush();
    fs::remove_file(kept.path()).unwrap();
    kept.put(5..8);
    kept.journal.flush();
    assert_eq!((kept.ids(), kept.counted()), (vec![5, 6, 7], (8, 0)));
}

#[test]
fn reviews_are_read_as_a_person_writes_them() {
    let mut kept = Kept::start(|_| ());
    let waived = |id: usize, waived: &str, share: Option<f64>| Entry {
        would_be: Some("reject".to_owned()),
        waived: Some(waived.to_owned()),
        audit_share: share,
        ..entry(id)
    };
    for id in 0..20 {
        kept.journal.put(waived(id, "audit", Some(0.1)));
        // A client may give an id twice.
        kept.journal.put(waived(id, "audit", Some(0.1)));
        kept.journal.put(waived(100 + id, "shadow", None));
        kept.journal.put(Entry {
            would_be: Some("answer".to_owned()),
            ..waived(200 + id, "shadow", None)
        });
        kept.journal.put(entry(300 + id));
    }
    kept.journal.flush();
    assert_eq!(kept.journal.reviews().unwrap().share(), None);

    let writer = journal::open_for_writing(&kept.path()).unwrap();
    let mut review = writer
        .prepare("INSERT INTO review VALUES (?1, 0, ?2)")
        .unwrap();
    for id in (0..10).chain(100..105).chain(200..205).chain(300..305) {
        let wrong = id < 2 || id == 100;
        review.execute((id.to_string(), wrong)).unwrap();
    }
    let reviews = kept.journal.reviews().unwrap();
    assert_eq!((reviews.right, reviews.wrong), (12, 3));
    let share = reviews.share().unwrap();
    assert!((share - 21.0 / 105.0).abs() < 1e-12, "{share}");
    let reader = journal::open_for_reading(&kept.path()).unwrap();
    let of = |period| journal::reviews(&reader, period).unwrap();
    assert_eq!(of(0..i64::MAX), reviews);
    assert_eq!(of(0..1).share(), None);
}
