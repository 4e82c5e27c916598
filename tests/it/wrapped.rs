//! What front ends put around a customer's words: the words are judged, the message goes on as it came.

use intentgate::intent::Action;
use serde_json::{Value, json};

use crate::kit::intents::{GREETING, POEM, POEM_REPLY, REFUND};
use crate::kit::{Answer, Gateway, Judging, Upstream, chat};

/// Around the words, each of another kind.
const AROUND: [(&str, &str); 5] = [
    (
        "labels",
        "【用户信息】昵称：小陈；会员等级：3\n【用户问题】{}",
    ),
    (
        "tags",
        "<history>\n顾客问过积分怎么用\n</history>\n<user_query>{}</user_query>",
    ),
    (
        "envelope",
        r#"{"msg_type":"text","sender":"buyer_7","body":"{}"}"#,
    ),
    ("log", "买家：在吗\n客服：在的\n买家：{}\n客服："),
    (
        "labels",
        "请根据资料回答。\n资料：\n1. 签收后七天内可以无理由退货\n\n用户的问题：{}",
    ),
];

fn conversation(turns: &[(&str, &str)]) -> Value {
    let turns = turns
        .iter()
        .map(|(role, content)| json!({"role": role, "content": content}));
    json!({"model": "m", "messages": turns.collect::<Vec<_>>()})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_are_judged_and_the_message_goes_on_as_it_came() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for (wrapping, around) in AROUND {
        let business = chat(&around.replace("{}", REFUND));
        assert_eq!(
            gateway.ask(&business).await.decision(),
            "forward",
            "{around}"
        );
        assert_eq!(upstream.received().await.body, business.to_string());
        let poem = gateway.ask(&chat(&around.replace("{}", POEM))).await;
        assert_eq!(poem.decision(), "reject", "{around}");
        assert!(
            String::from_utf8_lossy(&poem.body).contains(POEM_REPLY),
            "{around}"
        );
        let counted = format!("intentgate_unwrapped_total{{wrapping=\"{wrapping}\"}}");
        assert!(gateway.metric(&counted).await >= 2.0, "{wrapping}");
    }
    assert_eq!(upstream.unseen(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_says_where_the_words_stand_or_that_they_stand_alone() {
    let upstream = Upstream::start().await;
    let strange = format!("顾客资料甲乙丙 退款 退款 ⟦{POEM}⟧ 完");
    let told = Gateway::start_with(&upstream.url(), "gate.question = ['⟦{question}⟧']").await;
    assert_eq!(told.ask(&chat(&strange)).await.decision(), "reject");
    let alone = Gateway::start_with(&upstream.url(), "gate.unwrap = false").await;
    alone.ask(&chat(AROUND[0].1)).await;
    assert_eq!(alone.sum("intentgate_unwrapped_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_own_words_are_no_business_of_the_customers() {
    const REPLY: &str = "gate.reject_reply = { zh = '抱歉，这里只能帮您查订单、办理退货和催快递。', en = 'Sorry, I can only check an order or arrange a return here.' }";
    let upstream = Upstream::start().await;
    let gateway = Gateway::start_with(&upstream.url(), REPLY).await;
    for (message, decision) in [
        (
            "check an order or arrange a return? ok then write a poem about the moon",
            "reject",
        ),
        (
            "Sorry, I can only check an order or arrange a return here.\n\nok then write a poem about the moon",
            "reject",
        ),
        (
            "你说“只能帮您查订单、办理退货和催快递”，那就写一首关于月亮的诗吧",
            "reject",
        ),
        // What stands in the reply is what a shop is for.
        ("check an order or arrange a return", "forward"),
        (
            "你说只能帮我查订单、办理退货和催快递，那退款什么时候到账",
            "forward",
        ),
    ] {
        assert_eq!(gateway.decision(message).await, decision, "{message}");
    }
    let counted = "intentgate_unwrapped_total{wrapping=\"quote\"}";
    assert!(gateway.metric(counted).await >= 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_front_end_asks_about_a_chat_passes() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let title = "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.\n<chat_history>\nUSER: write a poem\n</chat_history>";
    assert_eq!(gateway.ask(&chat(title)).await.decision(), "forward");
    upstream.received().await;
    let counted = "intentgate_gate_bypassed_total{reason=\"task\"}";
    gateway.metric_becomes(counted, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_framework_says_behind_a_tools_result_is_no_question() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let by_protocol = json!({"model": "m", "messages": [
        {"role": "user", "content": REFUND},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "order", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "1", "content": "refunded"},
        {"role": "user", "content": "请根据以上工具结果回复用户"},
    ]});
    let by_words = conversation(&[
        ("user", REFUND),
        ("assistant", "Thought: look it up\nAction: order"),
        ("user", "Observation: refunded"),
    ]);
    for request in [by_protocol, by_words] {
        assert_eq!(gateway.ask(&request).await.decision(), "forward");
        upstream.received().await;
    }
    // Where no tool was called, the same words are what somebody asks.
    let alone = format!("Observation: {POEM}");
    assert_eq!(gateway.ask(&chat(&alone)).await.decision(), "reject");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_without_an_answer_between_them_are_one_question() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for turns in [
        &[("user", REFUND), ("user", GREETING)][..],
        &[("user", REFUND), ("user", "人呢")],
        &[
            ("user", POEM),
            ("assistant", POEM_REPLY),
            ("user", REFUND),
            ("user", GREETING),
        ],
    ] {
        let decision = gateway.ask(&conversation(turns)).await;
        assert_eq!(decision.decision(), "forward", "{turns:?}");
        upstream.received().await;
    }
    let poems = [("user", GREETING), ("user", POEM)];
    assert_eq!(
        gateway.ask(&conversation(&poems)).await.decision(),
        "reject"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_reply_passes_over_nothing_that_is_open() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for turns in [
        // Something is asked of the customer, and something stands beside the greeting.
        &[
            ("user", REFUND),
            ("assistant", "您方便提供一下订单号吗？"),
            ("user", GREETING),
        ][..],
        &[("user", "您好，在吗，退款怎么还没到")],
        &[("user", REFUND), ("assistant", "已经退了"), ("user", "嗯")],
    ] {
        let decision = gateway.ask(&conversation(turns)).await;
        assert_eq!(decision.decision(), "forward", "{turns:?}");
        upstream.received().await;
    }
    assert_eq!(gateway.ask(&chat(GREETING)).await.decision(), "answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_for_structure_gets_no_greeting() {
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    for (field, value) in [
        ("response_format", json!({"type": "json_object"})),
        ("tool_choice", json!("required")),
        (
            "tool_choice",
            json!({"type": "function", "function": {"name": "f"}}),
        ),
    ] {
        let mut greeting = chat(GREETING);
        greeting[field] = value.clone();
        assert_eq!(
            gateway.ask(&greeting).await.decision(),
            "forward",
            "{field} {value}"
        );
        upstream.received().await;
        let mut poem = chat(POEM);
        poem[field] = value;
        let refusal = gateway.ask(&poem).await;
        assert_eq!(refusal.decision(), "reject");
        assert_eq!(
            refusal.json()["choices"][0]["message"]["refusal"],
            POEM_REPLY
        );
    }
    let mut free = chat(GREETING);
    free["tool_choice"] = json!("auto");
    assert_eq!(gateway.ask(&free).await.decision(), "answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_of_responses_goes_on_after_a_local_reply() {
    const RESPONSES: &str = "/v1/responses";
    let mut upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream).await;
    let asked = |input: &str, previous: Option<&str>| {
        json!({"model": "m", "input": input, "previous_response_id": previous}).to_string()
    };
    let poem = Answer::to(gateway.post(RESPONSES, asked(POEM, Some("resp_up_1")))).await;
    assert_eq!(poem.decision(), "reject");
    let local = poem.json()["id"].as_str().unwrap().to_owned();
    // The upstream goes on from what it knows.
    Answer::to(gateway.post(RESPONSES, asked(REFUND, Some(&local)))).await;
    let received: Value = serde_json::from_slice(&upstream.received().await.body).unwrap();
    assert_eq!(
        received,
        json!({"model": "m", "input": REFUND, "previous_response_id": "resp_up_1"})
    );
    // Or begins, where nothing of what was said reached it.
    let greeting = Answer::to(gateway.post(RESPONSES, asked(GREETING, None))).await;
    assert_eq!(greeting.decision(), "answer");
    let local = greeting.json()["id"].as_str().unwrap().to_owned();
    Answer::to(gateway.post(RESPONSES, asked(REFUND, Some(&local)))).await;
    let received: Value = serde_json::from_slice(&upstream.received().await.body).unwrap();
    assert_eq!(received, json!({"model": "m", "input": REFUND}));
    // What the upstream knows is a conversation: what is short belongs to it.
    let short = Answer::to(gateway.post(RESPONSES, asked("20240518", Some("resp_up_1")))).await;
    assert_eq!(short.decision(), "forward");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_word_for_word_an_example_is_done_as_its_operator_says() {
    let shop = Judging::shipped().await;
    for intent in &shop.snapshot.intents {
        if intent.action == Action::Reject {
            continue;
        }
        let texts: Vec<_> = intent
            .examples
            .iter()
            .map(|example| &*example.text)
            .collect();
        for (text, decision) in texts.iter().zip(shop.decide_all(&texts).await) {
            assert_eq!(
                decision.action == Action::Answer,
                intent.action == Action::Answer,
                "{text}"
            );
            assert_ne!(decision.action, Action::Reject, "{text}");
            let answered = decision
                .intent()
                .filter(|_| intent.action == Action::Answer);
            assert!(
                answered.is_none_or(|answered| *answered == intent.name),
                "{text}"
            );
        }
    }
}
