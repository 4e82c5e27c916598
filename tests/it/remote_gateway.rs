//! A gateway whose model is behind an embeddings API: it judges, and forwards and counts while the API does not
//! answer.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::kit::embeddings::{LENGTH, fails};
use crate::kit::intents::{self, POEM_REPLY};
use crate::kit::{Gateway, Upstream, chat, eventually, log};

/// An example of the kit's shop.
const POEM: &str = "写一首关于春天的诗";
/// Much like it; no two of them share a kept verdict.
fn another(n: usize) -> String {
    format!("{POEM}{}", "呀".repeat(n))
}

/// The kit's shop with more examples than are waited for at a start.
fn shop() -> TempDir {
    let folder = intents::folder();
    let rows: Vec<_> = (0..300).map(|n| format!("第 {n} 号订单的发票")).collect();
    let rows = rows.join("\n");
    let invoice = format!("title = \"发票\"\nexamples = \"\"\"\n{rows}\n\"\"\"\n");
    intents::write(folder.path(), "invoice", &invoice);
    folder
}

async fn judges(gateway: &Gateway) {
    eventually("it judges", async || {
        gateway.decision(POEM).await == "reject"
    })
    .await;
}

/// No vectors of an earlier run are known of it.
fn keys(url: &str, more: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!(
        "model.url = '{url}'\nmodel.name = 'own-{}'\nmodel.prompt = ''\nmodel.dimensions = {LENGTH}\nmodel.static_stage = false\n{more}",
        now.as_nanos()
    )
}

fn bypassed(reason: &str) -> String {
    format!("intentgate_gate_bypassed_total{{reason=\"{reason}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_judges_and_forwards_and_counts_while_the_api_fails() {
    let (upstream, mut api) = (
        Upstream::start().await,
        Upstream::start_embeddings(None).await,
    );
    let folder = shop();
    let keys = keys(&api.url(), "");
    let gateway = Gateway::start_on(folder.path(), &upstream.url(), &keys).await;
    judges(&gateway).await;
    let answer = gateway.ask(&chat(POEM)).await;
    assert_eq!(answer.decision(), "reject");
    assert!(answer.text().contains(POEM_REPLY), "{}", answer.text());
    assert!(api.unseen() > 0);
    let up = "intentgate_embedding_up";
    assert_eq!(gateway.metric(up).await, 1.0);
    assert!(gateway.metric("intentgate_embedding_tokens_total").await > 0.0);
    let answered = gateway
        .metric("intentgate_embedding_requests_total{result=\"ok\"}")
        .await;
    assert!(answered > 1.0);

    // Each question is tried three times.
    for n in 1..=2 {
        (0..3).for_each(|_| api.replies(fails(500, "no")));
        let answer = gateway.ask(&chat(&another(n))).await;
        assert_eq!(answer.decision(), "forward", "{}", answer.text());
    }
    gateway.metric_becomes(&bypassed("model_failed"), 2.0).await;
    assert_eq!(gateway.metric(up).await, 0.0);
    eventually("it judges again", async || {
        gateway.decision(&another(3)).await == "reject"
    })
    .await;
    assert_eq!(gateway.metric(up).await, 1.0);
    let failed = gateway
        .metric("intentgate_embedding_requests_total{result=\"failed\"}")
        .await;
    assert!((5.0..=6.0).contains(&failed), "{failed}");
    let (text, url) = (log::text(), api.url());
    let lines = |words: &[&str]| {
        let said = |line: &&str| line.contains(&url) && words.iter().any(|w| line.contains(w));
        text.lines().filter(said).count()
    };
    assert_eq!(lines(&["keeps failing", "接连失败"]), 1);
    assert_eq!(lines(&["API is back", "接口恢复"]), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_api_is_waited_for_as_long_as_the_budget_says() {
    let (upstream, api) = (
        Upstream::start().await,
        Upstream::start_embeddings(None).await,
    );
    let keys = keys(&api.url(), "gate.budget = '2s'");
    let folder = shop();
    let gateway = Gateway::start_on(folder.path(), &upstream.url(), &keys).await;
    judges(&gateway).await;
    let gone = api.hangs();
    assert_eq!(gateway.decision(&another(1)).await, "forward");
    gone.client_gone().await;
    gateway.metric_becomes(&bypassed("over_budget"), 1.0).await;
    eventually("it judges again", async || {
        gateway.decision(&another(1)).await == "reject"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn static_vectors_judge_where_the_api_is_down() {
    let upstream = Upstream::start().await;
    let kept = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = kept.local_addr().unwrap();
    drop(kept);
    let folder = shop();
    let keys = keys(&format!("http://{address}/v1"), "");
    let keys = keys.replace("model.static_stage = false\n", "");
    let gateway = Gateway::start_on(folder.path(), &upstream.url(), &keys).await;
    assert_eq!(gateway.decision(POEM).await, "reject");
    assert_eq!(gateway.sum("intentgate_gate_bypassed_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_without_the_api_and_judges_once_that_is_there() {
    let upstream = Upstream::start().await;
    let kept = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = kept.local_addr().unwrap();
    drop(kept);
    let folder = shop();
    let keys = keys(&format!("http://{address}/v1"), "");
    let gateway = Gateway::start_on(folder.path(), &upstream.url(), &keys).await;
    assert_eq!(gateway.decision(POEM).await, "forward");
    gateway.metric_becomes(&bypassed("not_ready"), 1.0).await;

    let mut api = Upstream::start_embeddings_at(TcpListener::bind(address).await.unwrap()).await;
    judges(&gateway).await;
    let first: Value = serde_json::from_slice(&api.received().await.body).unwrap();
    assert_eq!(first["input"].as_array().unwrap().len(), 64);
}
