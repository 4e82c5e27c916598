//! Whether a turn of the assistant's asks the customer for something.

/// What asks for no answer that matters: whether there is anything else.
const ELSE: [&str; 8] = [
    "其他",
    "其它",
    "别的",
    "还有什么",
    "anything else",
    "something else",
    "any other",
    "else i can",
];
/// What ends a question in Chinese, with its mark or without.
const PARTICLES: [char; 3] = ['吗', '么', '嘛'];
/// What is looked at of a turn's end, in characters.
const END: usize = 60;

/// Whether it ends with a question other than whether there is anything else.
pub(super) fn asks(said: &str) -> bool {
    let said = said.trim_end_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '?' | '？'));
    let begin = said.char_indices().rev().nth(END).map_or(0, |(at, _)| at);
    let end = said[begin..].to_lowercase();
    let question = end.ends_with(['?', '？']) || end.ends_with(PARTICLES);
    let sentence = end.trim_end_matches(['?', '？']);
    let sentence = sentence
        .rsplit(['。', '.', '！', '!', '？', '?', '\n'])
        .next()
        .unwrap_or(sentence);
    question && !ELSE.iter().any(|other| sentence.contains(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_ask_unless_for_anything_else() {
        for said in [
            "您看可以么？",
            "麻烦提供一下订单号好吗",
            "Which size do you need?",
            "好的。请问是哪个颜色？😊",
            "还有其他颜色。您要哪个？",
        ] {
            assert!(asks(said), "{said}");
        }
        for said in [
            "已经帮您取消了",
            "请问还有其他可以帮到您的吗？",
            "Is there anything else I can help with?",
            "Done.",
            "",
        ] {
            assert!(!asks(said), "{said}");
        }
    }
}
