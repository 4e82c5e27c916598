//! The words that say nothing about a topic, as [`super::is_bare`] compares them: lower-case, without
//! apostrophes, a letter no more than twice in a row.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Given;

/// Confirmations, refusals, closings and what fills a pause. Whatever is put together from them says nothing
/// about a topic either, so that no row need list 好的谢谢.
const PHRASES: &str = "
好|好的|好吧|好滴|好嘞|好了|那好|那行|那可以|那就|嗯|恩|唔|哦|行|可以|对|對|是|是的|没错|沒錯|正确|确定|確定|确认|確認|核对过
同意|接受|愿意|当然|當然|必须|没问题|沒問題|成|妥|妥妥|要|需要|想|想要|有|能|会的|肯定|一定|就是|就它|就这样|就这些|就这个|这样
欧克|那|没毛病|是我的|不是我的|都行|都可以|都要|随便|无所谓|你定|听你的|看你|真的|是这样|应该是|应该|可能|也行|也可以
不|不是|不对|不行|不可以|不能|不用|不需要|不要|不想|不想要|不必|不了|不会|不好|算了|没有|沒有|没|没了|没别的|没别的事|暂时没别的|暂时没别的事|没有别的|没其他的
没有其他|没其他问题|没有问题|没有其他问题|没有疑问|没事|没关系|没必要|还没|还没有|不确定|不知道|不清楚|不记得|忘了|忘记了|不同意
不接受|不愿意|暂时不用|暂时不需要|暂时没有|暂时没|先不用|先不要|都不是|都不要|都没有|未必|没兴趣|我不要|我不用|我不想|我不知道
知道|我知道|明白|我明白|了解|收到|懂了|懂|清楚了|原来如此|原来这样|我看看|我看下|我看一下|我想想|我找找|考虑一下|我考虑一下|我试试
稍等|稍等一下|请稍等|等一下|等下|等等|等会|等会儿|马上|先这样|就先这样|那先这样|请|麻烦|麻烦你|麻烦您|辛苦|辛苦你|辛苦您|拜托|抱歉|不好意思
对不起|打扰|谢|谢谢|謝謝|多谢|感谢|非常感谢|十分感谢|太感谢|谢谢你|谢谢您|谢谢客服|谢谢亲|谢谢大家|不用谢|不谢|不客气|客气
再见|再見|拜|回见|回聊|晚安|明天见|下次见|回头见|么么哒|下次再聊|祝好|亲|哈|呵|嘿|嘻|呃|额|哎|唉|诶|欸|哼|均码
ok|okay|okey|oki|okie|kk|yes|yep|yeah|yea|yup|ya|please|pls|plz|yes please|sure|sure thing|of course|certainly
absolutely|definitely|exactly|correct|right|thats right|thats correct|true|fine|thats fine|good|great|perfect|awesome|cool
nice|alright|all right|all good|sounds good|sounds great|looks good|good to know|agreed|agree|i agree|confirm|confirmed
i confirm|deal|go ahead|do it|please do|i do|it is|yes it is|i did|i have|either|both|any|whatever|maybe|i think so|i think|i guess|i guess so|probably|i hope so
no|nope|nah|not really|no need|no way|never|never mind|nevermind|nvm|no problem|np|no worries|nothing|nothing else
nothing more|none|none of them|not yet|not now|not sure|im not sure|not at all|i dont|i dont know|i do not know|dont know|idk
i dont think so|i dont want it|its ok|its okay|its fine|im good|im fine|im ok|later|forget it|thats all|that is all
thats it|thats it for now|that will be all|thatll be all|all set|im all set|for now|no more questions|nothing for now
thanks|thank|thank you|thank u|thx|thnx|3q|tks|tnx|ty|tysm|thanks a lot|many thanks|thank you so much|thank you very much
thanks so much|thank u so much|thanks for your help|thank you for your help|thanks anyway|much appreciated|appreciated|appreciate it
i appreciate it|cheers|youre welcome|bye|bye bye|goodbye|good bye|see you|see ya|cya|good night|have a good day
have a nice day|have a great day|you too|take care|got it|i got it|gotcha|i see|understood|i understand|noted|makes sense
roger|wait|please wait|one sec|one second|one moment|a moment|just a moment|hold on|hang on|let me check|let me see|sorry
im sorry|my bad|oops|well|so|then|and|but|oh|ah|aha|hm|hmm|um|uh|uhm|mhm|er|em|emm|ha|haha|hehe|lol|lmao|wow|yay|omg|orz
qaq|qwq|xd|ovo|uwu|owo|tat|hao|haode|en|xiexie|shi|shide|dui|duide|meiyou|buyong|keyi
";

