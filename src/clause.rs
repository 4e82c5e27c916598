//! A text → its clauses, so that a question about an order does not cover for the poem asked for behind it.
//!
//! The rules are those of chat, where a space, a comma or 顺便 ends a clause as often as a full stop does.

mod wishes;

use std::ops::Range;

use crate::language::is_han;
pub use wishes::asks;

/// Clauses of one text: a bound on the work that a text makes.
const MOST_CLAUSES: usize = 16;
/// What a clause must weigh to mean something by itself: five Chinese characters or four English words.
const LEAST_WEIGHT: u32 = 10;
/// The weight of a Chinese character.
const CHARACTER: u32 = 2;
/// The weight of a word between spaces. A link is one word, however long.
const WORD: u32 = 3;

/// What ends a clause wherever it stands, but for a number and a link; the full stop has rules of its own.
const ENDS: &str = "。！？!?；;，,、：:…~～｡､";
/// Of these, the ones that also stand in numbers, ranges and times: 1,299 3~5 10:30.
const IN_NUMBERS: &str = ",，:：~～";
/// Begin a clause in the middle of a sentence. Those in English are compared without case.
const CONNECTIVES: [&str; 7] = [
    "另外",
    "对了",
    "顺便",
    "还有就是",
    "by the way",
    "btw",
    "also,",
];

/// The clauses that hold enough words to be judged alone, in order, no more than 16; none where nothing but
/// one clause has words at all. Where there are more, neighbours are joined, and the clauses cover the whole
/// text.
pub fn clauses(text: &str) -> Vec<&str> {
    let mut pieces = pieces(text);
    pieces.retain(|piece| text[piece.clone()].contains(char::is_alphanumeric));
    if pieces.len() < 2 {
        return Vec::new();
    }
    pieces.retain(|piece| is_enough(&text[piece.clone()]));
    match pieces.len() {
        0..=MOST_CLAUSES => pieces.into_iter().map(|p| text[p].trim()).collect(),
        _ => joined(text, &pieces),
    }
}

/// Each run of `count` neighbouring pieces of a text, in order; all of it where there are fewer.
pub fn neighbours(text: &str, count: usize) -> Vec<Range<usize>> {
    let mut pieces = pieces(text);
    pieces.retain(|piece| text[piece.clone()].contains(char::is_alphanumeric));
    let runs = pieces.windows(count.clamp(1, pieces.len().max(1)));
    let whole = |run: &[Range<usize>]| Some(run.first()?.start..run.last()?.end);
    runs.filter_map(whole).collect()
}

/// Neighbours joined, as many to each clause, and each clause reaching to the next.
fn joined<'a>(text: &'a str, pieces: &[Range<usize>]) -> Vec<&'a str> {
    let start = |clause: usize| match clause {
        0 => 0,
        MOST_CLAUSES => text.len(),
        _ => pieces[clause * pieces.len() / MOST_CLAUSES].start,
    };
    (0..MOST_CLAUSES)
        .map(|clause| text[start(clause)..start(clause + 1)].trim())
        .collect()
}

/// Whether a piece weighs enough. Digits alone are no word.
fn is_enough(piece: &str) -> bool {
    let (mut weight, mut in_word) = (0, false);
    for c in piece.chars() {
        if is_written_solid(c) {
            (weight, in_word) = (weight + CHARACTER, false);
        } else if c.is_whitespace() {
            in_word = false;
        } else if c.is_alphabetic() && !in_word {
            (weight, in_word) = (weight + WORD, true);
        }
        if weight >= LEAST_WEIGHT {
            return true;
        }
    }
    false
}

/// Characters of Chinese and Japanese, which have no spaces between words.
fn is_written_solid(c: char) -> bool {
    is_han(c) || matches!(c, '\u{3041}'..='\u{30ff}')
}

/// What stands between two separators.
fn pieces(text: &str) -> Vec<Range<usize>> {
    let mut scanner = Scanner {
        text,
        at: 0,
        run_end: 0,
        whole: 0..0,
    };
    let (mut pieces, mut start) = (Vec::new(), 0);
    while scanner.at < text.len() {
        let at = scanner.at;
        let step = scanner.step();
        scanner.at += step.length;
        let next = match step.kind {
            Kind::Inside => continue,
            Kind::Separator => scanner.at,
            Kind::Connective => at,
        };
        pieces.push(start..at);
        start = next;
    }
    pieces.push(start..text.len());
    pieces
}

