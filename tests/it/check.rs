//! What `check` finds in intents that are right as files.

use std::path::Path;

use tempfile::TempDir;

use crate::commands::{Ended, intentgate, snapshot};
use crate::kit::intents::write;

/// One of each kind that needs no background.
const FILES: [(&str, &str); 8] = [
    ("refund", REFUND),
    ("delivery", DELIVERY),
    ("invoice", INVOICE),
    ("receipt", RECEIPT),
    ("gift", GIFT),
    ("greeting", GREETING),
    ("poem", POEM),
    ("weather", WEATHER),
];

/// Turned away: the snow.
const REFUND: &str = r#"
examples = """
我要退款
退款什么时候到账
东西不想要了怎么退款
申请退货退款
退的钱到哪里了
退款被商家拒绝了怎么办
北京明天会下雪吗
where is my refund
I want my money back
please refund my order
has my refund been sent
refund to a different card
"""
"#;

/// Twice the same.
const DELIVERY: &str = r#"
examples = """
我的快递到哪了
我的快递到哪儿了
什么时候发货
物流信息怎么不更新
快递几天能送到
快递显示签收了但我没收到
包裹在路上卡住了
帮我催一下快递
where is my package
when will my parcel arrive
track my parcel
my parcel is late
the courier lost my package
"""
"#;

/// Taken for receipt.
const INVOICE: &str = r#"
examples = """
我要开发票
发票怎么开
发票抬头开公司
电子发票发我邮箱
发票什么时候开好
发票抬头写错了
发票可以重开吗
能开专用发票吗
can I get an invoice
send me the invoice
"""
"#;

/// Taken for invoice, and few.
const RECEIPT: &str = r#"
examples = """
给我开张发票
开发票要多久
发票可以开个人吗
发票发到邮箱里
发票丢了能补开吗
I need an invoice for my company
email me the invoice please
"""
"#;

/// Too few.
const GIFT: &str = r#"
examples = """
可以帮我包装成礼物吗
do you have gift boxes
"""
"#;

/// In one language. Nearer to delivery: the parcel.
const GREETING: &str = r#"
action = "answer"
reply = "您好！"
examples = """
你好
您好
在吗
有人吗
早上好
下午好
晚上好
哈喽
嗨
亲在不在
我的快递包裹到哪里了
"""
"#;

const POEM: &str = r#"
action = "reject"
examples = """
写一首关于春天的诗
帮我作一首七言绝句
给我写一首情诗
来一首赞美大海的现代诗
写一首古诗
写一首关于秋天的诗
write a poem about autumn
compose a haiku for me
write me a love poem
a limerick about a cat
write a poem about the sea
"""
"#;

/// Passes: the refund.
const WEATHER: &str = r#"
action = "reject"
examples = """
今天天气怎么样
明天会下雨吗
北京今天天气好吗
上海明天会下雪吗
广州后天会下雨吗
周末天气好不好
我申请的退款什么时候到账啊
what is the weather today
will it rain tomorrow
will it snow in Beijing tomorrow
how cold is it in London
weather forecast for the weekend
"""
"#;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        write(folder.path(), name, text);
    }
    folder
}

/// Checks a folder without the background, which makes fits small and quick.
fn check(folder: &Path, arguments: &[&str], language: &str) -> Ended {
    let folder = folder.to_str().unwrap();
    let run = intentgate(&[&["check", "--intents", folder], arguments].concat())
        .env("INTENTGATE_GATE__BACKGROUND", "false")
        .env("INTENTGATE_LANG", language)
        .output();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    run
}

/// Without the folder, and without digits of percentages, which differ a little between processors.
fn stable(run: &Ended, folder: &Path) -> String {
    let text = run.stdout.replace(folder.to_str().unwrap(), "FOLDER");
    let lines = text.lines().map(|line| {
        let digit = |c: char| if c.is_ascii_digit() { '#' } else { c };
        match line.contains(" %") {
            true => line.chars().map(digit).collect(),
            false => line.to_owned(),
        }
    });
    lines.collect::<Vec<String>>().join("\n")
}

#[test]
fn each_kind_of_finding_is_told_in_both_languages() {
    let folder = folder(&FILES);
    for language in ["zh", "en"] {
        let run = check(folder.path(), &["--all"], language);
        let name = format!("check_findings_{language}");
        snapshot(&name, &stable(&run, folder.path()));
    }
}

#[test]
fn what_is_not_shown_is_counted() {
    let few: Vec<_> = ["a", "b", "c", "d", "e", "f"]
        .map(|name| (name, format!("examples = [\"问题 {name}\"]")))
        .into();
    let few: Vec<_> = few
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let folder = folder(&few);
    let run = check(folder.path(), &[], "en");
    let out = &run.stdout;
    assert!(
        out.contains("\nIntents with fewer than 5 examples: 6\n"),
        "{out}"
    );
    assert!(
        out.contains("  d.toml:1") && !out.contains("  e.toml:1"),
        "{out}"
    );
    assert!(out.contains("2 intents with too few examples"), "{out}");
    let run = check(folder.path(), &["--all"], "en");
    assert!(run.stdout.contains("  f.toml:1"), "{run:?}");
    assert!(!run.stdout.contains("Not shown"), "{run:?}");
}

#[test]
fn where_nothing_rejects_nothing_is_promised() {
    let folder = folder(&[("refund", REFUND), ("delivery", DELIVERY)]);
    let run = check(folder.path(), &[], "en");
    assert!(
        run.stdout.contains("so everything is forwarded."),
        "{run:?}"
    );
    assert!(!run.stdout.contains(" %"), "{run:?}");
    assert!(!run.stdout.contains("would be rejected"), "{run:?}");
    let run = check(folder.path(), &[], "zh");
    assert!(run.stdout.contains("所以全部转发。"), "{run:?}");
}

// A shop of weather stations is asked about the weather.
#[test]
fn rows_that_the_shop_claims_are_told() {
    let station = r#"
examples = """
今天天气怎么样
明天会下雨吗
上海明天多少度
这周末天气好吗
北京今天刮风吗
后天要带伞吗
what is the weather today
will it rain tomorrow
how cold is it outside
"""
"#;
    let folder = folder(&[("station", station), ("delivery", DELIVERY)]);
    let run = intentgate(&["check", "--intents", folder.path().to_str().unwrap()])
        .env("INTENTGATE_GATE__BACKGROUND", "true")
        .output();
    assert_eq!(run.code, 0, "{run:?}");
    let out = &run.stdout;
    assert!(
        out.contains("\nQuestions that other shops turn away"),
        "{out}"
    );
    assert!(out.contains("  station.toml:"), "{out}");
    assert!(out.contains("built-in off-topic questions"), "{out}");
}
