//! What comes of a decision: enforced, watched, sampled, or not made at all.

use serde_json::{Value, json};

use crate::kit::intents::{GREETING, POEM, REFUND};
use crate::kit::{Answer, COMPLETION, Gateway, Upstream, chat, check_error, check_reply};

const CHAT: &str = "/v1/chat/completions";

fn bypassed(reason: &str) -> String {
    format!("intentgate_gate_bypassed_total{{reason=\"{reason}\"}}")
}

fn waived(decision: &str, intent: &str, reason: &str) -> String {
    format!(
        "intentgate_gate_waived_total{{decision=\"{decision}\",intent=\"{intent}\",reason=\"{reason}\"}}"
    )
}

/// No encoder is as quick.
const HURRY: &str = "gate.budget = '1us'\ngate.stages = 'full'";

/// A question that takes the encoder a while.
fn story() -> Value {
    let verses = (0..200).map(|verse| format!("{POEM}{verse}，"));
    chat(&verses.collect::<String>())
}

/// A turn that holds nothing but what the gateway cannot read.
fn unknown_shape() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "poem", "poem": "x"}]}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_records_what_would_be_and_changes_nothing() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "gate.mode = 'shadow'").await;
    for question in [POEM, GREETING, REFUND] {
        let request = chat(question);
        let answer = gateway.ask(&request).await;
        assert_eq!(
            (answer.decision(), &answer.body[..]),
            ("forward", COMPLETION.as_bytes())
        );
        let received = upstream.received().await;
        assert_eq!(received.body, request.to_string());
        assert!(!received.headers.contains_key("x-intentgate-mixed"));
    }
    gateway
        .metric_becomes(&waived("reject", "poem", "shadow"), 1.0)
        .await;
    gateway
        .metric_becomes(&waived("answer", "greeting", "shadow"), 1.0)
        .await;
    assert_eq!(gateway.sum("intentgate_gate_waived_total").await, 2.0);
    assert_eq!(gateway.sum("intentgate_llm_calls_saved_total").await, 0.0);
    let poems = "intentgate_requests_total{decision=\"forward\",intent=\"poem\",protocol=\"chat_completions\"}";
    gateway.metric_becomes(poems, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_lets_through_what_it_cannot_read() {
    let mut upstream = Upstream::start().await;
    let keys = "gate.mode = 'shadow'\ngate.unknown_shape = 'refuse'";
    let gateway = Gateway::start_with(&upstream.url(), keys).await;
    for (body, reason) in [
        ("no JSON".to_owned(), "unreadable"),
        (unknown_shape().to_string(), "unknown_shape"),
    ] {
        let answer = Answer::to(gateway.post(CHAT, body.clone())).await;
        assert_eq!(answer.body, COMPLETION);
        assert_eq!(upstream.received().await.body, body);
        gateway.metric_becomes(&bypassed(reason), 1.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_off_judges_nothing() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "gate.mode = 'off'").await;
    let answer = gateway.ask(&chat(POEM)).await;
    assert_eq!(
        (answer.decision(), &answer.body[..]),
        ("forward", COMPLETION.as_bytes())
    );
    assert_eq!(upstream.received().await.body, chat(POEM).to_string());
    gateway.metric_becomes(&bypassed("gate_off"), 1.0).await;
    assert_eq!(
        gateway.sum("intentgate_gate_duration_seconds_count").await,
        0.0
    );
    // No side door even then.
    let other = Answer::to(gateway.post("/v1/other", "{}")).await;
    check_error(&other, 403, "path_not_served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_rejections_is_let_through_for_an_audit() {
    const REQUESTS: usize = 200;
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), "gate.audit_share = 0.25").await;
    let mut forwarded = 0;
    for _ in 0..REQUESTS {
        let answer = gateway.ask(&chat(POEM)).await;
        match answer.decision() {
            "forward" => forwarded += 1,
            _ => assert!(!check_reply(&chat(POEM), &answer).is_empty()),
        }
    }
    // Outside of this once in a million runs: 50 expected, 6.1 the standard deviation.
    assert!((20..=80).contains(&forwarded), "{forwarded} of {REQUESTS}");
    let audited = waived("reject", "poem", "audit");
    gateway.metric_becomes(&audited, f64::from(forwarded)).await;
    for _ in 0..20 {
        assert_eq!(
            gateway.decision(GREETING).await,
            "answer",
            "answers are no rejections"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_over_its_budget_is_forwarded_or_refused() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), HURRY).await;
    assert_eq!(gateway.ask(&story()).await.body, COMPLETION);
    assert_eq!(upstream.unseen(), 1);
    gateway.metric_becomes(&bypassed("over_budget"), 1.0).await;

    let keys = format!("{HURRY}\ngate.on_failure = 'reject'");
    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    let answer = gateway.ask(&story()).await;
    check_error(&answer, 503, "gate_over_budget");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(upstream.unseen(), 0);
    assert_eq!(gateway.metric(&bypassed("over_budget")).await, 0.0);
    let refused = "intentgate_requests_refused_total{code=\"gate_over_budget\"}";
    gateway.metric_becomes(refused, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_shape_passes_or_is_refused_and_is_counted_either_way() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    assert_eq!(gateway.ask(&unknown_shape()).await.body, COMPLETION);
    gateway
        .metric_becomes(&bypassed("unknown_shape"), 1.0)
        .await;
    assert_eq!(upstream.unseen(), 1);

    let keys = "gate.unknown_shape = 'refuse'";
    let gateway = Gateway::start_with(&upstream.url(), keys).await;
    check_error(&gateway.ask(&unknown_shape()).await, 400, "unknown_shape");
    assert_eq!(upstream.unseen(), 0);
    let refused = "intentgate_requests_refused_total{code=\"unknown_shape\"}";
    gateway.metric_becomes(refused, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_beside_what_cannot_be_read_are_judged_all_the_same() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let beside = |text: &str| {
        let parts = json!([{"type": "text", "text": text}, {"type": "poem", "poem": "x"}]);
        json!({"model": "m", "messages": [{"role": "user", "content": parts}]})
    };
    assert_eq!(gateway.ask(&beside(POEM)).await.decision(), "reject");
    assert_eq!(gateway.ask(&beside(REFUND)).await.body, COMPLETION);
    // An answer would leave out what was not read.
    assert_eq!(gateway.ask(&beside(GREETING)).await.body, COMPLETION);
    gateway
        .metric_becomes(&bypassed("unknown_shape"), 2.0)
        .await;
    assert_eq!(upstream.unseen(), 2);
}
