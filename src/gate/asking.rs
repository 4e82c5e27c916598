//! What the assistant asks the customer for, and what the customer gives for it.

use crate::text::{Pattern, compiled, matches};

/// What asks for nothing in particular: whether there is anything, or anything else.
const ANYTHING: [&str; 18] = [
    "其他",
    "其它",
    "别的",
    "还有什么",
    "可以帮",
    "能帮",
    "帮到",
    "帮助您",
    "为您服务",
    "效劳",
    "anything else",
    "something else",
    "any other",
    "else i can",
    "help you",
    "i help",
    "assist you",
    "i do for you",
];
/// Sentences at a turn's end that are looked at, and bytes of each.
const SENTENCES: usize = 2;
const LONGEST: usize = 300;
/// What a detail weighs at most: six words, twelve characters of Chinese.
const LONGEST_DETAIL: usize = 12;

/// What asks for a detail without a question mark.
static WANTS: Pattern = Pattern::new(|| {
    compiled(concat!(
        r"(?i)\b(?:provide|give me|tell me|share|send me|need your|i need|i'll need|what's your)\b|\b(?:account|order) (?:id|number)\b|",
        r"\b(?:which|may i have|can i (?:get|have)|could you|would you)\b|\bwhat (?:is|colou?r|size|model|kind|type|item|date|time)\b|\bhow (?:many|much|tall|old)\b|",
        r"提供(?:[^的]|$)|告诉|告知|发一?下|发给|发我|报一?下|留一?下|说一?下|哪个|哪款|哪里|哪家|哪一|什么颜色|什么尺|什么名|多少|几[个件号点]|是吗|是不是|[吗么嘛]$|",
        r"(?:请|麻烦|需要|烦请)[^。]{0,12}(?:单号|账号|姓名|名字|电话|地址|手机号|尺码|身高|体重|型号)",
    ))
});
/// What is asked or wished in turn, and gives nothing.
static WISH: Pattern = Pattern::new(|| {
    compiled(concat!(
        r"(?i)[?？]|^(?:is|are|was|am|what|whats|what's|will|how|hows|who|whos|where|when|why|which|can|could|do|does|did|should|would|search|find|play|rate|remind|tell|show|set|add|give|open|turn|write|make|sing|read|call|text|i want|i need|let's|lets|please)\b|",
        r"怎么|如何|什么|为什么|多长|多大|多少|几[号点]|几$|哪|吗$|呢$|^(?:打开|关闭|提醒|唱|讲|写|播放|放首|查|搜|帮我|给我|给唱|给讲|来首|来个|翻译|推荐)",
    ))
});

/// Whether the end of a turn asks for something, other than whether there is anything to be helped with.
pub(super) fn asks(said: &str) -> bool {
    let ends = |c: char| matches!(c, '。' | '.' | '！' | '!' | '？' | '?' | '~' | '\n');
    let sentences = said.split_inclusive(ends).rev();
    let mut spoken = sentences.filter(|sentence| sentence.contains(char::is_alphanumeric));
    spoken.by_ref().take(SENTENCES).any(|sentence| {
        let start = sentence.ceil_char_boundary(sentence.len().saturating_sub(LONGEST));
        let sentence = sentence[start..].to_lowercase();
        let wants = sentence.trim_end_matches(|c: char| !c.is_alphanumeric());
        let question = sentence.trim_end().ends_with(['?', '？']);
        (question || matches(&WANTS, wants))
            && !ANYTHING.iter().any(|other| sentence.contains(other))
    })
}

/// Whether a turn gives details and wishes for nothing itself: a name, a title, a colour.
pub(super) fn gives_details(turn: &str) -> bool {
    let mut in_word = false;
    let weight = turn.chars().map(|c| {
        let begins = c.is_ascii_alphanumeric() && !in_word;
        in_word = c.is_ascii_alphanumeric() || in_word && matches!(c, '.' | '@' | '-' | '_' | '\'');
        2 * usize::from(begins) + usize::from(!c.is_ascii() && c.is_alphabetic())
    });
    weight.sum::<usize>() <= LONGEST_DETAIL && !matches(&WISH, turn.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_ask_unless_for_anything_at_all() {
        for said in [
            "您看可以么？",
            "麻烦提供一下订单号",
            "Which size do you need?",
            "First I need your full name to pull up the account",
            "好的。请问是哪个颜色？😊",
            "还有其他颜色。您要哪个？",
        ] {
            assert!(asks(said), "{said}");
        }
        for said in [
            "已经帮您取消了",
            "请问还有其他可以帮到您的吗？",
            "Is there anything else I can help with?",
            "您好，请问有什么可以帮您？",
            "Welcome! How can I help you today?",
            "Done.",
            "",
        ] {
            assert!(!asks(said), "{said}");
        }
    }

    #[test]
    fn details_are_short_and_no_wish() {
        for turn in [
            "Albert Sanders",
            "李明 13800000000",
            "小王子 中英双语那版",
            "dusty rose, capital letters",
            "aphoenix939",
        ] {
            assert!(gives_details(turn), "{turn}");
        }
        for turn in [
            "今天几号",
            "讲个笑话给你听",
            "will it snow",
            "Search for the game",
            "is it cold?",
            "热烈庆祝王小虎同学考上清华大学",
        ] {
            assert!(!gives_details(turn), "{turn}");
        }
    }
}
