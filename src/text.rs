//! stub
use std::borrow::Cow;
/// stub
pub fn normalise(text: &str) -> Cow<'_, str> { Cow::Borrowed(text.trim()) }
/// stub
pub fn second_reading(_: &str) -> Option<String> { None }
