//! What the memory holds stays with the process.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Child, Command};

use crate::commands::BINARY;
use crate::kit::{Process, Upstream, eventually};

/// Starts a program with the rights of its user alone: a root that has all of root's may read everything.
fn plain(program: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", program]);
    command
}

/// What another process of the same user is told that reads a file of this one.
fn read(process: &Child, file: &str) -> String {
    let path = format!("/proc/{}/{file}", process.id());
    let read = plain("cat").arg(path).env("LC_ALL", "C").output().unwrap();
    String::from_utf8_lossy(&read.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_of_the_same_user_reads_its_memory() {
    let upstream = Upstream::start().await;
    let process = Process::start_by(plain(BINARY), &upstream, "").await;
    for file in ["environ", "maps", "mem"] {
        let said = read(&process.child, file);
        assert!(said.contains("Permission denied"), "{file}: {said}");
    }
    // Any other program's can be read.
    let mut other = plain("sleep").arg("60").spawn().unwrap();
    eventually("another is read", async || {
        read(&other, "environ").is_empty()
    })
    .await;
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_no_image_and_metrics_of_the_process_are_there() {
    let upstream = Upstream::start().await;
    let process = Process::start_by(plain(BINARY), &upstream, "").await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.child.id())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let core: Vec<_> = core.unwrap().split_whitespace().skip(4).collect();
    assert_eq!(core[..2], ["0", "0"], "{limits}");
    for series in ["open_fds", "max_fds", "resident_memory_bytes", "threads"] {
        let series = format!("process_{series}");
        assert!(process.metric(&series).await > 0.0, "{series}");
    }
}
