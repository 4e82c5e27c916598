//! What a question turns around: "转人工" and "别转人工", "refund" and "cancel my refund" are near each other in
//! every embedding, and must not share an answer.

use std::collections::BTreeSet;

/// Words that turn around what follows them. The longer one first where one begins with another.
const CHINESE: [&str; 71] = [
    "不可以",
    "不同意",
    "不想要",
    "不打算",
    "不支持",
    "不是要",
    "不要再",
    "不需要",
    "不会",
    "不发",
    "不寄",
    "不必",
    "不想",
    "不换",
    "不用",
    "不给",
    "不能",
    "不要",
    "不让",
    "不退",
    "不送",
    "会寄",
    "停掉",
    "停止",
    "停用",
    "公开",
    "关掉",
    "关闭",
    "减掉",
    "删掉",
    "删除",
    "删",
    "别",
    "勿",
    "取消",
    "延后",
    "恢复",
    "找回",
    "拆开",
    "拆成",
    "拒绝",
    "换为",
    "换大",
    "换小",
    "换成",
    "推迟",
    "撤回",
    "撤销",
    "改为",
    "改成",
    "无法",
    "显示",
    "暂停",
    "没打算",
    "没收到",
    "没付",
    "没寄",
    "没有",
    "没法",
    "移出",
    "移除",
    "解冻",
    "解绑",
    "解除",
    "误删",
    "过了",
    "还没",
    "退出",
    "退回",
    "退掉",
    "退订",
];
const ENGLISH: [&str; 42] = [
    "don't",
    "dont",
    "do not",
    "doesn't",
    "didn't",
    "can't",
    "cannot",
    "won't",
    "not",
    "no",
    "never",
    "without",
    "cancel",
    "undo",
    "stop",
    "disable",
    "take down",
    "unsubscribe",
    "withdraw",
    "revoke",
    "instead of",
    "rather than",
    "avoid",
    "hasn't",
    "haven't",
    "isn't",
    "aren't",
    "wasn't",
    "wouldn't",
    "off",
    "remove",
    "delete",
    "end",
    "close",
    "later",
    "separately",
    "unlink",
    "unlock",
    "resume",
    "pause",
    "out of",
    "from",
];

/// Each word that turns something around, with the beginning of what it turns around.
pub(super) fn reversals(text: &str) -> BTreeSet<String> {
    let text = text.to_lowercase().replace('’', "'");
    let chinese = CHINESE
        .iter()
        .flat_map(|word| occurrences(&text, word))
        .map(|(word, rest)| {
            let next: String = rest.trim_start().chars().take(1).collect();
            format!("{word}{next}")
        });
    let english = ENGLISH
        .iter()
        .flat_map(|word| occurrences(&text, word))
        .filter(|(word, rest)| whole(&text, word, rest))
        // Only a change has a direction.
        .filter(|(word, rest)| *word != "from" || rest.contains(" to "))
        .map(|(word, rest)| {
            let mut words = rest
                .split_whitespace()
                .filter(|word| !FILLERS.contains(word));
            format!("{word} {}", words.next().unwrap_or_default())
        });
    let found: Vec<_> = chinese.chain(english).collect();
    // "不要" within "不要再" is no word of its own.
    let longest = |one: &&String| {
        !found
            .iter()
            .any(|other| other.len() > one.len() && other.starts_with(one.as_str()))
    };
    found.iter().filter(longest).cloned().collect()
}

/// Words between a reversal and what it turns around.
const FILLERS: [&str; 12] = [
    "i", "you", "me", "to", "a", "an", "the", "my", "want", "need", "please", "any",
];

fn occurrences<'t>(
    text: &'t str,
    word: &'static str,
) -> impl Iterator<Item = (&'static str, &'t str)> {
    let found = text.match_indices(word);
    found.map(move |(at, _)| (word, &text[at + word.len()..]))
}

/// Whether a word of Latin letters stands by itself.
fn whole(text: &str, word: &str, rest: &str) -> bool {
    let before = &text[..text.len() - rest.len() - word.len()];
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '\'';
    !before.ends_with(letter) && !rest.starts_with(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_turned_around_is_named() {
        for (text, expected) in [
            ("转人工", &[][..]),
            ("别转人工", &["别转"]),
            ("不要机器人，转人工", &["不要机"]),
            ("怎么取消退款", &["取消退"]),
            ("I don't want a human", &["don't human"]),
            (
                "please do not transfer me",
                &["do not transfer", "not transfer"],
            ),
            ("note to the courier", &[]),
            ("full payment to installments", &[]),
            ("from installments to full payment", &["from installments"]),
            ("发票从个人改成公司", &["改成公"]),
            ("turn off notifications", &["off notifications"]),
            ("cancel my refund", &["cancel refund"]),
        ] {
            let found: Vec<_> = reversals(text).into_iter().collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
