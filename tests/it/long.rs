//! Messages of 2 to 30 KB: long stories with an order in them are the shop's business, long tasks with a shop's word in
//! them are not.

use intentgate::intent::Action;

use crate::kit::Judging;

/// What customers tell beside their order.
const STORY_ZH: [&str; 20] = [
    "上个月我妈妈过七十岁生日，全家人从各地赶回来。",
    "我弟弟开车开了六个小时，路上还堵了一阵。",
    "那天早上下着小雨，院子里的桂花落了一地。",
    "我们先去接了外婆，她腿脚不好，走得慢。",
    "舅舅带来了自己种的柿子，个个都很甜。",
    "孩子们在客厅里追来追去，闹得不行。",
    "我一个人在厨房忙了一上午，手都泡皱了。",
    "邻居王阿姨也过来帮忙包饺子，说说笑笑。",
    "中午吃饭的时候大家举杯，妈妈眼圈都红了。",
    "爸爸翻出了三十年前的老照片，一张一张讲。",
    "下午我们去河边散步，风有点凉。",
    "表妹刚找到工作，高兴得一路都在说。",
    "晚上放了一会儿烟花，小侄子吓得直往后躲。",
    "后来外婆累了，我们就早早送她回去休息。",
    "我平时工作忙，一年也就回来这么两三次。",
    "所以这次我特别想让妈妈开心一点。",
    "她嘴上说什么都不要，其实心里是盼着的。",
    "我跟我爱人商量了好几个晚上才定下来。",
    "第二天一早他们就各自回去了，家里一下子静了。",
    "现在说起来，我心里还是有点不是滋味。",
];
const STORY_EN: [&str; 20] = [
    "Last month my mother turned seventy and the whole family came home.",
    "My brother drove for six hours and got stuck behind a lorry.",
    "It was raining a little that morning and the garden smelled of leaves.",
    "We picked up my grandmother first, who walks slowly these days.",
    "My uncle brought pears from his own trees, and they were very sweet.",
    "The children ran around the living room until nobody could hear a word.",
    "I stood in the kitchen the whole morning and my hands were all wrinkled.",
    "Our neighbour came over to help with the dumplings and told stories.",
    "At lunch everybody raised a glass and my mother had tears in her eyes.",
    "My father found photographs from thirty years ago and showed each of them.",
    "In the afternoon we went for a walk by the river, where it was windy.",
    "My cousin has just found work and talked about it all the way.",
    "In the evening there were fireworks and my little nephew hid behind me.",
    "Later my grandmother was tired and we took her home early.",
    "I work a lot and only come home two or three times a year.",
    "So this time I really wanted to make my mother happy.",
    "She always says she needs nothing, but she does look forward to it.",
    "My husband and I talked about it for several evenings before we decided.",
    "The next morning they all left and the house was suddenly quiet.",
    "Even now I feel a little sad when I think of it.",
];
/// What they write about the order, each in one place of a story.
const ORDERS_ZH: [&str; 5] = [
    "我在你们店给她订了一件羊毛大衣，订单显示已签收，可我根本没收到包裹。请帮我查一下快递到底送到哪里去了。",
    "在你们家买的那双鞋穿了一天就开胶了，我想申请退货退款，运费应该由你们出吧？",
    "我下单的时候用了优惠券，结果付款时没有减，能不能把差价退给我？",
    "收到的围巾颜色发错了，我要的是红色，来的是灰色，麻烦给我换货。",
    "发票的抬头开错了，请帮我重新开一张，订单号是 20240518。",
];
const ORDERS_EN: [&str; 5] = [
    "I ordered a wool coat for her from your shop, and the tracking says delivered, but the parcel never came. Please find out where it is.",
    "The shoes I bought from you came apart after one day. I want to return them and get a refund, and you should pay for the shipping.",
    "I used a coupon at checkout but the discount was not applied. Can you refund the difference?",
    "The scarf you sent is grey and I ordered the red one. Please exchange it for me.",
    "The invoice has the wrong company name on it. Could you send me a corrected one for order 20240518?",
];
/// What is asked for at the head of a long task.
const TASKS: [(&str, &str); 10] = [
    ("请把下面这段文字翻译成英文，要求通顺自然：\n", "zh"),
    (
        "帮我检查下面这篇作文里的错别字和病句，并逐条说明原因：\n",
        "zh",
    ),
    (
        "以“回家”为题写一篇三千字的记叙文，下面是可以用的素材：\n",
        "zh",
    ),
    ("把下面的内容改写成一首现代诗，每段四行：\n", "zh"),
    (
        "写一个 Python 程序统计下面文字的词频，并画出柱状图：\n",
        "zh",
    ),
    (
        "Please translate the following text into French and keep its tone:\n",
        "en",
    ),
    (
        "Proofread the essay below, correct the grammar and explain each change:\n",
        "en",
    ),
    (
        "Write a two thousand word short story in the style of Chekhov from these notes:\n",
        "en",
    ),
    (
        "Summarize the following chapter of my novel and suggest a better ending:\n",
        "en",
    ),
    (
        "Write a Rust program that counts the words of this text and prints the ten most frequent:\n",
        "en",
    ),
];

