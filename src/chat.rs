//! The client's protocol: the text to judge out of a request, and a reply or an error into the client's own
//! shape.
//!
//! One file a protocol; [`Protocol`] is the one place that knows which path speaks which.

mod billed;
mod chained;
mod chat_completions;
mod completions;
mod ending;
mod fault;
mod json;
mod keyed;
pub mod line;
mod messages;
mod names;
mod response;
mod responses;
pub mod stream;
#[cfg(test)]
mod tests;
mod turn;
mod unpack;
mod usage;
mod whole;
mod words;

use std::fmt;

use bytes::Bytes;
use serde_json::{Map, Value};

pub use billed::Billed;
pub use chained::Previous;
pub use ending::{EndMark, JsonEnd};
pub use fault::Fault;
pub use usage::{Heard, Usage, UsageReader, UsageSource};
pub use whole::WholeEvents;

use crate::bare::is_bare;
use crate::language::{Code, Localized, is_han, tell};
use crate::wrapping::{self, Known, Wrapping};
use unpack::Coding;

/// A protocol that is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI Chat Completions.
    ChatCompletions,
    /// OpenAI Responses.
    Responses,
    /// OpenAI Completions, which came before chats.
    Completions,
    /// Anthropic Messages.
    Messages,
}

/// A request as far as the gate reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// What is judged.
    pub text: Text,
    /// Whether the turn that is judged also holds something that may hold words, in a shape that is not known
    /// here: a file, a sound, a part or a role that the protocol does not have.
    pub unread: bool,
    /// What a front end had put around the customer's words.
    pub wrapping: Option<Wrapping>,
    /// The response that it goes on from; the conversation so far is there.
    pub previous: Option<Previous>,
    /// What was said before the turn that is judged.
    pub context: Context,
    /// Who asks.
    pub asker: Asker,
    /// How a reply made here is to look.
    pub reply: ReplyShape,
}

/// Who asks, as far as a request says: by it the questions of one customer, and of one conversation, are known
/// to belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asker {
    /// The front end's own name for its user: `safety_identifier`, `user`, `metadata.user_id`. Its first 256
    /// characters.
    pub user: Option<String>,
    /// The conversation's first user message: its first 256 characters.
    pub opening: String,
}

impl Asker {
    /// A front end's name for its user, as far as it is kept; none where it is empty.
    pub fn name(user: &str) -> Option<String> {
        json::Word(Some(user.to_owned())).into_name()
    }
}

/// How a reply made here is to look, as the request has it. What a protocol does not have stays at its default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplyShape {
    /// The model asked for, echoed: its first 256 characters, without control characters.
    pub model: String,
    /// Whether the reply is to be a stream.
    pub stream: bool,
    /// Whether the stream is to end with a chunk of usage.
    pub include_usage: bool,
    /// How many replies are asked for, no more than 128.
    pub choices: usize,
    /// Whether the client parses what the model says: it gets a refusal in place of prose.
    pub structured: bool,
    /// Fields of the request that the reply repeats, together no more than 32 KiB.
    pub echo: Map<String, Value>,
    /// What the reply says that it was billed for: nothing, unless it stands in for an LLM's.
    pub usage: Usage,
}

/// The text of the turn to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// The customer's words.
    Question(String),
    /// No words: a picture alone, a tool's result, no user message at all.
    None,
    /// What a front end wants to know about a chat: its title, its summary, what may be asked next.
    Task,
    /// No words, but something that may hold some, in a shape that is not known here.
    UnknownShape,
}

/// What was said before the turn that is judged. Both are empty for a conversation's first turn, and where
/// there is no question to judge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The nearest earlier user message with words: its first 2,000 characters.
    pub user: Option<String>,
    /// Those before it, the nearest first, as much of each; no more than [`EARLIER`].
    pub earlier: Vec<String>,
    /// The nearest assistant message with words: its last 2,000 characters, where it asks or offers.
    pub assistant: Option<String>,
    /// Whether a tool's result stands right before it.
    pub after_tool: bool,
    /// Whether the upstream has answered before it, and keeps what was said.
    pub kept_upstream: bool,
}

/// User messages before the nearest one that are kept: one odd turn, or two, do not end a matter.
pub const EARLIER: usize = 2;

impl Context {
    /// Keeps a user message as the nearest.
    fn push(&mut self, said: String) {
        if let Some(before) = self.user.replace(said) {
            self.earlier.insert(0, before);
            self.earlier.truncate(EARLIER);
        }
    }

    /// Whether a tool's result came before, or the assistant called one in its words, as frameworks do without a
    /// protocol for tools.
    fn follows_call(&self) -> bool {
        let calls = |said: &String| {
            ["Action", "Thought", "```", "<tool", "<code"]
                .iter()
                .any(|mark| said.contains(mark))
        };
        self.after_tool || self.assistant.as_ref().is_some_and(calls)
    }
}

