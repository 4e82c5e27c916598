//! Several upstreams: who is asked next, when, and when nobody is.

use std::time::{Duration, Instant};

use http::Response;

use crate::kit::intents::REFUND;
use crate::kit::{Answer, COMPLETION, Gateway, Upstream, chat, check_error};

/// In front of `first`, with `others` to fall back on.
async fn gateway_with(first: &str, others: &[&str], keys: &str) -> Gateway {
    let others: Vec<_> = others
        .iter()
        .map(|url| format!("{{ url = '{url}' }}"))
        .collect();
    let fallback = format!("upstream.fallback = [{}]\n{keys}", others.join(", "));
    Gateway::start_with(first, &fallback).await
}

fn replied(status: u16) -> Response<&'static str> {
    Response::builder().status(status).body("no").unwrap()
}

fn told_to_wait(status: u16, seconds: &str) -> Response<&'static str> {
    let mut response = replied(status);
    let seconds = seconds.parse().unwrap();
    response.headers_mut().insert("retry-after", seconds);
    response
}

fn requests(upstream: &str, result: &str) -> String {
    format!("intentgate_upstream_requests_total{{result=\"{result}\",upstream=\"{upstream}\"}}")
}

fn retries(reason: &str) -> String {
    format!("intentgate_upstream_retries_total{{reason=\"{reason}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_upstream_is_asked_where_one_did_nothing() {
    let refusing = Upstream::refusing().await;
    let mut upstreams = [
        Upstream::start().await,
        Upstream::start().await,
        Upstream::start().await,
        Upstream::start().await,
    ];
    for (upstream, status) in upstreams.iter().zip([429, 503, 529]) {
        upstream.replies(replied(status));
    }
    let urls: Vec<_> = upstreams.iter().map(Upstream::url).collect();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    let gateway = gateway_with(&refusing, &urls, "").await;
    let answer = gateway.ask(&chat(REFUND)).await;
    assert_eq!(answer.body, COMPLETION);
    assert_eq!(answer.decision(), "forward");
    let body = chat(REFUND).to_string();
    for upstream in &mut upstreams {
        assert_eq!(upstream.received().await.body, body);
        assert_eq!(upstream.unseen(), 0);
    }
    for (upstream, result) in [
        ("primary", "connect_failed"),
        ("fallback-1", "status_429"),
        ("fallback-2", "status_503"),
        ("fallback-3", "status_529"),
    ] {
        gateway
            .metric_becomes(&requests(upstream, result), 1.0)
            .await;
        gateway.metric_becomes(&retries(result), 1.0).await;
    }
    gateway
        .metric_becomes(&requests("fallback-4", "ok"), 1.0)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_upstream_gets_its_own_key_and_no_others() {
    let (mut first, mut second) = (Upstream::start().await, Upstream::start().await);
    let keys = format!(
        "upstream.api_key = 'sk-first'\nupstream.fallback = [{{ url = '{}', api_key = 'sk-second' }}]",
        second.url()
    );
    let gateway = Gateway::start_with(&first.url(), &keys).await;
    first.replies(replied(503));
    let asking = gateway.chat(&chat(REFUND)).header("x-api-key", "sk-client");
    assert_eq!(Answer::to(asking).await.body, COMPLETION);
    for (upstream, key) in [(&mut first, "sk-first"), (&mut second, "sk-second")] {
        let headers = upstream.received().await.headers;
        assert_eq!(headers["x-api-key"], key);
        assert!(!headers.contains_key("authorization"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_may_have_been_worked_on_is_not_sent_again() {
    let (mut first, mut second) = (Upstream::start().await, Upstream::start().await);
    let keys = "upstream.first_byte_timeout = '200ms'";
    let gateway = gateway_with(&first.url(), &[&second.url()], keys).await;
    for status in [500, 502, 504] {
        first.replies(told_to_wait(status, "0"));
        assert_eq!(gateway.ask(&chat(REFUND)).await.status, status);
    }
    first.breaks_off();
    check_error(&gateway.ask(&chat(REFUND)).await, 502, "upstream_broke_off");
    let waits = first.hangs();
    check_error(&gateway.ask(&chat(REFUND)).await, 504, "upstream_timeout");
    waits.client_gone().await;
    assert_eq!((first.unseen(), second.unseen()), (5, 0));
    assert_eq!(gateway.sum("intentgate_upstream_retries_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_goes_to_the_next_upstream_and_at_last_once_more() {
    let (mut first, mut second) = (Upstream::start().await, Upstream::start().await);
    let keys = "upstream.first_byte_timeout = '300ms'";
    let gateway = gateway_with(&first.url(), &[&second.url()], keys).await;
    let models = async || Answer::to(gateway.get("/v1/models")).await;

    first.replies(replied(500));
    assert_eq!(models().await.body, COMPLETION);
    let _waits = first.hangs();
    assert_eq!(models().await.body, COMPLETION);
    assert_eq!((first.unseen(), second.unseen()), (2, 2));

    first.breaks_off();
    second.replies(replied(504));
    assert_eq!(models().await.body, COMPLETION);
    assert_eq!((first.unseen(), second.unseen()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_retry_after_is_waited_for_once() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    upstream.replies(told_to_wait(429, "1"));
    let begun = Instant::now();
    assert_eq!(gateway.ask(&chat(REFUND)).await.body, COMPLETION);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(upstream.unseen(), 2);

    upstream.replies(told_to_wait(429, "0"));
    upstream.replies(told_to_wait(503, "0"));
    let answer = gateway.ask(&chat(REFUND)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after")),
        (503, "0")
    );
    assert_eq!(upstream.unseen(), 2);
    gateway.metric_becomes(&retries("status_429"), 2.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_that_say_later_the_soonest_is_asked_again_or_passes() {
    let (mut first, mut second) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway_with(&first.url(), &[&second.url()], "").await;
    first.replies(told_to_wait(429, "60"));
    second.replies(told_to_wait(503, "0"));
    assert_eq!(gateway.ask(&chat(REFUND)).await.body, COMPLETION);
    assert_eq!((first.unseen(), second.unseen()), (1, 2));

    first.replies(told_to_wait(429, "60"));
    second.replies(told_to_wait(503, "90"));
    let answer = gateway.ask(&chat(REFUND)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after")),
        (429, "60")
    );
    assert_eq!((first.unseen(), second.unseen()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstreams_own_reply_goes_before_an_error_of_the_gateways() {
    let upstream = Upstream::start().await;
    let refusing = Upstream::refusing().await;
    let gateway = gateway_with(&refusing, &[&upstream.url(), &refusing], "").await;
    upstream.replies(replied(429));
    assert_eq!(gateway.ask(&chat(REFUND)).await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_streams_through_goes_out_once() {
    let (mut first, mut second) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway_with(&first.url(), &[&second.url()], "").await;
    first.replies(told_to_wait(503, "0"));
    let answer = Answer::to(gateway.post("/v1/embeddings", "{}")).await;
    assert_eq!(answer.status, 503);
    assert_eq!((first.unseen(), second.unseen()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_stay_within_their_budget() {
    const QUESTIONS: usize = 40;
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for _ in 0..2 * QUESTIONS {
        upstream.replies(told_to_wait(429, "0"));
    }
    for _ in 0..QUESTIONS {
        assert_eq!(gateway.ask(&chat(REFUND)).await.status, 429);
    }
    let repeats = upstream.unseen() - QUESTIONS;
    // A floor of one a second over ten seconds, and a fifth of the questions.
    assert!((10..=18).contains(&repeats), "{repeats} repeats");
    gateway
        .metric_becomes(&retries("status_429"), repeats as f64)
        .await;
}
