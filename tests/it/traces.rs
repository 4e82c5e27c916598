//! Spans as a collector gets them, and what upstreams are told of them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::{HeaderMap, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use prost::Message;

use crate::kit::intents::{GREETING, POEM, POEM_REPLY, REFUND};
use crate::kit::{Answer, COMPLETION, Gateway, Upstream, chat, eventually, log, soon, stream};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN: &str = "b7ad6b7169203331";

/// What a collector got, as it came and as it reads.
#[derive(Default)]
struct Collected {
    raw: Vec<u8>,
    headers: Vec<HeaderMap>,
    resource: BTreeMap<String, String>,
    spans: Vec<Span>,
}

impl Collected {
    /// Reads exports until there are so many spans.
    async fn from(collector: &mut Upstream, spans: usize) -> Collected {
        let mut collected = Collected::default();
        while collected.spans.len() < spans {
            let export = collector.received().await;
            assert_eq!(export.target, "/v1/traces");
            assert_eq!(export.headers["content-type"], "application/x-protobuf");
            let request = ExportTraceServiceRequest::decode(export.body.clone()).unwrap();
            collected.raw.extend(export.body);
            collected.headers.push(export.headers);
            for resource in request.resource_spans {
                collected.resource = said(&resource.resource.unwrap().attributes);
                let scopes = resource.scope_spans.into_iter();
                collected.spans.extend(scopes.flat_map(|scope| scope.spans));
            }
        }
        assert_eq!(collected.spans.len(), spans);
        collected
    }

    /// The one span of a kind.
    fn span(&self, kind: SpanKind) -> &Span {
        let mut found = self.spans.iter().filter(|span| span.kind() == kind);
        let span = found.next().unwrap();
        assert!(found.next().is_none(), "{:#?}", self.spans);
        span
    }

    fn server(&self) -> &Span {
        self.span(SpanKind::Server)
    }

    fn verdict(&self) -> &Span {
        self.span(SpanKind::Internal)
    }

    fn upstream(&self) -> &Span {
        self.span(SpanKind::Client)
    }

    /// Checks that the spans of one request are one trace: the request's own around the others.
    fn check_tree(&self) {
        let server = self.server();
        let mut ids = BTreeSet::new();
        for span in &self.spans {
            assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
            assert_eq!(span.trace_id, server.trace_id);
            assert!(ids.insert(span.span_id.clone()), "an id a span");
            assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
            assert!(span.start_time_unix_nano >= server.start_time_unix_nano);
            assert!(span.end_time_unix_nano <= server.end_time_unix_nano);
            if span.span_id != server.span_id {
                assert_eq!(span.parent_span_id, server.span_id);
            }
        }
    }

    /// Whether the bytes hold a text.
    fn tells(&self, text: &str) -> bool {
        let mut windows = self.raw.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    }
}

fn said(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.clone().unwrap().value.unwrap() {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::BoolValue(truth) => truth.to_string(),
        other => panic!("{other:?}"),
    };
    let pairs = attributes.iter();
    pairs.map(|pair| (pair.key.clone(), text(pair))).collect()
}

/// Checks attributes; what is expected to be empty must not be there.
fn check(span: &Span, expected: &[(&str, &str)]) {
    let said = said(&span.attributes);
    for (key, value) in expected {
        let found = said.get(*key).map_or("", String::as_str);
        assert_eq!(found, *value, "{key} of {}: {said:#?}", span.name);
    }
}

