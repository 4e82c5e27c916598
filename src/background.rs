//! What every shop's questions are held against, compiled in: off-topic questions of many kinds, questions
//! that any shop is asked, and turns that are clear only from what was said before.
//!
//! It is what makes thresholds work where an operator describes nothing but the shop's business, and lends a
//! shop of few examples what all shops have in common. Rows that the shop's own examples claim are left out
//! when a snapshot is prepared.

use std::collections::BTreeMap;

const OFF_TOPIC: [&str; 2] = [
    include_str!("background/off_topic.zh.txt"),
    include_str!("background/off_topic.en.txt"),
];
const BUSINESS: &str = include_str!("background/business.txt");
const FOLLOW_UP: &str = include_str!("background/follow_up.txt");

/// The kind of rows that a customer says around a question without asking for anything.
pub const SMALL_TALK: &str = "small_talk";

/// Off-topic questions by kind, both languages together.
pub fn off_topic() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut kinds: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (kind, row) in OFF_TOPIC.into_iter().flat_map(rows) {
        kinds.entry(kind).or_default().push(row);
    }
    kinds
}

/// Questions that any shop is asked.
pub fn business() -> Vec<&'static str> {
    rows(BUSINESS).map(|(_, row)| row).collect()
}

/// Turns of conversations that are clear only from what was said before.
pub fn follow_ups() -> Vec<&'static str> {
    rows(FOLLOW_UP).map(|(_, row)| row).collect()
}

/// Rows with the heading they stand under. `# kind` is a heading, `##` a comment.
fn rows(file: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = file.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("##"));
    lines
        .scan("", |kind, line| {
            let heading = line.strip_prefix("# ");
            *kind = heading.unwrap_or(kind);
            Some((*kind, heading.is_none().then_some(line)))
        })
        .filter_map(|(kind, row)| Some((kind, row?)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::language::Language;

    #[test]
    fn there_is_enough_of_everything_and_nothing_twice() {
        let rows: Vec<_> = off_topic().into_values().flatten().collect();
        let chinese = rows
            .iter()
            .filter(|row| Language::of_text(row) == Language::Zh);
        assert!(rows.len() >= 4000 && chinese.count() >= 2000);
        assert!(off_topic().contains_key(SMALL_TALK));
        assert!(business().len() >= 1000 && follow_ups().len() >= 1000);
        let once: HashSet<_> = rows.iter().collect();
        assert_eq!(once.len(), rows.len());
    }
}
