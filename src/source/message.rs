//! serde's messages for people who write no Rust, in both languages.

use crate::language::Phrase;

/// serde's message in both languages, with the value it is about.
pub(super) fn explain(message: &str, value: Option<&str>) -> Phrase {
    let shown = value.map(|v| shorten(v.trim())).unwrap_or_default();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let accepted: Vec<_> = rest.split('`').skip(3).step_by(2).collect();
        let name = rest.split('`').nth(1).unwrap_or_default();
        return unknown_key(name, &accepted);
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        let name = name.trim_matches('`');
        return Phrase::new(format!("缺少 {name}"), format!("{name} is missing"));
    }
    if let Some((_, expected)) = message.split_once(", expected ") {
        let expected = Phrase::from_message(expected);
        return Phrase::new(
            format!(
                "不接受 {shown}；这里应当是{}",
                chinese_type(plain_type(&expected.zh))
            ),
            format!(
                "{shown} is not accepted; expected {}",
                plain_type(&expected.en)
            ),
        );
    }
    let own = Phrase::from_message(message);
    Phrase::new(format!("{shown} {}", own.zh), format!("{shown} {}", own.en))
}

/// What is said of a key that is none of `accepted`.
pub fn unknown_key(name: &str, accepted: &[&str]) -> Phrase {
    let near = nearest(name, accepted);
    let list = accepted.join(", ");
    Phrase::new(
        near.map_or_else(String::new, |n| format!("您是不是想写 {n}？"))
            + &format!("没有这个键；可用的键：{list}"),
        near.map_or_else(String::new, |n| format!("did you mean {n}? "))
            + &format!("there is no such key; accepted: {list}"),
    )
}

/// serde's names of types, for people who write no Rust.
fn plain_type(name: &str) -> &str {
    match name {
        "a sequence" => "a list, such as [\"…\"]",
        "u16" | "u32" | "u64" | "usize" | "a nonzero usize" => "a whole number above 0",
        "f32" | "f64" => "a number",
        "a map" => "a section, such as [server]",
        name if name.starts_with("struct ") => "a section, such as [server]",
        name => name,
    }
}

fn chinese_type(name: &str) -> &str {
    match name {
        "a string" => "文字（写在引号里）",
        "a boolean" => " true 或 false",
        "a sequence" => "列表，如 [\"…\", \"…\"]",
        "u16" | "u32" | "u64" | "usize" | "a nonzero usize" | "a whole number above 0" => "正整数",
        "f32" | "f64" | "a number" => "数字",
        "a list, such as [\"…\"]" => "列表，如 [\"…\", \"…\"]",
        "a section, such as [server]" => "一节，如 [server]",
        other => other,
    }
}

/// A value's first line, and no more of it than a message can hold.
pub fn shorten(value: &str) -> String {
    let line = value.lines().next().unwrap_or_default();
    if line.chars().count() <= 60 && line.len() == value.len() {
        return line.to_owned();
    }
    line.chars().take(60).chain("…".chars()).collect()
}

/// The accepted name that a mistyped one most likely meant: two edits away at most, fewer for short ones.
pub fn nearest<'n>(name: &str, accepted: &[&'n str]) -> Option<&'n str> {
    let distance = |other: &str| edits(name, other);
    let best = accepted.iter().min_by_key(|other| distance(other))?;
    (distance(best) <= 2.min(name.chars().count() / 2)).then_some(*best)
}

/// Levenshtein distance over characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
