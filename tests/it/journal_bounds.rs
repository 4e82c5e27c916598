//! What bounds the journal: its buffer, age, the size of its files, and who else reads or locks them.

use std::fs;

use intentgate::journal::{self, BUFFER, Entry, Journal};
use rusqlite::Connection;

use super::journal::{Kept, entry};

/// With a question of some kilobytes, so that a few make a large journal.
fn long(id: usize) -> Entry {
    Entry {
        question: Some(format!("{id} ").repeat(500)),
        ..entry(id)
    }
}

/// Bytes of the database and its log.
fn size(kept: &Kept) -> u64 {
    let folder = kept.path().parent().unwrap().to_owned();
    let files = fs::read_dir(folder).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

#[test]
fn while_it_is_locked_records_wait_and_those_over_the_bound_are_counted() {
    let mut kept = Kept::start(|_| ());
    let other = Connection::open(kept.path()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    kept.put(0..BUFFER + 10);
    kept.journal.flush();
    assert_eq!((kept.journal.waiting(), kept.counted()), (BUFFER, (0, 10)));
    other.execute_batch("COMMIT").unwrap();
    kept.journal.flush();
    assert_eq!(
        (kept.journal.waiting(), kept.counted()),
        (0, (BUFFER as u64, 10))
    );
    assert!(kept.ids().into_iter().eq(0..BUFFER));
}

#[test]
fn what_is_too_old_goes_with_its_reviews() {
    let mut kept = Kept::start(|_| ());
    for id in 0..3000 {
        let at = entry(id).at - 91 * 24 * 3_600_000_000;
        kept.journal.put(Entry { at, ..entry(id) });
    }
    kept.put(3000..3010);
    let writer = journal::open_for_writing(&kept.path()).unwrap();
    let review = "INSERT INTO review VALUES (?1, ?2, 0)";
    writer
        .execute(review, ("0", entry(0).at - 90 * 24 * 3_600_000_000))
        .unwrap();
    writer
        .execute(review, ("3000", entry(0).at + 1_000_000))
        .unwrap();
    kept.journal.flush();
    // It looks at its start, and once a minute.
    let mut again = Journal::new(&kept.config, &kept.metrics);
    let flushes = (0..500).take_while(|_| {
        again.flush();
        kept.ids().len() > 10
    });
    assert!(flushes.count() < 500, "{} are left", kept.ids().len());
    assert!(kept.ids().into_iter().eq(3000..3010));
    let left = writer.query_row("SELECT group_concat(request_id) FROM review", [], |row| {
        row.get::<_, String>(0)
    });
    assert_eq!(left.unwrap(), "3000");
}

#[test]
fn the_oldest_go_before_the_files_are_too_large() {
    let mut kept = Kept::start(|config| {
        config.questions = true;
        config.max_size = 16 << 20;
    });
    for batch in 0..40 {
        (batch * 500..batch * 500 + 500).for_each(|id| kept.journal.put(long(id)));
        kept.journal.flush();
        assert!(size(&kept) <= 16 << 20, "{} bytes", size(&kept));
        assert_eq!(kept.metrics.journal_size.get().cast_unsigned(), size(&kept));
    }
    let found = kept.ids();
    assert!((1000..6000).contains(&found.len()), "{}", found.len());
    assert_eq!(found, (20_000 - found.len()..20_000).collect::<Vec<_>>());
    assert_eq!(kept.counted(), (20_000, 0));
}

#[test]
fn a_lower_bound_makes_the_file_shrink() {
    let mut kept = Kept::start(|config| config.questions = true);
    for batch in 0..20 {
        (batch * 500..batch * 500 + 500).for_each(|id| kept.journal.put(long(id)));
        kept.journal.flush();
    }
    assert!(size(&kept) > 20 << 20, "{} bytes", size(&kept));
    kept.config.max_size = 16 << 20;
    kept.journal.configure(&kept.config);
    let flushes = (0..500).take_while(|_| {
        kept.journal.flush();
        size(&kept) > 16 << 20
    });
    assert!(flushes.count() < 500, "{} bytes", size(&kept));
    assert_eq!(kept.ids().last(), Some(&9_999));
}

// The log of a database grows as long as somebody reads an older state of it.
#[test]
fn an_endless_reader_does_not_make_the_files_too_large() {
    let mut kept = Kept::start(|config| {
        config.questions = true;
        config.max_size = 32 << 20;
    });
    kept.put(0..1);
    kept.journal.flush();
    let reader = journal::open_for_reading(&kept.path()).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM request")
        .unwrap();
    for id in 1..12_000 {
        kept.journal.put(long(id));
        if id % 500 == 0 {
            kept.journal.flush();
            assert!(size(&kept) <= 32 << 20, "{} bytes", size(&kept));
        }
    }
    assert!(kept.journal.waiting() > 0, "nothing is held back");
    reader.execute_batch("COMMIT").unwrap();
    kept.journal.flush();
    assert_eq!((kept.journal.waiting(), kept.counted()), (0, (12_000, 0)));
}
