//! Fields without the customer's words in them: `会员等级：3 | 城市：成都`.

use super::has_words;

/// Characters of the longest name and value of a field.
const LONGEST_NAME: usize = 24;
const LONGEST_VALUE: usize = 40;

/// Whether a text is fields: more than half of its pieces have a name and a short value.
pub(super) fn are_fields(text: &str) -> bool {
    let (all, named) = counted(text);
    named > 0 && 2 * named > all
}

/// Whether a block is a profile: fields, two of them at least or in brackets.
pub(super) fn is_profile(block: &str) -> bool {
    if block.lines().all(|line| line.trim_start().starts_with('|')) {
        return block.lines().count() > 1;
    }
    let bracketed = block.starts_with(OPEN) && block.ends_with(CLOSE);
    let (all, named) = counted(block);
    let known = || {
        KNOWN
            .iter()
            .any(|name| block.to_lowercase().starts_with(name))
    };
    named > 0 && (named >= 2 || bracketed || known()) && 2 * named > all
}

/// A field of one of these names is one by itself.
const KNOWN: [&str; 14] = [
    "当前时间",
    "时间",
    "渠道",
    "来源",
    "会员等级",
    "昵称",
    "channel",
    "source",
    "locale",
    "language",
    "page",
    "session",
    "time",
    "date",
];

const OPEN: &[char] = &['[', '(', '（', '【', '{'];
const CLOSE: &[char] = &[']', ')', '）', '】', '}'];

fn counted(text: &str) -> (usize, usize) {
    let inner = text.trim_matches(|c: char| {
        OPEN.contains(&c) || CLOSE.contains(&c) || c == '-' || c.is_whitespace()
    });
    let pieces = inner.split(['\n', '|', '｜', ';', '；', ',', '，', '、', '·']);
    let pieces = pieces.map(str::trim).filter(|piece| has_words(piece));
    pieces.fold((0, 0), |(all, named), piece| {
        (all + 1, named + usize::from(is_field(piece)))
    })
}

/// `key: value`, `key=value`, both short, and no question.
fn is_field(piece: &str) -> bool {
    let Some(at) = piece.find([':', '：', '=']) else {
        return false;
    };
    let (name, value) = piece.split_at(at);
    let value = value.trim_start_matches([':', '：', '=']);
    at > 0
        && name.chars().count() <= LONGEST_NAME
        && name.split_whitespace().count() <= 3
        && value.chars().count() <= LONGEST_VALUE
        && !value.ends_with(['?', '？', '吗', '呢'])
}
