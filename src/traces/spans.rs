//! A record → the spans of its request, by OpenTelemetry's semantic conventions for HTTP and for generative AI
//! (the latter as of 1.44, where they are still in development).
//!
//! What clients write stands in a span only as its path, host and model, and no more of them than
//! [`MAX_BYTES`]: no query, no other header, no question, no key.

use std::borrow::Cow;
use std::time::{Duration, Instant, SystemTime};

use http::header::HOST;
use http::uri::Authority;
use http::{Method, Version};
use opentelemetry::trace::{SpanContext, SpanKind, Status};
use opentelemetry::{InstrumentationScope, KeyValue, SpanId, Value};
use opentelemetry_sdk::trace::{IdGenerator, SpanData, SpanEvents, SpanLinks};

use super::Request;
use crate::chat::Protocol;
use crate::record::{Record, Usage};
use crate::verdict::Stage;

/// What is exported of one text that a client wrote.
const MAX_BYTES: usize = 256;

/// What a request's head says of it.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    method: &'static str,
    path: String,
    scheme: &'static str,
    authority: Option<Authority>,
    version: Option<&'static str>,
}

impl Heard {
    pub(super) fn of<B>(request: &http::Request<B>, scheme: &'static str) -> Self {
        let host = || request.headers().get(HOST)?.to_str().ok()?.parse().ok();
        Heard {
            method: method(request.method()),
            path: shortened(request.uri().path()),
            scheme,
            authority: request.uri().authority().cloned().or_else(host),
            version: match request.version() {
                Version::HTTP_10 => Some("1.0"),
                Version::HTTP_11 => Some("1.1"),
                Version::HTTP_2 => Some("2"),
                _ => None,
            },
        }
    }
}

/// The spans of one request: its own, and inside it one of its verdict and one of what the upstream was asked.
pub(super) fn of(
    request: &Request,
    heard: &Heard,
    record: &Record,
    usage: Option<&Usage>,
) -> Vec<SpanData> {
    let frame = Frame { request, record };
    let verdict = frame.verdict();
    let upstream = frame.upstream(heard, usage);
    let children = verdict.into_iter().chain(upstream);
    std::iter::once(frame.server(heard))
        .chain(children)
        .collect()
}

/// What the spans of a request have in common.
struct Frame<'a> {
    request: &'a Request,
    record: &'a Record,
}

