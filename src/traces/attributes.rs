//! What is said of a span, by OpenTelemetry's semantic conventions for HTTP and for generative AI (the latter as
//! of 1.44, where they are still in development), and by names of our own below `intentgate`.
//!
//! What clients write is said only where it is a path, a host or a model, and no more of it than [`MAX_BYTES`]:
//! no query, no other header, no question, no key.

use std::borrow::Cow;

use http::header::HOST;
use http::uri::Authority;
use http::{Method, Version};
use opentelemetry::{KeyValue, Value};

use crate::chat::Protocol;
use crate::chat::Usage;
use crate::record::Record;
use crate::verdict::Stage;

/// What is exported of one text that a client wrote.
pub(super) const MAX_BYTES: usize = 256;
/// What the conventions call every method but the known ones.
const OTHER_METHOD: &str = "_OTHER";

/// What a request's head says of it.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    method: &'static str,
    path: String,
    scheme: &'static str,
    host: Option<String>,
    port: Option<u16>,
    version: Option<&'static str>,
}

impl Heard {
    pub(super) fn of<B>(request: &http::Request<B>, scheme: &'static str) -> Self {
        let host = || request.headers().get(HOST)?.to_str().ok()?.parse().ok();
        let authority: Option<Authority> = request.uri().authority().cloned().or_else(host);
        Heard {
            method: method(request.method()),
            path: shortened(request.uri().path()),
            scheme,
            host: authority.as_ref().map(|host| shortened(host.host())),
            port: authority.and_then(|host| host.port_u16()),
            version: match request.version() {
                Version::HTTP_10 => Some("1.0"),
                Version::HTTP_11 => Some("1.1"),
                Version::HTTP_2 => Some("2"),
                _ => None,
            },
        }
    }

    /// The name of a call that has no better one.
    pub(super) fn call(&self) -> &'static str {
        if self.method == OTHER_METHOD {
            "HTTP"
        } else {
            self.method
        }
    }
}

/// Attributes of one span. What is not known is left out.
#[derive(Default)]
pub(super) struct Attributes(pub(super) Vec<KeyValue>);

impl Attributes {
    /// Of the request itself.
    pub(super) fn of_request(heard: &Heard, record: &Record) -> Self {
        let status = (record.status > 0).then_some(record.status);
        Attributes::default()
            .with("http.request.method", Some(heard.method))
            .with("url.path", Some(heard.path.clone()))
            .with("url.scheme", Some(heard.scheme))
            .with("http.route", record.protocol.map(Protocol::path))
            .with("http.response.status_code", status.map(i64::from))
            .with("server.address", heard.host.clone())
            .with("server.port", heard.port.map(i64::from))
            .with("network.protocol.version", heard.version)
            .with("error.type", request_failure(record))
            .with("intentgate.request_id", Some(record.request_id.clone()))
            .with("intentgate.outcome", Some(record.outcome))
            .with("intentgate.decision", Some(record.decision()))
            .with_decision(record)
    }

    /// Of its verdict.
    pub(super) fn of_verdict(record: &Record) -> Self {
        let decided = record.decided.as_ref();
        let waived = decided.and_then(|decided| decided.waived);
        let nearest = decided.and_then(|decided| decided.nearest.clone());
        let log_odds = decided.and_then(|decided| decided.log_odds);
        Attributes::default()
            .with_decision(record)
            .with("intentgate.nearest", nearest)
            .with("intentgate.log_odds", log_odds)
            .with("intentgate.mixed", decided.map(|decided| decided.mixed))
            .with(
                "intentgate.would_be",
                waived.map(|waived| waived.0.as_str()),
            )
            .with("intentgate.waived", waived.map(|waived| waived.1.as_str()))
    }

    /// Of what the upstream was asked.
    pub(super) fn of_call(heard: &Heard, record: &Record) -> Self {
        let status = record.upstream_status.map(i64::from);
        let first_byte = record.first_byte.map(|time| time.as_secs_f64());
        Attributes::default()
            .with("gen_ai.operation.name", record.protocol.map(operation))
            .with("gen_ai.provider.name", record.protocol.map(provider))
            .with("gen_ai.request.model", model(record))
            .with("http.request.method", Some(heard.method))
            .with("http.response.status_code", status)
            .with("intentgate.upstream.first_byte_seconds", first_byte)
            .with("error.type", call_failure(record))
    }

    /// What the upstream billed for it.
    pub(super) fn with_usage(self, usage: Option<&Usage>) -> Self {
        let tokens = |count: fn(&Usage) -> u64| i64::try_from(count(usage?)).ok();
        let (prompt, cached) = (tokens(|usage| usage.prompt), tokens(|usage| usage.cached));
        let source = usage.map(|usage| usage.source.as_str());
        self.with("gen_ai.usage.input_tokens", prompt)
            .with("gen_ai.usage.cache_read.input_tokens", cached)
            .with(
                "gen_ai.usage.output_tokens",
                tokens(|usage| usage.completion),
            )
            .with("intentgate.usage.source", source)
    }

    /// What the request's own span and its verdict's both say, so that either can be searched.
    fn with_decision(self, record: &Record) -> Self {
        let Some(decided) = &record.decided else {
            return self;
        };
        self.with("intentgate.intent", Some(record.intent().to_owned()))
            .with("intentgate.reason", Some(decided.reason.as_str()))
            .with("intentgate.stage", decided.stage.map(Stage::as_str))
    }

    fn with(mut self, key: &'static str, value: Option<impl Into<Value>>) -> Self {
        self.0.extend(value.map(|value| KeyValue::new(key, value)));
        self
    }
}

/// The class of what the gateway did wrong: what is the client's mistake is none.
pub(super) fn request_failure(record: &Record) -> Option<Cow<'static, str>> {
    let mistaken = (400..500).contains(&record.status);
    call_failure(record).filter(|_| !mistaken)
}

/// The class of what went wrong for who asked the upstream; none where nothing did, and where the client left.
pub(super) fn call_failure(record: &Record) -> Option<Cow<'static, str>> {
    match record.outcome {
        "complete" if record.status >= 400 => Some(record.status.to_string().into()),
        "complete" | "cut" => None,
        code => Some(code.into()),
    }
}

/// The operation as the conventions call it.
pub(super) fn operation(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::ChatCompletions | Protocol::Responses | Protocol::Messages => "chat",
        Protocol::Completions => "text_completion",
    }
}

/// The model asked for; none where none was named.
pub(super) fn model(record: &Record) -> Option<String> {
    Some(shortened(&record.model)).filter(|model| !model.is_empty())
}

/// The provider whose protocol is spoken; who runs the model is not known here.
fn provider(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Messages => "anthropic",
        Protocol::ChatCompletions | Protocol::Responses | Protocol::Completions => "openai",
    }
}

fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 10] = [
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
    ];
    let known = KNOWN.into_iter().find(|known| method == *known);
    known.unwrap_or(OTHER_METHOD)
}

fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_BYTES)].to_owned()
}
