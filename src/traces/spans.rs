//! A record → the spans of its request: how they hang together, and when they were.

use std::borrow::Cow;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::trace::{SpanContext, SpanKind, Status};
use opentelemetry::{InstrumentationScope, SpanId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};

use super::Request;
use super::attributes::{self, Attributes, Heard};
use crate::chat::Protocol;
use crate::chat::Usage;
use crate::record::Record;

/// The spans of one request: its own, and inside it one of its verdict and one of what the upstream was asked.
pub(super) fn of(
    request: &Request,
    heard: &Heard,
    record: &Record,
    usage: Option<&Usage>,
) -> Vec<SpanData> {
    let frame = Frame { request, record };
    let verdict = frame.verdict();
    let call = frame.call(heard, usage);
    let children = verdict.into_iter().chain(call);
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
        let (method, route) = (heard.call(), self.record.protocol.map(Protocol::path));
        let name = route.map_or(method.into(), |route| format!("{method} {route}").into());
        SpanData {
            attributes: Attributes::of_request(heard, self.record).0,
            status: status(attributes::request_failure(self.record)),
            ..self.span(name, SpanKind::Server)
        }
    }

    /// From prompt to decision; none where nothing was judged.
    fn verdict(&self) -> Option<SpanData> {
        let decided = self.record.decided.as_ref()?;
        let begun = self.request.judging?;
        let id = RandomIdGenerator::default().new_span_id();
        Some(SpanData {
            end_time: self.at(begun + decided.time),
            attributes: Attributes::of_verdict(self.record).0,
            ..self.child(id, begun, "verdict".into(), SpanKind::Internal)
        })
    }

    /// From the request sent to the end of the reply, retries included; none where no upstream was asked.
    fn call(&self, heard: &Heard, usage: Option<&Usage>) -> Option<SpanData> {
        let sent = self.request.sent?;
        let operation = self.record.protocol.map(attributes::operation);
        let name: Cow<'static, str> = match (operation, attributes::model(self.record)) {
            (Some(operation), Some(model)) => format!("{operation} {model}").into(),
            (Some(operation), None) => operation.into(),
            (None, _) => heard.call().into(),
        };
        let attributes = Attributes::of_call(heard, self.record).with_usage(usage);
        Some(SpanData {
            attributes: attributes.0,
            status: status(attributes::call_failure(self.record)),
            ..self.child(self.request.upstream, sent, name, SpanKind::Client)
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

    /// A moment on the wall's clock, inside the request whatever that clock did meanwhile.
    fn at(&self, moment: Instant) -> SystemTime {
        let since = moment.saturating_duration_since(self.request.begun);
        after(self.record.at, since.min(self.record.took))
    }
}

/// What went wrong stands in `error.type`.
fn status(failure: Option<Cow<'static, str>>) -> Status {
    failure.map_or(Status::Unset, |_| Status::error(""))
}

fn after(at: SystemTime, time: Duration) -> SystemTime {
    at.checked_add(time).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use opentelemetry::trace::{TraceFlags, TraceState};
    use opentelemetry::{TraceId, trace::Status};

    use super::attributes::MAX_BYTES;
    use super::*;
    use crate::chat::UsageSource;

    fn record(protocol: Option<Protocol>) -> Record {
        Record {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            request_id: "r-1".to_owned(),
            gate_id: "g-1".to_owned(),
            upstream_id: None,
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
        let heard = heard("POST", "/v1/messages");
        for (status, outcome, own, asked) in [
            (200, "complete", "", ""),
            (200, "cut", "", ""),
            (0, "cut", "", ""),
            (429, "complete", "", "429"),
            (500, "complete", "500", "500"),
            (
                502,
                "upstream_timeout",
                "upstream_timeout",
                "upstream_timeout",
            ),
            (413, "body_too_large", "", "body_too_large"),
        ] {
            let record = Record {
                status,
                outcome,
                ..record(Some(Protocol::Messages))
            };
            let [server, client] = spans(&heard, &record, None);
            for (span, error) in [(server, own), (client, asked)] {
                let found = said(&span, "error.type").unwrap_or_default();
                assert_eq!(found, error, "{status} {outcome}");
                let failed = matches!(span.status, Status::Error { .. });
                assert_eq!(failed, !error.is_empty(), "{status} {outcome}");
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
        assert_eq!(at(&client), (100, 100), "no longer than the request");
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