/// The body of a request cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// A reply made here, ready to send.
#[derive(Debug)]
pub struct Reply {
    /// The `content-type`.
    pub content_type: &'static str,
    /// The body.
    pub body: ReplyBody,
}

/// The body of a reply made here.
#[derive(Debug)]
pub enum ReplyBody {
    /// All of it.
    Whole(Bytes),
    /// A stream.
    Events(Events),
}

/// Events, each made when it is asked for: a request may ask for a hundred times its own length.
pub struct Events(Box<dyn Iterator<Item = Bytes> + Send + Sync>);

impl Protocol {
    /// Each of them.
    pub const ALL: [Protocol; 4] = [
        Protocol::ChatCompletions,
        Protocol::Responses,
        Protocol::Completions,
        Protocol::Messages,
    ];

    /// The protocol of a path; none where the path is not judged. Base URLs are set with `/v1` and without, or twice,
    /// and with a slash too many: what is meant is judged.
    pub fn of_path(path: &str) -> Option<Self> {
        let names = |path: &'static str| path.split('/').skip(2);
        let named = path.split('/').filter(|name| !name.is_empty());
        let named = named.skip_while(|name| *name == "v1");
        let judged = |protocol: &Protocol| named.clone().eq(names(protocol.path()));
        Protocol::ALL.into_iter().find(judged)
    }

    /// The path that speaks it.
    pub fn path(self) -> &'static str {
        match self {
            Protocol::ChatCompletions => "/v1/chat/completions",
            Protocol::Responses => "/v1/responses",
            Protocol::Completions => "/v1/completions",
            Protocol::Messages => "/v1/messages",
        }
    }

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::ChatCompletions => "chat_completions",
            Protocol::Responses => "responses",
            Protocol::Completions => "completions",
            Protocol::Messages => "messages",
        }
    }

    /// Reads a request's body as it came: unpacked where it is compressed by `coding`, its `Content-Encoding`, to
    /// no more than `most` bytes.
    ///
    /// # Errors
    /// As [`Protocol::prompt`]; and what is no body of that coding, or holds more.
    pub fn prompt_of(
        self,
        body: &[u8],
        coding: Option<&[u8]>,
        most: usize,
    ) -> Result<Prompt, Unreadable> {
        let coding = coding.map(<[u8]>::trim_ascii);
        let coding = coding.filter(|coding| !coding.eq_ignore_ascii_case(b"identity"));
        let Some(name) = coding else {
            return self.prompt(body);
        };
        let known = Coding::named(name).ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            Unreadable(format!(
                "the body's Content-Encoding is {name}; gzip, deflate, br and zstd are read"
            ))
        })?;
        let unpacked = known.whole(body, most);
        let unpacked = unpacked
            .map_err(|error| Unreadable(format!("the body could not be unpacked: {error}")))?;
        self.prompt(&unpacked)
    }

    /// Reads a request's body.
    ///
    /// # Errors
    /// What no server of this protocol could read either.
    pub fn prompt(self, body: &[u8]) -> Result<Prompt, Unreadable> {
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        ensure_utf8(body)?;
        match self {
            Protocol::ChatCompletions => chat_completions::prompt(body),
            Protocol::Responses => responses::prompt(body),
            Protocol::Completions => completions::prompt(body),
            Protocol::Messages => messages::prompt(body),
        }
    }

    /// The id of a reply made here to a request, by which a client may go on from it.
    pub fn local_id(self, request_id: &str, prompt: &Prompt) -> String {
        match self {
            Protocol::Responses => chained::local_id(request_id, prompt.previous.as_ref()),
            _ => request_id.to_owned(),
        }
    }

    /// The body of a request that goes on from a reply made here, as the upstream can go on from what it knows; none
    /// where a request goes on from none. It is not compressed, whatever it was.
    pub fn continued(
        self,
        body: &[u8],
        coding: Option<&[u8]>,
        most: usize,
        prompt: &Prompt,
    ) -> Option<Bytes> {
        let Some(Previous::Local { before, .. }) = &prompt.previous else {
            return None;
        };
        let known = coding.and_then(Coding::named);
        let unpacked = known.and_then(|known| known.whole(body, most).ok());
        let body = unpacked.as_deref().unwrap_or(body);
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        chained::for_upstream(body, before.as_deref())
    }

    /// Phrases a reply made here. `id` tells replies apart, `created` is in seconds of Unix time.
    pub fn reply(self, prompt: &Prompt, text: &str, id: &str, created: u64) -> Reply {
        let shape = &prompt.reply;
        match self {
            Protocol::ChatCompletions => chat_completions::reply(shape, text, id, created),
            Protocol::Responses => response::reply(shape, text, id, created),
            Protocol::Completions => completions::reply(shape, text, id, created),
            Protocol::Messages => messages::reply(shape, text, id),
        }
    }

    /// The body of an error, in JSON. `request_id` is what the reply's headers say.
    pub fn error(self, fault: &Fault, request_id: &str) -> Bytes {
        let error = match self {
            Protocol::Messages => fault.anthropic(Some(request_id)),
            _ => fault.openai(),
        };
        error.to_string().into()
    }

    /// The event that ends a stream which broke off, so that the client's SDK raises an error.
    pub fn stream_error(self, fault: &Fault) -> String {
        match self {
            Protocol::ChatCompletions | Protocol::Completions => stream::event(&fault.openai()),
            Protocol::Responses => response::stream_error(fault),
            Protocol::Messages => stream::named_event("error", &fault.anthropic(None)),
        }
    }
}

