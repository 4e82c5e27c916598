//! Bounds on what clients send, and what those hear who go over them.

use bytes::Bytes;
use futures_util::stream as streams;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kit::intents::{GREETING, REFUND};
use crate::kit::{Answer, Gateway, Pace, Upstream, chat, check_error, soon, stream};

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

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_the_limit_wait_until_one_closes() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.connections = 1").await;
    let first = TcpStream::connect(gateway.address()).await.unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    waiting.spawn(Answer::to(gateway.chat(&chat(GREETING))));
    assert_eq!(
        gateway.admin("/healthz").await.status,
        200,
        "operators have their own"
    );
    assert!(waiting.try_join_next().is_none());
    drop(first);
    let answer = soon("a free place", waiting.join_next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer.decision(), "answer");
}
