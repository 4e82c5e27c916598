//! What a question turns around: "转人工" and "别转人工", "refund" and "cancel my refund" are near each other in
//! every embedding, and must not share an answer.

use std::collections::BTreeSet;

/// Words that turn around what follows them. The longer one first where one begins with another.
const CHINESE: [&str; 30] = [
    "不需要",
    "不想要",
    "不打算",
    "不是要",
    "没打算",
    "不要再",
    "不要",
    "不想",
    "不用",
    "不必",
    "不能",
    "不会",
    "不可以",
    "不支持",
    "不给",
    "不让",
    "没有",
    "没法",
    "无法",
    "取消",
    "撤销",
    "撤回",
    "恢复",
    "停止",
    "关闭",
    "解除",
    "退订",
    "拒绝",
    "别",
    "勿",
];
const ENGLISH: [&str; 22] = [
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
    "unsubscribe",
    "withdraw",
    "revoke",
    "instead of",
    "rather than",
    "avoid",
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
            ("cancel my refund", &["cancel refund"]),
        ] {
            let found: Vec<_> = reversals(text).into_iter().collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
