//! What is left of the journal when the disk is full, and when its process is killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use intentgate::config;
use intentgate::journal::{self, Journal};
use intentgate::metrics::Metrics;

use super::journal::{entry, ids};

/// Names the folder of a child that this binary starts of itself.
const FOLDER: &str = "JOURNAL_OF_A_CHILD";

fn config(folder: &Path) -> config::Journal {
    config::Journal {
        path: Some(folder.join("journal.sqlite")),
        ..config::Journal::default()
    }
}

/// The folder, where this process is such a child.
fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// One test of this binary as a process of its own, which `shell` makes ready.
fn child(test: &str, folder: &Path, shell: &str) -> Child {
    let binary = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{shell} exec \"$0\" \"$@\"")]);
    command
        .arg(binary)
        .args(["--exact", test, "--ignored", "--nocapture"]);
    command.env(FOLDER, folder).stdout(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
#[ignore = "a child of the test below"]
fn writes_until_it_is_killed() {
    let Some(folder) = folder() else { return };
    let mut journal = Journal::new(&config(&folder), &Metrics::new().unwrap());
    for id in 0.. {
        journal.put(entry(id));
        if id % 100 == 99 {
            journal.flush();
            println!("flushed {}", id + 1 - journal.waiting());
        }
    }
}

#[test]
fn what_was_flushed_outlives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = child("journal_lost::writes_until_it_is_killed", folder.path(), "");
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut flushed = lines.filter_map(|line| {
        let line = line.unwrap();
        let (_, count) = line.split_once("flushed ")?;
        count.parse::<usize>().ok()
    });
    // Past several of its own moves of the log into the database.
    assert!(flushed.by_ref().any(|count| count >= 60_000));
    writer.kill().unwrap();
    writer.wait().unwrap();
    let told = flushed.last().unwrap_or(60_000);

    let found = ids(&journal::open_for_reading(&config(folder.path()).path.unwrap()).unwrap());
    assert!(found.len() >= told, "{} of {told}", found.len());
    assert!(found.iter().copied().eq(0..found.len()));
    let mut again = Journal::new(&config(folder.path()), &Metrics::new().unwrap());
    again.put(entry(found.len()));
    again.flush();
    assert_eq!(again.waiting(), 0);
}

/// Writes until nothing more fits, makes room, and says what came of it.
fn fills(folder: &Path, make_room: impl FnOnce()) {
    let metrics = Metrics::new().unwrap();
    let mut journal = Journal::new(&config(folder), &metrics);
    let (mut put, mut tries) = (0, 0);
    while tries < 5 {
        (put..put + 100).for_each(|id| journal.put(entry(id)));
        put += 100;
        journal.flush();
        tries += usize::from(journal.waiting() > 0);
        assert!(put < 1_000_000, "it is never full");
    }
    assert_eq!(journal.waiting(), 500, "a full disk keeps what waits");
    make_room();
    journal.flush();
    assert_eq!(journal.waiting(), 0);
    let database = journal::open_for_reading(&config(folder).path.unwrap()).unwrap();
    assert!(ids(&database).into_iter().eq(0..put));
    assert_eq!(
        metrics
            .journal_records
            .with_label_values(&["dropped"])
            .get(),
        0
    );
    println!("kept all");
}

fn ends_well(child: Child) {
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(said.contains("kept all"), "{said}");
}

#[test]
#[ignore = "a child of the test below"]
fn fills_a_disk() {
    let Some(folder) = folder() else { return };
    let ballast = folder.join("ballast");
    std::fs::write(&ballast, vec![0; 1 << 20]).unwrap();
    fills(&folder, || std::fs::remove_file(&ballast).unwrap());
}

#[test]
fn a_full_disk_loses_nothing_that_fits_in_the_buffer() {
    let folder = tempfile::tempdir().unwrap();
    let mount = format!(
        "mount -t tmpfs -o size=2m none '{}'",
        folder.path().display()
    );
    let namespace = Command::new("unshare")
        .args(["-rm", "sh", "-c", &mount])
        .status();
    if !namespace.is_ok_and(|status| status.success()) {
        println!("skipped: this machine lets nobody mount a disk of his own");
        return;
    }
    // The mount is the child's own, and ends with it.
    let shell = format!(
        "exec unshare -rm sh -c '{} && exec \"$0\" \"$@\"' \"$0\" \"$@\";",
        mount.replace('\'', "\"")
    );
    ends_well(child("journal_lost::fills_a_disk", folder.path(), &shell));
}

#[test]
#[ignore = "a child of the test below"]
fn fills_what_it_may() {
    let Some(folder) = folder() else { return };
    fills(&folder, || {
        let (_, hard) = rlimit::Resource::FSIZE.get().unwrap();
        rlimit::Resource::FSIZE.set(hard, hard).unwrap();
    });
}

#[test]
fn a_limit_of_files_loses_nothing_that_fits_in_the_buffer() {
    let folder = tempfile::tempdir().unwrap();
    // In blocks of 512 bytes. Whoever goes on to write gets an error instead of a signal.
    let shell = "trap '' XFSZ; ulimit -S -f 2048;";
    ends_well(child(
        "journal_lost::fills_what_it_may",
        folder.path(),
        shell,
    ));
}
