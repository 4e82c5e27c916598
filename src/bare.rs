//! What a customer sends when asked for it, or to agree: it says nothing about a topic by itself, and only
//! means something beside the turn that it replies to.

mod codes;
mod words;

use unicode_normalization::UnicodeNormalization as _;

use crate::language::is_han;
use codes::{code, digits, link, numerals};

/// Letters that stand alone: a size, a choice, a face such as `T_T`. More of them are a word spelled out.
const MOST_LETTERS: u32 = 4;

/// Whether a text is nothing but codes, figures with units, dates, links, addresses of e-mail, faces and short
/// words that confirm, refuse or close. A label such as 订单号 is bare only beside what it labels.
pub fn is_bare(text: &str) -> bool {
    lacks(text).is_some_and(|(given, needed)| needed <= given)
}

/// Whether a text is bare, or nothing but greets besides: nothing has been asked yet.
pub fn is_opening(text: &str) -> bool {
    lacks(text).is_some_and(|(given, needed)| needed <= given.max(Given::Greeting))
}

/// What a text gives, and what its words need to be bare; none where it says something.
fn lacks(text: &str) -> Option<(Given, Given)> {
    let text = normalized(text);
    let mut reader = Reader {
        text: &text,
        at: 0,
        begun: false,
        figure: None,
        letters: 0,
        given: Given::Nothing,
        needed: Given::Nothing,
    };
    while reader.at < text.len() {
        if !reader.step() {
            return None;
        }
    }
    Some((reader.given, reader.needed))
}

/// What a text gives, and what a word needs beside it to be bare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Given {
    Nothing,
    /// That somebody is there.
    Greeting,
    /// A figure, or a size.
    Figure,
    /// A number of three digits or more, a code, a link.
    Code,
    /// What no text gives.
    Never,
}

/// What stands at a place.
struct Found {
    length: usize,
    gives: Given,
    needs: Given,
    /// A unit may follow.
    figure: Option<Figure>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Figure {
    Digits,
    Numerals,
}

impl Found {
    fn giving(length: usize, gives: Given, figure: Option<Figure>) -> Self {
        Found {
            length,
            gives,
            needs: Given::Nothing,
            figure,
        }
    }
}

/// Goes through a text once, as long as it is bare.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Whether something other than marks was read.
    begun: bool,
    /// The figure before this place.
    figure: Option<Figure>,
    letters: u32,
    given: Given,
    needed: Given,
}

impl Reader<'_> {
    /// Whether what stands here is bare; goes behind it.
    fn step(&mut self) -> bool {
        let (behind, rest) = self.text.split_at(self.at);
        let Some(c) = rest.chars().next() else {
            return true;
        };
        // Marks and faces say nothing.
        if !c.is_alphanumeric() {
            self.figure = self.figure.filter(|_| matches!(c, ' ' | '-'));
            self.at += c.len_utf8();
            return true;
        }
        let found = link(behind.chars().next_back(), rest)
            .or_else(|| code(rest))
            .or_else(|| digits(rest))
            .or_else(|| unit(self.figure, rest))
            .or_else(|| word(rest))
            .or_else(|| particle(self.begun, rest))
            .or_else(|| numerals(rest))
            .or_else(|| drawn_out(rest));
        self.letters += u32::from(found.is_none());
        let Some(found) = found.or_else(|| letter(rest)) else {
            return false;
        };
        self.at += found.length;
        self.begun = true;
        self.figure = found.figure;
        self.given = self.given.max(found.gives);
        self.needed = self.needed.max(found.needs);
        self.letters <= MOST_LETTERS
    }
}

/// The text as the tables hold words: NFKC, lower case, single spaces, no apostrophes, no letter thrice.
fn normalized(text: &str) -> String {
    let mut normalized = String::with_capacity(text.len());
    let (mut last, mut times) = (' ', 1);
    for c in text.nfkc().flat_map(char::to_lowercase) {
        // Invisible ones take words apart only for a program.
        if matches!(c, '\'' | '’' | '‘' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
        {
            continue;
        }
        let c = if c.is_whitespace() { ' ' } else { c };
        times = if c == last { times + 1 } else { 1 };
        last = c;
        // An address begins with www.
        let drawn_out = c.is_ascii_alphabetic() && c != 'w' && times > 2;
        if drawn_out && times == 3 {
            normalized.pop();
        }
        if !(drawn_out || c == ' ' && times > 1) {
            normalized.push(c);
        }
    }
    normalized
}

/// The bytes of the characters at the beginning that are of one kind.
fn span(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is(c)).unwrap_or(text.len())
}

fn unit(figure: Option<Figure>, rest: &str) -> Option<Found> {
    let length = words::unit(rest, figure? == Figure::Digits)?;
    Some(Found::giving(length, Given::Nothing, figure))
}

fn word(rest: &str) -> Option<Found> {
    let (length, (gives, needs)) = words::word(rest)?;
    Some(Found {
        needs,
        ..Found::giving(length, gives, None)
    })
}

fn particle(begun: bool, rest: &str) -> Option<Found> {
    let length = words::particle(rest).filter(|_| begun)?;
    Some(Found::giving(length, Given::Nothing, None))
}

/// A word with its last letter twice, okk, or a syllable again and again, okok.
fn drawn_out(rest: &str) -> Option<Found> {
    let length = span(rest, |c| c.is_ascii_alphabetic());
    let spelled = &rest[..length];
    let same_last =
        spelled.len() > 2 && spelled.as_bytes()[length - 2] == spelled.as_bytes()[length - 1];
    let once = same_last.then(|| length - 1).into_iter();
    let is_repeated = |n: &usize| {
        let mut syllables = spelled.as_bytes().chunks(*n);
        length > *n && syllables.all(|syllable| syllable == &spelled.as_bytes()[..*n])
    };
    let syllables = (2..=4).filter(is_repeated);
    let found = once
        .chain(syllables)
        .find_map(|end| word(&spelled[..end]).filter(|found| found.length == end));
    found.map(|found| Found { length, ..found })
}