/// What stands in part of the tables, and yet asks for something.
const QUESTIONS: &str = "
有没有|是不是|行不行|好不好|能不能|要不要|对不对|想不想|会不会|成不成|需不需要|可不可以|可以不可以
";

/// What a conversation is opened with, before anything is asked.
const GREETINGS: &str = "
你好|您好|妳好|你们好|大家好|哈喽|哈啰|哈罗|哈囉|嗨|早|早安|早上好|上午好|中午好|下午好|晚上好|喂|在吗|在嗎|在嘛|在么|在不|在不在|在|人在吗|有人吗|有人嗎
有人在吗|有人么|有人在么|客服|客服在吗|客服小姐姐|店家|老板|老闆|掌柜|掌柜的|卖家|店主|店小二|小二|请问|請問|请问一下|你好请问|nihao|ni hao
hello|hello there|hi|hi there|hey|hey there|hiya|heya|howdy|greetings|good morning|good afternoon|good evening|good day|morning|evening
anyone there|anybody there|is anyone there|is anybody there|is somebody there|are you there|you there|anyone here|knock knock|dear team
";

/// Final particles, one character each: they need a word before them.
const PARTICLES: &str = "的呢吧啊呀哦噢喔哈啦了嘛哒滴呐哇耶嘞咯呗嗷哟呦捏";

/// Dates and times without a figure.
const TIMES: &str = "
今天|今日|明天|后天|大后天|昨天|前天|今晚|明晚|昨晚|今早|明早|上午|中午|下午|早上|晚上|傍晚|凌晨|周末|现在|刚才|刚刚
周一|周二|周三|周四|周五|周六|周日|周天|星期一|星期二|星期三|星期四|星期五|星期六|星期日|星期天|礼拜一|礼拜二|礼拜三
礼拜四|礼拜五|礼拜六|礼拜天|上周|这周|本周|下周|上个月|这个月|本月|下个月|月初|月中|月底|去年|今年|明年|农历
today|tomorrow|yesterday|tonight|now|noon|midnight|weekend|next week|last week|this week
next month|last month|next|last|monday|tuesday|wednesday|thursday|friday|saturday|sunday|mon|tue|wed|thu|fri|sat|sun
january|february|march|april|may|june|july|august|september|october|november|december
jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec
";

/// What is chosen, of what the turn before offered.
const CHOICES: &str = "
这个|那个|这款|那款|这件|那件|前者|后者|前面|后面|上面|下面|最后一个|this one|that one|the first one|the second one|the last one
first one|second one|last one|the other one|other one|another one|the first|the second|first|second|one|two|three|four|five|six|seven|eight|nine|ten
";

/// What stands before and between figures, and means nothing to judge by without one.
const BESIDE_FIGURES: &str = "
身高|体重|尺码|鞋码|码数|尺寸|大小|数量|年龄|日期|时间|生日|脚长|胸围|腰围|臀围|肩宽|净重|长|宽|高|一共|总共|共|大概|大约|约|差不多
我|就|我的|我是|我要|我选|选|穿|我穿|这是|这个是|这里是|为|和|跟|以及|或|或者|到|至|第|分别是|分别为|如下|公历|尾号|后四位|末四位
size|height|weight|qty|quantity|date|time|age|eu|us|uk|usd|rmb|my|is|its|it|the|im|am|are|this|that|here|here is|heres|these
or|for|on|at|of|in|to|from|by|around|about|between|only|just|total|them|morning|afternoon|evening
";

/// The names of codes.
const LABELS: &str = "
订单号|订单编号|订单号码|订单|訂單號|訂單編號|單號|单号|运单号|运单|運單號|快递单号|快递号|物流单号|物流号|快遞單號|退货单号|退款编号
手机号|手机号码|手机|手機號|电话|电话号码|電話|联系电话|联系方式|号码|编号|号|邮箱|邮箱地址|邮箱号|电子邮箱|链接|商品链接|网址
微信|微信号|账号|会员号|会员卡号|卡号|券码|兑换码|验证码|取件码|型号|货号|款号|商品编号|商品编码|商品id|序列号|发票号|税号|邮编
顺丰|顺丰速运|圆通|中通|申通|韵达|极兔|邮政|京东|德邦|顺丰单号|中通单号|圆通单号|申通单号|韵达单号|京东单号
order|orders|order id|number|numbers|num|nr|nos|id|ref|reference|tracking|track|waybill|awb|invoice|phone|telephone|tel
mobile|cell|cellphone|contact|whatsapp|email|mail|link|url|code|sku|serial|imei|account|qq|wechat|vx|wx|zip|postcode
sf|yt|yto|jd|jt|zto|sto|ems|ups|dhl|usps|fedex|tnt
";

