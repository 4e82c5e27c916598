//! A small shop's intents, and questions that are no examples of theirs.

use std::path::Path;

use tempfile::TempDir;

/// Forwarded.
pub(crate) const REFUND: &str = "退款怎么还没到";
/// Forwarded.
pub(crate) const REFUND_EN: &str = "how can I get a refund";
/// Forwarded.
pub(crate) const DELIVERY: &str = "包裹现在在哪里";
/// Answered.
pub(crate) const GREETING: &str = "您好，在吗";
/// Answered.
pub(crate) const GREETING_EN: &str = "hello there";
/// Rejected.
pub(crate) const POEM: &str = "写一首关于月亮的诗";
/// Rejected.
pub(crate) const POEM_EN: &str = "write a poem about the moon";
/// Rejected.
pub(crate) const WEATHER: &str = "上海今天天气如何";
/// Forwarded while gift wrapping is the shop's business.
pub(crate) const GIFT: &str = "送人的，能包装一下吗";

pub(crate) const GREETING_REPLY: &str = "您好，请问有什么可以帮您？";
pub(crate) const GREETING_REPLY_EN: &str = "Hello, how can I help you?";
pub(crate) const POEM_REPLY: &str = "抱歉，我不会写诗。";
pub(crate) const POEM_REPLY_EN: &str = "Sorry, I do not write poems.";
pub(crate) const WEATHER_REPLY: &str = "抱歉，本店不知道天气。";
pub(crate) const GIFT_REPLY: &str = "抱歉，我们不做礼品包装。";

/// Name and text of each file.
const FILES: [(&str, &str); 6] = [
    ("refund", REFUND_FILE),
    ("delivery", DELIVERY_FILE),
    ("gift", GIFT_FORWARDED),
    ("greeting", GREETING_FILE),
    ("poem", POEM_FILE),
    ("weather", WEATHER_FILE),
];

const REFUND_FILE: &str = r#"
title = "退款"
examples = """
我要退款
退款什么时候到账
东西不想要了怎么退
申请退货退款
钱退到哪里了
where is my refund
I want my money back
how do I return this item
"""
"#;

const DELIVERY_FILE: &str = r#"
title = "物流"
action = "forward"
examples = """
我的快递到哪了
什么时候发货
物流信息怎么不更新
几天能送到
快递显示签收了但我没收到
where is my package
when will my order arrive
track my parcel
"""
"#;

/// Gift wrapping is the shop's business.
pub(crate) const GIFT_FORWARDED: &str = r#"
title = "礼品包装"
examples = """
可以帮我包装成礼物吗
有没有礼品袋
能放一张贺卡吗
礼盒装多少钱
can you gift wrap this
do you have gift boxes
"""
"#;

/// Gift wrapping is off-topic, with an example that [`GIFT_FORWARDED`] does not have.
pub(crate) const GIFT_REJECTED: &str = r#"
title = "礼品包装"
action = "reject"
reply = "抱歉，我们不做礼品包装。"
examples = """
可以帮我包装成礼物吗
有没有礼品袋
能放一张贺卡吗
礼盒装多少钱
生日礼物要包得好看一点
can you gift wrap this
do you have gift boxes
"""
"#;

const GREETING_FILE: &str = r#"
title = "打招呼"
action = "answer"
reply = { zh = "您好，请问有什么可以帮您？", en = "Hello, how can I help you?" }
examples = """
你好
您好
在吗
有人吗
早上好
hello
hi there
good morning
"""
"#;

const POEM_FILE: &str = r#"
title = "写诗"
action = "reject"
reply = { zh = "抱歉，我不会写诗。", en = "Sorry, I do not write poems." }
examples = """
写一首关于春天的诗
帮我作一首七言绝句
给我写一首情诗
来一首赞美大海的现代诗
write a poem about autumn
compose a haiku for me
write me a love poem
a limerick about a cat
"""
"#;

const WEATHER_FILE: &str = r#"
title = "天气"
action = "reject"
reply = { zh = "抱歉，{{name}}不知道天气。", en = "Sorry, {{name}} does not know the weather." }
examples = """
今天天气怎么样
明天会下雨吗
北京现在多少度
周末天气好不好
what is the weather today
will it rain tomorrow
how cold is it in London
weather forecast for the weekend
"""
"#;

/// A folder of its own with the shop's files.
pub(crate) fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    write_all(folder.path());
    folder
}

/// Writes the shop's files.
pub(crate) fn write_all(folder: &Path) {
    for (name, text) in FILES {
        write(folder, name, text);
    }
}

/// Writes one file.
pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(format!("{name}.toml")), text).unwrap();
}
