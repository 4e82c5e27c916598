//! Bounds on what clients send, and what those hear who go over them.

use bytes::Bytes;
use futures_util::stream as streams;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kit::intents::{GREETING, REFUND};
use crate::kit::{
    Answer, Gateway, Pace, Upstream, chat, check_error, eventually, raw, raw_bytes, soon, stream,
};

const CHAT: &str = "/v1/chat/completions";

/// A gateway with room for one request, taken by a stream that goes on while the pace is held.
async fn full(upstream: &Upstream) -> (Gateway, Pace, reqwest::Response) {
    let gateway = Gateway::start_with(&upstream.url(), "limits.requests = 1").await;
    let pace = upstream.paces();
    pace.send("data: 1\n\n");
    let running = soon("headers", gateway.chat(&stream(REFUND)).send()).await;
    (gateway, pace, running.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.body = '1KiB'").await;
    let mut request = chat(REFUND);
    request["metadata"] = json!("x".repeat(1024));
    check_error(&gateway.ask(&request).await, 413, "body_too_large");

    let pieces = request.to_string().into_bytes();
    let pieces: Vec<_> = pieces.chunks(100).map(Bytes::copy_from_slice).collect();
    let body = streams::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let chunked = gateway.post(CHAT, reqwest::Body::wrap_stream(body));
    check_error(&Answer::to(chunked).await, 413, "body_too_large");
    assert_eq!(upstream.unseen(), 0);

    request["metadata"] = json!("");
    let padding = 1024 - request.to_string().len();
    request["metadata"] = json!("x".repeat(padding));
    assert_eq!(
        gateway.ask(&request).await.status,
        200,
        "the limit itself is allowed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_still_sending_gets_the_413_and_no_broken_connection() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.body = '1KiB'").await;
    for _ in 0..5 {
        let answer = Answer::to(gateway.post(CHAT, vec![b' '; 8 << 20])).await;
        check_error(&answer, 413, "body_too_large");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_body_over_the_limit_is_the_clients_fault() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.body = '1KiB'").await;
    let pieces = (0..8).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 512])));
    let chunked = streams::iter(pieces);
    for body in [
        reqwest::Body::from(vec![b'x'; 4096]),
        reqwest::Body::wrap_stream(chunked),
    ] {
        let answer = Answer::to(gateway.post("/v1/embeddings", body)).await;
        check_error(&answer, 413, "body_too_large");
    }
    assert_eq!(gateway.sum("intentgate_upstream_errors_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_in_flight_are_told_to_come_back() {
    let upstream = Upstream::start().await;
    let (gateway, pace, running) = full(&upstream).await;
    let answer = gateway.ask(&chat(GREETING)).await;
    check_error(&answer, 503, "gateway_busy");
    assert_eq!(answer.header("retry-after"), "1");

    drop(pace);
    assert_eq!(
        soon("the end", running.text()).await.unwrap(),
        "data: 1\n\n"
    );
    gateway
        .metric_becomes("intentgate_requests_in_flight", 0.0)
        .await;
    assert_eq!(gateway.decision(GREETING).await, "answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_refused_before_they_are_judged_are_counted_too() {
    let upstream = Upstream::start().await;
    let (gateway, pace, running) = full(&upstream).await;
    check_error(&gateway.ask(&chat(GREETING)).await, 503, "gateway_busy");
    drop((pace, running));
    let refused = "intentgate_requests_total{decision=\"refused\",intent=\"none\",protocol=\"chat_completions\"}";
    gateway.metric_becomes(refused, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_arrive_in_time_is_refused() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.body_timeout = '200ms'").await;
    let body = reqwest::Body::wrap_stream(streams::pending::<std::io::Result<Bytes>>());
    check_error(
        &Answer::to(gateway.post(CHAT, body)).await,
        408,
        "body_timeout",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_request_is_closed_in_time() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.header_timeout = '200ms'").await;
    for beginning in [
        "POST /v1/chat/completions HTTP/1.1\r\nhost:",
        "P",
        "PRI * HTTP/2.0\r\n",
        "",
    ] {
        let mut connection = TcpStream::connect(gateway.address()).await.unwrap();
        connection.write_all(beginning.as_bytes()).await.unwrap();
        let what = format!("the end of a connection that sent {beginning:?}");
        let mut rest = Vec::new();
        soon(&what, connection.read_to_end(&mut rest)).await.ok();
    }
}

/// A connection whose request has begun, so that it does not give way to others.
async fn at_something(gateway: &Gateway) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 12];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_gives_way_where_there_is_no_other_place() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.connections = 1").await;
    let mut idle = TcpStream::connect(gateway.address()).await.unwrap();
    assert_eq!(gateway.decision(GREETING).await, "answer");
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0, "it was closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_over_the_limit_is_told_so_and_closed() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.connections = 1").await;
    let first = at_something(&gateway).await;
    assert_eq!(
        gateway.admin("/healthz").await.status,
        200,
        "operators have their own"
    );
    let http2 = reqwest::Client::builder().no_proxy();
    let http2 = http2.http2_prior_knowledge().build().unwrap();
    for _ in 0..3 {
        let over_http2 = http2.post(gateway.url(CHAT)).body(chat(REFUND).to_string());
        for request in [gateway.chat(&chat(REFUND)), over_http2] {
            let answer = Answer::to(request).await;
            check_error(&answer, 503, "gateway_busy");
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    let two = "GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2);
    let reply = raw_bytes(gateway.address(), two.as_bytes()).await;
    let reply = String::from_utf8(reply).unwrap();
    assert_eq!(reply.matches("HTTP/1.1 503").count(), 1, "{reply}");
    assert!(reply.contains("connection: close"), "{reply}");
    assert_eq!(upstream.unseen(), 0);
    drop(first);
    eventually("a free place", async || {
        gateway.decision(GREETING).await == "answer"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_over_the_limit_is_refused() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.headers = '8KiB'").await;
    let http2 = reqwest::Client::builder().no_proxy();
    let http2 = http2.http2_prior_knowledge().build().unwrap();
    let over_http2 = http2.get(gateway.url("/v1/models"));
    for request in [gateway.get("/v1/models"), over_http2] {
        let long = request.try_clone().unwrap();
        let long = long.header("x-long", "x".repeat(16 << 10));
        assert_eq!(Answer::to(long).await.status, 431);
        let short = request.header("x-long", "x".repeat(4 << 10));
        assert_eq!(Answer::to(short).await.status, 200);
    }
    assert_eq!(upstream.unseen(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_while_sending_gets_the_reply_and_no_broken_connection() {
    let upstream = Upstream::start().await;
    let key = "access.keys = [{ name = 'web', sha256 = '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae' }]";
    let locked = Gateway::start_with(&upstream.url(), key).await;
    let (busy, _pace, _running) = full(&upstream).await;
    let open = Gateway::start(&upstream).await;
    let behind_none = Gateway::start_with(&Upstream::refusing().await, "").await;
    let large = || vec![b' '; 8 << 20];
    for _ in 0..3 {
        let answer = Answer::to(behind_none.post("/v1/embeddings", large())).await;
        check_error(&answer, 502, "upstream_unreachable");
        let answer = Answer::to(busy.post(CHAT, large())).await;
        check_error(&answer, 503, "gateway_busy");
        let answer = Answer::to(locked.post(CHAT, large())).await;
        check_error(&answer, 401, "invalid_api_key");
        let answer = Answer::to(open.post("/v1/other", large())).await;
        check_error(&answer, 403, "path_not_served");
        let wrong = open.post(CHAT, large()).build().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let wrong = client.put(wrong.url().clone()).body(large());
        check_error(&Answer::to(wrong).await, 405, "method_not_allowed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_waits_to_be_told_to_send_is_refused_at_once() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let request =
        format!("GET {CHAT} HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n");
    let reply = raw(gateway.address(), &request).await;
    assert!(reply.starts_with("HTTP/1.1 405 "), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_holds_little_and_is_disconnected() {
    const PIECE: usize = 64 << 10;
    const PIECES: usize = 4096;
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.stall_timeout = '1s'").await;
    for preface in ["", "h2"] {
        let pace = upstream.paces();
        let piece = Bytes::from(vec![b'x'; PIECE]);
        for _ in 0..PIECES {
            pace.send(piece.clone());
        }
        // Over HTTP/2 the client's own window is what stops the flow.
        let response = match preface {
            "h2" => {
                let client = reqwest::Client::builder().no_proxy();
                let client = client.http2_prior_knowledge().build().unwrap();
                let request = client
                    .post(gateway.url(CHAT))
                    .body(stream(REFUND).to_string());
                request.send().await.unwrap()
            }
            _ => gateway.chat(&stream(REFUND)).send().await.unwrap(),
        };
        let taken = async || {
            let before = pace.taken();
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            before > 0 && pace.taken() == before
        };
        eventually("the flow stops", taken).await;
        // What the system's own buffers hold on two connections is most of it.
        let held = pace.taken() * PIECE;
        assert!(
            held < 64 << 20,
            "{held} bytes went out to a client that takes none"
        );
        if preface.is_empty() {
            pace.client_gone().await;
        }
        drop(response);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_has_nothing_to_say_is_not_stalled() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.stall_timeout = '200ms'").await;
    let pace = upstream.paces();
    pace.send("data: 1\n\n");
    let response = gateway.chat(&stream(REFUND)).send().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    pace.send("data: 2\n\n");
    drop(pace);
    let text = soon("the rest", response.text()).await.unwrap();
    assert_eq!(text, "data: 1\n\ndata: 2\n\n");
}
