//! What reloads leave behind: nothing.
#![cfg(target_os = "linux")]

use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::kit::intents::{GIFT_FORWARDED, POEM, REFUND};
use crate::kit::{Answer, Process, Upstream, chat, config_text};

/// What serves is prepared anew this often before anything is held against it.
const WARM_UP: usize = 50;
/// How much more memory may be resident at the end, in MiB: what one reload takes for a moment.
const GROWTH: f64 = 8.0;
/// How many more files and threads: connections and idle threads come and go, and a leak is one a reload.
const SLACK: f64 = 8.0;
/// What is held at the beginning is the least of so many looks.
const LOOKS: usize = 10;
/// So many reloads more, at most, until what was taken for a moment is given back.
const PATIENCE: usize = 300;

/// What a process holds, as it says itself.
#[derive(Clone, Copy, Debug)]
struct Held {
    memory: f64,
    files: f64,
    threads: f64,
}

impl Held {
    async fn by(process: &Process) -> Held {
        Held {
            memory: process.metric("process_resident_memory_bytes").await / f64::from(1 << 20),
            files: process.metric("process_open_fds").await,
            threads: process.metric("process_threads").await,
        }
    }

    /// Whether this is no more than `before` and what comes and goes.
    fn is_within(self, before: Held) -> bool {
        self.memory <= before.memory + GROWTH
            && self.files <= before.files + SLACK
            && self.threads <= before.threads + SLACK
    }

    /// The least of both.
    fn or_less(self, other: Held) -> Held {
        Held {
            memory: self.memory.min(other.memory),
            files: self.files.min(other.files),
            threads: self.threads.min(other.threads),
        }
    }
}

/// A gateway whose configuration and one of whose intents are edited behind links: nothing watches there, so that
/// each reload is one signal, without the wait for an edit's end.
struct Edited {
    process: Process,
    upstream: Upstream,
    behind: TempDir,
}

impl Edited {
    async fn start() -> Edited {
        let upstream = Upstream::start().await;
        let process = Process::start(&upstream, "").await;
        let behind = tempfile::tempdir().unwrap();
        for name in ["config.conf", "gift.toml"] {
            move_behind(&process.folder.path().join(name), &behind.path().join(name));
        }
        Edited {
            process,
            upstream,
            behind,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.behind.path().join(name)
    }

    /// Edits both files, an example that was never there among the edits, and waits until both are in force.
    async fn reload(&mut self, number: usize) {
        let gift =
            GIFT_FORWARDED.replacen("\"\"\"\n", &format!("\"\"\"\n第{number}件能包装吗\n"), 1);
        fs::write(self.file("gift.toml"), gift).unwrap();
        let mode = ["gate.mode = 'shadow'", "gate.mode = 'enforce'"][number % 2];
        let keys = format!("{mode}\nlimits.body = '{}KiB'", 64 + number);
        let text = config_text(self.process.folder.path(), &self.upstream.url(), &keys);
        fs::write(self.file("config.conf"), text).unwrap();
        self.process.signal("-HUP");
        let told = self.process.tells();
        assert!(told.contains("RELOADING=1"), "{told}");
        assert_eq!(self.process.tells(), "READY=1");
        self.process.says("intents published");
        let rejected = ["forward", "reject"][number % 2];
        for (question, decision) in [(POEM, rejected), (REFUND, "forward")] {
            let answer = Answer::to(self.process.ask(&chat(question))).await;
            assert_eq!(answer.decision(), decision, "reload {number}: {question}");
        }
    }

    /// Reloads by each of these numbers; the least that the process held after one.
    async fn least(&mut self, numbers: RangeInclusive<usize>) -> Held {
        let mut least = Held::by(&self.process).await;
        for number in numbers {
            self.reload(number).await;
            least = least.or_less(Held::by(&self.process).await);
        }
        least
    }

    /// Reloads so often and holds what the process holds then against what it held at the beginning.
    async fn leaves_nothing(&mut self, reloads: usize) {
        let all = WARM_UP + reloads;
        self.least(1..=WARM_UP - LOOKS).await;
        let before = self.least(WARM_UP - LOOKS + 1..=WARM_UP).await;
        for number in WARM_UP + 1..=all {
            self.reload(number).await;
        }
        // A busy machine calls in threads that hold memory for a while; what leaks never comes back.
        let (mut number, mut after) = (all, Held::by(&self.process).await);
        while !after.is_within(before) && number < all + PATIENCE {
            number += 1;
            self.reload(number).await;
            after = Held::by(&self.process).await;
        }
        println!("before {before:?}, after {number} reloads {after:?}");
        assert!(after.is_within(before), "{before:?} {after:?}");
        for series in ["config", "intents"] {
            let series = format!("intentgate_{series}_reloads_total{{result=\"ok\"}}");
            assert_eq!(
                self.process.metric(&series).await,
                number as f64,
                "{series}"
            );
        }
    }
}

/// Moves a file and leaves a link to it.
fn move_behind(file: &Path, behind: &Path) {
    fs::copy(file, behind).unwrap();
    let link = file.with_extension("link");
    symlink(behind, &link).unwrap();
    fs::rename(link, file).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_leave_nothing_behind() {
    Edited::start().await.leaves_nothing(50).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; `make soak` runs it"]
async fn a_thousand_reloads_leave_nothing_behind() {
    Edited::start().await.leaves_nothing(1000).await;
}
