//! What requests cost and saved: metrics and journal beside the requests, held against what the test counts itself.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::{StreamExt, stream as streams};
use http::Response;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::kit::intents::{DELIVERY, GREETING, POEM, POEM_EN, REFUND, WEATHER};
use crate::kit::{Gateway, Upstream, chat, eventually, stream};

/// A thousand tokens in and out are easy to tell in money.
pub(crate) const PRICES: &str = r#"
    [prices]
    currency = "EUR"
    [[prices.model]]
    name = "test-*"
    input = 2.0
    cached_input = 1.0
    output = 8.0
"#;

/// A reply of a model that tells what it billed.
pub(crate) fn told(prompt: u64, completion: u64) -> Response<String> {
    let usage = json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion});
    let reply = json!({
        "id": "up-1", "object": "chat.completion", "model": "test-model-2026", "usage": usage,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
    });
    let response = Response::builder().header("content-type", "application/json");
    response.body(reply.to_string()).unwrap()
}

pub(crate) fn journal(folder: &Path) -> String {
    let path = folder.join("journal.sqlite");
    format!("journal.path = '{}'\n", path.display())
}

/// A column of every row, in the order in which the requests ended.
pub(crate) fn column(folder: &Path, column: &str) -> Vec<rusqlite::types::Value> {
    let path = folder.join("journal.sqlite");
    let Ok(database) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY) else {
        return Vec::new();
    };
    let query = format!("SELECT {column} FROM request ORDER BY rowid");
    let Ok(mut rows) = database.prepare(&query) else {
        return Vec::new();
    };
    let rows = rows.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

pub(crate) fn texts(folder: &Path, name: &str) -> Vec<String> {
    let text = |value| match value {
        rusqlite::types::Value::Text(text) => text,
        other => format!("{other:?}"),
    };
    column(folder, name).into_iter().map(text).collect()
}

pub(crate) fn real(folder: &Path, sum: &str) -> f64 {
    match column(folder, sum).first() {
        Some(rusqlite::types::Value::Real(sum)) => *sum,
        Some(rusqlite::types::Value::Integer(sum)) => *sum as f64,
        _ => 0.0,
    }
}

pub(crate) async fn rows(folder: &Path, count: usize) {
    let what = format!("{count} rows in the journal");
    eventually(&what, async || column(folder, "at").len() == count).await;
}

pub(crate) fn saved(kind: &str) -> String {
    format!("intentgate_tokens_saved_total{{kind=\"{kind}\"}}")
}

