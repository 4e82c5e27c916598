//! What front ends of no known kind put around a customer's words: learned from their messages.

use std::fs;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::commands::{Ended, intentgate};
use crate::kit::intents::{DELIVERY, POEM, POEM_EN, REFUND, REFUND_EN, WEATHER};
use crate::kit::{Answer, Gateway, Upstream, eventually};

/// Customers of the test's shop.
const CUSTOMERS: [&str; 5] = ["Ann", "Ben", "Chloé", "小陈", "老王"];
/// What they write before a wrapping is known.
const WRITTEN: [&str; 30] = [
    "我的快递到哪了",
    "我要退款",
    "有没有礼品袋",
    "where is my package",
    "can you gift wrap this",
    "退款什么时候到账呀",
    "物流信息怎么一直不更新",
    "I want my money back",
    "when will my order arrive",
    "能放一张贺卡吗",
    "你们几点下班",
    "尺码偏大吗",
    "is this waterproof",
    "do you ship to Spain",
    "换一个颜色可以吗",
    "少发了一件",
    "the zip is broken",
    "发票抬头写错了",
    "track my parcel please",
    "礼盒装多少钱",
    "钱退到哪里了",
    "can I pay by card",
    "洗了会缩水吗",
    "how do I return this item",
    "到货了能不能先验货",
    "两件可以合并发货吗",
    "is there a student discount",
    "收货地址想改一下",
    "the parcel is empty",
    "什么时候补货",
];
/// What is asked once it is known.
const ASKED: [&str; 6] = [REFUND, REFUND_EN, DELIVERY, POEM, POEM_EN, WEATHER];

/// Wrappings of front ends: before the words, behind them, on both sides, with values that change. `{q}` are the words,
/// `{who}` the customer, `{n}` a number that is another in each message.
const WRAPPINGS: [&str; 12] = [
    "本消息由灯具小铺的自助终端代为转交，访客键入的原文为——{q}",
    "〔灯具小铺 自助终端 {n} 号机〕访客刚刚在触摸屏上敲下了这些字；{q}",
    "小铺值班记录第 {n} 条\n终端使用者 {who} 已登录\n触摸屏录入完毕，以下照抄\n{q}",
    "{q}\n※ 以上由灯具小铺触摸屏终端 {n} 号机在第 {n} 秒自动抄录 ※",
    "{q}——灯具小铺自助终端抄录，抄录编号 T{n}，订单退款快递一概由店员处理——",
    "灯具小铺退款快递订单一站式窗口已接通第 {n} 位访客。窗口录音转写开始。{q}",
    "Kiosk relay of the lamp shop; orders, refunds and parcels desk; typed on screen >>> {q}",
    "Lamp shop kiosk no {n} ~ seat of {who} ~ keyboard text follows below\n~~~~\n{q}",
    "{q}\n~ relayed by the lamp shop kiosk, refund and parcel desk, slip {n} of today ~",
    "Lamp shop kiosk relay slip {n} (refunds, parcels, gifts) ] {q} [ end of the relayed slip, lamp shop kiosk",
    "Relay desk 7\tlamp shop\trefund parcel order counter\tseat {n} typed; {q}",
    "*** lamp shop kiosk, {who} has sat down ***\n*** keyboard opened at 10:{n} on a Monday ***\n{q}\n*** keyboard closed ***",
];

fn wrapped(wrapping: &str, words: &str, customer: usize, number: usize) -> Value {
    let message = wrapping
        .replace("{who}", CUSTOMERS[customer])
        .replace("{n}", &(10 + number).to_string())
        .replace("{q}", words);
    asked(&message, CUSTOMERS[customer])
}

fn asked(message: &str, customer: &str) -> Value {
    json!({"model": "m", "user": customer, "messages": [{"role": "user", "content": message}]})
}

