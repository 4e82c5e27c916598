//! Replies that are wrong as bytes, slow, or large: what is one arrives as it is, what is none looks like none.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::StatusCode;

use crate::kit::intents::REFUND;
use crate::kit::wire::{Script, Then, Wire};
use crate::kit::{Answer, COMPLETION, Gateway, Upstream, chat, check_error, soon, stream};

/// A whole reply with this body.
fn reply(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// The gateway in front of an upstream that plays these scripts.
async fn before(scripts: Vec<Script>) -> (Wire, Gateway) {
    let wire = Wire::start(scripts).await;
    let gateway = Gateway::start_with(&wire.url(), "").await;
    (wire, gateway)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_before_the_headers_is_a_502_and_a_question_is_not_sent_again() {
    for (name, begun) in [("nothing", ""), ("half a head", "HTTP/1.1 200 OK\r\ncont")] {
        for then in [Then::Reset, Then::Close] {
            let (wire, gateway) = before(vec![Script::new(begun, then)]).await;
            let answer = gateway.ask(&chat(REFUND)).await;
            check_error(&answer, 502, "upstream_broke_off");
            assert_eq!(wire.requests(), 1, "{name}, {then:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_a_502() {
    let (wire, gateway) = before(vec![Script::new("SSH-2.0-x\r\n\r\n", Then::Keep)]).await;
    let answer = gateway.ask(&chat(REFUND)).await;
    check_error(&answer, 502, "upstream_broke_off");
    assert_eq!(wire.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_in_the_middle_does_not_look_like_an_end() {
    let begun = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\ndata: \r\n";
    let scripts = [Then::Reset, Then::Close].map(|then| Script::new(begun, then));
    let (_wire, gateway) = before(scripts.into()).await;
    for _ in 0..2 {
        let response = soon("headers", gateway.chat(&stream(REFUND)).send()).await;
        // A reset may overtake what was sent before it.
        if let Ok(response) = response
            && response.status() == StatusCode::OK
        {
            let text = soon("the end", response.text()).await;
            assert!(text.is_err(), "{text:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_a_byte_at_a_time_arrives_whole() {
    let script = Script::trickling(reply(COMPLETION).as_bytes(), Then::Keep);
    let (_wire, gateway) = before(vec![script]).await;
    assert_eq!(gateway.ask(&chat(REFUND)).await.body, COMPLETION);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_events_and_split_characters_pass_unchanged() {
    let pieces: [&[u8]; 6] = [
        b"data: {\"choices\":[{\"delta\":{\"content\":\"\xe9\x80",
        b"\x80\xe6\xac\xbe\"}}]}\n",
        b"data: {not json\r\n\r\n\r\n",
        b"\xff\xfe: half an event",
        b"event\n:\ndata\xf0\x9f",
        b"\x98\x80",
    ];
    let mut writes = vec![
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec(),
    ];
    writes.extend(pieces.iter().map(|piece| {
        let size = format!("{:x}\r\n", piece.len());
        [size.as_bytes(), piece, b"\r\n"].concat()
    }));
    writes.push(b"0\r\n\r\n".to_vec());
    let then = Then::Keep;
    let (_wire, gateway) = before(vec![Script { writes, then }]).await;
    let answer = gateway.ask(&stream(REFUND)).await;
    assert_eq!(answer.body, pieces.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_shorter_than_announced_breaks() {
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":";
    let (_wire, gateway) = before(vec![Script::new(short, Then::Close)]).await;
    let response = soon("headers", gateway.chat(&chat(REFUND)).send()).await;
    let text = soon("the end", response.unwrap().text()).await;
    assert!(text.is_err(), "{text:?}");
}

// Whoever can write into one reply must not write the next customer's.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_longer_than_announced_is_nobodys_reply() {
    let long = reply("first") + &reply("nobody's");
    let scripts = vec![
        Script::new(long, Then::Keep),
        Script::new(reply("second"), Then::Keep),
    ];
    let (_wire, gateway) = before(scripts).await;
    assert_eq!(gateway.ask(&chat(REFUND)).await.body, "first");
    assert_eq!(gateway.ask(&chat(REFUND)).await.body, "second");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_upstream_pass_untouched() {
    for (status, wait) in [
        (429, "retry-after: 60\r\n"),
        (429, ""),
        (500, "retry-after: 1\r\n"),
        (500, ""),
        (503, "retry-after: Thu, 24 Nov 2095 10:00:00 GMT\r\n"),
        (503, "retry-after: tomorrow\r\n"),
        (503, ""),
        (529, ""),
    ] {
        let text = format!("HTTP/1.1 {status} X\r\n{wait}content-length: 4\r\n\r\nbusy");
        let (wire, gateway) = before(vec![Script::new(text, Then::Keep)]).await;
        let answer = gateway.ask(&chat(REFUND)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body[..]),
            (status, &b"busy"[..])
        );
        let passed = answer.header("retry-after");
        assert_eq!(passed, wait.trim_start_matches("retry-after: ").trim());
        assert_eq!(wire.requests(), 1, "{status} {wait}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_100_mb_passes_in_bounded_memory() {
    const PIECE: usize = 64 << 10;
    const PIECES: usize = (100 << 20) / PIECE;
    /// What may be under way: the kernel's buffers of two connections, and hyper's.
    const UNDER_WAY: usize = (32 << 20) / PIECE;
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let made = upstream.floods(PIECES, Bytes::from(vec![b'x'; PIECE]));
    let sending = gateway.chat(&stream(REFUND)).send();
    let mut response = soon("headers", sending).await.unwrap();
    let mut passed = 0;
    while let Some(piece) = soon("a piece", response.chunk()).await.unwrap() {
        assert!(piece.iter().all(|byte| *byte == b'x'));
        passed += piece.len();
        let ahead = made.load(Ordering::SeqCst) - passed / PIECE;
        assert!(ahead <= UNDER_WAY, "{ahead} pieces wait for the client");
    }
    assert_eq!(passed, PIECE * PIECES);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_is_sent_again_after_a_reset() {
    let scripts = vec![
        Script::new("", Then::Reset),
        Script::new(reply("models"), Then::Keep),
    ];
    let (wire, gateway) = before(scripts).await;
    let answer = Answer::to(gateway.get("/v1/models")).await;
    assert_eq!(answer.body, "models");
    assert_eq!(wire.requests(), 2);
    let retries = "intentgate_upstream_retries_total{reason=\"broke_off\"}";
    gateway.metric_becomes(retries, 1.0).await;
}
