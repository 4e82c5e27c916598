//! Patterns over texts.

use std::sync::LazyLock;

use regex::Regex;

/// A pattern that is compiled when it is first asked; none where it cannot be read, which no test lets pass.
pub type Pattern = LazyLock<Option<Regex>>;

/// Compiles a pattern.
pub fn compiled(pattern: &str) -> Option<Regex> {
    let compiled = Regex::new(pattern);
    debug_assert!(compiled.is_ok(), "{compiled:?}");
    compiled.ok()
}

/// Whether a text holds what a pattern looks for.
pub fn matches(pattern: &Pattern, text: &str) -> bool {
    pattern
        .as_ref()
        .is_some_and(|pattern| pattern.is_match(text))
}