/// Goes through a text once. Only a run of printable ASCII is looked at twice: as a whole, then step by step.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Where the run that was looked at as a whole ends.
    run_end: usize,
    /// What of it is not to be split.
    whole: Range<usize>,
}

/// How a text goes on at a place.
struct Step {
    kind: Kind,
    length: usize,
}

enum Kind {
    /// Belongs to no clause.
    Separator,
    /// Begins a clause and belongs to it.
    Connective,
    /// Goes on with the clause.
    Inside,
}

impl Scanner<'_> {
    fn step(&mut self) -> Step {
        let (behind, rest) = self.text.split_at(self.at);
        let before = behind.chars().next_back();
        let step = |kind, length| Step { kind, length };
        let Some(c) = rest.chars().next() else {
            return step(Kind::Inside, 0);
        };
        if self.at >= self.run_end {
            let run = span(rest, |c| c.is_ascii_graphic());
            let whole = unsplit(&rest[..run]);
            self.whole = self.at + whole.start..self.at + whole.end;
            self.run_end = self.at + run;
        }
        if self.at == self.whole.start && !self.whole.is_empty() {
            step(Kind::Inside, self.whole.len())
        } else if c.is_whitespace() {
            let length = span(rest, char::is_whitespace);
            step(blank(before, rest, length), length)
        } else if let Some(length) = connective(before, rest) {
            step(Kind::Connective, length)
        } else if let Some(length) = list_marker(before, rest).or_else(|| end(before, rest)) {
            step(Kind::Separator, length)
        } else {
            step(Kind::Inside, c.len_utf8())
        }
    }
}

/// The bytes of the characters at the beginning that are of one kind.
fn span(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is(c)).unwrap_or(text.len())
}

