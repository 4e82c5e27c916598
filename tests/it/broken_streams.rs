//! Replies that break off, as bytes: no client gets half an event, and none takes what broke for whole.

use intentgate::chat::Protocol;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kit::intents::REFUND;
use crate::kit::wire::{Script, Then, Wire};
use crate::kit::{Authority, Gateway, Upstream, ask_in, eventually, soon};

const CODE: &str = "upstream_stream_broke_off";

/// How a reply's head says where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Chunked,
    Length,
    Close,
}

const FRAMINGS: [Framing; 3] = [Framing::Chunked, Framing::Length, Framing::Close];

/// The bytes of a reply in pieces. One that is not whole ends before its framing says so.
fn reply(kind: &str, framing: Framing, pieces: &[&str], is_whole: bool) -> Script {
    let length = pieces.concat().len() + usize::from(!is_whole);
    let how = match framing {
        Framing::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
        Framing::Length => format!("content-length: {length}\r\n"),
        Framing::Close => String::new(),
    };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{how}\r\n");
    let mut writes = vec![head.into_bytes()];
    for piece in pieces {
        writes.push(match framing {
            Framing::Chunked => format!("{:x}\r\n{piece}\r\n", piece.len()).into_bytes(),
            Framing::Length | Framing::Close => piece.as_bytes().to_vec(),
        });
    }
    if is_whole && framing == Framing::Chunked {
        writes.push(b"0\r\n\r\n".to_vec());
    }
    let then = Then::Close;
    Script { writes, then }
}

fn events(framing: Framing, pieces: &[&str], is_whole: bool) -> Script {
    reply(
        "text/event-stream; charset=utf-8",
        framing,
        pieces,
        is_whole,
    )
}

/// An event of the middle of a protocol's stream, and the one by which it says that it is whole.
fn samples(protocol: Protocol) -> (&'static str, &'static str) {
    match protocol {
        Protocol::ChatCompletions => (
            "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"您好\"}}]}\n\n",
            "data: [DONE]\n\n",
        ),
        Protocol::Completions => (
            "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"text\":\"您好\"}]}\r\n\r\n",
            "data:[DONE]\r\n\r\n",
        ),
        Protocol::Responses => (
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"您好\"}\n\n",
            "event: response.incomplete\ndata: {\"response\": {}, \"type\": \"response.incomplete\"}\n\n",
        ),
        Protocol::Messages => (
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ),
    }
}

/// Asks for a stream; the body as far as it came, and whether it ended as it should.
async fn ask(gateway: &Gateway, protocol: Protocol) -> (String, bool) {
    let mut request = ask_in(protocol, REFUND);
    request["stream"] = json!(true);
    let sending = gateway.post(protocol.path(), request.to_string()).send();
    let mut response = soon("headers", sending).await.unwrap();
    let mut body = Vec::new();
    loop {
        match soon("a piece", response.chunk()).await {
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) => return (String::from_utf8(body).unwrap(), true),
            Err(_) => return (String::from_utf8_lossy(&body).into_owned(), false),
        }
    }
}

/// Whether this is the protocol's own event of an error, and nothing else.
fn is_error(protocol: Protocol, event: &str) -> bool {
    let (name, data) = match protocol {
        Protocol::ChatCompletions | Protocol::Completions => ("", event),
        Protocol::Responses | Protocol::Messages => event.split_once('\n').unwrap_or_default(),
    };
    let data = data
        .strip_prefix("data: ")
        .and_then(|data| data.strip_suffix("\n\n"));
    let data: Value = serde_json::from_str(data.unwrap_or_default()).unwrap_or_default();
    match protocol {
        Protocol::Messages => name == "event: error" && data["error"]["type"] == "api_error",
        Protocol::Responses => name == "event: error" && data["code"] == CODE,
        _ => data["error"]["code"] == CODE,
    }
}

/// The errors that were counted, once the requests are.
async fn broken(gateway: &Gateway, requests: usize) -> f64 {
    eventually("the requests are counted", async || {
        gateway.sum("intentgate_requests_total").await == requests as f64
    })
    .await;
    gateway
        .metric(&format!(
            "intentgate_upstream_errors_total{{code=\"{CODE}\"}}"
        ))
        .await
}

