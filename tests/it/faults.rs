//! What goes wrong behind the gateway, and what a client sees of it.

use http::Response;
use tokio::task::JoinSet;

use crate::kit::intents::{GREETING, GREETING_REPLY, POEM, REFUND};
use crate::kit::{
    Answer, COMPLETION, Gateway, Upstream, chat, check_error, check_reply, eventually, soon, stream,
};

fn errors(code: &str) -> String {
    format!("intentgate_upstream_errors_total{{code=\"{code}\"}}")
}

/// What is left of a stream, which must end with an error's event.
async fn ends_with(code: &str, gateway: &Gateway, response: reqwest::Response) {
    let text = soon("the end", response.text()).await.unwrap();
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    let error: serde_json::Value =
        serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(error["error"]["code"], code, "{text}");
    assert!(!text.contains("[DONE]"));
    is_counted(code, gateway).await;
}

/// A reply that is no stream of events and must not end cleanly.
async fn breaks(gateway: &Gateway, response: reqwest::Response) {
    let text = soon("the end", response.text()).await;
    assert!(text.is_err(), "a broken reply looks whole: {text:?}");
    is_counted("upstream_stream_broke_off", gateway).await;
}

async fn is_counted(code: &str, gateway: &Gateway) {
    gateway.metric_becomes(&errors(code), 1.0).await;
    eventually("it is counted once", async || {
        gateway.sum("intentgate_requests_total").await == 1.0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_refuses_is_a_502_and_local_replies_go_on() {
    let gateway = Gateway::start_with(&Upstream::refusing().await, "").await;
    check_error(
        &gateway.ask(&chat(REFUND)).await,
        502,
        "upstream_unreachable",
    );
    check_error(
        &gateway.ask(&stream(REFUND)).await,
        502,
        "upstream_unreachable",
    );
    let models = Answer::to(gateway.get("/v1/models")).await;
    check_error(&models, 502, "upstream_unreachable");
    gateway
        .metric_becomes(&errors("upstream_unreachable"), 3.0)
        .await;

    let answer = gateway.ask(&chat(GREETING)).await;
    assert_eq!(check_reply(&chat(GREETING), &answer), GREETING_REPLY);
    let forwarded = gateway.ask(&chat(REFUND)).await;
    assert_eq!(
        forwarded.decision(),
        "forward",
        "errors say what was decided as well"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_breaks_off_before_its_headers_is_a_502() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    upstream.breaks_off();
    check_error(&gateway.ask(&chat(REFUND)).await, 502, "upstream_broke_off");
    assert_eq!(
        upstream.unseen(),
        1,
        "a question that may have been answered is not sent again"
    );
    gateway
        .metric_becomes(&errors("upstream_broke_off"), 1.0)
        .await;
    assert_eq!(gateway.ask(&chat(REFUND)).await.body, COMPLETION);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_silent_before_its_headers_is_a_504() {
    let upstream = Upstream::start().await;
    let keys = "upstream.first_byte_timeout = '200ms'";
    let gateway = Gateway::start_with(&upstream.url(), keys).await;
    let waits = upstream.hangs();
    check_error(&gateway.ask(&chat(REFUND)).await, 504, "upstream_timeout");
    waits.client_gone().await;
    gateway
        .metric_becomes(&errors("upstream_timeout"), 1.0)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_silent_in_the_middle_ends_the_stream_with_an_error() {
    let upstream = Upstream::start().await;
    let keys = "upstream.idle_timeout = '300ms'";
    let gateway = Gateway::start_with(&upstream.url(), keys).await;
    let pace = upstream.paces();
    pace.send("data: first\n\n");
    let response = soon("headers", gateway.chat(&stream(REFUND)).send())
        .await
        .unwrap();
    ends_with("upstream_stream_silent", &gateway, response).await;
    pace.client_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_breaks_off_in_the_middle_ends_the_stream_with_an_error() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let pace = upstream.paces();
    pace.send("data: first\n\n");
    let mut response = soon("headers", gateway.chat(&stream(REFUND)).send())
        .await
        .unwrap();
    let first = soon("a piece", response.chunk()).await.unwrap();
    assert_eq!(first.unwrap(), "data: first\n\n");
    pace.break_off();
    ends_with("upstream_stream_broke_off", &gateway, response).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_shorter_than_announced_is_no_whole_reply() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let pace = upstream.paces_with(Response::builder().header("content-length", "100"));
    pace.send("{\"id\":");
    let response = soon("headers", gateway.chat(&chat(REFUND)).send())
        .await
        .unwrap();
    pace.break_off();
    breaks(&gateway, response).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_upstream_closed_while_idle_fails_no_request() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for round in 0..20 {
        let answer = gateway.ask(&chat(REFUND)).await;
        assert_eq!(answer.status, 200, "round {round}: {}", answer.text());
        upstream.closes_connections().await;
    }
    assert_eq!(upstream.unseen(), 20);
    assert_eq!(gateway.sum("intentgate_upstream_errors_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_finds_the_models_queue_full_is_forwarded_and_counted() {
    const REQUESTS: usize = 60;
    let mut upstream = Upstream::start().await;
    let gateway =
        Gateway::start_with(&upstream.url(), "model.queue = 1\ngate.stages = 'full'").await;
    let mut asking = JoinSet::new();
    for number in 0..REQUESTS {
        // One that was judged before would not wait for the model.
        let question = format!("{POEM}，第{number}首");
        asking.spawn(Answer::to(gateway.chat(&chat(&question))));
    }
    let answers = asking.join_all().await;
    let (rejected, forwarded): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.decision() == "reject");
    for answer in &rejected {
        check_reply(&chat(POEM), answer);
    }
    for answer in &forwarded {
        assert_eq!(
            (answer.decision(), &answer.body[..]),
            ("forward", COMPLETION.as_bytes())
        );
    }
    assert!(!rejected.is_empty() && !forwarded.is_empty());
    assert_eq!(upstream.unseen(), forwarded.len());
    let full = "intentgate_gate_bypassed_total{reason=\"queue_full\"}";
    gateway.metric_becomes(full, forwarded.len() as f64).await;
    eventually("all are counted", async || {
        gateway.sum("intentgate_requests_total").await == REQUESTS as f64
    })
    .await;
    gateway
        .metric_becomes("intentgate_model_queue_length", 0.0)
        .await;
}