impl Frame<'_> {
    fn server(&self, heard: &Heard) -> SpanData {
        let record = self.record;
        let route = record.protocol.map(Protocol::path);
        let method = span_method(heard.method);
        let name = route.map_or(method.into(), |route| format!("{method} {route}").into());
        let host = heard.authority.as_ref();
        let status = (record.status > 0).then_some(record.status);
        let failed = failure(record).filter(|_| !(400..500).contains(&record.status));
        let attributes = Attributes::default()
            .with("http.request.method", Some(heard.method))
            .with("url.path", Some(heard.path.clone()))
            .with("url.scheme", Some(heard.scheme))
            .with("http.route", route)
            .with("http.response.status_code", status.map(i64::from))
            .with("server.address", host.map(|host| shortened(host.host())))
            .with(
                "server.port",
                host.and_then(Authority::port_u16).map(i64::from),
            )
            .with("network.protocol.version", heard.version)
            .with("error.type", failed.clone())
            .with("intentgate.request_id", Some(record.request_id.clone()))
            .with("intentgate.outcome", Some(record.outcome))
            .with("intentgate.decision", Some(record.decision()))
            .decided(record);
        SpanData {
            attributes: attributes.0,
            status: status_of(failed),
            ..self.span(name, SpanKind::Server)
        }
    }

    /// From prompt to decision; none where nothing was judged.
    fn verdict(&self) -> Option<SpanData> {
        let decided = self.record.decided.as_ref()?;
        let begun = self.request.judging?;
        let waived = decided.waived;
        let attributes = Attributes::default()
            .decided(self.record)
            .with("intentgate.nearest", decided.nearest.clone())
            .with("intentgate.log_odds", decided.log_odds)
            .with("intentgate.mixed", Some(decided.mixed))
            .with(
                "intentgate.would_be",
                waived.map(|waived| waived.0.as_str()),
            )
            .with("intentgate.waived", waived.map(|waived| waived.1.as_str()));
        Some(SpanData {
            end_time: self.at(begun + decided.time),
            attributes: attributes.0,
            ..self.child(
                self.fresh_id()?,
                begun,
                "verdict".into(),
                SpanKind::Internal,
            )
        })
    }

    /// From the request sent to the end of the reply, retries included; none where no upstream was asked.
    fn upstream(&self, heard: &Heard, usage: Option<&Usage>) -> Option<SpanData> {
        let (request, record) = (self.request, self.record);
        let sent = request.sent?;
        let operation = record.protocol.map(operation);
        let model = Some(shortened(&record.model)).filter(|model| !model.is_empty());
        let name: Cow<'static, str> = match (operation, &model) {
            (Some(operation), Some(model)) => format!("{operation} {model}").into(),
            (Some(operation), None) => operation.into(),
            (None, _) => span_method(heard.method).into(),
        };
        let failed = failure(record);
        let first_byte = record.first_byte.map(|time| time.as_secs_f64());
        let attributes = Attributes::default()
            .with("gen_ai.operation.name", operation)
            .with("gen_ai.provider.name", record.protocol.map(provider))
            .with("gen_ai.request.model", model)
            .with("http.request.method", Some(heard.method))
            .with(
                "http.response.status_code",
                record.upstream_status.map(i64::from),
            )
            .with("intentgate.upstream.first_byte_seconds", first_byte)
            .with("error.type", failed.clone())
            .billed(usage);
        Some(SpanData {
            attributes: attributes.0,
            status: status_of(failed),
            ..self.child(request.upstream, sent, name, SpanKind::Client)
        })
    }

    /// A span as long as the request.
    fn span(&self, name: Cow<'static, str>, kind: SpanKind) -> SpanData {
        let request = self.request;
        let scope = InstrumentationScope::builder("intentgate");
        SpanData {
            span_context: self.context(request.own),
            parent_span_id: request.parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: request.parent.is_some(),
            span_kind: kind,
            name,
            start_time: self.record.at,
            end_time: after(self.record.at, self.record.took),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: scope.with_version(env!("CARGO_PKG_VERSION")).build(),
        }
    }

    /// A span inside the request's, from `begun` to its end.
    fn child(
        &self,
        id: SpanId,
        begun: Instant,
        name: Cow<'static, str>,
        kind: SpanKind,
    ) -> SpanData {
        SpanData {
            span_context: self.context(id),
            parent_span_id: self.request.own,
            parent_span_is_remote: false,
            start_time: self.at(begun),
            ..self.span(name, kind)
        }
    }

    fn context(&self, id: SpanId) -> SpanContext {
        let request = self.request;
        SpanContext::new(
            request.trace,
            id,
            request.flags,
            false,
            request.state.clone(),
        )
    }

    fn fresh_id(&self) -> Option<SpanId> {
        let (_, traces) = self.request.told.as_ref()?;
        Some(traces.ids.new_span_id())
    }

    /// A moment on the wall's clock, inside the request whatever that clock did meanwhile.
    fn at(&self, moment: Instant) -> SystemTime {
        let since = moment.saturating_duration_since(self.request.begun);
        after(self.record.at, since.min(self.record.took))
    }
}

/// What is said of a span. What is not known is left out.
#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn with(mut self, key: &'static str, value: Option<impl Into<Value>>) -> Self {
        self.0.extend(value.map(|value| KeyValue::new(key, value)));
        self
    }

    /// What the request's own span and its verdict's both say, so that either can be searched.
    fn decided(self, record: &Record) -> Self {
        let Some(decided) = &record.decided else {
            return self;
        };
        self.with("intentgate.intent", Some(record.intent().to_owned()))
            .with("intentgate.reason", Some(decided.reason.as_str()))
            .with("intentgate.stage", decided.stage.map(Stage::as_str))
    }

    fn billed(self, usage: Option<&Usage>) -> Self {
        let tokens = |count: fn(&Usage) -> u64| i64::try_from(count(usage?)).ok();
        self.with("gen_ai.usage.input_tokens", tokens(|usage| usage.prompt))
            .with(
                "gen_ai.usage.cache_read.input_tokens",
                tokens(|usage| usage.cached),
            )
            .with(
                "gen_ai.usage.output_tokens",
                tokens(|usage| usage.completion),
            )
            .with(
                "intentgate.usage.source",
                usage.map(|usage| usage.source.as_str()),
            )
    }
}

