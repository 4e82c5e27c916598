//! Keys that may stand in a file of their own, such as a mounted secret.

use std::path::Path;

use crate::language::Phrase;
use crate::secret::Secret;

/// Reads `key` out of `file`, where there is one; `name` is the key's own in the configuration. What is wrong.
pub(super) fn read(key: &mut Option<Secret>, file: Option<&Path>, name: &str) -> Option<Phrase> {
    let path = file?;
    if key.is_some() {
        return Some(Phrase::new(
            format!("与 {name} 同时存在；只留一个"),
            format!("stands beside {name}; keep one of the two"),
        ));
    }
    match std::fs::read_to_string(path) {
        Ok(text) => *key = Some(Secret::new(&text)),
        Err(error) => return Some(unreadable(path, &error)),
    }
    None
}

/// Whether a header can carry it.
pub(super) fn is_usable(key: &Secret) -> bool {
    !key.is_empty() && key.reveal().chars().all(|c| c.is_ascii_graphic())
}

/// What is said of a file that a key of the configuration names.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Phrase {
    let path = path.display();
    Phrase::new(
        format!("{path}：读不了：{error}"),
        format!("{path} cannot be read: {error}"),
    )
}
