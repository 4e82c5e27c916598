//! The gateway's own replies, quoted back at it: what it said is nothing that the customer asks.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use super::{Part, Wrapping};
use crate::language::is_han;

/// Words that make a quotation where they stand in a row as in a reply: of letters, and of characters without spaces.
const ROW: usize = 5;
const SOLID_ROW: usize = 8;
/// What has to stand beside a quotation without a break, else it is what the customer says: five Chinese characters or
/// four English words.
const LEAST_BESIDE: usize = 10;

/// Replies, by the rows of words in them.
#[derive(Debug, Default)]
pub struct Replies {
    texts: Vec<Reply>,
    rows: HashMap<u64, usize>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Reply {
    text: String,
    declines: bool,
}

/// A word in a text, or a character of those that are written without spaces.
#[derive(Debug)]
struct Word {
    range: Range<usize>,
    read: String,
    solid: bool,
}

impl Replies {
    /// Of texts, and whether each declines.
    pub fn of<'t>(texts: impl Iterator<Item = (&'t str, bool)>) -> Self {
        let mut replies = Replies::default();
        for (text, declines) in texts {
            let at = replies.texts.len();
            for (_, row) in replies.rows_of(&words(text)) {
                replies.rows.entry(row).or_insert(at);
            }
            let text = text.to_owned();
            replies.texts.push(Reply { text, declines });
        }
        replies
    }

    /// Each row of words, by its hash.
    fn rows_of(&self, words: &[Word]) -> Vec<(Range<usize>, u64)> {
        let row = |length: usize| {
            let rows = words.windows(length).enumerate();
            rows.filter(move |(_, row)| row.iter().any(|word| word.solid) == (length == SOLID_ROW))
                .map(move |(at, row)| {
                    let read: Vec<_> = row.iter().map(|word| &*word.read).collect();
                    (at..at + length, self.hasher.hash_one(read))
                })
        };
        row(ROW).chain(row(SOLID_ROW)).collect()
    }

    /// A text without what it quotes of replies; none where it quotes nothing, or says nothing beside. Who quotes what
    /// declined him was declined; who quotes another reply goes on from what it is about.
    pub(super) fn unwrap<'a>(&self, text: &'a str) -> Option<Part<'a>> {
        let words = words(text);
        let mut quoted = vec![false; words.len()];
        let mut of = None;
        for (range, row) in self.rows_of(&words) {
            if let Some(reply) = self.rows.get(&row) {
                quoted[range].fill(true);
                of = of.or(Some(*reply));
            }
        }
        let reply = self.texts.get(of?)?;
        let mut beside = Vec::new();
        let mut said = Vec::new();
        for run in words_runs(&quoted) {
            let weight: usize = words[run.clone()].iter().map(Word::weight).sum();
            let text = text[words[run.start].range.start..words[run.end - 1].range.end].trim();
            match quoted[run.start] {
                true => said.push(text),
                false => beside.push((weight, text)),
            }
        }
        if !beside.iter().any(|(weight, _)| *weight >= LEAST_BESIDE) {
            return None;
        }
        let beside: Vec<_> = beside.into_iter().map(|(_, text)| text).collect();
        let mut part = Part::new(Wrapping::Quote, beside.join("\n"));
        match reply.declines {
            true => part.said = Some(reply.text.clone()),
            false => part.before = Some(said.join("\n")),
        }
        Some(part)
    }
}

impl Word {
    fn weight(&self) -> usize {
        match self.solid {
            true => 2,
            false if self.read.contains(|c: char| c.is_alphabetic()) => 3,
            false => 0,
        }
    }
}

/// Runs of what is alike.
fn words_runs(quoted: &[bool]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, is) in quoted.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if quoted[run.start] == *is => run.end = at + 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for (at, c) in text.char_indices() {
        if !c.is_alphanumeric() && c != '\'' && c != '’' {
            continue;
        }
        let (solid, end) = (is_solid(c), at + c.len_utf8());
        match words.last_mut() {
            Some(last) if !solid && !last.solid && last.range.end == at => {
                last.range.end = end;
                last.read.extend(c.to_lowercase());
            }
            _ => words.push(Word {
                range: at..end,
                read: c.to_lowercase().collect(),
                solid,
            }),
        }
    }
    words
}

/// Chinese, Japanese and Thai have no spaces between words.
fn is_solid(c: char) -> bool {
    is_han(c) || matches!(c, '\u{3041}'..='\u{30ff}' | '\u{e00}'..='\u{e7f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_of_a_reply_is_taken_off() {
        let replies = Replies::of(
            [
                (
                    "Sorry, I can only check an order or arrange a return here.",
                    true,
                ),
                (
                    "抱歉，我是本店的购物助手，只能回答订单、配送、退换货和商品方面的问题。",
                    true,
                ),
                ("您可以在“我的订单”页面点“联系客服”找到人工客服。", false),
            ]
            .into_iter(),
        );
        for (text, words) in [
            (
                "check an order or arrange a return? ok then write the poem",
                Some("ok then write the poem"),
            ),
            (
                "You said you can only check an order OR arrange a return, so write the poem now",
                Some("You said you\nso write the poem now"),
            ),
            (
                "只能回答订单、配送、退换货和商品方面的问题。好的，那写一首诗吧",
                Some("好的，那写一首诗吧"),
            ),
            (
                "“抱歉，我是本店的购物助手，只能回答订单、配送、退换货和商品方面的问题。”",
                None,
            ),
            (
                "Can you check an order or arrange a return for me? number 123",
                None,
            ),
            ("check an order or arrange a return", None),
            ("arrange a return of the blue lamp please", None),
            ("订单、配送、退换货分别找谁", None),
            ("where is my order", None),
            ("", None),
        ] {
            let found = replies.unwrap(text);
            assert_eq!(
                found.map(|part| part.words.into_owned()).as_deref(),
                words,
                "{text}"
            );
        }
        let quoted = replies
            .unwrap("你说在我的订单页面点联系客服，可是那里没有这个按钮")
            .unwrap();
        assert_eq!(quoted.words, "你说\n可是那里没有这个按钮");
        assert_eq!(quoted.before.as_deref(), Some("在我的订单页面点联系客服"));
    }
}