/// What makes a figure a quantity, a size or a date, behind it.
const UNITS: &str = "
码|碼|个|個|件|双|雙|只|条|條|套|箱|包|瓶|盒|袋|张|块|块钱|元|圆|角|毛|米|厘米|毫米|公分|公里|千米|平米|平方|英寸|寸|尺|斤|公斤|千克
克|两|吨|升|毫升|岁|年|月|个月|日|号|號|天|周|个星期|星期|小时|个小时|时|分|分钟|秒|点|点半|半|点钟|刻|楼|层|栋|幢|单元|室|户|弄
台|部|份|本|支|片|粒|颗|次|遍|位|人|折|期|组|对|打|桶|罐|根|把|副|款|卷|板|匹|瓦|伏|号线|左右|以内|以上|以下|多|前|后|以前|以后|之前|之后|内
cm|mm|m|km|dm|kg|kgs|g|mg|lb|lbs|oz|t|in|inch|inches|ft|feet|foot|l|ml|pc|pcs|piece|pieces|pair|pairs|item|items|unit|units
box|boxes|bottle|bottles|set|sets|pack|packs|day|days|week|weeks|month|months|year|years|yr|yrs|y|hour|hours|hrs|hr|h|minute
minutes|mins|min|second|seconds|sec|s|am|pm|oclock|yuan|rmb|cny|usd|dollar|dollars|eur|euro|euros|gbp|k|w|kw|gb|tb|mb|v|mah|hz
st|nd|rd|th|xl|xxl|x|ago|left|us|eu|uk
";

/// A temperature or the strength of glasses behind digits; 百度 is no hundred degrees.
const UNITS_BEHIND_DIGITS: &str = "度";

/// The most characters of a phrase.
const LONGEST: usize = 24;

/// What a word gives and needs.
type Worth = (Given, Given);

static WORDS: LazyLock<HashMap<&str, Worth>> = LazyLock::new(|| {
    let rows = [
        (LABELS, (Given::Nothing, Given::Code)),
        (BESIDE_FIGURES, (Given::Nothing, Given::Figure)),
        (CHOICES, (Given::Figure, Given::Nothing)),
        (TIMES, (Given::Figure, Given::Nothing)),
        (PHRASES, (Given::Nothing, Given::Nothing)),
        (QUESTIONS, (Given::Nothing, Given::Never)),
        (GREETINGS, (Given::Nothing, Given::Greeting)),
    ];
    // Of what stands in two tables the later counts, which needs the less.
    let of_row = |(table, worth)| entries(table).map(move |word| (word, worth));
    rows.into_iter().flat_map(of_row).collect()
});

static UNIT_WORDS: LazyLock<HashMap<&str, ()>> =
    LazyLock::new(|| entries(UNITS).map(|unit| (unit, ())).collect());

fn entries(table: &str) -> impl Iterator<Item = &str> {
    table.split(['|', '\n']).filter(|word| !word.is_empty())
}

/// The bytes of the longest word at the beginning of `rest`, what it gives and what it needs.
pub(super) fn word(rest: &str) -> Option<(usize, Worth)> {
    longest(rest, &WORDS)
}

/// The bytes of the final particle at the beginning of `rest`.
pub(super) fn particle(rest: &str) -> Option<usize> {
    let c = rest.chars().next()?;
    PARTICLES.contains(c).then(|| c.len_utf8())
}

/// The bytes of the unit at the beginning of `rest`, which stands behind a figure.
pub(super) fn unit(rest: &str, behind_digits: bool) -> Option<usize> {
    match longest(rest, &UNIT_WORDS) {
        Some((length, ())) => Some(length),
        None if behind_digits && rest.starts_with(UNITS_BEHIND_DIGITS) => {
            Some(UNITS_BEHIND_DIGITS.len())
        }
        None => None,
    }
}

fn longest<T: Copy>(rest: &str, words: &HashMap<&str, T>) -> Option<(usize, T)> {
    let ends = rest.char_indices().take(LONGEST);
    let found = ends.filter_map(|(at, c)| {
        let end = at + c.len_utf8();
        Some((end, *words.get(&rest[..end])?))
    });
    found.filter(|(end, _)| !is_inside(rest, *end)).last()
}

/// Whether a place is between two letters of one English word. Between a letter and a digit a word may end:
/// sf1234, 2pm.
fn is_inside(text: &str, at: usize) -> bool {
    let around = [text.as_bytes().get(at - 1), text.as_bytes().get(at)];
    around
        .iter()
        .all(|b| b.is_some_and(u8::is_ascii_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_hold_words_as_texts_are_compared() {
        for table in [
            PHRASES,
            QUESTIONS,
            CHOICES,
            TIMES,
            BESIDE_FIGURES,
            LABELS,
            UNITS,
        ] {
            for word in entries(table) {
                assert_eq!(super::super::normalized(word), word);
                assert!(word.chars().count() <= LONGEST, "{word}");
            }
        }
    }
}
