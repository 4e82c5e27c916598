//! Panics that were caught. None ends a part of the gateway for good, and none is silent: it is counted, said in the
//! log, and the gateway is not ready for a while, so that whoever spreads the requests asks another.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Not ready for so long after one.
const SHAKEN: Duration = Duration::from_secs(10);

static COUNT: AtomicU64 = AtomicU64::new(0);
/// In milliseconds of Unix time.
static LAST: AtomicU64 = AtomicU64::new(0);

/// Does `work`; none where it panics. What it worked on is used again, so it must be whole after any step.
pub fn caught<T>(part: &'static str, work: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.map_err(|_| note(part)).ok()
}

/// Notes that a part of the gateway panicked.
pub fn note(part: &'static str) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    LAST.store(now(), Ordering::Relaxed);
    tracing::error!(part, "a panic was caught; please report it");
}

/// How many were caught since the process began.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// Whether one was caught within the last ten seconds.
pub fn is_shaken() -> bool {
    now().saturating_sub(LAST.load(Ordering::Relaxed)) < SHAKEN.as_millis() as u64
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
