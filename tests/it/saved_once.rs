//! What is counted as saved, and how often: repeats, calls before the first reply, and who asks again.

use serde_json::{Value, json};

use crate::kit::intents::{DELIVERY, POEM, POEM_EN, REFUND, WEATHER};
use crate::kit::{Gateway, Upstream, chat, eventually, stream};
use crate::ledger::{PRICES, as_user, column, journal, real, rows, saved, texts, told};

/// Sums of the calls that were saved, and of their repeats.
async fn counted(gateway: &Gateway) -> (f64, f64) {
    let saved = gateway.sum("intentgate_llm_calls_saved_total").await;
    (saved, gateway.sum("intentgate_repeats_total").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_call_counts_once_however_often_a_program_sends_it() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), &journal(folder.path())).await;
    let ask = async |request: Value, headers: &[(&str, &str)]| {
        let mut sent = gateway.chat(&request);
        for (name, value) in headers {
            sent = sent.header(*name, *value);
        }
        assert_eq!(sent.send().await.unwrap().status(), 200);
    };
    // Two strangers whose shop asks from one address; each has a session of its own.
    let session = |name: &str| {
        let mut request = chat(POEM);
        request["metadata"] = json!({"session": name});
        request
    };
    ask(session("1"), &[]).await;
    ask(session("2"), &[]).await;
    rows(folder.path(), 2).await;
    assert_eq!(counted(&gateway).await, (2.0, 0.0));
    let prompt = gateway.metric(&saved("prompt")).await;

    // A framework sends the very same once more, an SDK says so, and a key says so.
    ask(session("2"), &[]).await;
    ask(session("1"), &[("x-stainless-retry-count", "1")]).await;
    ask(session("3"), &[("idempotency-key", "k")]).await;
    ask(session("4"), &[("idempotency-key", "k")]).await;
    // A customer with a name says the same again, in a request that looks otherwise.
    ask(as_user("ann", POEM), &[]).await;
    let mut again = stream(POEM);
    again["user"] = json!("ann");
    ask(again, &[]).await;
    ask(as_user("bob", POEM), &[]).await;
    rows(folder.path(), 9).await;
    assert_eq!(counted(&gateway).await, (5.0, 4.0));
    assert!((gateway.metric(&saved("prompt")).await - 2.5 * prompt).abs() < 1e-9);
    let ids = texts(folder.path(), "request_id");
    let of = texts(folder.path(), "coalesce(repeat_of, '')");
    let first = |row: usize| ids.iter().position(|id| *id == of[row]);
    assert_eq!([2, 3, 5, 7].map(first), [1, 0, 4, 6].map(Some));
    let unpriced = "count(*) FILTER (WHERE saved_prompt_tokens IS NULL AND repeat_of IS NOT NULL)";
    assert_eq!(column(folder.path(), unpriced), [4.into()]);
    // Only ann, with a name and another body, may have asked again herself.
    assert_eq!(
        gateway.sum("intentgate_rejections_asked_again_total").await,
        1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_is_not_one_customer_and_a_conversation_is() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), &journal(folder.path())).await;
    let again = "intentgate_rejections_asked_again_total{intent=\"poem\"}";
    gateway.decision("写一首关于月亮的诗").await;
    gateway.decision("请写一首关于月亮的诗吧").await;
    gateway.decision("写首诗，关于月亮的").await;
    rows(folder.path(), 3).await;
    assert_eq!(gateway.metric(again).await, 0.0);

    // Both strangers go on, each in a conversation of the same words.
    for session in ["1", "2"] {
        let mut request = chat("请写一首关于月亮的诗吧");
        let before = [
            json!({"role": "user", "content": "写一首关于月亮的诗"}),
            json!({"role": "assistant", "content": "抱歉，这不归我管。"}),
        ];
        request["messages"]
            .as_array_mut()
            .unwrap()
            .splice(0..0, before);
        request["metadata"] = json!({"session": session});
        gateway.ask(&request).await;
    }
    gateway.metric_becomes(again, 1.0).await;
    rows(folder.path(), 5).await;
    assert_eq!(
        gateway.metric(again).await,
        1.0,
        "one rejection, followed once"
    );

    // The Responses API goes on by an id.
    let asked = |question: &str, previous: Option<&str>| json!({"model": "m", "input": question, "previous_response_id": previous});
    let first = gateway
        .ask_at("/v1/responses", &asked("给我写首关于大海的诗", None))
        .await;
    let id = first.json()["id"].as_str().unwrap().to_owned();
    gateway
        .ask_at("/v1/responses", &asked("请给我写首关于大海的诗", None))
        .await;
    gateway
        .ask_at(
            "/v1/responses",
            &asked("请你给我写首关于大海的诗", Some(&id)),
        )
        .await;
    gateway.metric_becomes(again, 2.0).await;
    rows(folder.path(), 8).await;
    let followed = texts(folder.path(), "coalesce(again_of, '')");
    assert_eq!(followed[7], texts(folder.path(), "request_id")[5]);
    assert_eq!(followed[6], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_saved_before_the_first_reply_get_their_tokens_once() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    let keys = format!("{}{PRICES}", journal(folder.path()));
    let cost = "intentgate_cost_saved_total{currency=\"EUR\"}";
    let completions = "sum(saved_completion_tokens)";
    // A gateway that ends before it knows of any reply.
    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    gateway.decision(POEM).await;
    rows(folder.path(), 1).await;
    assert_eq!(
        texts(folder.path(), "typeof(saved_completion_tokens)"),
        ["null"]
    );
    gateway.stop().await;

    let gateway = Gateway::start_with(&upstream.url(), &keys).await;
    gateway.decision(WEATHER).await;
    let mut other = chat(POEM_EN);
    other["model"] = json!("of-no-price");
    gateway.ask(&other).await;
    rows(folder.path(), 3).await;
    assert_eq!(gateway.metric(&saved("completion")).await, 0.0);
    let of_prompts = gateway.metric(cost).await;
    upstream.replies(told(1_000, 250));
    assert_eq!(gateway.decision(REFUND).await, "forward");
    gateway.metric_becomes(&saved("completion"), 500.0).await;
    let of_reply = 250.0 * 8.0 / 1e6;
    assert!((gateway.metric(cost).await - of_prompts - of_reply).abs() < 1e-12);
    let is_made_up = async || real(folder.path(), completions) == 750.0;
    eventually("the rows of both gateways are completed", is_made_up).await;
    // By what is known now, once; and what comes then has it at once.
    upstream.replies(told(1_000, 350));
    assert_eq!(gateway.decision(DELIVERY).await, "forward");
    gateway.decision(POEM).await;
    gateway.metric_becomes(&saved("completion"), 800.0).await;
    rows(folder.path(), 6).await;
    assert_eq!(real(folder.path(), completions), 1_050.0);
    let priced =
        "total(saved_cost) - total(saved_prompt_tokens) FILTER (WHERE saved_cost > 0) * 2.0 / 1e6";
    let expected = (250.0 + 250.0 + 300.0) * 8.0 / 1e6;
    assert!((real(folder.path(), priced) - expected).abs() < 1e-12);
}