/// White space separates where a line breaks and beside Chinese.
fn blank(before: Option<char>, rest: &str, length: usize) -> Kind {
    let (blank, after) = rest.split_at(length);
    let breaks = blank
        .contains(|c: char| c != '\t' && c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    let beside = [before, after.chars().next()];
    if breaks || beside.into_iter().flatten().any(is_written_solid) {
        Kind::Separator
    } else {
        Kind::Inside
    }
}

/// The part of a run of printable ASCII that stays whole: a link, or what looks like code.
fn unsplit(run: &str) -> Range<usize> {
    let lower = |prefix: &str| {
        run.get(..prefix.len())
            .is_some_and(|r| r.eq_ignore_ascii_case(prefix))
    };
    let start = match run.find("://") {
        Some(at) => run[..at]
            .rfind(|c: char| !c.is_ascii_alphanumeric())
            .map_or(0, |at| at + 1),
        None if lower("www.") => 0,
        None if is_code(run) => span(run, |c| ENDS.contains(c) || c == '.'),
        None => return 0..0,
    };
    // What stands behind a link belongs to the sentence.
    let end = run
        .trim_end_matches(|c| ENDS.contains(c) || ".)]}'\">".contains(c))
        .len();
    start..end.max(start)
}

/// A name with a mark inside, as in `order_id=7`, `f(x)` and `std::io`; in prose, these marks touch a space.
fn is_code(run: &str) -> bool {
    let mark = |w: &[u8]| {
        w[0].is_ascii_alphanumeric()
            && b"_=([{\\|$<>".contains(&w[1])
            && (w[2].is_ascii_alphanumeric() || b"\"')=".contains(&w[2]))
    };
    run.as_bytes().windows(3).any(mark) || run.contains("::") || run.contains("{\"")
}

/// The bytes of a connective at the beginning of `rest`.
fn connective(before: Option<char>, rest: &str) -> Option<usize> {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let stands = |connective: &&str| {
        let Some((found, after)) = rest.split_at_checked(connective.len()) else {
            return false;
        };
        let apart = !connective.is_ascii() || !is_word(before) && !is_word(after.chars().next());
        found.eq_ignore_ascii_case(connective) && apart
    };
    CONNECTIVES.iter().find(|c| stands(c)).map(|c| c.len())
}

/// The bytes of a list's marker at the beginning of `rest`: `•`, `-`, `(3)`, `2、`, `1.`
fn list_marker(before: Option<char>, rest: &str) -> Option<usize> {
    let mut chars = rest.chars();
    let first = chars.next()?;
    let after = chars.next();
    let is_blank = |c: Option<char>| c.is_none_or(char::is_whitespace);
    match first {
        '•' | '●' | '▪' | '①'..='⑳' => return Some(first.len_utf8()),
        '-' | '–' | '—' if is_blank(before) && is_blank(after) => {
            return Some(first.len_utf8());
        }
        '(' | '（' if !before.is_some_and(|c| c.is_ascii_alphanumeric()) => {
            let inside = &rest[first.len_utf8()..];
            let (digits, closing, _) = numbered(inside)?;
            let closed = matches!(closing, ')' | '）');
            return closed.then(|| first.len_utf8() + digits + closing.len_utf8());
        }
        '0'..='9' => {}
        _ => return None,
    }
    let (digits, mark, next) = numbered(rest)?;
    let begins = before.is_none_or(|c| c.is_whitespace() || "。！？!?；;，、".contains(c));
    let marks = match mark {
        '、' | ')' | '）' => true,
        // Not 3.5, and not 58.com.
        '.' | '．' => {
            next.is_none_or(|c| c.is_whitespace() || c.is_uppercase() || is_written_solid(c))
        }
        _ => false,
    };
    (begins && marks).then(|| digits + mark.len_utf8())
}

/// A list is short: one or two digits, the mark behind them, and what follows.
fn numbered(text: &str) -> Option<(usize, char, Option<char>)> {
    let digits = text.bytes().take(3).take_while(u8::is_ascii_digit).count();
    let mut behind = text[digits..].chars();
    let mark = behind.next()?;
    matches!(digits, 1 | 2).then(|| (digits, mark, behind.next()))
}

/// The bytes at the beginning of `rest` that end a clause.
fn end(before: Option<char>, rest: &str) -> Option<usize> {
    let is_digit = |c: Option<char>| c.is_some_and(char::is_numeric);
    let mut chars = rest.chars();
    let c = chars.next()?;
    let after = chars.next();
    if c == '.' {
        let dots = rest.bytes().take_while(|b| *b == b'.').count();
        let stop = after.is_none_or(char::is_whitespace) && !is_digit(before);
        return (dots > 2 || stop).then_some(dots);
    }
    let in_number = IN_NUMBERS.contains(c) && is_digit(before) && is_digit(after);
    (ENDS.contains(c) && !in_number).then(|| c.len_utf8())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_cut_where_a_sentence_goes_on_to_something_else() {
        for case in [
            // Marks, in Chinese, English and both.
            "我的快递到哪里了？顺便写一首诗 => 我的快递到哪里了|顺便写一首诗",
            "我想退这双鞋，帮我写一篇作文。 => 我想退这双鞋|帮我写一篇作文",
            "我想退这双鞋~帮我写一篇作文…今天天气如何 => 我想退这双鞋|帮我写一篇作文|今天天气如何",
            "Where is my order? Write a poem about it. => Where is my order|Write a poem about it",
            "where is my parcel, write me a poem => where is my parcel|write me a poem",
            "I want it back. please tell me a joke => I want it back|please tell me a joke",
            "I want it back... please tell me a joke => I want it back|please tell me a joke",
            "我的包裹还没到\nwrite a short poem => 我的包裹还没到|write a short poem",
            "退款什么时候到账:解释一下相对论 => 退款什么时候到账|解释一下相对论",
            // White space, beside Chinese only.
            "快递什么时候到\u{3000}讲一个冷笑话 => 快递什么时候到|讲一个冷笑话",
            "快递什么时候到 tell me a joke => 快递什么时候到|tell me a joke",
            "where is my parcel now please => ",
            // Connectives.
            "我要退这双鞋另外帮我写首诗 => 我要退这双鞋|另外帮我写首诗",
            "这个怎么申请退货对了今天天气怎么样 => 这个怎么申请退货|对了今天天气怎么样",
            "我想申请退款还有就是给我讲个故事 => 我想申请退款|还有就是给我讲个故事",
            "where is my order BTW who won the cup => where is my order|BTW who won the cup",
            "where is my order By The Way tell a joke => where is my order|By The Way tell a joke",
            "where is my parcel also, tell me a joke => where is my parcel|also, tell me a joke",
            "the btwx model of this shoe line => ",
            // Lists.
            "1. 我想退掉这双鞋 2. 给我写一首诗 => 我想退掉这双鞋|给我写一首诗",
            "1、我想退掉这双鞋;2、给我写一首诗 => 我想退掉这双鞋|给我写一首诗",
            "(1)我想退掉这双鞋（2）给我写一首诗 => 我想退掉这双鞋|给我写一首诗",
            "①我想退掉这双鞋②给我写一首诗 => 我想退掉这双鞋|给我写一首诗",
            "- return this pair of shoes - write me a poem => return this pair of shoes|write me a poem",
            "•我想退掉这双鞋•给我写一首诗 => 我想退掉这双鞋|给我写一首诗",
            "1.Where is my order 2.Write me a poem => Where is my order|Write me a poem",
            // What is whole stays whole.
            "我花了1,299元买的鞋3.5折后多少钱 => ",
            "下午3:30到5:00之间送货3~5天能到吗 => ",
            "please open https://a.com/x,y;z for me, tell me a joke => please open https://a.com/x,y;z for me|tell me a joke",
            "看看这个链接https://a.com/x?y=1，给我写一首诗 => 看看这个链接https://a.com/x?y=1|给我写一首诗",
            "please write to john.doe@mail.com about it, tell me a joke => please write to john.doe@mail.com about it|tell me a joke",
            "what does get(order,id) really do, tell me a joke => what does get(order,id) really do|tell me a joke",
            "what does std::io::Error really mean => ",
            "the new-in e-mail on 58.com was nice => ",
            // What holds too little to be judged alone is left out.
            " => ",
            "退款 => ",
            "你好，我想问一下 => 我想问一下",
            "你好，请问这双鞋怎么退货 => 请问这双鞋怎么退货",
            "我要退款。另外帮我写一篇作文 => 另外帮我写一篇作文",
            "你好，请问这双鞋怎么退货，谢谢，写一首关于鞋的诗 => 请问这双鞋怎么退货|写一首关于鞋的诗",
            "订单号：12345678，12345679，12345680 => ",
            "，。！？;;;   \n\n => ",
        ] {
            let (text, expected) = case.split_once(" => ").unwrap();
            let expected: Vec<_> = expected.split_terminator('|').collect();
            assert_eq!(clauses(text), expected, "{text}");
        }
    }

    #[test]
    fn more_clauses_than_are_judged_are_joined_to_their_neighbours() {
        let text: String = (0..40)
            .map(|n| format!("啊，这是第{n}个问题吗？"))
            .collect();
        let clauses = clauses(&text);
        assert_eq!(clauses.len(), MOST_CLAUSES);
        assert_eq!(clauses.concat(), text);
        assert_eq!(
            clauses[15],
            "这是第37个问题吗？啊，这是第38个问题吗？啊，这是第39个问题吗？"
        );
    }

    #[test]
    fn a_megabyte_of_anything_takes_no_long_time() {
        for piece in
            "a,|1.|(1|- | |中 |另外|also|by the wa|http://|www.|a_b,|...|\"{|怎么退货，|1,|①"
                .split('|')
        {
            let text = piece.repeat(1_000_000 / piece.len());
            let start = Instant::now();
            assert!(clauses(&text).len() <= MOST_CLAUSES);
            // Quadratic time would be minutes.
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "{piece:?}: {:?}",
                start.elapsed()
            );
        }
    }

    proptest! {
        #[test]
        fn clauses_are_parts_of_the_text_in_order(text in "([a-z中文。,，. \n1(]|另外|btw|https://|\\PC){0,200}") {
            let mut rest = text.as_str();
            let clauses = clauses(&text);
            prop_assert!(clauses.len() <= MOST_CLAUSES);
            for clause in clauses {
                prop_assert!(is_enough(clause));
                let at = rest.find(clause);
                prop_assert!(at.is_some());
                rest = &rest[at.unwrap() + clause.len()..];
            }
        }
    }
}
