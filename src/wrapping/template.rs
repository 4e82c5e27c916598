//! What the operator says stands around the words: `gate.question`.

use serde::{Deserialize, Deserializer, de};

use super::{Part, Wrapping};
use crate::language::Phrase;

/// Where the words stand in a template.
const PLACE: &str = "{question}";

/// A template: `【用户问题】{question}`. What stands before and behind the place of the words may stand anywhere in a
/// message; the place itself reaches from the last of the one to the next of the other, or to the message's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    before: String,
    after: String,
}

/// A template that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateError;

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// It holds not exactly one `{question}`, or nothing beside it.
    pub fn new(template: &str) -> Result<Self, TemplateError> {
        let mut halves = template.trim().split(PLACE);
        match (halves.next(), halves.next(), halves.next()) {
            (Some(before), Some(after), None) if !(before.is_empty() && after.is_empty()) => {
                Ok(Template {
                    before: before.to_owned(),
                    after: after.to_owned(),
                })
            }
            _ => Err(TemplateError),
        }
    }

    fn words<'a>(&self, text: &'a str) -> Option<&'a str> {
        let start = match &*self.before {
            "" => 0,
            before => text.rfind(before)? + before.len(),
        };
        let rest = &text[start..];
        let end = match &*self.after {
            "" => rest.len(),
            // Words may hold what stands behind them, but for the last time.
            after => rest.rfind(after)?,
        };
        Some(&rest[..end])
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let template = String::deserialize(deserializer)?;
        Template::new(&template).map_err(|TemplateError| {
            let error = Phrase::new(
                format!("{template:?} 里要有且只有一个 {{question}}，前面或后面还要有文字，例如 \"【用户问题】{{question}}\""),
                format!("{template:?} needs {{question}} exactly once, with text before or behind it, such as \"Customer: {{question}}\""),
            );
            error.into_error::<de::value::Error>()
        })
        .map_err(de::Error::custom)
    }
}

pub(super) fn unwrap<'a>(text: &'a str, templates: &[Template]) -> Option<Part<'a>> {
    let mut words = templates.iter().filter_map(|template| template.words(text));
    words
        .next()
        .map(|words| Part::new(Wrapping::Template, words))
}
