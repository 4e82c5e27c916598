//! Memory that work has left behind.

/// Gives freed memory back to the system. Preparing a snapshot takes tens of megabytes for a moment, and
/// glibc keeps what it has grown by: the sessions' own files have taught it that large pieces come and go.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(
        unsafe_code,
        reason = "a call without arguments that could be wrong; no crate wraps it"
    )]
    // SAFETY: malloc_trim takes any padding and touches free memory alone; it may run beside other threads.
    unsafe {
        libc::malloc_trim(0);
    }
}
