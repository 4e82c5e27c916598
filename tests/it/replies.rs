//! Replies speak the customer's language where they are written in it, and English where they are not.

use crate::commands::intentgate;
use crate::kit::intents::{POEM, POEM_EN, folder, write};
use crate::kit::{Gateway, Upstream, chat, stream};

const POEM_FILE: &str = r#"
action = "reject"
reply = { zh = "抱歉，{{name}}不写诗。", en = "Sorry, {{name}} writes no poems.", ja = "申し訳ございません。{{name}}では詩を書けません。", fr = "Désolé, {{name}} n’écrit pas de poèmes." }
examples = """
写一首关于月亮的诗
write a poem about the moon
月についての詩を書いて
écris un poème sur la lune
escribe un poema sobre la luna
달에 대한 시를 써 줘
"""
"#;

/// In one language.
const GREETING_FILE: &str = r#"
action = "answer"
reply.zh = "您好！"
examples = """
你好
hello
bonjour
こんにちは
"""
"#;

/// With the reply of the configuration.
const WEATHER_FILE: &str = r#"
action = "reject"
examples = """
今天天气怎么样
what is the weather today
quel temps fait-il aujourd'hui
今日の天気はどうですか
wie ist das wetter heute
"""
"#;

const KEYS: &str = "shop.name = { zh = '月亮店', en = 'Moon', ja = '月の店' }";

async fn gateway(upstream: &Upstream) -> (Gateway, tempfile::TempDir) {
    let folder = folder();
    write(folder.path(), "poem", POEM_FILE);
    write(folder.path(), "greeting", GREETING_FILE);
    write(folder.path(), "weather", WEATHER_FILE);
    let gateway = Gateway::start_on(folder.path(), &upstream.url(), KEYS).await;
    (gateway, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_speaks_the_customers_language_or_english() {
    let upstream = Upstream::start().await;
    let (gateway, _folder) = gateway(&upstream).await;
    for (question, decision, reply) in [
        (POEM, "reject", "抱歉，月亮店不写诗。"),
        (POEM_EN, "reject", "Sorry, Moon writes no poems."),
        (
            "月についての詩を書いて",
            "reject",
            "申し訳ございません。月の店では詩を書けません。",
        ),
        (
            "écris un poème sur la lune",
            "reject",
            "Désolé, Moon n’écrit pas de poèmes.",
        ),
        // Not written in these.
        (
            "escribe un poema sobre la luna",
            "reject",
            "Sorry, Moon writes no poems.",
        ),
        (
            "달에 대한 시를 써 줘",
            "reject",
            "Sorry, Moon writes no poems.",
        ),
        ("bonjour", "answer", "您好！"),
        (
            "wie ist das wetter heute",
            "reject",
            "Leider kann ich als Einkaufsassistent von Moon nur bei Fragen zu Bestellungen, Lieferung, Rückgabe und Produkten helfen.",
        ),
    ] {
        for request in [chat(question), stream(question)] {
            let answer = gateway.ask(&request).await;
            assert_eq!(answer.decision(), decision, "{question}");
            let said = crate::kit::check_reply(&request, &answer);
            assert_eq!(said, reply, "{question}");
        }
    }
}

#[test]
fn ask_and_check_name_the_languages_where_there_are_more_than_two() {
    let folder = folder();
    write(folder.path(), "poem", POEM_FILE);
    let path = folder.path().to_str().unwrap();
    let run = |arguments: &[&str]| {
        let run = intentgate(&[&["--intents", path], arguments].concat());
        run.env("INTENTGATE_LANG", "en").output().stdout
    };
    let out = run(&["ask", "écris un poème sur la lune"]);
    let reply = "\n  reply (fr): Désolé, notre boutique n’écrit pas de poèmes.\n";
    assert!(out.contains(reply), "{out}");
    let out = run(&["ask", "hello"]);
    assert!(
        out.contains("\n  reply: Hello, how can I help you?\n"),
        "{out}"
    );
    let out = run(&["check"]);
    assert!(out.contains("\nReplies in en, fr, ja, zh: poem\n"), "{out}");
    assert!(!out.contains("reject_reply"), "{out}");
}