fn code(span: &Span) -> StatusCode {
    span.status.as_ref().unwrap().code()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn gateway(url: &str, collector: &Upstream, keys: &str) -> Gateway {
    let keys = format!("traces.endpoint = 'http://{}'\n{keys}", collector.address());
    Gateway::start_with(url, &keys).await
}

/// Stops the gateway, which sends what is left; nothing came but what the test has seen.
async fn ends(gateway: Gateway, collector: &mut Upstream) {
    soon("the gateway stops", gateway.stop()).await;
    assert_eq!(collector.unseen(), 0);
}

/// Waits until the log line of a request holds a field.
async fn logged(request_id: &str, field: &str) {
    let line = async || {
        let log = log::text();
        let mut lines = log.lines().filter(|line| line.contains(request_id));
        lines.any(|line| line.contains("outcome=") && line.contains(field))
    };
    eventually(&format!("{request_id} is logged with {field}"), line).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_question_is_three_spans_of_its_clients_trace() {
    let (mut upstream, mut collector) = (Upstream::start().await, Upstream::start().await);
    let keys = "upstream.api_key = 'sk-of-the-upstream'
        traces.service_name = 'shop-gate'
        traces.headers = { authorization = 'Bearer sk-of-the-collector' }";
    let gateway = gateway(&upstream.url(), &collector, keys).await;
    let target = "/v1/chat/completions?key=sk-in-the-query";
    let request = gateway.post(target, chat(REFUND).to_string());
    let request = request
        .bearer_auth("sk-of-the-client")
        .header("x-request-id", "forwarded-1")
        .header("traceparent", format!("00-{TRACE}-{CLIENT_SPAN}-01"))
        .header("tracestate", "shop=1,other=2");
    assert_eq!(Answer::to(request).await.text(), COMPLETION);

    let collected = Collected::from(&mut collector, 3).await;
    collected.check_tree();
    let (server, upstream_span) = (collected.server(), collected.upstream());
    assert_eq!(hex(&server.trace_id), TRACE);
    assert_eq!(hex(&server.parent_span_id), CLIENT_SPAN);
    assert_eq!(server.trace_state, "shop=1,other=2");
    let received = upstream.received().await.headers;
    let told = format!("00-{TRACE}-{}-01", hex(&upstream_span.span_id));
    assert_eq!(received["traceparent"], told);
    assert_eq!(received["tracestate"], "shop=1,other=2");

    assert_eq!(server.name, "POST /v1/chat/completions");
    check(
        server,
        &[
            ("http.request.method", "POST"),
            ("url.path", "/v1/chat/completions"),
            ("url.scheme", "http"),
            ("http.route", "/v1/chat/completions"),
            ("http.response.status_code", "200"),
            ("server.address", "127.0.0.1"),
            ("server.port", &gateway.address().port().to_string()),
            ("network.protocol.version", "1.1"),
            ("error.type", ""),
            ("intentgate.request_id", "forwarded-1"),
            ("intentgate.outcome", "complete"),
            ("intentgate.decision", "forward"),
            ("intentgate.intent", "refund"),
            ("intentgate.reason", "on_topic"),
            ("intentgate.stage", "static"),
        ],
    );
    let verdict = collected.verdict();
    assert_eq!(verdict.name, "verdict");
    check(
        verdict,
        &[
            ("intentgate.nearest", "refund"),
            ("intentgate.mixed", "false"),
            ("intentgate.would_be", ""),
        ],
    );
    let odds = &said(&verdict.attributes)["intentgate.log_odds"];
    assert!(odds.parse::<f64>().unwrap() > 0.0, "{odds}");
    assert_eq!(upstream_span.name, "chat test-model");
    check(
        upstream_span,
        &[
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "openai"),
            ("gen_ai.request.model", "test-model"),
            ("http.response.status_code", "200"),
            ("error.type", ""),
        ],
    );
    let spans = collected.spans.iter();
    assert!(spans.clone().all(|span| code(span) == StatusCode::Unset));
    assert!(verdict.end_time_unix_nano <= upstream_span.start_time_unix_nano);

    assert_eq!(collected.resource["service.name"], "shop-gate");
    let token = &collected.headers[0]["authorization"];
    assert_eq!(token, "Bearer sk-of-the-collector");
    for hidden in [REFUND, "from the upstream", "sk-"] {
        assert!(!collected.tells(hidden), "{hidden}");
    }
    assert!(!log::text().contains("sk-of-the-collector"));
    gateway
        .metric_becomes("intentgate_trace_spans_total{result=\"exported\"}", 3.0)
        .await;
    ends(gateway, &mut collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_question_begins_a_trace_that_the_log_names() {
    let (upstream, mut collector) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway(&upstream.url(), &collector, "").await;
    let request = gateway.chat(&chat(POEM));
    let answer = Answer::to(request.header("x-request-id", "rejected-1")).await;
    assert_eq!(answer.decision(), "reject");

    let collected = Collected::from(&mut collector, 2).await;
    collected.check_tree();
    let server = collected.server();
    assert_eq!(server.parent_span_id, b"");
    check(
        server,
        &[
            ("intentgate.decision", "reject"),
            ("intentgate.intent", "poem"),
        ],
    );
    let id = hex(&server.trace_id);
    assert_ne!(id, "0".repeat(32));
    logged("rejected-1", &format!("trace_id=\"{id}\"")).await;
    assert!(!collected.tells(POEM) && !collected.tells(POEM_REPLY));
    ends(gateway, &mut collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_asked_for_until_its_last_byte() {
    let (upstream, mut collector) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway(&upstream.url(), &collector, "").await;
    let pace = upstream.paces();
    pace.send("data: first\n\n");
    let mut running = soon("headers", gateway.chat(&stream(REFUND)).send())
        .await
        .unwrap();
    soon("a piece", running.chunk()).await.unwrap();
    // A request that ends meanwhile is exported; the one that runs is not.
    gateway.ask(&chat(GREETING)).await;
    let other = Collected::from(&mut collector, 2).await;
    check(other.server(), &[("intentgate.decision", "answer")]);
    pace.send("data: [DONE]\n\n");
    drop(pace);
    while soon("a piece", running.chunk()).await.unwrap().is_some() {}

    let collected = Collected::from(&mut collector, 3).await;
    collected.check_tree();
    let (server, asked) = (collected.server(), collected.upstream());
    assert_eq!(asked.end_time_unix_nano, server.end_time_unix_nano);
    assert!(asked.end_time_unix_nano >= other.server().end_time_unix_nano);
    assert_eq!(code(asked), StatusCode::Unset);
    ends(gateway, &mut collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_says_so() {
    let (upstream, mut collector) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway(&upstream.url(), &collector, "").await;
    let pace = upstream.paces();
    pace.send("data: first\n\n");
    let request = gateway.chat(&stream(REFUND));
    let running = soon("headers", request.send()).await.unwrap();
    pace.break_off();
    soon("the end", running.bytes()).await.unwrap();
    let collected = Collected::from(&mut collector, 3).await;
    for span in [collected.server(), collected.upstream()] {
        check(span, &[("error.type", "upstream_stream_broke_off")]);
        check(span, &[("http.response.status_code", "200")]);
        assert_eq!(code(span), StatusCode::Error);
    }

    upstream.breaks_off();
    assert_eq!(gateway.ask(&chat(REFUND)).await.status, 502);
    let collected = Collected::from(&mut collector, 3).await;
    collected.check_tree();
    let broken = [("error.type", "upstream_broke_off")];
    check(collected.server(), &broken);
    check(collected.server(), &[("http.response.status_code", "502")]);
    check(collected.upstream(), &broken);
    check(collected.upstream(), &[("http.response.status_code", "")]);

    // The client's own mistake is none of the gateway's, yet the call failed.
    upstream.replies(Response::builder().status(400).body("{}").unwrap());
    assert_eq!(gateway.ask(&chat(REFUND)).await.status, 400);
    let collected = Collected::from(&mut collector, 3).await;
    assert_eq!(code(collected.server()), StatusCode::Unset);
    check(collected.upstream(), &[("error.type", "400")]);

    let answer = Answer::to(gateway.post("/v1/nowhere", "{}")).await;
    assert_eq!(answer.status, 403);
    let collected = Collected::from(&mut collector, 1).await;
    assert_eq!(collected.server().name, "POST");
    check(
        collected.server(),
        &[
            ("url.path", "/v1/nowhere"),
            ("http.route", ""),
            ("intentgate.outcome", "path_not_served"),
            ("intentgate.decision", "refused"),
        ],
    );
    ends(gateway, &mut collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_only_watches_says_what_would_have_been() {
    let (upstream, mut collector) = (Upstream::start().await, Upstream::start().await);
    let keys = "gate.mode = 'shadow'";
    let gateway = gateway(&upstream.url(), &collector, keys).await;
    gateway.ask(&chat(POEM)).await;
    let collected = Collected::from(&mut collector, 3).await;
    collected.check_tree();
    check(
        collected.verdict(),
        &[
            ("intentgate.would_be", "reject"),
            ("intentgate.waived", "shadow"),
        ],
    );
    check(collected.server(), &[("intentgate.decision", "forward")]);
    ends(gateway, &mut collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_judged_is_a_plain_http_call() {
    let (upstream, mut collector) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway(&upstream.url(), &collector, "").await;
    Answer::to(gateway.get("/v1/models")).await;
    let collected = Collected::from(&mut collector, 2).await;
    collected.check_tree();
    assert_eq!(collected.upstream().name, "GET");
    check(collected.upstream(), &[("gen_ai.operation.name", "")]);
    check(collected.server(), &[("url.path", "/v1/models")]);
    ends(gateway, &mut collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_records_nothing_decides_for_all() {
    let (mut upstream, mut collector) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway(&upstream.url(), &collector, "").await;
    let unsampled = format!("00-{TRACE}-{CLIENT_SPAN}-00");
    let request = gateway.chat(&chat(REFUND));
    let request = request
        .header("x-request-id", "unsampled-1")
        .header("traceparent", &unsampled)
        .header("tracestate", "shop=1");
    Answer::to(request).await;
    let received = upstream.received().await.headers;
    assert_eq!(received["traceparent"], unsampled);
    assert_eq!(received["tracestate"], "shop=1");
    logged("unsampled-1", &format!("trace_id=\"{TRACE}\"")).await;
    ends(gateway, &mut collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_is_not_sampled_here_is_still_one() {
    let (mut upstream, mut collector) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway(&upstream.url(), &collector, "traces.sample = 0").await;
    let request = gateway.chat(&chat(REFUND));
    let request = request
        .header("x-request-id", "unsampled-2")
        .header("traceparent", "00-nonsense-01")
        .header("tracestate", "of=nonsense");
    Answer::to(request).await;
    let received = upstream.received().await.headers;
    let told = received["traceparent"].to_str().unwrap();
    let [version, id, _, flags] = told.split('-').collect::<Vec<_>>()[..] else {
        panic!("{told}");
    };
    assert_eq!((version, flags), ("00", "00"));
    assert!(!received.contains_key("tracestate"));
    logged("unsampled-2", &format!("trace_id=\"{id}\"")).await;

    let sampled = format!("00-{TRACE}-{CLIENT_SPAN}-01");
    let request = gateway.chat(&chat(REFUND));
    Answer::to(request.header("traceparent", sampled)).await;
    let collected = Collected::from(&mut collector, 3).await;
    assert_eq!(hex(&collected.server().trace_id), TRACE);
    ends(gateway, &mut collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_traces_off_the_headers_pass_as_they_came() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for traceparent in ["00-nonsense-01", &format!("00-{TRACE}-{CLIENT_SPAN}-01")] {
        let request = gateway.chat(&chat(REFUND));
        let request = request
            .header("traceparent", traceparent)
            .header("tracestate", "shop=1");
        Answer::to(request).await;
        let received = upstream.received().await.headers;
        assert_eq!(received["traceparent"], traceparent);
        assert_eq!(received["tracestate"], "shop=1");
    }
    gateway.ask(&chat(REFUND)).await;
    let received = upstream.received().await.headers;
    assert!(!received.contains_key("traceparent"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_spans_and_no_request() {
    let (upstream, mut collector) = (Upstream::start().await, Upstream::start().await);
    let away = Upstream::refusing().await;
    let away = away.strip_suffix("/v1").unwrap();
    let keys = format!("traces.endpoint = '{away}'");
    let lonely = Gateway::start_with(&upstream.url(), &keys).await;
    assert_eq!(lonely.ask(&chat(REFUND)).await.status, 200);
    lonely
        .metric_becomes("intentgate_trace_spans_total{result=\"failed\"}", 3.0)
        .await;
    assert_eq!(lonely.ask(&chat(POEM)).await.decision(), "reject");
    soon("the gateway stops", lonely.stop()).await;

    // One that refuses for good is not asked for the same again, and may take what comes after.
    let gateway = gateway(&upstream.url(), &collector, "").await;
    let refusal = Response::builder().status(401).body(Bytes::new());
    collector.replies(refusal.unwrap());
    gateway.ask(&chat(POEM)).await;
    gateway
        .metric_becomes("intentgate_trace_spans_total{result=\"failed\"}", 2.0)
        .await;
    assert_eq!(collector.unseen(), 1);
    gateway.ask(&chat(POEM)).await;
    Collected::from(&mut collector, 2).await;
    ends(gateway, &mut collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_is_not_waited_for_at_the_end() {
    let (upstream, collector) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway(&upstream.url(), &collector, "").await;
    let hanging = collector.hangs();
    assert_eq!(gateway.ask(&chat(REFUND)).await.status, 200);
    soon("the gateway stops", gateway.stop()).await;
    // Cut, not given up on: an export has five times the time.
    hanging.client_gone().await;
}
