//! The process from its start to its end: signals, readiness, and what the service manager hears.

use std::fs;
use std::time::Duration;

use tokio::task::block_in_place;

use crate::kit::intents::{POEM, REFUND};
use crate::kit::{Answer, Process, Upstream, chat, config_text, eventually, soon, stream};

#[tokio::test(flavor = "multi_thread")]
async fn while_replies_finish_readiness_has_turned_already() {
    let upstream = Upstream::start().await;
    let mut process = Process::start(&upstream, "").await;
    assert_eq!(process.ready().await, 200);
    let pace = upstream.paces();
    pace.send("data: first\n\n");
    let mut running = soon("headers", process.ask(&stream(REFUND)).send())
        .await
        .unwrap();
    process.signal("-TERM");
    process.says("stopping");
    assert_eq!(process.tells(), "STOPPING=1");
    eventually("it is not ready", async || process.ready().await == 503).await;
    soon("a refusal", process.ask(&chat(REFUND)).send())
        .await
        .unwrap_err();

    pace.send("data: last\n\n");
    drop(pace);
    let mut whole = Vec::new();
    while let Some(piece) = soon("a piece", running.chunk()).await.unwrap() {
        whole.extend(piece);
    }
    assert_eq!(whole, b"data: first\n\ndata: last\n\n");
    process.ends_well();
}

/// What is written down by a flush, of which there are two a second, is there after a kill.
#[tokio::test(flavor = "multi_thread")]
async fn killed_it_leaves_a_journal_of_all_but_the_last_second() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let keys = format!("journal.path = '{}'", path.display());
    let mut process = Process::start(&upstream, &keys).await;
    for _ in 0..200 {
        let reply = Answer::to(process.ask(&chat(POEM))).await;
        assert_eq!(reply.decision(), "reject");
    }
    // What came in the last second may be lost, and nothing else.
    tokio::time::sleep(Duration::from_secs(1)).await;
    process.child.kill().unwrap();
    block_in_place(|| process.child.wait()).unwrap();
    let journal = rusqlite::Connection::open(&path).unwrap();
    let rows = "SELECT count(*) FROM request WHERE decision = 'reject' AND outcome = 'complete'";
    let rows: i64 = journal.query_row(rows, [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 200);
    let whole: String = journal
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(whole, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_now_and_says_what_was_cut() {
    let upstream = Upstream::start().await;
    let mut process = Process::start(&upstream, "server.grace = '10m'").await;
    let pace = upstream.paces();
    pace.send("data: first\n\n");
    let mut running = soon("headers", process.ask(&stream(REFUND)).send())
        .await
        .unwrap();
    soon("a piece", running.chunk()).await.unwrap();
    process.signal("-TERM");
    process.says("stopping");
    process.signal("-TERM");
    process.says("running replies are cut running=1");
    assert!(soon("the end", running.chunk()).await.is_err());
    process.ends_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_grace_period_is_said() {
    let upstream = Upstream::start().await;
    let mut process = Process::start(&upstream, "server.grace = '200ms'").await;
    let pace = upstream.paces();
    pace.send("data: first\n\n");
    let running = soon("headers", process.ask(&stream(REFUND)).send()).await;
    process.signal("-INT");
    process.says("grace period is over");
    process.says("running replies are cut running=1");
    process.ends_well();
    drop((running, pace));
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reads_the_configuration_and_the_manager_hears_when_that_is_done() {
    let upstream = Upstream::start().await;
    let mut process = Process::start(&upstream, "").await;
    let decision = async || {
        let answer = Answer::to(process.ask(&chat(POEM))).await;
        answer.decision().to_owned()
    };
    assert_eq!(decision().await, "reject");
    let keys = "gate.mode = 'shadow'\nlimits.connections = 7\ntraces.service_name = 'x'";
    let text = config_text(process.folder.path(), &upstream.url(), keys);
    fs::write(process.folder.path().join("config.conf"), text).unwrap();
    process.signal("-HUP");
    let reloading = process.tells();
    assert!(reloading.contains("RELOADING=1"), "{reloading}");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    assert_eq!(process.tells(), "READY=1");
    assert_eq!(decision().await, "forward");
    let fixed = process.says("take effect at the next start");
    assert!(fixed.contains("limits.connections, [traces]"), "{fixed}");
    process.signal("-TERM");
    process.ends_well();
}
