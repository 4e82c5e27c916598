//! What a client sees of the gateway, and what the upstream sees of the client.

use bytes::Bytes;
use futures_util::stream as streams;
use http::{HeaderMap, Response};
use intentgate::config::Config;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::kit::intents::*;
use crate::kit::{
    self, Answer, COMPLETION, Gateway, Upstream, chat, check_error, check_reply, eventually, raw,
    soon, stream,
};

const CHAT: &str = "/v1/chat/completions";

/// A request as no serializer would write it, with fields that the gateway does not know.
const ODD_REQUEST: &str = "{ \"messages\":\t[ {\"role\":\"user\",\r\n \"content\":\"\\u9000款怎么还没到\", \"name\":\"a\\/b\"} ],\n\n\
    \"model\" : \"m\", \"temperature\":0.70, \"x_unknown\":{\"b\":1e2,\"a\":[null , 1.0]}, \"seed\":12345678901234567890 } ";

/// The value of each header of that name.
fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let values = headers.get_all(name).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

fn user(content: Value) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": content}]})
}

fn picture() -> Value {
    json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}})
}

fn words(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

#[tokio::test(flavor = "multi_thread")]
async fn business_is_forwarded_byte_for_byte() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let path = format!("{CHAT}?api-version=1&&x=%7e%20y&empty=");
    let request = gateway
        .post(&path, ODD_REQUEST)
        .header("x-tenant", "a")
        .header("x-tenant", "b")
        .header("user-agent", "shop/1.0");
    let answer = Answer::to(request).await;

    let received = upstream.received().await;
    assert_eq!(received.method, "POST");
    assert_eq!(received.target, path);
    assert_eq!(received.body, ODD_REQUEST);
    assert_eq!(values(&received.headers, "x-tenant"), ["a", "b"]);
    assert_eq!(values(&received.headers, "user-agent"), ["shop/1.0"]);
    assert_eq!(
        values(&received.headers, "content-type"),
        ["application/json"]
    );
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, COMPLETION);
    assert_eq!(answer.decision(), "forward");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstreams_reply_comes_back_as_it_is_errors_included() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let body = "{ \"error\": {\"code\":\"rate_limit_exceeded\", \"odd\" :1.0}}\n\n";
    let response = Response::builder()
        .status(429)
        .header("retry-after", "7")
        .header("content-type", "application/problem+json; charset=UTF-8")
        .header("x-ratelimit-remaining", "0")
        .header("set-cookie", "a=1")
        .header("set-cookie", "b=2");
    upstream.replies(response.body(body).unwrap());
    let answer = gateway.ask(&chat(REFUND)).await;

    assert_eq!(answer.status, 429);
    assert_eq!(answer.body, body);
    assert_eq!(values(&answer.headers, "retry-after"), ["7"]);
    assert_eq!(
        values(&answer.headers, "content-type"),
        ["application/problem+json; charset=UTF-8"]
    );
    assert_eq!(values(&answer.headers, "x-ratelimit-remaining"), ["0"]);
    assert_eq!(values(&answer.headers, "set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.decision(), "forward");
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_and_compressed_replies_are_the_clients_to_read() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for (status, name, value) in [
        (307, "location", "/v1/elsewhere"),
        (200, "content-encoding", "gzip"),
        (401, "www-authenticate", "Bearer"),
        (500, "x-fault", "yes"),
    ] {
        let body = b"\x1f\x8b\x08\x00\x00not really gzip\xff".as_slice();
        let response = Response::builder().status(status).header(name, value);
        upstream.replies(response.body(body).unwrap());
        let answer = gateway.ask(&chat(REFUND)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header(name)),
            (status, value)
        );
        assert_eq!(answer.body, body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_gets_the_clients_headers_and_no_others() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let body = chat(REFUND).to_string();
    let length = body.len();
    let request = format!(
        "POST {CHAT} HTTP/1.1\r\nx-mine: 1\r\nconnection: x-mine\r\n\
         keep-alive: timeout=5\r\nte: trailers\r\nproxy-authorization: Basic x\r\n\
         x-theirs: 2\r\nx-request-id: r-1\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let reply = raw(gateway.address(), &request).await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");

    let received = upstream.received().await;
    let mut names: Vec<_> = received.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "content-length",
            "host",
            "x-request-id",
            "x-theirs"
        ]
    );
    let host = upstream.address().to_string();
    assert_eq!(values(&received.headers, "host"), [host.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_upstreams_connection_do_not_reach_the_client() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let response = Response::builder()
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("x-end", "2");
    upstream.replies(response.body(COMPLETION).unwrap());
    let answer = gateway.ask(&chat(REFUND)).await;
    assert_eq!(answer.header("x-end"), "2");
    for name in ["connection", "x-hop", "keep-alive"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_key_passes_where_none_is_configured() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let request = gateway.chat(&chat(REFUND)).bearer_auth("sk-of-the-client");
    Answer::to(request).await;
    let headers = upstream.received().await.headers;
    assert_eq!(
        values(&headers, "authorization"),
        ["Bearer sk-of-the-client"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_key_takes_the_place_of_the_clients() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "sk-of-the-shop\n").unwrap();
    for keys in [
        "upstream.api_key = 'sk-of-the-shop'".to_owned(),
        format!("upstream.api_key_file = '{}'", file.display()),
    ] {
        let mut upstream = Upstream::start().await;
        let gateway = Gateway::start_with(&upstream.url(), &keys).await;
        for request in [
            gateway.chat(&chat(REFUND)).bearer_auth("sk-of-the-client"),
            gateway.chat(&chat(REFUND)),
            gateway.get("/v1/models"),
        ] {
            Answer::to(request).await;
            let headers = upstream.received().await.headers;
            assert_eq!(values(&headers, "authorization"), ["Bearer sk-of-the-shop"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn greetings_are_answered_and_poems_rejected_in_the_questions_language() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for (question, decision, reply) in [
        (GREETING, "answer", GREETING_REPLY),
        (GREETING_EN, "answer", GREETING_REPLY_EN),
        (POEM, "reject", POEM_REPLY),
        (POEM_EN, "reject", POEM_REPLY_EN),
        (WEATHER, "reject", WEATHER_REPLY),
    ] {
        let mut with_usage = stream(question);
        with_usage["stream_options"] = json!({"include_usage": true});
        let mut two = chat(question);
        two["n"] = json!(2);
        let mut two_streamed = stream(question);
        two_streamed["n"] = json!(2);
        for request in [
            chat(question),
            stream(question),
            with_usage,
            two,
            two_streamed,
        ] {
            let answer = gateway.ask(&request).await;
            assert_eq!(answer.decision(), decision, "{request}");
            assert_eq!(check_reply(&request, &answer), reply, "{request}");
        }
    }
    assert_eq!(upstream.unseen(), 0, "local replies need no upstream");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_user_message_is_judged() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let turn = |role: &str, content: &str| json!({"role": role, "content": content});
    let system = turn("system", "You are the assistant of a shop.");
    for (messages, decision) in [
        (json!([system, turn("user", POEM)]), "reject"),
        (
            json!([
                turn("user", REFUND),
                turn("assistant", "好的"),
                turn("user", POEM)
            ]),
            "reject",
        ),
        (
            json!([
                turn("user", POEM),
                turn("assistant", "抱歉"),
                turn("user", REFUND)
            ]),
            "forward",
        ),
    ] {
        let request = json!({"model": "m", "messages": messages});
        assert_eq!(
            gateway.ask(&request).await.decision(),
            decision,
            "{request}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_beside_a_picture_are_judged() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let request = user(json!([picture(), words(POEM)]));
    let answer = gateway.ask(&request).await;
    assert_eq!(check_reply(&request, &answer), POEM_REPLY);
    assert_eq!(upstream.unseen(), 0);

    let request = user(json!([words(REFUND), picture()]));
    assert_eq!(gateway.ask(&request).await.decision(), "forward");
    assert_eq!(upstream.received().await.body, request.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_judged_is_forwarded_and_counted() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let tool = json!({"role": "tool", "tool_call_id": "1", "content": POEM});
    let poem = json!({"role": "user", "content": POEM});
    for (request, reason) in [
        (user(json!([picture()])), "no_text"),
        (user(json!("  ")), "no_text"),
        (json!({"model": "m", "messages": [poem, tool]}), "no_text"),
        (json!({"model": "m", "messages": []}), "no_text"),
        (
            user(json!([{"type": "hologram", "text": POEM}])),
            "unknown_shape",
        ),
        (user(json!({"text": POEM})), "unknown_shape"),
    ] {
        let series = format!("intentgate_gate_bypassed_total{{reason=\"{reason}\"}}");
        let before = gateway.metric(&series).await;
        let answer = gateway.ask(&request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.decision()),
            (200, "forward")
        );
        assert_eq!(upstream.received().await.body, request.to_string());
        gateway.metric_becomes(&series, before + 1.0).await;
    }
    assert_eq!(gateway.sum("intentgate_gate_bypassed_total").await, 6.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_request_id_is_kept_and_another_replaced() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let long = "x".repeat(129);
    for (id, kept) in [("shop-1.2:3_4", true), ("two words", false), (&long, false)] {
        for question in [REFUND, POEM] {
            let request = gateway.chat(&chat(question)).header("x-request-id", id);
            let answer = Answer::to(request).await;
            let given = answer.header("x-request-id");
            assert_eq!(given == id, kept, "{id} → {given}");
            assert!(!given.is_empty());
            if question == REFUND {
                let headers = upstream.received().await.headers;
                assert_eq!(values(&headers, "x-request-id"), [given]);
            }
        }
    }
    let response = Response::builder().header("x-request-id", "req_of_the_upstream");
    upstream.replies(response.body(COMPLETION).unwrap());
    let answer = gateway.ask(&chat(REFUND)).await;
    assert_eq!(
        values(&answer.headers, "x-request-id"),
        ["req_of_the_upstream"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_could_read_is_refused_in_openais_shape() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for body in ["", "not json", "{}", r#"{"messages": "hi"}"#, "[1]"] {
        let answer = Answer::to(gateway.post(CHAT, body)).await;
        check_error(&answer, 400, "unreadable_request");
    }
    assert_eq!(upstream.unseen(), 0);
}

/// A front end that cuts a text in the middle of an emoji sends such.
#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_no_unicode_is_judged_and_forwarded_as_it_is() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for (question, decision) in [(REFUND, "forward"), (POEM, "reject")] {
        for end in [br"\ud83d".as_slice(), b"\xf0\x9f"] {
            let begin = format!(r#"{{"messages":[{{"role":"user","content":"{question}"#);
            let body = [begin.as_bytes(), end, br#""}]}"#].concat();
            let answer = Answer::to(gateway.post(CHAT, body.clone())).await;
            assert_eq!(answer.decision(), decision);
            if decision == "forward" {
                assert_eq!(upstream.received().await.body, body);
            }
        }
    }
    assert_eq!(upstream.unseen(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_parses_what_the_model_says_gets_a_refusal() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for mut request in [chat(POEM), stream(POEM)] {
        request["response_format"] = json!({"type": "json_object"});
        let answer = gateway.ask(&request).await;
        assert_eq!(check_reply(&request, &answer), POEM_REPLY);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_reaches_the_upstream_that_is_neither_judged_nor_passed() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let answer = Answer::to(gateway.get(CHAT)).await;
    check_error(&answer, 405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "POST");
    for path in [
        "/",
        "/v1/responses/resp_1",
        "/v1/messages/batches",
        "/v1/modelsx",
    ] {
        let answer = Answer::to(gateway.post(path, chat(POEM).to_string())).await;
        check_error(&answer, 403, "path_not_served");
    }
    for path in [
        "/v1/models/../chat/completions",
        "/v1/models/./../chat/completions",
        "/v1/models/%2e%2E/chat/completions",
        "/v1/models/..%2fchat%2Fcompletions",
        "/v1/models/..%5cchat/completions",
        "/v1/models/..;/chat/completions",
        "/v1/models/%252e%252e/chat/completions",
        "/V1/chat/completions",
        "/v1/chat%2fcompletions",
    ] {
        let body = chat(POEM).to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let reply = raw(gateway.address(), &request).await;
        assert!(reply.starts_with("HTTP/1.1 403 "), "{path}: {reply}");
    }
    assert_eq!(upstream.unseen(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_paths_pass_unjudged() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let models = Answer::to(gateway.get("/v1/models/gpt-4o?limit=2")).await;
    assert_eq!((models.status.as_u16(), models.decision()), (200, ""));
    assert_eq!(models.body, COMPLETION);
    assert!(!models.header("x-request-id").is_empty());
    let received = upstream.received().await;
    assert_eq!(
        (received.method.as_str(), received.target.as_str()),
        ("GET", "/v1/models/gpt-4o?limit=2")
    );
    assert_eq!(received.body, "");

    let body = json!({"input": POEM}).to_string();
    Answer::to(gateway.post("/v1/embeddings", body.clone())).await;
    let received = upstream.received().await;
    assert_eq!(
        (received.target.as_str(), received.body),
        ("/v1/embeddings", body.into())
    );

    Answer::to(gateway.post("/v1/moderations", "not json")).await;
    assert_eq!(upstream.received().await.body, "not json");
    assert_eq!(
        gateway.sum("intentgate_requests_total").await,
        0.0,
        "only judged protocols count"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_bodies_stream_both_ways() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    upstream.echoes();
    let (pieces, coming) = mpsc::unbounded_channel::<Bytes>();
    let body = streams::unfold(coming, |mut coming| async {
        let piece = coming.recv().await?;
        Some((Ok::<_, std::io::Error>(piece), coming))
    });
    let sending = gateway
        .post("/v1/embeddings", reqwest::Body::wrap_stream(body))
        .send();
    pieces.send("one".into()).unwrap();
    let mut response = soon("headers before the request's end", sending)
        .await
        .unwrap();
    for piece in ["one", "two", "three"] {
        let came = soon("a piece before the next is sent", response.chunk())
            .await
            .unwrap();
        assert_eq!(came.unwrap(), piece);
        let next = if piece == "one" { "two" } else { "three" };
        pieces.send(next.into()).unwrap();
    }
    drop(pieces);
    assert_eq!(
        soon("the rest", response.chunk()).await.unwrap().unwrap(),
        "three"
    );
    assert_eq!(soon("the end", response.chunk()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_counted_once_with_its_labels() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "gate.stages = 'full'").await;
    for question in [
        REFUND, REFUND_EN, DELIVERY, GREETING, POEM, POEM_EN, WEATHER,
    ] {
        gateway.ask(&chat(question)).await;
        gateway.ask(&stream(question)).await;
    }
    Answer::to(gateway.post(CHAT, "{")).await;
    let series = |decision, intent| {
        format!(
            "intentgate_requests_total{{decision=\"{decision}\",intent=\"{intent}\",protocol=\"chat_completions\"}}"
        )
    };
    let saved = |decision, intent| {
        format!("intentgate_llm_calls_saved_total{{decision=\"{decision}\",intent=\"{intent}\"}}")
    };
    for (series, value) in [
        (series("forward", "refund"), 4.0),
        (series("forward", "delivery"), 2.0),
        (series("answer", "greeting"), 2.0),
        (series("reject", "poem"), 4.0),
        (series("reject", "weather"), 2.0),
        (series("refused", "none"), 1.0),
        (saved("answer", "greeting"), 2.0),
        (saved("reject", "poem"), 4.0),
        (saved("reject", "weather"), 2.0),
        (
            "intentgate_gate_duration_seconds_count{stage=\"encoder\"}".to_owned(),
            7.0,
        ),
        (
            "intentgate_gate_duration_seconds_count{stage=\"cache\"}".to_owned(),
            7.0,
        ),
        (
            "intentgate_request_duration_seconds_count{decision=\"forward\"}".to_owned(),
            6.0,
        ),
        (
            "intentgate_upstream_first_byte_seconds_count".to_owned(),
            6.0,
        ),
        ("intentgate_requests_in_flight".to_owned(), 0.0),
        ("intentgate_intents{action=\"reject\"}".to_owned(), 2.0),
        ("intentgate_intents_in_sync".to_owned(), 1.0),
    ] {
        gateway.metric_becomes(&series, value).await;
    }
    assert_eq!(gateway.sum("intentgate_requests_total").await, 15.0);
    assert_eq!(gateway.sum("intentgate_llm_calls_saved_total").await, 8.0);
    assert_eq!(gateway.sum("intentgate_gate_bypassed_total").await, 0.0);
    assert_eq!(gateway.sum("intentgate_upstream_errors_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_have_health_readiness_and_metrics() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/", 404),
        (CHAT, 404),
    ] {
        assert_eq!(gateway.admin(path).await.status, status, "{path}");
    }
    let metrics = gateway.admin("/metrics").await;
    assert!(
        metrics
            .header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    check_error(
        &Answer::to(gateway.get("/metrics")).await,
        403,
        "path_not_served",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_keys_nor_questions_are_shown() {
    const SECRETS: [&str; 4] = [
        "sk-of-the-shop-1",
        "sk-of-the-client-1",
        "七夕节的诗",
        "编号 A77 的退款",
    ];
    let upstream = Upstream::start().await;
    let key = format!("upstream.api_key = '{}'", SECRETS[0]);
    let gateway = Gateway::start_with(&upstream.url(), &key).await;
    for (id, question) in [("unshown-1", SECRETS[2]), ("unshown-2", SECRETS[3])] {
        let request = gateway.chat(&chat(question)).bearer_auth(SECRETS[1]);
        Answer::to(request.header("x-request-id", id)).await;
        let logged = async || kit::log::text().contains(&format!("request_id=\"{id}\""));
        eventually("the request is logged", logged).await;
    }
    let config = Config::parse("c", &key, std::path::Path::new(""), Vec::new()).unwrap();
    let config = format!("{config:?}");
    assert!(config.contains("api_key: Some"));
    let metrics = gateway.admin("/metrics").await.text();
    for (place, text) in [
        ("metrics", metrics),
        ("log", kit::log::text()),
        ("Config", config),
    ] {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} stands in the {place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_http_2_are_served_alike() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge();
    let client = client.build().unwrap();
    let ask = |request: &Value| client.post(gateway.url(CHAT)).body(request.to_string());
    let answer = Answer::to(ask(&stream(POEM))).await;
    assert_eq!(check_reply(&stream(POEM), &answer), POEM_REPLY);

    let answer = Answer::to(ask(&chat(REFUND))).await;
    assert_eq!(answer.body, COMPLETION);
    let host = upstream.address().to_string();
    assert_eq!(
        values(&upstream.received().await.headers, "host"),
        [host.as_str()]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_upstream_the_demo_says_what_it_is() {
    let gateway = Gateway::start_with("", "").await;
    let answer = gateway.ask(&chat(REFUND)).await;
    assert_eq!(answer.decision(), "forward");
    let text = answer.json()["choices"][0]["message"]["content"].clone();
    assert!(text.as_str().unwrap().starts_with("【演示模型】"), "{text}");
    let models = Answer::to(gateway.get("/v1/models")).await.json();
    assert_eq!(models["data"][0]["id"], "intentgate-demo");
}
