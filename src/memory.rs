//! Memory that work has left behind, with glibc, which would keep it.
//!
//! Preparing a snapshot takes tens of megabytes for a moment. glibc raises the size from which it asks the
//! system for a piece of its own as soon as one such piece is freed, and the sessions' files are large: from
//! then on everything comes out of heaps that hardly ever shrink.

use std::time::Duration;

/// What the process holds in physical memory, in bytes; none where the system does not say.
pub fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// Keeps the memory, which holds keys and customers' words, to the process: a crash leaves no image of it, and on
/// Linux root alone may read it or attach to it from now on. A debugger that starts the program is there before.
pub fn keep_private() {
    rlimit::setrlimit(rlimit::Resource::CORE, 0, 0).ok();
    // The limit does not bind where the system pipes images to a program; this does.
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).ok();
}

/// Has large pieces always come from the system, and go back to it. For the start of the process.
pub fn return_large_pieces() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "no crate wraps it")]
    // SAFETY: mallopt takes any value of this option, at any time.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 256 << 10);
    }
}

/// What a process may hold more than the least it ever did, before it gives back what is free, in bytes.
const SLACK: u64 = 16 << 20;
/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);

/// Gives back what a burst of connections has left behind, while the process runs.
pub async fn keep_small() {
    let mut least = u64::MAX;
    loop {
        tokio::time::sleep(LOOK).await;
        let holds = resident().unwrap_or_default();
        if holds > least.saturating_add(SLACK) {
            give_back();
        }
        least = least.min(resident().unwrap_or(holds));
    }
}

/// Gives back what is free of the small pieces.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "no crate wraps it")]
    // SAFETY: malloc_trim takes any padding and touches free memory alone; it may run beside other threads.
    unsafe {
        libc::malloc_trim(0);
    }
}
