//! The same journey in every protocol that is judged.

use http::Response;
use intentgate::chat::{Protocol, Usage, UsageReader, UsageSource};
use intentgate::tokenizer::Tokenizer;
use serde_json::{Value, json};

use crate::kit::intents::*;
use crate::kit::{Answer, Gateway, Upstream, ask_in, check_error_in, check_reply_in, soon};

/// A request as no serializer would write it, with a field that the gateway does not know.
fn odd(protocol: Protocol) -> String {
    let text = "\"\\u9000款怎么还没到\"";
    let asked = match protocol {
        Protocol::ChatCompletions | Protocol::Messages => {
            format!("\"messages\":\t[ {{\"content\": {text},\r\n \"role\":\"user\"}} ]")
        }
        Protocol::Responses => {
            format!("\"input\":\t[ {{\"content\": {text},\r\n \"role\":\"user\"}} ]")
        }
        Protocol::Completions => format!("\"prompt\" :\t{text}"),
    };
    format!(
        "{{ {asked},\n\n\"model\" : \"m\", \"temperature\":0.70, \"x_unknown\":{{\"b\":1e2}} }} "
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn business_passes_byte_for_byte_both_ways() {
    const REPLY: &str = "event: odd\r\ndata: {\"a\" :1.0}\r\n\r\n: a comment\n\ndata:[DONE]";
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for protocol in Protocol::ALL {
        let response = Response::builder()
            .header("content-type", "text/event-stream")
            .header("request-id", "req_of_the_upstream");
        upstream.replies(response.body(REPLY).unwrap());
        let path = format!("{}?beta=true&&x=%7e", protocol.path());
        let request = gateway.post(&path, odd(protocol));
        let request = request
            .header("anthropic-version", "2023-06-01")
            .header("x-api-key", "k");
        let answer = Answer::to(request).await;

        let received = upstream.received().await;
        assert_eq!(
            (received.target, received.body),
            (path, odd(protocol).into())
        );
        assert_eq!(received.headers["anthropic-version"], "2023-06-01");
        assert_eq!(received.headers["x-api-key"], "k");
        assert_eq!(
            (answer.status.as_u16(), answer.decision()),
            (200, "forward")
        );
        assert_eq!(answer.header("content-type"), "text/event-stream");
        assert_eq!(answer.header("request-id"), "req_of_the_upstream");
        assert_eq!(answer.body, REPLY);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_reply_arrive_as_they_are_sent() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for protocol in Protocol::ALL {
        let pace = upstream.paces();
        pace.send("event: one\ndata: {}\n\n");
        let request = gateway.post(protocol.path(), odd(protocol));
        let mut response = soon("headers", request.send()).await.unwrap();
        for next in ["event: two\ndata: {}\n\n", "data: {}\n\n"] {
            soon("a piece", response.chunk()).await.unwrap().unwrap();
            pace.send(next);
        }
        drop(pace);
        let rest = soon("the rest", response.text()).await.unwrap();
        assert_eq!(rest, "data: {}\n\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn greetings_are_answered_and_poems_rejected() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for protocol in Protocol::ALL {
        for (question, decision, reply) in [
            (GREETING, "answer", GREETING_REPLY),
            (GREETING_EN, "answer", GREETING_REPLY_EN),
            (POEM, "reject", POEM_REPLY),
            (POEM_EN, "reject", POEM_REPLY_EN),
        ] {
            for stream in [false, true] {
                let mut request = ask_in(protocol, question);
                request["stream"] = json!(stream);
                let answer = gateway.ask_at(protocol.path(), &request).await;
                assert_eq!(answer.decision(), decision, "{request}");
                assert_eq!(
                    check_reply_in(protocol, &request, &answer),
                    reply,
                    "{request}"
                );
            }
        }
        let label = protocol.as_str();
        for (decision, intent) in [("answer", "greeting"), ("reject", "poem")] {
            let series = format!(
                "intentgate_requests_total{{decision=\"{decision}\",intent=\"{intent}\",protocol=\"{label}\"}}"
            );
            gateway.metric_becomes(&series, 4.0).await;
        }
    }
    assert_eq!(upstream.unseen(), 0, "local replies need no upstream");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_the_shape_of_their_protocol() {
    let gateway = Gateway::start_with(&Upstream::refusing().await, "limits.body = '4KiB'").await;
    for protocol in Protocol::ALL {
        let post = |body: String| Answer::to(gateway.post(protocol.path(), body));
        let check = |answer: &Answer, status, code| check_error_in(protocol, answer, status, code);
        check(&post("{".to_owned()).await, 400, "unreadable_request");
        check(&post(" ".repeat(5_000)).await, 413, "body_too_large");
        let answer = Answer::to(gateway.get(protocol.path())).await;
        check(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "POST");
        // Four together: a fifth failure would have the upstream left alone.
        let mut request = ask_in(protocol, REFUND);
        request["stream"] = json!(protocol != Protocol::Completions);
        let answer = post(request.to_string()).await;
        check(&answer, 502, "upstream_unreachable");
        let named = gateway
            .post(protocol.path(), "{")
            .header("x-request-id", "own-1");
        let answer = Answer::to(named).await;
        assert_eq!(answer.header("x-request-id"), "own-1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_words_that_cannot_be_read_is_never_judged_as_empty() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    let poem = json!({"type": "text", "text": POEM});
    let file = json!({"type": "file", "file": {"file_id": "f"}});
    for (path, request, decision) in [
        (
            "/v1/chat/completions",
            json!({"messages": user(json!([file, poem]))}),
            "reject",
        ),
        (
            "/v1/responses",
            json!({"input": user(json!([file, poem]))}),
            "reject",
        ),
        (
            "/v1/messages",
            json!({"messages": user(json!([file, poem]))}),
            "reject",
        ),
        (
            "/v1/completions",
            json!({"prompt": [POEM, [1, 2]]}),
            "reject",
        ),
        (
            "/v1/chat/completions",
            json!({"messages": user(json!([file]))}),
            "forward",
        ),
        ("/v1/responses", json!({"prompt": {"id": "p"}}), "forward"),
        (
            "/v1/messages",
            json!({"messages": user(json!([{"type": "document"}]))}),
            "forward",
        ),
        ("/v1/completions", json!({"prompt": [1, 2]}), "forward"),
    ] {
        let answer = gateway.ask_at(path, &request).await;
        assert_eq!(answer.decision(), decision, "{request}");
        if decision == "forward" {
            assert_eq!(upstream.received().await.body, request.to_string());
        }
    }
    assert_eq!(upstream.unseen(), 0);
    let unknown = "intentgate_gate_bypassed_total{reason=\"unknown_shape\"}";
    gateway.metric_becomes(unknown, 4.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_speaks_every_protocol() {
    let gateway = Gateway::start_with("", "").await;
    for protocol in Protocol::ALL {
        for stream in [false, true] {
            let mut request = ask_in(protocol, REFUND);
            request["stream"] = json!(stream);
            let answer = gateway.ask_at(protocol.path(), &request).await;
            assert_eq!(
                (answer.status.as_u16(), answer.decision()),
                (200, "forward")
            );
            assert!(answer.text().contains("【演示"), "{}", answer.text());
            let body = request.to_string();
            let usage = heard(protocol, &body, &answer).unwrap();
            let tokenizer = Tokenizer::default();
            let billed = protocol.billed(body.as_bytes(), &|text| tokenizer.count(text));
            assert_eq!(usage.prompt, billed.tokens);
            // The words of the demo.
            assert_eq!(usage.completion, 48, "{body}");
            // Who does not ask for the usage of a stream is not told.
            let older = matches!(protocol, Protocol::ChatCompletions | Protocol::Completions);
            assert_eq!(usage.source == UsageSource::Counted, older && stream);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_upstream_tells_passes_and_is_heard() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let usage = Usage {
        prompt: 1_234,
        cached: 1_000,
        completion: 56,
        source: UsageSource::Told,
    };
    for protocol in Protocol::ALL {
        for stream in [false, true] {
            let mut request = ask_in(protocol, REFUND);
            request["stream"] = json!(stream);
            request["stream_options"] = json!({"include_usage": true});
            upstream.tells(protocol, &request, usage);
            let answer = gateway.ask_at(protocol.path(), &request).await;
            let found = heard(protocol, &request.to_string(), &answer);
            assert_eq!(found, Some(usage), "{}", answer.text());
        }
    }
}

/// What a reply tells, or is counted to be.
fn heard(protocol: Protocol, request: &str, answer: &Answer) -> Option<Usage> {
    let tokenizer = Tokenizer::default();
    let count = |text: &str| tokenizer.count(text);
    let mut reader = UsageReader::new(protocol, &answer.headers, false);
    reader.look(&answer.body);
    let billed = || protocol.billed(request.as_bytes(), &count).tokens;
    reader.finish().usage(billed, &count)
}
