//! Open files: a connection is one, and so is each connection to the upstream.

use crate::config::Limits;
use crate::language::say;

/// The model, the cache, the intents, the log, the runtime.
const OWN_FILES: u64 = 256;

/// Takes as many open files as the system allows, and says where that is too few for `limits`.
pub fn raise_open_files(limits: &Limits) {
    let wanted = (limits.connections.get() + limits.requests.get()) as u64 + OWN_FILES;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(allowed) if allowed >= wanted => {}
        Ok(allowed) => tracing::warn!(
            allowed,
            wanted,
            "{}",
            say(
                "系统允许打开的文件太少，连接满之前就会用完；请调高 ulimit -n（systemd：LimitNOFILE），或调低 limits.connections",
                "too few open files are allowed for limits.connections; raise ulimit -n (LimitNOFILE of systemd), or lower it",
            )
        ),
        Err(error) => tracing::warn!(%error, "the limit of open files is not known"),
    }
}
