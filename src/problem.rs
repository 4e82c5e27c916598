//! What is wrong with an operator's file, said so that it can be mended.

use std::fmt;

use crate::language::{Language, Phrase};

/// One thing wrong: where it is, and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as the operator knows it, or `environment`.
    pub file: String,
    /// The line, from 1; none where the whole file is meant.
    pub line: Option<usize>,
    /// The key, dotted.
    pub key: Option<String>,
    /// What is wrong, with the value, and what would be accepted.
    pub message: Phrase,
}

impl Problem {
    /// A problem of a whole file.
    pub fn of_file(file: &str, message: Phrase) -> Self {
        Problem {
            file: file.to_owned(),
            line: None,
            key: None,
            message,
        }
    }

    /// The line that a person reads: `file:line: key: message`.
    pub fn render(&self, language: Language) -> String {
        let mut place = self.file.clone();
        if let Some(line) = self.line {
            place.push_str(&format!(":{line}"));
        }
        if let Some(key) = &self.key {
            place.push_str(&format!(": {key}"));
        }
        format!("{place}: {}", self.message.text(language))
    }
}

/// Every problem found; never empty where it stands for a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// The value if nothing is wrong.
    pub fn or<T>(self, value: T) -> Result<T, Problems> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }

    /// One line a problem.
    pub fn render(&self, language: Language) -> String {
        let lines: Vec<_> = self.0.iter().map(|p| p.render(language)).collect();
        lines.join("\n")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Language::of_environment()))
    }
}

impl std::error::Error for Problems {}
