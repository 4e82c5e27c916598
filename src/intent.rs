//! An intent: what customers may want, by examples, and what is done about it.

pub mod file;

use std::fmt;
use std::sync::Arc;

use crate::language::{Localized, Phrase};

/// An intent's name: the name of its file, fit for a metric label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentName(Arc<str>);

impl IntentName {
    /// The longest name.
    pub const MAX_LENGTH: usize = 64;

    /// A name of ASCII letters, digits and `_` that starts with a letter; none where `name` is not one.
    pub fn new(name: &str) -> Option<Self> {
        let starts_with_letter = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let fits = name.len() <= Self::MAX_LENGTH;
        (starts_with_letter && plain && fits).then(|| IntentName(name.into()))
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IntentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is done with a question of an intent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Action {
    /// The upstream LLM answers.
    #[default]
    Forward,
    /// The intent's reply answers.
    Answer,
    /// It is off-topic; the intent's reply says so.
    Reject,
}

impl Action {
    /// Every action, in the order that people are told.
    pub const ALL: [Action; 3] = [Action::Forward, Action::Answer, Action::Reject];

    /// The word in files, headers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Forward => "forward",
            Action::Answer => "answer",
            Action::Reject => "reject",
        }
    }
}

/// One intent of a shop, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// Its name.
    pub name: IntentName,
    /// For people.
    pub title: Phrase,
    /// What is done.
    pub action: Action,
    /// What is said; every word filled in. Forwarded intents have none.
    pub reply: Option<Localized>,
    /// Whether its reply opens a conversation, and is out of place in one.
    pub first_turn_only: bool,
    /// At least one.
    pub examples: Vec<Example>,
}

/// A question that belongs to an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// As the operator wrote it, without surrounding white space.
    pub text: String,
    /// As the model reads it: the key of its vectors.
    pub read: String,
    /// Its line in the intent's file, from 1.
    pub line: usize,
}
