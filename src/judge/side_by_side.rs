//! A fit's parts, on as many threads: an operator waits for it.

use std::panic::resume_unwind;
use std::thread::{ScopedJoinHandle, scope};

/// What is made of each number below `count`.
pub(super) fn each<T: Send>(count: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let make = &make;
    scope(|scope| {
        let parts = (0..count).map(|part| scope.spawn(move || make(part)));
        let parts: Vec<_> = parts.collect();
        parts.into_iter().map(joined).collect()
    })
}

/// What both make.
pub(super) fn both<A: Send, B>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B) -> (A, B) {
    scope(|scope| {
        let a = scope.spawn(a);
        let b = b();
        (joined(a), b)
    })
}

fn joined<T>(part: ScopedJoinHandle<'_, T>) -> T {
    part.join().unwrap_or_else(|panic| resume_unwind(panic))
}