/// A letter that stands alone, or the letters of a size.
fn letter(rest: &str) -> Option<Found> {
    let first = rest.chars().next()?;
    let length = span(rest, |c| {
        c.is_alphanumeric() && c.is_ascii() == first.is_ascii()
    });
    let letters = &rest[..length];
    match letters {
        "s" | "m" | "l" | "xs" | "xl" | "xxl" | "a" | "b" | "c" | "d" => {
            Some(Found::giving(length, Given::Figure, Some(Figure::Digits)))
        }
        _ if length == first.len_utf8() && !is_han(first) && !first.is_numeric() => {
            Some(Found::giving(length, Given::Nothing, None))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    const BARE: &str = "
1234567890|订单号：1234567890|我的订单号是 2024 0501 1234|单号SF1234567890123|运单号:YT1234-5678-9012
手机号13800138000，谢谢|138-0013-8000、139 0013 9000|+86 13800138000 +8613900139000|(555) 123-4567|order #1001
Order number is AB-12345|tracking no. 1Z999AA10123456784|ＳＦ１２３４５６７|550e8400-e29b-41d4-a716-446655440000
AB 1234 5678|sku 77031-BLK|尾号6789|JD0001234567890 JD0001234567891|2024-05-01|5月1日下午3点半左右|五月一号
明天上午10:30|周三|on Monday at 5 pm|the 5th of May|10am tomorrow|2|38码|38.5码的|170cm 60kg|我身高170体重60公斤
2件|三个|1,299元|20x30cm|8+256GB|L码|xl|第二个|就这个吧|the other one, two of them please|50%|3栋2单元501
https://item.jd.com/100012043978.html?x=1+1=2|链接：https://m.tb.cn/h.5abc，谢谢|www.example.com/a
item.taobao.com|邮箱 john.doe+shop@mail.example.com|👍👍🏻|😀 ❤️|？？？|...||(╯°□°)╯︵ ┻━┻|(｡･ω･｡)ﾉ|T_T
¯\\_(ツ)_/¯|QAQ|好的|好的呢|好哒~|嗯嗯嗯|是的，没错！|对对对|不是|不用了谢谢|可以|行吧|那好吧|没有了
好\u{200b}的👌|知道了，谢谢亲|謝謝|拜拜|稍等，我看看|哈哈哈哈|ok|OKKK|okok|yesss please|Yeah, sure!|no thanks
Nope.|That’s all, thank you so much|got it|thx|好的 ok|嗯，订单号 20240501001
";

    const NOT_BARE: &str = "
讲个笑话|放首歌|这个还有没有|好不好|晚上好呀|Good morning|morning!|的的的的的的的|吧啦吧啦|2+3等于几|2+3=?|12*13
12 x 13 =|100/4=|北京天气|今天天气|你好|hello|退款|怎么退货|订单号|订单号是多少|order|tracking number?|size
我的手机坏了|快递3天了|订单1234567890什么时候发货|1234567890 写首诗|SF1234567890 到哪了|好的，讲个笑话
嗯嗯 写代码|ok tell me a joke|yes write a poem|no refund?|38码有货吗|2个笑话|三首歌|一本书|红色|iPhone 15
RTX 4090|top 1000|why 2024|百度|转人工|可以退吗|为什么|what|t e l l m e a j o k e|tellmeajoke1234
https://a.com 翻译一下|john@mail.com is my friend|周杰伦|明天会下雨吗|thanks for nothing robot
good morning vietnam movie|はい、歌って|привет|👍写首诗|1 讲个故事
";

    #[test]
    fn greetings_open_and_questions_do_not() {
        for text in "你好|你好 你好|在吗？|亲，在吗|Hello!|hi there|good evening|晚上好呀|535736692368|573023354819你好|你好，订单号1234567890|ok"
            .split('|')
        {
            assert!(is_opening(text), "{text}");
        }
        for text in "你好，写首诗|在吗 今天天气|hello world in python|有没有|订单号|hi tell me a joke|good morning vietnam movie"
            .split('|')
        {
            assert!(!is_opening(text), "{text}");
        }
    }

    #[test]
    fn codes_figures_and_short_replies_are_bare() {
        for text in BARE.split(['|', '\n']) {
            assert!(is_bare(text), "{text}");
        }
    }

    #[test]
    fn what_has_a_word_of_its_own_is_not_bare() {
        for text in NOT_BARE.trim().split(['|', '\n']) {
            assert!(!is_bare(text), "{text}");
        }
    }

    #[test]
    fn a_megabyte_of_anything_takes_no_long_time() {
        for piece in
            "1|1+|1+1个|嗯|ok |ok=|a.|a=|ha|a@|1a|sf1234 |a1234|www.|http://|一|订单号1234|。|\u{315}\u{300}"
                .split('|')
        {
            let text = piece.repeat(1_000_000 / piece.len());
            let start = Instant::now();
            is_bare(&text);
            // Quadratic time would be minutes.
            let took = start.elapsed();
            assert!(took < Duration::from_secs(5), "{piece:?}: {took:?}");
        }
    }

    proptest! {
        #[test]
        fn a_topic_stays_one_whatever_stands_beside_it(
            text in "([a-z0-9@.:/=x +-]|好的|订单号|\\PC){0,60}"
        ) {
            let with_topic = format!("{text} 讲个笑话");
            prop_assert!(!is_bare(&with_topic));
            is_bare(&text);
        }
    }
}
