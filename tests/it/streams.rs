//! Replies in pieces: they arrive as they come, and whoever leaves is noticed on the other side.

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::kit::intents::{POEM, REFUND};
use crate::kit::{COMPLETION, Gateway, Upstream, chat, eventually, raw, soon, stream};

const CUT: &str = "intentgate_requests_total";

/// A stream whose headers and first piece have arrived.
async fn begun(gateway: &Gateway) -> reqwest::Response {
    let sending = gateway.chat(&stream(REFUND)).send();
    let mut response = soon("headers", sending).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(next(&mut response).await, b"data: first\n\n");
    response
}

async fn next(response: &mut reqwest::Response) -> Vec<u8> {
    let piece = soon("a piece", response.chunk()).await.unwrap();
    piece.unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_arrives_before_the_next_is_sent() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let pace = upstream.paces();
    pace.send("data: first\n\n");
    let mut response = begun(&gateway).await;
    assert_eq!(response.headers()["x-intentgate-decision"], "forward");
    for piece in [
        "data: {\"a\": 1}\n\n",
        "event: b\r\ndata: {}\r\n\r\ndata: {}\r\n\r\n",
        ": a comment\n\n",
        ": one that keeps the connection open\n",
        "data: [DONE]\n\n",
    ] {
        pace.send(piece);
        assert_eq!(next(&mut response).await, piece.as_bytes());
    }
    drop(pace);
    assert_eq!(soon("the end", response.chunk()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_arrive_before_the_first_piece() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let pace = upstream.paces();
    let sending = gateway.chat(&stream(REFUND)).send();
    let mut response = soon("headers", sending).await.unwrap();
    pace.send("data: first\n\n");
    assert_eq!(next(&mut response).await, b"data: first\n\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_a_byte_at_a_time_arrives_with_its_last_byte() {
    const EVENT: &[u8] = "data: 退款😀\n\n".as_bytes();
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let pace = upstream.paces();
    pace.send("data: first\n\n");
    let mut response = begun(&gateway).await;
    for byte in EVENT {
        pace.send(vec![*byte]);
    }
    let mut came = Vec::new();
    while came.len() < EVENT.len() {
        came.extend(next(&mut response).await);
    }
    assert_eq!(came, EVENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_mid_stream_ends_the_request_to_the_upstream() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let pace = upstream.paces();
    pace.send("data: first\n\n");
    drop(begun(&gateway).await);
    pace.client_gone().await;
    eventually("it is counted", async || gateway.sum(CUT).await == 1.0).await;
    gateway
        .metric_becomes("intentgate_requests_in_flight", 0.0)
        .await;
    assert_eq!(gateway.sum("intentgate_upstream_errors_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_the_headers_ends_the_request_to_the_upstream() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let waits = upstream.hangs();
    let mut client = JoinSet::new();
    client.spawn(gateway.chat(&chat(REFUND)).send());
    upstream.received().await;
    client.shutdown().await;
    waits.client_gone().await;
    eventually("it is counted", async || gateway.sum(CUT).await == 1.0).await;
    assert_eq!(gateway.sum("intentgate_upstream_errors_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_a_running_stream_finish_and_takes_no_new_ones() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let pace = upstream.paces();
    pace.send("data: first\n\n");
    let mut response = begun(&gateway).await;
    let mut stopping = JoinSet::new();
    stopping.spawn(gateway.stop());
    let refused = async || TcpStream::connect(gateway.address()).await.is_err();
    eventually("new connections are refused", refused).await;

    pace.send("data: second\n\n");
    assert_eq!(next(&mut response).await, b"data: second\n\n");
    assert!(
        stopping.try_join_next().is_none(),
        "it waits for the stream"
    );
    drop(pace);
    assert_eq!(soon("the end", response.chunk()).await.unwrap(), None);
    soon("the stop", stopping.join_next())
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_past_the_grace_period_is_cut() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "server.grace = '200ms'").await;
    let pace = upstream.paces();
    pace.send("data: first\n\n");
    let mut response = begun(&gateway).await;
    soon("the stop", gateway.stop()).await;
    let end = soon("the end", response.chunk()).await;
    assert!(end.is_err(), "a cut stream is no clean end: {end:?}");
    pace.client_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_closes_idle_connections_at_once() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(gateway.decision(POEM).await, "reject");
    let _silent = TcpStream::connect(gateway.address()).await.unwrap();
    soon("the stop, well before server.grace", gateway.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_http_1_0_gets_the_whole_reply() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let pace = upstream.paces();
    pace.send(COMPLETION);
    drop(pace);
    let body = chat(REFUND).to_string();
    let length = body.len();
    let request =
        format!("POST /v1/chat/completions HTTP/1.0\r\ncontent-length: {length}\r\n\r\n{body}");
    let reply = raw(gateway.address(), &request).await;
    assert!(reply.ends_with(COMPLETION), "{reply}");
}
