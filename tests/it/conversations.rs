//! Labelled conversations of ours, judged by the shipped intents: only the last turn counts.

use std::collections::BTreeMap;

use intentgate::intent::Action;
use intentgate::language::Code;
use serde_json::{Value, json};

use crate::kit::{Judging, lines};

/// Rejected, of how many.
type Share = (usize, usize);

fn value((count, of): Share) -> f64 {
    count as f64 / of as f64
}

/// The rejected share of last turns, by whether they are the shop's business and by kind.
async fn rejected(file: &str) -> BTreeMap<(bool, String), Share> {
    let shop = Judging::shipped().await;
    let mut dialogues = lines(file);
    let declined = &shop.snapshot.reject_reply;
    for dialogue in &mut dialogues {
        for message in dialogue["messages"].as_array_mut().unwrap() {
            // What the gate says where it declines, it knows again.
            match message["content"].as_str() {
                Some("抱歉，我只能回答本店相关的问题。") => {
                    message["content"] = declined.text(Code::ZH).into()
                }
                Some("Sorry, I can only answer questions about our shop.") => {
                    message["content"] = declined.text(Code::EN).into();
                }
                _ => {}
            }
        }
    }
    let decisions = shop.decide_lines(&dialogues).await;
    let mut shares = BTreeMap::new();
    for (dialogue, decision) in dialogues.iter().zip(decisions) {
        let on_topic = dialogue["on_topic"].as_bool().unwrap();
        let kind = dialogue["kind"].as_str().unwrap().to_owned();
        let share: &mut Share = shares.entry((on_topic, kind)).or_default();
        let rejected = decision.action == Action::Reject;
        share.0 += usize::from(rejected);
        share.1 += 1;
        if rejected == on_topic {
            let last = dialogue["messages"].as_array().unwrap().last().unwrap();
            println!("{on_topic} {}", last["content"].as_str().unwrap());
        }
    }
    for (kind, share) in &shares {
        println!("{kind:?}: {share:?} rejected");
    }
    shares
}

fn of_side(shares: &BTreeMap<(bool, String), Share>, side: bool) -> f64 {
    let of_side = shares.iter().filter(|((on_topic, _), _)| *on_topic == side);
    let sum = of_side.fold((0, 0), |sum, (_, share)| (sum.0 + share.0, sum.1 + share.1));
    println!("on topic {side}: {:.1} % rejected", 100.0 * value(sum));
    value(sum)
}

// Measured: 10.9 % of the shop's turns rejected, 90.0 % of the others, those included that were sent right behind a
// question that nobody has answered yet and pass with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_judged_in_its_conversation() {
    let shares = rejected("tests/conversations/dialogues.jsonl").await;
    assert!(of_side(&shares, true) <= 0.13);
    assert!(of_side(&shares, false) >= 0.89);
}

// Measured: 15 % of those who come back rejected, 62.5 % of those who insist.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_declined_comes_back_to_the_shop_or_is_declined_again() {
    let shares = rejected("tests/conversations/first.jsonl").await;
    assert!(of_side(&shares, true) <= 0.25);
    assert!(of_side(&shares, false) > 0.5);
}

// Two turns back it was about a jacket; a word about a brother in Finland ends nothing.
#[tokio::test(flavor = "multi_thread")]
async fn one_odd_turn_ends_no_matter() {
    let shop = Judging::shipped().await;
    let said = |role: &str, content: &str| json!({"role": role, "content": content});
    for (matter, reply, odd, courtesy, last) in [
        (
            "这件羽绒服还有XL码吗",
            "有的亲，XL码有现货",
            "我女朋友是学芭蕾的",
            "好厉害呀",
            "天天跳能扛得住吗",
        ),
        (
            "这款冲锋衣是什么面料的",
            "外层是尼龙，防泼水的",
            "my grandma turned eighty last week",
            "How nice!",
            "would he freeze in january",
        ),
        (
            "how thick is the fleece of this jacket",
            "It is a 300 g fleece.",
            "my brother just moved to northern finland",
            "How exciting!",
            "would he freeze in january",
        ),
    ] {
        let odd_alone = [
            said("user", odd),
            said("assistant", courtesy),
            said("user", last),
        ];
        let alone = shop.decide_line(&json!({"messages": odd_alone})).await;
        assert_eq!(alone.action, Action::Reject, "{last}: {alone:?}");
        let mut turns = vec![said("user", matter), said("assistant", reply)];
        turns.extend(odd_alone);
        let decision = shop.decide_line(&json!({"messages": turns})).await;
        assert_ne!(decision.action, Action::Reject, "{last}: {decision:?}");
        // A poem stays one.
        let poem = "写一首关于秋天的七言绝句";
        *turns.last_mut().unwrap() = said("user", poem);
        let decision = shop.decide_line(&json!({"messages": turns})).await;
        assert_eq!(decision.action, Action::Reject, "{poem}: {decision:?}");
    }
}

// Numbers, links, yes and no mean nothing without what was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_bare_is_never_rejected_in_a_conversation_about_the_shop() {
    let shop = Judging::shipped().await;
    let topics = [
        ("我的快递到哪了", "请提供一下订单号"),
        ("我要退款", "请问是哪一单？发一下手机号"),
        (
            "can I change my delivery address",
            "Sure. What is your order number?",
        ),
    ];
    let bare = [
        "20240918000123",
        "SF1234567890123",
        "13800138000",
        "https://item.example.com/item.htm?id=6543210",
        "wang.li@example.com",
        "👍",
        "😊😊",
        "好的",
        "嗯嗯",
        "不用了",
        "no",
        "ok thanks",
        "42码",
        "9月18号",
        "订单号20240918000123",
        "1",
        "?",
    ];
    for (question, reply) in topics {
        for last in bare {
            let said = |role: &str, content: &str| json!({"role": role, "content": content});
            let turns = [
                said("user", question),
                said("assistant", reply),
                said("user", last),
            ];
            let line: Value = json!({"messages": turns});
            let decision = shop.decide_line(&line).await;
            assert_ne!(
                decision.action,
                Action::Reject,
                "{question} … {last}: {decision:?}"
            );
        }
    }
}
