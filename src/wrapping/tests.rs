//! The words of customers in what front ends, integrations and frameworks send.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// What front ends, integrations and frameworks put around a customer's words, written for this project. Those that
/// are `missed` are known not to be found.
const WRAPPINGS: &str = include_str!("../../tests/wrappings.jsonl");

#[derive(Deserialize)]
struct Row {
    name: String,
    lang: String,
    wrapping: String,
    #[serde(default)]
    missed: bool,
}

fn questions(lang: &str) -> [&'static str; 3] {
    match lang {
        "zh" => ["我的快递三天没动了", "能退吗", "写一首关于春天的诗"],
        _ => [
            "where is my parcel",
            "can i return it?",
            "write a poem about spring",
        ],
    }
}

fn words(message: &str) -> Option<String> {
    unwrap(message, Known::default()).map(|found| found.words)
}

#[test]
fn the_words_are_found_in_what_front_ends_put_around_them() {
    for row in WRAPPINGS.lines() {
        let row: Row = serde_json::from_str(row).unwrap();
        let found = questions(&row.lang).map(|question| {
            words(&row.wrapping.replace("{question}", question)).as_deref() == Some(question)
        });
        assert_eq!(found.contains(&false), row.missed, "{}", row.name);
    }
}

#[test]
fn the_example_of_an_exercise_is_no_question() {
    let text = "给出n和k，返回第k个排列。\n示例：\n输入：n = 3, k = 1\n输出：123";
    let words = words(text).unwrap_or_else(|| text.to_owned());
    assert!(words.starts_with("给出n和k"), "{words}");
}

#[test]
fn what_a_customer_writes_stays_as_it_is() {
    for text in [
        "能退吗",
        "订单号：20240518，收货人张三，帮我改下地址",
        "1. 颜色发错了\n2. 少了一个盖子",
        "1、颜色发错了\n2）少了一个盖子",
        "３、能退吗",
        "where is my order? It said: out for delivery",
        "我问了客服：他说明天到，结果还没到",
        "it says \"refund pending\" since monday",
        "Hi,\nI ordered two lamps and only one came.",
        "size: M, color: red, do you have it?",
        ":)",
        "",
    ] {
        assert_eq!(words(text), None, "{text}");
    }
}

#[test]
fn cards_have_no_words() {
    for card in [
        r#"{"msg_type":"goods","goods_id":88213,"title":"电饭煲 3L","price":"299.00"}"#,
        "[动画表情]",
        "[位置]",
        "[图片][图片]",
        "[商品] https://shop.example/item/88213",
    ] {
        assert_eq!(words(card).as_deref(), Some(""), "{card}");
    }
    assert_eq!(words("[图片] 这个坏了").as_deref(), Some("这个坏了"));
}

#[test]
fn the_conversation_is_read_as_well() {
    let log = "顾客：鞋子开胶了\n客服：麻烦您提供一下订单号\n顾客：20240518";
    let found = unwrap(log, Known::default()).unwrap();
    assert_eq!(found.words, "20240518");
    assert_eq!(found.before.as_deref(), Some("鞋子开胶了"));
    assert_eq!(found.said.as_deref(), Some("麻烦您提供一下订单号"));
    assert_eq!(found.wrapping, Wrapping::Log);
}

#[test]
fn the_operators_templates_come_first() {
    let template = Template::new("<<客人>> {question} <<完>>").unwrap();
    let found = unwrap(
        "店铺公告：满减\n<<客人>> 用户问题：能退吗 <<完>>\n回答：",
        Known {
            templates: &[template],
            ..Known::default()
        },
    )
    .unwrap();
    assert_eq!(
        (found.words.as_str(), found.wrapping),
        ("能退吗", Wrapping::Template)
    );
    for wrong in ["", "{question}", "{question} {question}!", "客人："] {
        assert_eq!(Template::new(wrong), Err(TemplateError), "{wrong}");
    }
}

#[test]
fn what_front_ends_ask_about_a_chat_is_no_question() {
    for task in [
        "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.\n### Output:\nJSON",
        "Suggest 3-5 relevant follow-up questions or prompts that the user might ask next in this conversation.",
        "使用四到五个字直接返回这句话的简要主题，不要解释、不要标点",
        "简要总结一下对话内容，用作后续的上下文提示 prompt，控制在 200 字以内",
        "Provide a concise, 5-word-or-less title for the conversation, using title case conventions.",
    ] {
        assert!(is_task(task), "{task}");
    }
    for question in [
        "书的标题写错了",
        "can you give me the title of the book",
        "标签掉了能退吗",
        "write a summary of the French Revolution",
    ] {
        assert!(!is_task(question), "{question}");
    }
}

#[test]
fn what_frameworks_say_between_a_model_and_its_tools_is_no_question() {
    for said in [
        "请根据以上工具结果回复用户",
        "Summarize the result for the customer",
        "Observation: {\"status\": \"shipped\"}",
        "2 validation errors for Answer\nFix the errors and try again.",
        "[Tool result] order 8812: delivered",
    ] {
        assert!(is_harness(said), "{said}");
    }
    for question in [
        "查询结果不对",
        "根据尺码表我该买哪个",
        "the tool broke after a week",
    ] {
        assert!(!is_harness(question), "{question}");
    }
}

/// Something to put before words, each of another kind.
const BEFORE: [&str; 10] = [
    "[2026-11-20 14:22:31] ",
    "【微信】",
    "昵称：小陈；会员等级：3；城市：成都\n",
    "<history>\n顾客问过会员积分怎么用\n</history>\n",
    "<system-reminder>Today is Friday.</system-reminder>\n",
    "{\"user\": {\"id\": 7, \"tier\": \"gold\"}}\n",
    "You are a helpful shop assistant. Answer the customer politely.\n\n",
    "参考资料：\n1. 满 99 元包邮\n2. 七天无理由\n\n用户问题：",
    "Context:\nReturns are free within 30 days.\n\nCustomer message: ",
    "客服：您好\n顾客：在吗\n客服：在的\n顾客：",
];

proptest! {
    #[test]
    fn wrappings_within_each_other_are_taken_off(
        question in "[一-龥]{4,12}|[a-z]{2,8} [a-z]{2,8} [a-z]{2,8}",
        outer in 0..BEFORE.len(),
        inner in 0..2_usize,
    ) {
        let message = format!("{}{}{question}", BEFORE[outer], ["", BEFORE[0]][inner]);
        prop_assert_eq!(words(&message), Some(question));
    }

    #[test]
    fn anything_is_read(
        text in ".{0,200}|[:：\n\\[\\]<>{}|\"「」『』“”«»【】〔〕>#*=\\-—~`@$/.,、。，()（）0-9 a用户问题客服答]{0,200}",
    ) {
        if let Some(found) = unwrap(&text, Known::default()) {
            prop_assert!(found.words.len() <= text.len() + 4);
        }
        let _ = (is_task(&text), is_harness(&text));
    }
}
