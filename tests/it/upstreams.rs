//! One upstream over time: its health, its connections, the time that a reply has.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use intentgate::config::{self, Fallback};
use intentgate::metrics::Metrics;
use intentgate::upstream::{Outgoing, Upstreams};
use tempfile::TempDir;

use crate::kit::intents::{GREETING, REFUND};
use crate::kit::{
    Answer, Authority, COMPLETION, Gateway, Upstream, chat, check_error, eventually, log, soon,
    stream,
};

/// Failures in a row that open the breaker.
const FAILURES: usize = 5;
const OPEN: &str = "intentgate_upstream_open{upstream=\"primary\"}";

fn replied(status: u16) -> Response<&'static str> {
    Response::builder().status(status).body("no").unwrap()
}

/// A gateway whose one upstream has just failed too often.
async fn failing() -> (Upstream, Gateway) {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(gateway.metric(OPEN).await, 0.0);
    for _ in 0..FAILURES {
        upstream.replies(replied(502));
        assert_eq!(gateway.ask(&chat(REFUND)).await.status, 502);
    }
    assert_eq!(upstream.unseen(), FAILURES);
    assert_eq!(gateway.metric(OPEN).await, 1.0);
    (upstream, gateway)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_keeps_failing_is_left_alone_until_a_probe_succeeds() {
    let (mut upstream, gateway) = failing().await;
    let answer = gateway.ask(&chat(REFUND)).await;
    check_error(&answer, 503, "upstream_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(upstream.unseen(), 0, "nothing was sent");
    assert_eq!(gateway.decision(GREETING).await, "answer");

    let back = async || gateway.ask(&chat(REFUND)).await.body == COMPLETION;
    eventually("a probe goes through", back).await;
    assert_eq!(upstream.unseen(), 1);
    assert_eq!(gateway.metric(OPEN).await, 0.0);
    assert_eq!(gateway.ask(&chat(REFUND)).await.body, COMPLETION);
    let log = log::text();
    assert!(log.contains("upstream=\"primary\" why=\"502\" wait=1s"));
    assert!(log.contains("the upstream is back") || log.contains("上游恢复了"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_a_probe_does_not_keep_the_upstream_shut() {
    let (mut upstream, gateway) = failing().await;
    let waits = upstream.hangs();
    let patience = Duration::from_millis(300);
    eventually("a client leaves a probe", async || {
        let asking = gateway.chat(&chat(REFUND)).timeout(patience).send();
        asking.await.is_err_and(|error| error.is_timeout())
    })
    .await;
    waits.client_gone().await;
    let back = async || gateway.ask(&chat(REFUND)).await.body == COMPLETION;
    eventually("the next one goes through", back).await;
    assert_eq!(upstream.unseen(), 2);
    let left = "intentgate_upstream_requests_total{result=\"client_left\",upstream=\"primary\"}";
    gateway.metric_becomes(left, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_the_request_does_not_shut_an_upstream() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for status in [400, 401, 429, 500].repeat(FAILURES) {
        upstream.replies(replied(status));
        assert_eq!(gateway.ask(&chat(REFUND)).await.status, status);
    }
    assert_eq!(gateway.metric(OPEN).await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_left_alone_costs_the_next_one_no_time() {
    let (refusing, mut second) = (Upstream::refusing().await, Upstream::start().await);
    let keys = format!("upstream.fallback = [{{ url = '{}' }}]", second.url());
    let gateway = Gateway::start_with(&refusing, &keys).await;
    for _ in 0..FAILURES {
        assert_eq!(gateway.ask(&chat(REFUND)).await.body, COMPLETION);
    }
    assert_eq!(gateway.metric(OPEN).await, 1.0);
    assert_eq!(gateway.ask(&chat(REFUND)).await.body, COMPLETION);
    assert_eq!(second.unseen(), FAILURES + 1);
    let retries = gateway.sum("intentgate_upstream_retries_total").await;
    assert_eq!(retries, FAILURES as f64, "a skip is no retry");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_takes_too_long_as_a_whole_breaks() {
    let upstream = Upstream::start().await;
    let keys = "upstream.total_timeout = '400ms'";
    let gateway = Gateway::start_with(&upstream.url(), keys).await;
    // Never silent and without an end.
    upstream.floods(usize::MAX, "data: more\n\n".into());
    let sending = gateway.chat(&stream(REFUND)).send();
    let mut response = soon("headers", sending).await.unwrap();
    let broke = async { while let Ok(Some(_)) = response.chunk().await {} };
    soon("the end", broke).await;
    let too_long = "intentgate_upstream_errors_total{code=\"upstream_stream_too_long\"}";
    gateway.metric_becomes(too_long, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_ones_own_is_trusted_and_http_2_is_spoken() {
    let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
    let roots = folder.path().join("ca.pem");
    std::fs::write(&roots, authority.pem()).unwrap();
    let mut upstream = Upstream::start_tls(&authority).await;
    let keys = format!("upstream.tls_roots = '{}'", roots.display());
    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    for _ in 0..3 {
        assert_eq!(gateway.ask(&chat(REFUND)).await.body, COMPLETION);
        assert_eq!(upstream.received().await.version, Version::HTTP_2);
    }
    assert_eq!(upstream.connections(), 1);
    let pace = upstream.paces();
    pace.send("data: first\n\n");
    let sending = gateway.chat(&stream(REFUND)).send();
    let mut response = soon("headers", sending).await.unwrap();
    let first = soon("a piece", response.chunk()).await.unwrap();
    assert_eq!(first.unwrap(), "data: first\n\n");
    drop(response);
    pace.client_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_unknown_authority_is_no_connection() {
    let upstream = Upstream::start_tls(&Authority::new()).await;
    let mut second = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "").await;
    let answer = gateway.ask(&chat(REFUND)).await;
    check_error(&answer, 502, "upstream_unreachable");

    let keys = format!("upstream.fallback = [{{ url = '{}' }}]", second.url());
    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    assert_eq!(gateway.ask(&chat(REFUND)).await.body, COMPLETION);
    assert_eq!(second.unseen(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_is_not_the_upstreams_failure() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "limits.body = '1KiB'").await;
    for _ in 0..2 * FAILURES {
        let pieces = [0; 3].map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1000]));
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        let answer = Answer::to(gateway.post("/v1/embeddings", body)).await;
        check_error(&answer, 413, "body_too_large");
    }
    assert_eq!(gateway.metric(OPEN).await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_one_upstream_leaves_the_others_connections() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let metrics = Metrics::new().unwrap();
    let mut config = config::Upstream {
        url: Some(first.url().parse().unwrap()),
        ..config::Upstream::default()
    };
    let ask = async |upstreams: &Upstreams| {
        let request = Request::get("/v1/models").body(Outgoing::Whole(Bytes::new()));
        let reply = upstreams.send(request.unwrap()).await.unwrap();
        reply.into_body().collect().await.unwrap();
    };
    let before = Upstreams::new(&config, &metrics, None).unwrap();
    ask(&before).await;
    config.fallback = vec![Fallback {
        url: Some(second.url().parse().unwrap()),
        ..Fallback::default()
    }];
    let same = Upstreams::new(&config, &metrics, Some(&before)).unwrap();
    ask(&same).await;
    assert_eq!(first.connections(), 1);

    config.idle_timeout += Duration::from_secs(1);
    config.fallback.clear();
    let changed = Upstreams::new(&config, &metrics, Some(&same)).unwrap();
    ask(&changed).await;
    assert_eq!(first.connections(), 2);
    let text = metrics.render().unwrap();
    assert!(
        text.contains(OPEN) && !text.contains("intentgate_upstream_open{upstream=\"fallback-1\"}")
    );
}
