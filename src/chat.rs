//! The client's protocol: the text to judge out of a request, and a reply into the client's own shape.
//!
//! One file a protocol; [`Protocol`] is the one place that knows which path speaks which.

pub mod completions;
mod json;
pub mod line;
pub mod stream;

use bytes::Bytes;

use crate::language::Language;

/// A chat protocol that is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI Chat Completions.
    ChatCompletions,
}

/// A request as far as the gate reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// What is judged.
    pub text: Text,
    /// What was said before the turn that is judged.
    pub context: Context,
    /// The model asked for, echoed in replies made here.
    pub model: String,
    /// Whether the reply is to be a stream.
    pub stream: bool,
    /// Whether the stream is to end with a chunk of usage.
    pub include_usage: bool,
    /// How many replies are asked for.
    pub choices: usize,
    /// Whether the client parses what the model says: it gets a refusal in place of prose.
    pub structured: bool,
}

/// The text of the turn to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// The customer's words.
    Question(String),
    /// No words: a picture alone, a tool's result, no user message at all.
    None,
    /// Something that may hold words, in a shape that is not known here.
    UnknownShape,
}

/// What was said before the turn that is judged. Both are empty for a conversation's first turn, and where
/// there is no question to judge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The nearest earlier user message with words: its first 2,000 characters.
    pub user: Option<String>,
    /// The nearest assistant message with words: its last 2,000 characters, where it asks or offers.
    pub assistant: Option<String>,
}

/// The body of a request cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// A reply made here, ready to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The `content-type`.
    pub content_type: &'static str,
    /// The whole body.
    pub body: Bytes,
}

impl Protocol {
    /// The protocol of a path; none where the path is not judged.
    pub fn of_path(path: &str) -> Option<Self> {
        match path {
            "/v1/chat/completions" => Some(Protocol::ChatCompletions),
            _ => None,
        }
    }

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::ChatCompletions => "chat_completions",
        }
    }

    /// Reads a request's body.
    ///
    /// # Errors
    /// What no server of this protocol could read either.
    pub fn prompt(self, body: &[u8]) -> Result<Prompt, Unreadable> {
        match self {
            Protocol::ChatCompletions => completions::prompt(body),
        }
    }

    /// Phrases a reply made here. `id` tells replies apart, `created` is in seconds of Unix time.
    pub fn reply(self, prompt: &Prompt, text: &str, id: &str, created: u64) -> Reply {
        match self {
            Protocol::ChatCompletions => completions::reply(prompt, text, id, created),
        }
    }
}

impl Prompt {
    /// The language that a reply made here speaks.
    pub fn language(&self) -> Language {
        match &self.text {
            Text::Question(text) => Language::of_text(text),
            Text::None | Text::UnknownShape => Language::En,
        }
    }
}
