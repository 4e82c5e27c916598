//! What a stream of OpenAI's older protocols says, for one that does not tell its usage.

use memchr::memchr2;
use serde::Deserialize;

use super::json::{Object, Word};

/// Bytes of the longest event that is read.
const LONGEST_EVENT: usize = 64 << 10;
/// Bytes of words that are kept; what is said beyond them is not counted.
const MAX_WORDS: usize = 256 << 10;
/// Replies of one stream that are told apart.
const MAX_CHOICES: usize = 128;

/// The words of a stream so far.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The line that has begun.
    line: Vec<u8>,
    /// The data of the event that has begun.
    data: Vec<u8>,
    /// Whether the event is too long to be read.
    too_long: bool,
    /// Whether the last line ended with a carriage return, whose line feed is no line.
    returned: bool,
    /// What is said by each choice.
    said: Vec<String>,
    bytes: usize,
}

#[derive(Default, Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Object<Choice>>,
}

#[derive(Default, Deserialize)]
struct Choice {
    #[serde(default)]
    index: usize,
    #[serde(default)]
    text: Word,
    #[serde(default)]
    delta: Object<Delta>,
}

#[derive(Default, Deserialize)]
struct Delta {
    /// What a model thinks is billed like what it says.
    #[serde(default)]
    reasoning_content: Word,
    #[serde(default)]
    content: Word,
    #[serde(default)]
    refusal: Word,
    #[serde(default)]
    tool_calls: Option<Vec<Object<Call>>>,
}

#[derive(Default, Deserialize)]
struct Call {
    #[serde(default)]
    function: Object<Function>,
}

#[derive(Default, Deserialize)]
struct Function {
    #[serde(default)]
    name: Word,
    #[serde(default)]
    arguments: Word,
}

impl Words {
    /// The next bytes of the stream.
    pub(super) fn look(&mut self, mut data: &[u8]) {
        if self.returned && !data.is_empty() {
            self.returned = false;
            data = data.strip_prefix(b"\n").unwrap_or(data);
        }
        while let Some(end) = memchr2(b'\r', b'\n', data) {
            self.add(&data[..end]);
            self.end_line();
            let returned = data[end] == b'\r';
            data = &data[end + 1..];
            self.returned = returned && data.is_empty();
            if returned {
                data = data.strip_prefix(b"\n").unwrap_or(data);
            }
        }
        self.add(data);
    }

    /// Whether any chunk of a reply has come.
    pub(super) fn have_come(&self) -> bool {
        !self.said.is_empty()
    }

    /// What each choice says.
    pub(super) fn said(&self) -> impl Iterator<Item = &str> {
        self.said.iter().map(String::as_str)
    }

    fn add(&mut self, part: &[u8]) {
        self.too_long |= self.line.len() + self.data.len() + part.len() > LONGEST_EVENT;
        if self.too_long {
            // Whether it is empty still counts.
            self.line.truncate(1);
            self.line
                .extend(part.first().filter(|_| self.line.is_empty()));
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) {
        if self.line.is_empty() {
            if !self.too_long
                && let Ok(chunk) = serde_json::from_slice(&self.data)
            {
                self.keep(chunk);
            }
            (self.too_long, self.data) = (false, Vec::new());
        } else if let Some(data) = self.line.strip_prefix(b"data:") {
            self.data.extend_from_slice(data);
            self.data.push(b'\n');
        }
        self.line.clear();
    }

    fn keep(&mut self, chunk: Chunk) {
        for choice in chunk.choices.into_iter().filter_map(|choice| choice.0) {
            let index = choice.index.min(MAX_CHOICES - 1);
            if self.said.len() <= index {
                self.said.resize(index + 1, String::new());
            }
            let delta = choice.delta.0.unwrap_or_default();
            let calls = delta.tool_calls.into_iter().flatten();
            let calls = calls.filter_map(|call| call.0?.function.0);
            let calls = calls.flat_map(|function| [function.name, function.arguments]);
            let plain = [
                choice.text,
                delta.reasoning_content,
                delta.content,
                delta.refusal,
            ];
            for words in plain.into_iter().chain(calls).filter_map(|words| words.0) {
                if self.bytes + words.len() <= MAX_WORDS {
                    self.bytes += words.len();
                    self.said[index].push_str(&words);
                }
            }
        }
    }
}
