//! The tokens that an upstream's reply was billed for, heard as the reply goes by.
//!
//! Every protocol tells them as numbers of an object under the key `usage`: at the end of a whole reply, in an
//! event of a stream. Inside a string of JSON the quotes of that key would be escaped, so it is looked for in the
//! bytes, and nothing else of a reply is read. What a later object says goes over what an earlier one said: servers
//! that count as they go tell the sum each time, and Anthropic's end of a stream leaves out what its beginning told.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::Value;

use super::Protocol;
use super::keyed::Keyed;
use super::unpack::Coding;
use super::words::Words;

/// Bytes that are kept of a compressed reply; of a larger one the usage stays unknown.
const MAX_PACKED: usize = 1 << 20;

/// Tokens that an upstream billed for one reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the request, those from the cache included.
    pub prompt: u64,
    /// Of the request, those that came from the upstream's cache.
    pub cached: u64,
    /// Of the reply.
    pub completion: u64,
    /// How it is known.
    pub source: UsageSource,
}

/// How a usage is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageSource {
    /// The upstream's reply says so.
    #[default]
    Told,
    /// The reply says nothing; its text and the request were counted here.
    Counted,
}

/// Listens to one reply. At most 1 MiB of a compressed one is kept, otherwise 4 KiB of an object; where words are
/// to be counted, an event of 64 KiB and 256 KiB of words besides.
#[derive(Debug)]
pub struct UsageReader(Body);

/// What was heard of a reply, to be made sense of where nobody waits.
#[derive(Debug)]
pub struct Heard(Body);

#[derive(Debug)]
enum Body {
    Plain(Listener),
    Packed(Coding, Vec<u8>, Listener),
    /// In a coding that is not known, or too large.
    Unknown,
}

#[derive(Debug)]
struct Listener {
    usage: Keyed,
    told: Told,
    /// Where the reply is a stream that may tell nothing: what it says.
    words: Option<Words>,
}

/// What has been told so far.
#[derive(Debug, Default)]
struct Told {
    input: Option<u64>,
    /// Anthropic's: not among the input.
    read_from_cache: Option<u64>,
    written_to_cache: Option<u64>,
    cached: Option<u64>,
    output: Option<u64>,
}

impl UsageSource {
    /// The word in metrics and in the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            UsageSource::Told => "told",
            UsageSource::Counted => "counted",
        }
    }
}

impl UsageReader {
    /// For a reply with these headers. `tells`: the client asked for a stream's usage, without which OpenAI's older
    /// protocols tell none.
    pub fn new(protocol: Protocol, headers: &HeaderMap, tells: bool) -> Self {
        let is_older = matches!(protocol, Protocol::ChatCompletions | Protocol::Completions);
        let listener = Listener {
            usage: Keyed::new("usage"),
            told: Told::default(),
            words: (is_older && !tells && is_stream(headers)).then(Words::default),
        };
        UsageReader(match headers.get(CONTENT_ENCODING) {
            None => Body::Plain(listener),
            Some(name) => match Coding::named(name.as_bytes()) {
                Some(coding) => Body::Packed(coding, Vec::new(), listener),
                None if name == "identity" => Body::Plain(listener),
                None => Body::Unknown,
            },
        })
    }

    /// The next bytes of the reply. Cheap: they are searched, and read only where they hold a usage, or words that
    /// may have to be counted.
    pub fn look(&mut self, data: &[u8]) {
        match &mut self.0 {
            Body::Plain(listener) => listener.look(data),
            Body::Packed(_, kept, _) if kept.len() + data.len() <= MAX_PACKED => {
                kept.extend_from_slice(data);
            }
            Body::Packed(..) => self.0 = Body::Unknown,
            Body::Unknown => {}
        }
    }

    /// The reply has ended, be it in the middle.
    pub fn finish(self) -> Heard {
        Heard(self.0)
    }
}

impl Heard {
    /// What the reply was billed for. Where a stream of OpenAI's older protocols told nothing, its words are counted
    /// by `count`, and the request is what `prompt_tokens` says. None where nothing is known.
    pub fn usage(
        self,
        prompt_tokens: impl FnOnce() -> u64,
        count: &dyn Fn(&str) -> u64,
    ) -> Option<Usage> {
        let listener = match self.0 {
            Body::Plain(listener) => listener,
            Body::Packed(coding, kept, mut listener) => {
                coding.unpack(&kept, |data| listener.look(data));
                listener
            }
            Body::Unknown => return None,
        };
        listener.told.usage().or_else(|| {
            let words = listener.words.filter(Words::have_come)?;
            Some(Usage {
                prompt: prompt_tokens(),
                cached: 0,
                completion: words.said().map(count).sum(),
                source: UsageSource::Counted,
            })
        })
    }
}

impl Listener {
    fn look(&mut self, data: &[u8]) {
        let told = &mut self.told;
        self.usage.look(data, |object| told.note(object));
        if let Some(words) = &mut self.words {
            words.look(data);
        }
    }
}

impl Told {
    fn note(&mut self, object: &[u8]) {
        let Ok(object) = serde_json::from_slice::<Value>(object) else {
            return;
        };
        let any = |paths: &[&str]| {
            let mut found = paths.iter().filter_map(|path| object.pointer(path));
            found.find_map(Value::as_u64)
        };
        for (known, paths) in [
            (&mut self.input, &["/prompt_tokens", "/input_tokens"][..]),
            (&mut self.output, &["/completion_tokens", "/output_tokens"]),
            (
                &mut self.cached,
                &[
                    "/prompt_tokens_details/cached_tokens",
                    "/input_tokens_details/cached_tokens",
                    "/prompt_cache_hit_tokens",
                ],
            ),
        ] {
            *known = any(paths).or(*known);
        }
        // Servers that speak both ways count these among prompt_tokens.
        if object.get("input_tokens").is_some() {
            let (read, written) = (
                &["/cache_read_input_tokens"],
                &["/cache_creation_input_tokens"],
            );
            self.read_from_cache = any(read).or(self.read_from_cache);
            self.written_to_cache = any(written).or(self.written_to_cache);
        }
    }

    fn usage(&self) -> Option<Usage> {
        if self.input.is_none() && self.output.is_none() {
            return None;
        }
        let known = |tokens: Option<u64>| tokens.unwrap_or(0);
        let read = known(self.read_from_cache);
        let prompt = known(self.input)
            .saturating_add(read)
            .saturating_add(known(self.written_to_cache));
        Some(Usage {
            prompt,
            cached: self.cached.unwrap_or(read).min(prompt),
            completion: known(self.output),
            source: UsageSource::Told,
        })
    }
}

fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with(b"text/event-stream"))
}