/// Each protocol with each framing, and what its client gets of a reply.
async fn all(
    script: impl Fn(Protocol, Framing) -> Script,
    holds: impl Fn(Protocol, Framing, &str),
) -> f64 {
    let each = Protocol::ALL.into_iter().flat_map(|protocol| {
        let framings = FRAMINGS.into_iter();
        framings.map(move |framing| (protocol, framing))
    });
    let scripts = each
        .clone()
        .map(|(protocol, framing)| script(protocol, framing));
    let wire = Wire::start(scripts.collect()).await;
    let gateway = Gateway::start_with(&wire.url(), "").await;
    for (protocol, framing) in each {
        let (body, ended) = ask(&gateway, protocol).await;
        assert!(ended, "{protocol:?} {framing:?}: {body}");
        holds(protocol, framing, &body);
    }
    broken(&gateway, wire.requests()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_inside_an_event_ends_with_an_error_in_its_place() {
    // Without its last bracket.
    let cut = |event: &'static str| &event[..event.rfind('}').unwrap()];
    let broke = all(
        |protocol, framing| {
            let (event, _) = samples(protocol);
            events(framing, &[event, cut(event)], false)
        },
        |protocol, framing, body| {
            let rest = body.strip_prefix(samples(protocol).0);
            let is_so = rest.is_some_and(|rest| is_error(protocol, rest));
            assert!(is_so, "{protocol:?} {framing:?}: {body:?}");
        },
    );
    assert_eq!(broke.await, 12.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_closed_connection_ends_is_whole_only_with_its_end_mark() {
    let broke = all(
        |protocol, framing| events(framing, &[samples(protocol).0], true),
        |protocol, framing, body| {
            let rest = body.strip_prefix(samples(protocol).0);
            let is_so = rest.is_some_and(|rest| match framing {
                Framing::Close => is_error(protocol, rest),
                Framing::Chunked | Framing::Length => rest.is_empty(),
            });
            assert!(is_so, "{protocol:?} {framing:?}: {body:?}");
        },
    );
    assert_eq!(broke.await, 4.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_its_end_mark_is_whole_however_it_ends() {
    let broke = all(
        |protocol, framing| {
            let (event, end) = samples(protocol);
            events(framing, &[event, end], true)
        },
        |protocol, _, body| {
            let (event, end) = samples(protocol);
            assert_eq!(body, format!("{event}{end}"));
        },
    );
    assert_eq!(broke.await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_told_its_error_is_not_corrected() {
    let error = |protocol| match protocol {
        Protocol::ChatCompletions | Protocol::Completions => {
            "data: {\"error\": {\"message\": \"overloaded\"}}\n\n"
        }
        Protocol::Responses => "event: error\ndata: {\"type\":\"error\",\"message\":\"\"}\n\n",
        Protocol::Messages => "event: error\ndata: {\"type\": \"error\", \"error\": {}}\n\n",
    };
    let broke = all(
        |protocol, framing| events(framing, &[samples(protocol).0, error(protocol)], true),
        |protocol, _, body| {
            assert_eq!(body, format!("{}{}", samples(protocol).0, error(protocol)));
        },
    );
    assert_eq!(broke.await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_over_http_2_that_breaks_inside_an_event_ends_with_an_error_in_its_place() {
    let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
    let roots = folder.path().join("ca.pem");
    std::fs::write(&roots, authority.pem()).unwrap();
    let upstream = Upstream::start_tls(&authority).await;
    let keys = format!("upstream.tls_roots = '{}'", roots.display());
    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    for protocol in Protocol::ALL {
        let (event, _) = samples(protocol);
        let pace = upstream.paces();
        pace.send(event);
        pace.send(&event[..event.len() / 2]);
        let mut request = ask_in(protocol, REFUND);
        request["stream"] = json!(true);
        let sending = gateway.post(protocol.path(), request.to_string()).send();
        let mut response = soon("headers", sending).await.unwrap();
        let first = soon("a piece", response.chunk()).await.unwrap();
        assert_eq!(first.unwrap(), event);
        pace.break_off();
        let rest = soon("the end", response.text()).await.unwrap();
        assert!(is_error(protocol, &rest), "{protocol:?}: {rest:?}");
    }
    assert_eq!(broken(&gateway, 4).await, 4.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_too_long_to_be_held_passes_and_is_ended_before_the_error() {
    let begun = format!("data: {{\"content\":\"{}", "x".repeat(300 << 10));
    let script = events(Framing::Chunked, &["data: first\n\n", &begun], false);
    let wire = Wire::start(vec![script]).await;
    let gateway = Gateway::start_with(&wire.url(), "").await;
    let (body, ended) = ask(&gateway, Protocol::ChatCompletions).await;
    let rest = body.strip_prefix(&format!("data: first\n\n{begun}\n\n"));
    let is_so = rest.is_some_and(|rest| is_error(Protocol::ChatCompletions, rest));
    assert!(ended && is_so, "{} bytes", body.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_breaks_off_does_not_look_whole_and_what_is_whole_does() {
    const JSON: &str = "{\"id\":\"}\\\"\",\"choices\":[{\"index\":0}]}\n";
    let cases: Vec<_> = FRAMINGS
        .into_iter()
        .flat_map(|framing| [(framing, false), (framing, true)])
        .collect();
    let scripts = cases.iter().map(|(framing, is_whole)| {
        let body = if *is_whole { JSON } else { &JSON[..30] };
        reply("application/json", *framing, &[body], *is_whole)
    });
    let wire = Wire::start(scripts.collect()).await;
    let gateway = Gateway::start_with(&wire.url(), "").await;
    for (framing, is_whole) in cases {
        let (body, ended) = ask(&gateway, Protocol::ChatCompletions).await;
        assert_eq!(ended, is_whole, "{framing:?}: {body}");
        assert!(!is_whole || body == JSON, "{framing:?}: {body}");
    }
    assert_eq!(broken(&gateway, 6).await, 3.0);
}