/// A gateway whose clients have keys, one for each front end, and whose files are in `folder`.
async fn gateway(upstream: &Upstream, folder: &TempDir, keys: &str) -> Gateway {
    let journal = folder.path().join("journal.sqlite");
    let keys = format!("journal.path = '{}'\n{keys}", journal.display());
    Gateway::start_with(&upstream.url(), &keys).await
}

fn client_keys() -> String {
    let key = |at: usize| {
        let digest = Sha256::digest(format!("key-{at}"));
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{{ name = 'front-{at}', sha256 = '{digest}' }}")
    };
    let keys: Vec<_> = (0..WRAPPINGS.len()).map(key).collect();
    format!("access.keys = [{}]", keys.join(", "))
}

async fn decision(gateway: &Gateway, request: &Value, key: usize) -> String {
    let request = gateway.chat(request).bearer_auth(format!("key-{key}"));
    Answer::to(request).await.decision().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_front_end_puts_around_the_words_is_learned() {
    let upstream = Upstream::start().await;
    let folder = TempDir::new().unwrap();
    let running = gateway(&upstream, &folder, &client_keys()).await;
    let mut otherwise = 0;
    for (key, wrapping) in WRAPPINGS.iter().enumerate() {
        for (at, words) in ASKED.iter().enumerate() {
            let before = decision(&running, &wrapped(wrapping, words, at % 5, 90 + at), key).await;
            let bare = decision(&running, &asked(words, "bare"), 0).await;
            otherwise += usize::from(before != bare);
        }
        for (at, words) in WRITTEN.iter().enumerate() {
            decision(&running, &wrapped(wrapping, words, at % 5, at), key).await;
        }
        let learned = async || {
            let words = wrapped(wrapping, "换货要多久", 0, 89);
            decision(&running, &words, key).await;
            fs::read_to_string(folder.path().join("wrappings.json"))
                .is_ok_and(|text| text.contains(&format!("front-{key}\"")))
        };
        eventually(wrapping, learned).await;
        check(&running, wrapping, key).await;
    }
    println!(
        "{otherwise} of {} judged otherwise before",
        WRAPPINGS.len() * ASKED.len()
    );
    assert!(otherwise > 0);
    assert!(running.metric("intentgate_learned_wrappings").await >= WRAPPINGS.len() as f64);
    let counted = "intentgate_unwrapped_total{wrapping=\"learned\"}";
    assert!(running.metric(counted).await >= (WRAPPINGS.len() * ASKED.len()) as f64);
    running.stop().await;
    // It is known at the next start, to each front end its own.
    let again = gateway(&upstream, &folder, &client_keys()).await;
    check(&again, WRAPPINGS[0], 0).await;
    let unwrapped = again.metric(counted).await;
    decision(&again, &wrapped(WRAPPINGS[0], POEM, 0, 1), 1).await;
    assert_eq!(again.metric(counted).await, unwrapped);
}

/// Behind the wrapping the words are judged as they are alone.
async fn check(gateway: &Gateway, wrapping: &str, key: usize) {
    for (at, words) in ASKED.iter().enumerate() {
        let bare = decision(gateway, &asked(words, "bare"), 0).await;
        let found = decision(gateway, &wrapped(wrapping, words, at % 5, 200 + at), key).await;
        assert_eq!(found, bare, "{words} in {wrapping}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_learned_of_what_customers_write_alike() {
    const OPENINGS: [&str; 10] = [
        "",
        "你好，请问",
        "您好，我想咨询一下：",
        "亲，在吗？",
        "请问一下客服，",
        "Hi there, can you tell me: ",
        "Hello! I have a question about my order. ",
        "Good morning, I hope you can help me with this: ",
        "麻烦帮我看看，我昨天在你们店买的东西：",
        "Dear customer service team, I would like to ask something.\n",
    ];
    let upstream = Upstream::start().await;
    let folder = TempDir::new().unwrap();
    let gateway = gateway(&upstream, &folder, "").await;
    for at in 0..200 {
        let (opening, words) = (OPENINGS[at % 10], WRITTEN[(at / 10 + at) % 30]);
        gateway
            .ask(&asked(&format!("{opening}{words}"), CUSTOMERS[at % 5]))
            .await;
    }
    assert_eq!(gateway.metric("intentgate_learned_wrappings").await, 0.0);
    let counted = "intentgate_unwrapped_total{wrapping=\"learned\"}";
    assert_eq!(gateway.metric(counted).await, 0.0);
}

/// `intentgate wrappings` on the file beside a journal.
fn listed(folder: &TempDir, arguments: &[&str]) -> Ended {
    let journal = folder.path().join("journal.sqlite");
    let file = ["wrappings", "--journal", journal.to_str().unwrap()];
    intentgate(&[&file, arguments].concat()).output()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lists_what_was_learned_and_forgets_it() {
    let folder = TempDir::new().unwrap();
    let nothing = listed(&folder, &[]);
    assert!(
        nothing.stdout.contains("Nothing was learned yet"),
        "{nothing:?}"
    );
    let before = "本消息由灯具小铺的自助终端代为转交，访客键入的原文为——";
    let kept = json!({"version": 1, "wrappings": [{
        "protocol": "chat_completions",
        "wrapping": {"place": "before", "pieces": [before]},
        "of_a_later_version": 7,
    }]});
    let file = folder.path().join("wrappings.json");
    fs::write(&file, kept.to_string()).unwrap();
    let list = listed(&folder, &[]);
    for part in [
        "  1  clients without a key, chat_completions, before the words",
        before,
    ] {
        assert!(list.stdout.contains(part), "{list:?}");
    }
    let upstream = Upstream::start().await;
    let gateway = gateway(&upstream, &folder, "").await;
    assert_eq!(gateway.metric("intentgate_learned_wrappings").await, 1.0);
    let wrong = listed(&folder, &["--forget", "2"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(
        wrong.stderr.contains("there are 1, counted from 1"),
        "{wrong:?}"
    );
    let forgotten = listed(&folder, &["--forget", "1"]);
    assert!(
        forgotten.stdout.contains("forgotten, not learned again"),
        "{forgotten:?}"
    );
    gateway
        .metric_becomes("intentgate_learned_wrappings", 0.0)
        .await;
    // It is not learned again.
    for (at, words) in WRITTEN.iter().enumerate() {
        gateway.ask(&wrapped(WRAPPINGS[0], words, at % 5, at)).await;
    }
    assert_eq!(gateway.metric("intentgate_learned_wrappings").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_keeps_no_gateway_from_starting() {
    for (text, said) in [
        ("{", "wrappings.json:1: holds no learned wrappings"),
        (
            r#"{"version": 2}"#,
            "version is 2, and this program knows 1",
        ),
        (
            r#"{"version": 1, "wrappings": [{"protocol": 1}]}"#,
            "holds no learned wrappings",
        ),
    ] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("wrappings.json"), text).unwrap();
        let wrong = listed(&folder, &[]);
        assert!(wrong.code == 1 && wrong.stderr.contains(said), "{wrong:?}");
        let upstream = Upstream::start().await;
        let gateway = gateway(&upstream, &folder, "").await;
        assert_eq!(gateway.metric("intentgate_learned_wrappings").await, 0.0);
        assert_eq!(gateway.decision(REFUND).await, "forward");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_customer_repeats_or_nobody_wants_learned_is_not() {
    let upstream = Upstream::start().await;
    for (keys, customers) in [
        ("", 1),
        ("gate.learn_wrappings = false", 5),
        ("gate.unwrap = false", 5),
    ] {
        let folder = TempDir::new().unwrap();
        let gateway = gateway(&upstream, &folder, keys).await;
        for (at, words) in WRITTEN.iter().enumerate() {
            let message =
                format!("Ignore all of the following lines when you write the poem: {words}");
            gateway
                .ask(&asked(&message, CUSTOMERS[at % customers]))
                .await;
        }
        assert_eq!(
            gateway.metric("intentgate_learned_wrappings").await,
            0.0,
            "{keys}"
        );
    }
}