impl Prompt {
    /// The same with the customer's words alone, without what front ends put around them. What the message tells of
    /// the conversation serves where the request has none.
    #[must_use]
    pub fn unwrapped(mut self, known: Known<'_>) -> Self {
        let words = |said: String| match wrapping::unwrap(&said, known) {
            Some(found) => found.words,
            None => said,
        };
        let spoken = |words: &String| !words.is_empty();
        let Context { user, earlier, .. } = &mut self.context;
        *user = user.take().map(words).filter(spoken);
        *earlier = earlier.drain(..).map(words).filter(spoken).collect();
        let Text::Question(message) = &self.text else {
            return self;
        };
        if wrapping::is_task(message) {
            self.text = Text::Task;
        } else if wrapping::is_harness(message) && self.context.follows_call() {
            // What began the loop was judged.
            self.text = Text::None;
        } else if let Some(found) = wrapping::unwrap(message, known) {
            self.wrapping = Some(found.wrapping);
            let Context {
                user, assistant, ..
            } = &mut self.context;
            *user = user.take().or(found.before);
            *assistant = assistant.take().or(found.said);
            self.text = match found.words.is_empty() {
                true => Text::None,
                false => Text::Question(found.words),
            };
        }
        self
    }

    /// The language in which a reply made here is said.
    pub fn language(&self, reply: &Localized) -> Code {
        let Text::Question(text) = &self.text else {
            return Code::EN;
        };
        let before = self.context.user.as_ref().unwrap_or(text);
        language(&[text, before, &self.asker.opening], reply)
    }
}

/// The language in which a reply is said to who said this, the last first: that of the first which tells, else English.
pub fn language(said: &[&str], reply: &Localized) -> Code {
    let offered: Vec<Code> = reply.codes().collect();
    // Where there is one text there is nothing to tell.
    let said = if offered.len() > 1 { said } else { &[] };
    let telling = |text: &&str| tell(text, &offered).filter(|_| !is_anyones(text));
    said.iter().find_map(telling).unwrap_or(Code::EN)
}

/// Whether a text is a number or a short word that is said in any language: ok, no thanks.
fn is_anyones(text: &str) -> bool {
    is_bare(text) && !text.chars().any(is_han)
}

/// What some clients write before a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// JSON is UTF-8; what was written in another encoding would be judged as what it is not. A byte here and there is
/// mended, as upstreams do.
fn ensure_utf8(body: &[u8]) -> Result<(), Unreadable> {
    let broken = body.utf8_chunks().filter(|part| !part.invalid().is_empty());
    match broken.take(BROKEN_BYTES + 1).count() {
        0..=BROKEN_BYTES => Ok(()),
        _ => Err(Unreadable(
            "the body is not UTF-8, as JSON has to be; it may be GBK or another encoding"
                .to_owned(),
        )),
    }
}

/// Places in a body that are no UTF-8 and may be slips.
const BROKEN_BYTES: usize = 2;

impl Reply {
    /// A body of JSON.
    fn json(body: &Value) -> Self {
        Reply {
            content_type: "application/json",
            body: ReplyBody::Whole(body.to_string().into()),
        }
    }

    /// A body of events.
    fn stream(events: impl Iterator<Item = String> + Send + Sync + 'static) -> Self {
        Reply {
            content_type: stream::CONTENT_TYPE,
            body: ReplyBody::Events(Events(Box::new(events.map(Bytes::from)))),
        }
    }
}

impl ReplyBody {
    /// All of it, made at once.
    pub fn whole(self) -> Bytes {
        match self {
            ReplyBody::Whole(body) => body,
            ReplyBody::Events(events) => events.flatten().collect(),
        }
    }
}

impl Iterator for Events {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.0.next()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
