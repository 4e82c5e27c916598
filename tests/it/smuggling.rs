//! Requests that two readers could read differently. Whatever is made of them, the upstream sees no request
//! that was not judged, and no reply has a header that the gateway did not give it.

use futures_util::future::join_all;
use serde_json::json;

use crate::kit::intents::{POEM, REFUND};
use crate::kit::{Answer, Gateway, Upstream, chat, raw_bytes};

const CHAT: &str = "/v1/chat/completions";

/// Whoever waits for more is answered soon.
const KEYS: &str = "limits.header_timeout = '2s'\nlimits.body_timeout = '2s'";

/// A request for a poem, which only a reader other than the gateway would forward.
fn hidden() -> String {
    post("", &chat(POEM).to_string())
}

/// A question that is forwarded, with more header lines.
fn post(lines: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\n{lines}content-length: {length}\r\n\r\n{body}")
}

/// The same without a length of its own.
fn unsized_post(lines: &str, body: &str) -> String {
    format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\n{lines}\r\n{body}")
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// The statuses in a connection's bytes, in order.
fn statuses(reply: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(reply);
    let lines = text.match_indices("HTTP/1.");
    lines
        .map(|(at, _)| text[at + 9..at + 12].parse().unwrap())
        .collect()
}

/// Sends each, and holds the replies' statuses and what the upstream got against what is expected.
async fn check(cases: Vec<(&str, String, &[u16], usize)>) {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), KEYS).await;
    let sent = cases
        .iter()
        .map(|case| raw_bytes(gateway.address(), case.1.as_bytes()));
    let mut wrong = Vec::new();
    for ((name, _, expected, _), reply) in cases.iter().zip(join_all(sent).await) {
        let text = String::from_utf8_lossy(&reply).to_ascii_lowercase();
        assert!(!text.contains("\nx-injected"), "{name}: {text}");
        if statuses(&reply) != *expected {
            wrong.push(format!(
                "{name}: {:?} and not {expected:?}",
                statuses(&reply)
            ));
        }
    }
    let forwarded: usize = cases.iter().map(|case| case.3).sum();
    let mut seen = 0;
    while seen < forwarded {
        let received = upstream.received().await;
        let body = String::from_utf8_lossy(&received.body).into_owned();
        assert!(
            received.target == CHAT
                || received.target.starts_with("/v1/models")
                || received.target == "/v1/embeddings",
            "{received:?}"
        );
        assert!(!body.contains(POEM), "{received:?}");
        assert!(!received.headers.contains_key("x-injected"), "{received:?}");
        assert!(
            !received.headers.contains_key("transfer-encoding"),
            "{received:?}"
        );
        seen += 1;
    }
    assert_eq!(
        upstream.unseen(),
        0,
        "more than {forwarded} requests went upstream"
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_one_length() {
    let (body, hidden) = (chat(REFUND).to_string(), hidden());
    let (whole, length) = (chunked(&body), body.len());
    let sized = |lines: &str, rest: &str| unsized_post(lines, rest);
    let both = format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n");
    let both_back = format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n");
    let two = |a: usize, b: usize| format!("content-length: {a}\r\ncontent-length: {b}\r\n");
    let list = format!("content-length: {length}, {length}\r\n");
    let with_hidden = format!("{body}{hidden}");
    // RFC 9112, 6.1: both together are refused, by closing the connection.
    check(vec![
        (
            "CL and TE",
            sized(&both, &format!("{whole}{hidden}")),
            &[],
            0,
        ),
        (
            "TE and CL",
            sized(&both_back, &format!("{whole}{hidden}")),
            &[],
            0,
        ),
        (
            "differing CLs",
            sized(&two(length, with_hidden.len()), &with_hidden),
            &[400],
            0,
        ),
        (
            "differing CLs, the other way",
            sized(&two(with_hidden.len(), length), &with_hidden),
            &[400],
            0,
        ),
        (
            "the same CL twice",
            sized(&two(length, length), &body),
            &[200],
            1,
        ),
        ("a list of CLs", sized(&list, &body), &[400], 0),
        (
            "a signed CL",
            sized(&format!("content-length: +{length}\r\n"), &body),
            &[400],
            0,
        ),
        (
            "a negative CL",
            sized("content-length: -1\r\n", &body),
            &[400],
            0,
        ),
        (
            "a hexadecimal CL",
            sized("content-length: 0x10\r\n", &body),
            &[400],
            0,
        ),
        (
            "a CL with a space in it",
            sized("content-length: 1 0\r\n", &body),
            &[400],
            0,
        ),
        (
            "an empty CL",
            sized("content-length: \r\n", &body),
            &[400],
            0,
        ),
        (
            "a CL over 64 bits",
            sized("content-length: 18446744073709551616\r\n", &body),
            &[400],
            0,
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoding_is_chunked_and_nothing_else() {
    let (body, hidden) = (chat(REFUND).to_string(), hidden());
    let (whole, length) = (chunked(&body), body.len());
    let te =
        |value: &str, rest: &str| unsized_post(&format!("transfer-encoding: {value}\r\n"), rest);
    let odd = |chunk: &str| {
        te(
            "chunked",
            &format!("{chunk}\r\n{body}\r\n0\r\n\r\n{hidden}"),
        )
    };
    let old = te("chunked", &whole).replace("HTTP/1.1", "HTTP/1.0");
    let x = length;
    check(vec![
        ("chunked", te("chunked", &whole), &[200], 1),
        ("chunked in capitals", te("CHUNKED", &whole), &[200], 1),
        ("xchunked", te("xchunked", &whole), &[400], 0),
        ("identity", te("identity", &whole), &[400], 0),
        (
            "chunked, identity",
            te("chunked, identity", &whole),
            &[400],
            0,
        ),
        ("chunked behind a tab", te("\x0bchunked", &whole), &[400], 0),
        (
            "chunked twice",
            te("chunked\r\ntransfer-encoding: identity", &whole),
            &[400],
            0,
        ),
        ("chunked with HTTP/1.0", old, &[400], 0),
        (
            "an extension",
            odd(&format!("{x:x};a=\"b\"")),
            &[200, 200],
            1,
        ),
        ("a size over 64 bits", odd("10000000000000000"), &[400], 0),
        (
            "a size that wraps",
            odd(&format!("fffffffffffffff0{x:x}")),
            &[400],
            0,
        ),
        ("a negative size", odd(&format!("-{x:x}")), &[400], 0),
        ("a size with 0x", odd(&format!("0x{x:x}")), &[400], 0),
        ("no size", odd(""), &[400], 0),
        ("a chunk longer than its size", odd("1"), &[400], 0),
        (
            "a trailer",
            te(
                "chunked",
                &format!("{x:x}\r\n{body}\r\n0\r\nx-injected: 1\r\n\r\n"),
            ),
            &[200],
            1,
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_is_one_line() {
    let body = chat(REFUND).to_string();
    let with = |lines: &str| post(lines, &body);
    let cases: Vec<(&str, String, &[u16], usize)> = vec![
        (
            "a folded line",
            with("x-a: 1\r\n x-injected: 1\r\n"),
            &[400],
            0,
        ),
        (
            "a folded line at first",
            with(" x-injected: 1\r\n"),
            &[400],
            0,
        ),
        ("a space before the colon", with("x-a : 1\r\n"), &[400], 0),
        (
            "a tab before the colon",
            with("content-length\t: 1\r\n"),
            &[400],
            0,
        ),
        ("no colon", with("x-a\r\n"), &[400], 0),
        ("no name", with(": 1\r\n"), &[400], 0),
        (
            "a bare CR in a value",
            with("x-a: 1\rx-injected: 1\r\n"),
            &[400],
            0,
        ),
        (
            "a NUL in a value",
            with("x-a: 1\0x-injected: 1\r\n"),
            &[400],
            0,
        ),
        ("a NUL in a name", with("x\0a: 1\r\n"), &[400], 0),
        ("a newline in a name", with("x-\na: 1\r\n"), &[], 0),
        (
            "a space in the path",
            with("").replacen(CHAT, &format!("{CHAT} x"), 1),
            &[400],
            0,
        ),
        (
            "a bare CR in the path",
            with("").replacen(CHAT, &format!("{CHAT}\rx-injected:1"), 1),
            &[400],
            0,
        ),
        (
            "another version",
            with("").replacen("HTTP/1.1", "HTTP/1.2", 1),
            &[400],
            0,
        ),
        (
            "no version",
            with("").replacen(" HTTP/1.1", "", 1),
            &[400],
            0,
        ),
    ];
    check(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_a_path() {
    let body = chat(REFUND).to_string();
    let to = |target: &str| post("", &body).replacen(CHAT, target, 1);
    let connect = "CONNECT up.example:443 HTTP/1.1\r\nhost: up.example\r\n\r\n".to_owned();
    let star = "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n".to_owned();
    check(vec![
        (
            "another host's path",
            to(&format!("http://evil.example{CHAT}")),
            &[200],
            1,
        ),
        (
            "another host's other path",
            to("http://evil.example/v1/other"),
            &[403],
            0,
        ),
        ("the host alone", to("http://evil.example"), &[403], 0),
        ("star", star, &[403], 0),
        ("connect", connect, &[403], 0),
        (
            "a path with a host in it",
            to("//evil.example/v1/models"),
            &[403],
            0,
        ),
        (
            "a path to another host",
            to("/v1/models@evil.example/"),
            &[403],
            0,
        ),
        (
            "a path with a newline",
            to("/v1/models/%0d%0ax-injected:1"),
            &[403],
            0,
        ),
        (
            "a fragment",
            to(&format!("/v1/embeddings#{CHAT}")),
            &[200],
            1,
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_a_connection_is_judged() {
    let (body, hidden) = (chat(REFUND).to_string(), hidden());
    let business = post("", &body);
    let with = |lines: &str| post(lines, &body);
    let bare = business.replacen("\r\n", "\n", 4);
    let in_body = post("", &format!("{body}{hidden}"));
    let short = unsized_post("content-length: 9\r\n", &format!("{body}{hidden}"));
    let passing = format!("GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n{hidden}");
    let passing_with_body = post("", &hidden).replacen(CHAT, "/v1/embeddings", 1);
    check(vec![
        (
            "two in a row",
            format!("{business}{hidden}"),
            &[200, 200],
            1,
        ),
        ("lines that end with LF", format!("{bare}{hidden}"), &[], 0),
        ("one in the other's body", in_body, &[400], 0),
        ("one behind a body cut short", short, &[400, 400], 0),
        ("one behind a path that passes", passing, &[200, 200], 1),
        (
            "connection: content-length",
            format!("{}{hidden}", with("connection: content-length\r\n")),
            &[200, 200],
            1,
        ),
        (
            "connection: transfer-encoding",
            with("connection: transfer-encoding\r\n"),
            &[200],
            1,
        ),
        (
            "connection: host",
            with("connection: host, x-request-id, content-type\r\n"),
            &[200],
            1,
        ),
        (
            "upgrade",
            with("connection: upgrade\r\nupgrade: h2c\r\n"),
            &[200],
            1,
        ),
    ])
    .await;
    // There a body is the upstream's to read: it must arrive as the body that it is.
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), KEYS).await;
    let reply = raw_bytes(gateway.address(), passing_with_body.as_bytes()).await;
    assert_eq!(statuses(&reply), [200]);
    assert_eq!(upstream.received().await.body, hidden);
    assert_eq!(upstream.unseen(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_take_away_what_the_gateway_adds() {
    let mut upstream = Upstream::start().await;
    let keys = format!(
        "upstream.api_key = 'sk-of-the-shop'\naccess.keys = [{{ name = 'web', sha256 = '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae' }}]\n{KEYS}"
    );
    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    let lines = "authorization: Bearer foo\r\nx-request-id: mine\r\nx-intentgate-mixed: true\r\n\
        connection: authorization, x-request-id, x-intentgate-mixed, x-api-key\r\n";
    let request = post(lines, &chat(REFUND).to_string());
    assert_eq!(
        statuses(&raw_bytes(gateway.address(), request.as_bytes()).await),
        [200]
    );
    let headers = upstream.received().await.headers;
    assert_eq!(headers["authorization"], "Bearer sk-of-the-shop");
    assert_eq!(headers["x-request-id"], "mine");
    assert!(!headers.contains_key("x-intentgate-mixed"));
    assert_eq!(headers.get_all("authorization").iter().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_writes_becomes_no_header() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), KEYS).await;
    for injected in [
        "\r\nx-injected: 1",
        "\nx-injected: 1\n\n",
        "\0",
        "\u{85}x-injected: 1",
    ] {
        for question in [REFUND, POEM] {
            for streamed in [false, true] {
                let question = format!("{question}{injected}");
                let request = json!({"model": format!("m{injected}"), "stream": streamed, "user": injected,
                    "messages": [{"role": "user", "content": question}]});
                let answer = gateway.ask(&request).await;
                assert_eq!(answer.status, 200);
                assert!(!answer.headers.contains_key("x-injected"));
                if answer.decision() == "forward" {
                    let headers = upstream.received().await.headers;
                    assert!(!headers.contains_key("x-injected"));
                } else if !streamed {
                    let model = request["model"].as_str().unwrap();
                    let model = model.replace(char::is_control, "");
                    assert_eq!(answer.json()["model"], model);
                }
            }
        }
    }
    let answer = Answer::to(gateway.get("/v1/%0d%0ax-injected:%201")).await;
    assert_eq!(answer.status, 403);
    assert!(!answer.headers.contains_key("x-injected"));
}
