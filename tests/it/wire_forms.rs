//! Forms in which front ends send what they send: compressed, behind a byte order mark, to an address a slash off.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::HeaderMap;

use crate::kit::intents::{POEM, REFUND};
use crate::kit::{Answer, Gateway, Upstream, chat, check_error};

const CHAT: &str = "/v1/chat/completions";

fn gzip(body: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body.as_bytes()).unwrap();
    packed.finish().unwrap()
}

fn deflate(body: &str) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body.as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_question_is_judged_and_goes_on_as_it_came() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let (business, poem) = (chat(REFUND).to_string(), chat(POEM).to_string());
    for (coding, business, poem) in [
        ("gzip", gzip(&business), gzip(&poem)),
        ("deflate", deflate(&business), deflate(&poem)),
        ("identity", business.clone().into(), poem.clone().into()),
    ] {
        let send = async |body: &[u8]| {
            let request = gateway.post(CHAT, body.to_vec());
            let request = request.header("content-type", "application/json");
            Answer::to(request.header("content-encoding", coding)).await
        };
        assert_eq!(send(&business).await.decision(), "forward", "{coding}");
        let received = upstream.received().await;
        assert_eq!(received.body, business, "{coding}");
        assert_eq!(received.headers["content-encoding"], coding);
        assert_eq!(send(&poem).await.decision(), "reject", "{coding}");
        if coding != "identity" {
            let broken = send(&business[..business.len() / 2]).await;
            check_error(&broken, 400, "unreadable_request");
        }
    }
    let unknown = gateway.post(CHAT, business);
    let unknown = Answer::to(unknown.header("content-encoding", "lzma")).await;
    check_error(&unknown, 400, "unreadable_request");
    assert_eq!(upstream.unseen(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_body_does_not_unpack_without_end() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.body = '1MiB'").await;
    let body = gzip(&chat(&" ".repeat(64 << 20)).to_string());
    assert!(body.len() < 1 << 20);
    let request = gateway.post(CHAT, body);
    let answer = Answer::to(request.header("content-encoding", "gzip")).await;
    check_error(&answer, 400, "unreadable_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_is_taken_and_another_encoding_is_not() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let marked = format!("\u{feff}{}", chat(REFUND));
    let answer = Answer::to(gateway.post(CHAT, marked)).await;
    assert_eq!(answer.decision(), "forward");
    upstream.received().await;
    // 我的快递到哪了, in GBK.
    let gbk = b"\xce\xd2\xb5\xc4\xbf\xec\xb5\xdd\xb5\xbd\xc4\xc4\xc1\xcb";
    let body = [
        br#"{"model": "m", "messages": [{"role": "user", "content": ""#,
        gbk.as_slice(),
        br#""}]}"#,
    ];
    let request = gateway.post(CHAT, body.concat());
    let answer = Answer::to(request).await;
    check_error(&answer, 400, "unreadable_request");
    assert!(answer.text().contains("UTF-8"), "{}", answer.text());
    assert_eq!(upstream.unseen(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_a_slash_off_is_judged_and_the_bare_one_answers() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for path in [
        "/v1/chat/completions/",
        "//v1/chat/completions",
        "/chat/completions",
        "/v1/v1/chat/completions",
    ] {
        let answer = Answer::to(gateway.post(path, chat(POEM).to_string())).await;
        assert_eq!(answer.decision(), "reject", "{path}");
        let answer = Answer::to(gateway.post(path, chat(REFUND).to_string())).await;
        assert_eq!(answer.decision(), "forward", "{path}");
        assert_eq!(upstream.received().await.target, CHAT, "{path}");
    }
    assert_eq!(Answer::to(gateway.get("/")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_the_client_does_not_go_upstream_unless_it_is_named() {
    let mut upstream = Upstream::start().await;
    let about = ["cookie", "referer", "x-forwarded-for", "x-real-ip"];
    let mut sent = async |keys: &str| -> HeaderMap {
        let gateway = Gateway::start_with(&upstream.url(), keys).await;
        let request = gateway.chat(&chat(REFUND));
        let request = about
            .iter()
            .fold(request, |request, name| request.header(*name, "x"));
        Answer::to(request).await;
        upstream.received().await.headers
    };
    let headers = sent("").await;
    assert!(about.iter().all(|name| !headers.contains_key(*name)));
    let headers = sent("upstream.forward_headers = ['X-Real-IP', 'cookie']").await;
    let kept = about.iter().filter(|name| headers.contains_key(**name));
    assert_eq!(kept.collect::<Vec<_>>(), [&"cookie", &"x-real-ip"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoints_own_address_is_understood() {
    let mut upstream = Upstream::start().await;
    for url in [
        format!("{}/chat/completions", upstream.url()),
        format!("{}/", upstream.url()),
    ] {
        let gateway = Gateway::start_with(&url, "").await;
        Answer::to(gateway.chat(&chat(REFUND))).await;
        assert_eq!(upstream.received().await.target, CHAT, "{url}");
    }
}