/// The class of what went wrong; none where nothing did, and where the client left.
fn failure(record: &Record) -> Option<Cow<'static, str>> {
    match record.outcome {
        "complete" if record.status >= 400 => Some(record.status.to_string().into()),
        "complete" | "cut" => None,
        code => Some(code.into()),
    }
}

fn status_of(failed: Option<Cow<'static, str>>) -> Status {
    // What went wrong stands in `error.type`.
    failed.map_or(Status::Unset, |_| Status::error(""))
}

/// The operation as the conventions call it.
fn operation(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::ChatCompletions | Protocol::Responses | Protocol::Messages => "chat",
        Protocol::Completions => "text_completion",
    }
}

/// The provider whose protocol is spoken; who runs the model is not known here.
fn provider(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Messages => "anthropic",
        Protocol::ChatCompletions | Protocol::Responses | Protocol::Completions => "openai",
    }
}

/// A method as the conventions have it: what is none of the known ones is `_OTHER`.
fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 10] = [
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
    ];
    let known = KNOWN.into_iter().find(|known| method == *known);
    known.unwrap_or("_OTHER")
}

fn span_method(method: &'static str) -> &'static str {
    if method == "_OTHER" { "HTTP" } else { method }
}

fn after(at: SystemTime, time: Duration) -> SystemTime {
    at.checked_add(time).unwrap_or(at)
}

fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use opentelemetry::trace::{TraceFlags, TraceState};
    use opentelemetry::{TraceId, trace::Status};

    use super::*;
    use crate::record::UsageSource;

    fn record(protocol: Option<Protocol>) -> Record {
        Record {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            request_id: "r-1".to_owned(),
            trace_id: None,
            protocol,
            model: "gpt-x".to_owned(),
            client: Some(Arc::from("web")),
            decided: None,
            status: 200,
            upstream_status: Some(200),
            first_byte: Some(Duration::from_millis(250)),
            took: Duration::from_secs(1),
            outcome: "complete",
        }
    }

    fn request() -> Request {
        let begun = Instant::now();
        Request {
            trace: TraceId::from(7),
            flags: TraceFlags::SAMPLED,
            parent: None,
            state: TraceState::default(),
            own: SpanId::from(1),
            upstream: SpanId::from(2),
            begun,
            judging: None,
            sent: Some(begun + Duration::from_millis(400)),
            told: None,
        }
    }

    fn heard(method: &str, uri: &str) -> Heard {
        let request = http::Request::builder().method(method).uri(uri);
        Heard::of(&request.body(()).unwrap(), "http")
    }

    /// The spans of the request itself and of the upstream.
    fn spans(heard: &Heard, record: &Record, usage: Option<&Usage>) -> [SpanData; 2] {
        of(&request(), heard, record, usage).try_into().unwrap()
    }

    fn said<'s>(span: &'s SpanData, key: &str) -> Option<Cow<'s, str>> {
        let mut found = span
            .attributes
            .iter()
            .filter(|said| said.key.as_str() == key);
        let value = &found.next()?.value;
        assert!(found.next().is_none(), "{key} twice");
        Some(value.as_str())
    }

    #[test]
    fn what_goes_wrong_is_whose_fault() {
        let cases: [(u16, Option<u16>, &str, Option<&str>, Option<&str>); 7] = [
            (200, Some(200), "complete", None, None),
            (200, Some(200), "cut", None, None),
            (0, None, "cut", None, None),
            (429, Some(429), "complete", None, Some("429")),
            (500, Some(500), "complete", Some("500"), Some("500")),
            (
                502,
                None,
                "upstream_timeout",
                Some("upstream_timeout"),
                Some("upstream_timeout"),
            ),
            (413, None, "body_too_large", None, Some("body_too_large")),
        ];
        let heard = heard("POST", "/v1/messages");
        for (status, upstream_status, outcome, own, asked) in cases {
            let record = Record {
                status,
                upstream_status,
                outcome,
                ..record(Some(Protocol::Messages))
            };
            let [server, client] = spans(&heard, &record, None);
            for (span, error) in [(server, own), (client, asked)] {
                assert_eq!(said(&span, "error.type").as_deref(), error, "{record:?}");
                let failed = matches!(span.status, Status::Error { .. });
                assert_eq!(failed, error.is_some(), "{record:?}");
            }
        }
    }

    #[test]
    fn a_call_is_named_after_its_protocol_and_model() {
        for (protocol, model, name, provider) in [
            (
                Some(Protocol::ChatCompletions),
                "gpt-x",
                "chat gpt-x",
                Some("openai"),
            ),
            (
                Some(Protocol::Responses),
                "gpt-x",
                "chat gpt-x",
                Some("openai"),
            ),
            (
                Some(Protocol::Completions),
                "gpt-x",
                "text_completion gpt-x",
                Some("openai"),
            ),
            (Some(Protocol::Messages), "", "chat", Some("anthropic")),
            (None, "", "GET", None),
        ] {
            let record = Record {
                model: model.to_owned(),
                ..record(protocol)
            };
            let [_, client] = spans(&heard("GET", "/x"), &record, None);
            assert_eq!(client.name, name);
            assert_eq!(said(&client, "gen_ai.provider.name").as_deref(), provider);
        }
    }

    #[test]
    fn what_clients_write_is_cut() {
        let long = "/\u{9000}".repeat(400);
        let uri = format!(
            "http://{}.example:81/{}?key=sk-1",
            "a".repeat(400),
            "b".repeat(400)
        );
        let record = Record {
            model: long,
            ..record(Some(Protocol::Messages))
        };
        let spans = spans(&heard("BREW", &uri), &record, None);
        assert_eq!(said(&spans[0], "http.request.method").unwrap(), "_OTHER");
        assert_eq!(said(&spans[0], "server.port").unwrap(), "81");
        assert_eq!(spans[0].name, "HTTP /v1/messages");
        for span in spans {
            for said in &span.attributes {
                let text = said.value.as_str();
                assert!(
                    text.len() <= MAX_BYTES && !text.contains("sk-1"),
                    "{said:?}"
                );
            }
        }
    }

    #[test]
    fn times_are_on_the_wall_and_inside_the_request() {
        let record = record(None);
        let [server, client] = spans(&heard("GET", "/x"), &record, None);
        let at = |span: &SpanData| {
            let since = |time: SystemTime| time.duration_since(record.at).unwrap();
            (
                since(span.start_time).as_millis(),
                since(span.end_time).as_millis(),
            )
        };
        assert_eq!((at(&server), at(&client)), ((0, 1000), (400, 1000)));
        let short = Record {
            took: Duration::from_millis(100),
            ..record.clone()
        };
        let [_, client] = spans(&heard("GET", "/x"), &short, None);
        assert_eq!(at(&client), (100, 100), "a clock that went back");
    }

    #[test]
    fn usage_is_told_where_it_is_known() {
        let usage = Usage {
            prompt: 120,
            cached: 100,
            completion: 40,
            source: UsageSource::Counted,
        };
        let record = record(Some(Protocol::ChatCompletions));
        let [_, client] = spans(&heard("POST", "/x"), &record, Some(&usage));
        for (key, value) in [
            ("gen_ai.usage.input_tokens", "120"),
            ("gen_ai.usage.cache_read.input_tokens", "100"),
            ("gen_ai.usage.output_tokens", "40"),
            ("intentgate.usage.source", "counted"),
            ("intentgate.upstream.first_byte_seconds", "0.25"),
        ] {
            assert_eq!(said(&client, key).as_deref(), Some(value), "{key}");
        }
        let [_, client] = spans(&heard("POST", "/x"), &record, None);
        assert_eq!(said(&client, "gen_ai.usage.input_tokens"), None);
    }
}