pub(crate) fn as_user(user: &str, question: &str) -> Value {
    let mut request = chat(question);
    request["user"] = json!(user);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_call_is_priced_by_what_forwarded_ones_used() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    let keys = format!("{}{PRICES}", journal(folder.path()));
    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    for completion in [100, 300] {
        upstream.replies(told(1_000, completion));
        assert_eq!(gateway.decision(REFUND).await, "forward");
    }
    let billed = |kind: &str| format!("intentgate_upstream_tokens_total{{kind=\"{kind}\"}}");
    gateway.metric_becomes(&billed("prompt"), 2_000.0).await;
    gateway.metric_becomes(&billed("completion"), 400.0).await;
    let cost = "intentgate_upstream_cost_total{currency=\"EUR\"}";
    gateway
        .metric_becomes(cost, (2_000.0 * 2.0 + 400.0 * 8.0) / 1e6)
        .await;
    assert_eq!(
        gateway.metric("intentgate_completion_tokens_mean").await,
        200.0
    );
    assert_eq!(
        gateway.metric("intentgate_completion_tokens_stddev").await,
        100.0
    );

    // 3 a message and 3 for the reply to begin with, as OpenAI says; the role is one token.
    let mut request = chat(POEM_EN);
    request["messages"][0]["content"] = json!("write a poem about the moon");
    assert_eq!(gateway.ask(&request).await.decision(), "reject");
    let prompt = 3.0 + 1.0 + 6.0 + 3.0;
    gateway.metric_becomes(&saved("prompt"), prompt).await;
    gateway.metric_becomes(&saved("completion"), 200.0).await;
    let money = (prompt * 2.0 + 200.0 * 8.0) / 1e6;
    let series = "intentgate_cost_saved_total{currency=\"EUR\"}";
    gateway.metric_becomes(series, money).await;

    rows(folder.path(), 3).await;
    assert_eq!(
        texts(folder.path(), "decision"),
        ["forward", "forward", "reject"]
    );
    assert_eq!(
        texts(folder.path(), "coalesce(usage, '-')"),
        ["told", "told", "-"]
    );
    assert_eq!(real(folder.path(), "sum(saved_cost)"), money);
    assert_eq!(
        real(folder.path(), "sum(question IS NOT NULL)"),
        0.0,
        "customers' words are not kept unless the operator says so"
    );
    let mut dear = chat(POEM);
    dear["model"] = json!("another");
    gateway.ask(&dear).await;
    gateway
        .metric_becomes("intentgate_unpriced_requests_total", 1.0)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_of_streams_is_told_or_counted() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let source = |source: &str| format!("intentgate_upstream_usage_total{{source=\"{source}\"}}");
    let delta = |text: &str| {
        format!(
            "data: {}\n\n",
            json!({"choices": [{"index": 0, "delta": {"content": text}}]})
        )
    };
    let mut asks = stream(REFUND);
    asks["stream_options"] = json!({"include_usage": true});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 7, "total_tokens": 57,
        "prompt_tokens_details": {"cached_tokens": 20}}});
    let pace = upstream.paces();
    pace.send(delta("hello"));
    pace.send(format!("data: {usage}\n\ndata: [DONE]\n\n"));
    drop(pace);
    gateway.ask(&asks).await;
    gateway.metric_becomes(&source("told"), 1.0).await;
    let tokens = |kind: &str| format!("intentgate_upstream_tokens_total{{kind=\"{kind}\"}}");
    assert_eq!(gateway.metric(&tokens("cached_prompt")).await, 20.0);
    assert_eq!(gateway.metric(&tokens("completion")).await, 7.0);

    // Who does not ask for a usage gets none, so its words are counted: "hello world" is two tokens.
    let pace = upstream.paces();
    pace.send(delta("hello"));
    pace.send(delta(" world"));
    pace.send("data: [DONE]\n\n");
    drop(pace);
    gateway.ask(&stream(REFUND)).await;
    gateway.metric_becomes(&source("counted"), 1.0).await;
    assert_eq!(gateway.metric(&tokens("completion")).await, 9.0);

    upstream.replies(Response::new("no usage, no JSON"));
    gateway.ask(&chat(REFUND)).await;
    gateway.metric_becomes(&source("unknown"), 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_rejection_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    let keys = "journal.handoff_intents = ['greeting']\n";
    let keys = format!("{}{keys}", journal(folder.path()));
    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    let again = "intentgate_rejections_asked_again_total{intent=\"poem\"}";
    let person = "intentgate_rejections_handed_over_total{intent=\"poem\"}";
    let ask = async |user: &str, question: &str| {
        gateway
            .ask(&as_user(user, question))
            .await
            .header("x-request-id")
            .to_owned()
    };
    let rejected = ask("ann", "写一首关于月亮的诗").await;
    ask("bob", "写一首关于月亮的诗").await;
    ask("ann", "上海今天天气如何").await;
    ask("ann", "请写一首关于月亮的诗吧").await;
    gateway.metric_becomes(again, 1.0).await;
    ask("ann", "请写首关于月亮的诗吧").await;
    ask("ann", GREETING).await;
    gateway.metric_becomes(person, 1.0).await;
    rows(folder.path(), 6).await;
    let followed = texts(folder.path(), "coalesce(again_of, '')");
    assert_eq!(followed[3], rejected);
    assert_eq!(followed.iter().filter(|id| !id.is_empty()).count(), 2);
    let callers = column(folder.path(), "caller");
    assert_eq!(callers[0], callers[3]);
    assert_ne!(callers[0], callers[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_journal_and_the_load_agree() {
    const REQUESTS: usize = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), &journal(folder.path())).await;
    let questions = [POEM, REFUND, GREETING, WEATHER, DELIVERY, POEM_EN];
    let asked = streams::iter(0..REQUESTS)
        .map(|number| {
            let gateway = &gateway;
            async move {
                let question = questions[number % questions.len()];
                let answer = match number % 11 {
                    7 => gateway.post("/v1/chat/completions", "no JSON"),
                    3 | 9 => {
                        let body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": question}]});
                        gateway.post("/v1/messages", body.to_string())
                    }
                    _ => gateway.chat(&chat(question)),
                };
                let response = answer.send().await.unwrap();
                let decision = response.headers().get("x-intentgate-decision").cloned();
                response.bytes().await.unwrap();
                decision.map_or("refused".to_owned(), |d| d.to_str().unwrap().to_owned())
            }
        })
        .buffer_unordered(64);
    let mut counted = BTreeMap::new();
    let decisions: Vec<_> = asked.collect().await;
    for decision in decisions {
        *counted.entry(decision).or_insert(0_usize) += 1;
    }
    assert_eq!(counted.len(), 4, "{counted:?}");
    rows(folder.path(), REQUESTS).await;
    let decisions = texts(folder.path(), "decision");
    let metrics = gateway.admin("/metrics").await.text();
    for (decision, count) in counted {
        let rows = decisions.iter().filter(|row| **row == decision).count();
        assert_eq!(rows, count, "the journal's rows of {decision}");
        let series = format!("intentgate_requests_total{{decision=\"{decision}\"");
        let values = metrics.lines().filter(|line| line.starts_with(&series));
        let sum: f64 = values
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum();
        assert_eq!(sum, count as f64, "the counter of {decision}");
    }
    let tokens = gateway.metric(&saved("prompt")).await;
    assert_eq!(tokens, real(folder.path(), "sum(saved_prompt_tokens)"));
    let written = "intentgate_journal_records_total{result=\"written\"}";
    assert_eq!(gateway.metric(written).await, REQUESTS as f64);
    assert_eq!(gateway.metric("intentgate_ledger_dropped_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_journal_costs_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), &journal(folder.path())).await;
    assert_eq!(gateway.decision(POEM).await, "reject");
    rows(folder.path(), 1).await;
    let other = Connection::open(folder.path().join("journal.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..50 {
        assert_eq!(gateway.decision(POEM).await, "reject");
    }
    assert_eq!(column(folder.path(), "at").len(), 1);
    other.execute_batch("ROLLBACK").unwrap();
    rows(folder.path(), 51).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_written_down_before_the_gateway_stops() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), &journal(folder.path())).await;
    for _ in 0..20 {
        gateway.decision(POEM).await;
    }
    gateway.stop().await;
    assert_eq!(column(folder.path(), "at").len(), 20);
}