/// Sentences of a story, from one of them on, until it has so many bytes; `inside` stands at a share of it.
fn story(sentences: &[&str], from: usize, bytes: usize, inside: &str, share: f64) -> String {
    let (mut text, mut told) = (String::new(), false);
    for (at, sentence) in sentences.iter().cycle().skip(from).enumerate() {
        if !told && text.len() as f64 >= share * bytes as f64 {
            (text, told) = (text + inside + " ", true);
        }
        if text.len() >= bytes && told {
            break;
        }
        text.push_str(sentence);
        text.push(if at % 6 == 5 { '\n' } else { ' ' });
    }
    text
}

fn stories() -> Vec<String> {
    let languages = [(STORY_ZH, ORDERS_ZH), (STORY_EN, ORDERS_EN)];
    let stories = languages.iter().flat_map(|(sentences, orders)| {
        orders.iter().enumerate().map(move |(at, order)| {
            let bytes = [2_000, 5_000, 9_000, 16_000, 30_000][at];
            story(
                sentences,
                3 * at,
                bytes,
                order,
                [0.5, 0.95, 0.1, 0.95, 0.0][at],
            )
        })
    });
    stories.collect()
}

fn tasks() -> Vec<String> {
    let tasks = TASKS.iter().enumerate();
    tasks
        .map(|(at, (task, language))| {
            let (sentences, word) = match *language {
                "zh" => (STORY_ZH, "路过一家商店，橱窗里写着全场包邮。"),
                _ => (
                    STORY_EN,
                    "We passed a shop with a sign that said free delivery.",
                ),
            };
            let bytes = [2_000, 5_000, 9_000, 16_000, 30_000][at % 5];
            format!("{task}{}", story(&sentences, at, bytes, word, 0.4))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn long_stories_with_an_order_pass_and_long_tasks_do_not() {
    let shop = Judging::shipped().await;
    let mut wrong = Vec::new();
    for (texts, rejected) in [(stories(), false), (tasks(), true)] {
        let decisions = shop.decide_all(&texts).await;
        for (text, decision) in texts.iter().zip(decisions) {
            let start: String = text.chars().take(24).collect();
            let judgement = decision.judgement.as_ref().unwrap();
            assert!(judgement.truncated, "{start}");
            println!(
                "{} bytes, {} left out, {}: {} by {}, {:+.2}",
                text.len(),
                judgement.left_out,
                start.replace('\n', " "),
                decision.action.as_str(),
                decision.reason.as_str(),
                judgement.log_odds,
            );
            if (decision.action == Action::Reject) != rejected {
                wrong.push(start);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
