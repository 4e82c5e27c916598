//! A text → the pieces of its beginning and of its end, cut where a front end's words may stop and a customer's begin:
//! line ends, colons, brackets, tags, ends of sentences.

use crate::language::is_han;

/// Bytes of a text's beginning, and of its end, that are cut.
const LONGEST: usize = 4 << 10;
/// Pieces of one side.
const MOST: usize = 48;

const OPEN: &str = "[【(（<{「『“«";
const CLOSE: &str = "\n:：]】)）>}」』”»|｜";
const STOPS: &str = "。！？!?；;—~～·•※\t";

/// A piece of a text: the bytes from `start` to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Which end of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Beginning,
    End,
}

impl Side {
    /// The pieces of this side, the outermost first.
    pub(super) fn pieces(self, text: &str) -> Vec<Piece> {
        match self {
            Side::Beginning => {
                let mut pieces = cut(text, 0, text.floor_char_boundary(LONGEST));
                pieces.truncate(MOST);
                pieces
            }
            Side::End => {
                let start = text.ceil_char_boundary(text.len().saturating_sub(LONGEST));
                let mut pieces = cut(text, start, text.len());
                pieces.reverse();
                pieces.truncate(MOST);
                pieces
            }
        }
    }

    /// What of the text lies behind a piece, seen from this side.
    pub(super) fn rest(self, text: &str, piece: Piece) -> &str {
        // What parts the two belongs to neither.
        let parts = |c: char| c.is_whitespace() || "-–—~～|｜·•".contains(c);
        match self {
            Side::Beginning => text[piece.end..].trim_start_matches(parts),
            Side::End => text[..piece.start].trim_end_matches(parts),
        }
    }
}

/// The pieces between two places that hold more than white space.
fn cut(text: &str, from: usize, to: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut start, mut before) = (from, text[..from].chars().next_back());
    let mut rest = text[from..].char_indices().peekable();
    let mut piece = |start: usize, end: usize| {
        if start < end && !text[start..end].trim().is_empty() {
            pieces.push(Piece { start, end });
        }
    };
    while let Some((at, c)) = rest.next() {
        let (at, after) = (from + at, rest.peek().map(|(_, c)| *c));
        if at >= to {
            break;
        }
        if opens(before, c) {
            piece(start, at);
            start = at;
        }
        if closes(before, c, after) {
            piece(start, at + c.len_utf8());
            start = at + c.len_utf8();
        }
        before = Some(c);
    }
    piece(start, to);
    pieces
}

fn opens(before: Option<char>, c: char) -> bool {
    let blank = before.is_none_or(char::is_whitespace);
    OPEN.contains(c) && !before.is_some_and(|before| OPEN.contains(before)) || c == '"' && blank
}

fn closes(before: Option<char>, c: char, after: Option<char>) -> bool {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    match c {
        // A time, and a link.
        ':' => !(digit(before) && digit(after)) && after != Some('/'),
        '"' => !before.is_none_or(char::is_whitespace),
        '.' => after.is_none_or(char::is_whitespace),
        '-' => before == Some('-') && after != Some('-'),
        c if STOPS.contains(c) => after != Some(c),
        c => CLOSE.contains(c),
    }
}

/// A piece as it is compared: what has a digit in it is the same as any other, and so are days, months and times of
/// day.
pub(super) fn masked(piece: &str) -> String {
    let mut masked = String::with_capacity(piece.len());
    let mut rest = piece.trim();
    while let Some(c) = rest.chars().next() {
        let length = if c.is_ascii_alphanumeric() {
            let length = rest.find(|c: char| !in_name(c)).unwrap_or(rest.len());
            let word = &rest[..length];
            masked.push_str(match changes(word) {
                true => "0",
                false => word,
            });
            length
        } else if c.is_whitespace() {
            masked.push(' ');
            rest.find(|c: char| !c.is_whitespace())
                .unwrap_or(rest.len())
        } else if let Some(length) = chinese_time(rest) {
            masked.push('0');
            length
        } else {
            masked.push(c);
            c.len_utf8()
        };
        rest = &rest[length..];
    }
    masked
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '\'')
}

fn changes(word: &str) -> bool {
    const TIMES: [&str; 21] = [
        "mon", "tue", "wed", "thu", "fri", "sat", "sun", "jan", "feb", "mar", "apr", "may", "jun",
        "jul", "aug", "sep", "oct", "nov", "dec", "am", "pm",
    ];
    const ENDS: [&str; 20] = [
        "", "day", "sday", "nesday", "rsday", "urday", "uary", "ruary", "ch", "il", "e", "y",
        "ust", "tember", "ober", "ember", "s", "t", "n", "h",
    ];
    let word = word.to_ascii_lowercase();
    let time = |time: &&str| {
        let end = word.strip_prefix(*time);
        end.is_some_and(|end| ENDS.contains(&end))
    };
    word.contains(|c: char| c.is_ascii_digit()) || TIMES.iter().any(time)
}

/// The bytes of a day of the week or a time of day at the beginning.
fn chinese_time(text: &str) -> Option<usize> {
    const TIMES: [&str; 6] = ["上午", "下午", "晚上", "中午", "凌晨", "早上"];
    let day = ["星期", "周"].iter().find_map(|week| {
        let day = text.strip_prefix(week)?.chars().next()?;
        "一二三四五六日天"
            .contains(day)
            .then(|| week.len() + day.len_utf8())
    });
    day.or_else(|| {
        TIMES
            .iter()
            .find(|time| text.starts_with(**time))
            .map(|t| t.len())
    })
}

/// Whether a masked piece stands between marks, as what programs write does: `*** closed ***`, `[end]`.
pub(super) fn is_framed(masked: &str) -> bool {
    masked.starts_with(is_mark) && masked.ends_with(is_mark)
}

/// Whether a character is a mark that ends no sentence of a customer's.
pub(super) fn is_mark(c: char) -> bool {
    !c.is_alphanumeric() && !c.is_whitespace() && !"。，！？!?.,…'\"”“".contains(c)
}

/// How much a masked piece says: two for a Chinese character, one for any other that is no space.
pub(super) fn weight(masked: &str) -> usize {
    let solid = masked.chars().filter(|c| !c.is_whitespace());
    solid.map(|c| 1 + usize::from(is_han(c))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(side: Side, text: &str) -> Vec<&str> {
        let pieces = side.pieces(text).into_iter();
        pieces
            .map(|piece| text[piece.start..piece.end].trim())
            .collect()
    }

    #[test]
    fn texts_are_cut_where_somebody_else_may_begin() {
        for (text, expected) in [
            ("A: b", &["A:", "b"][..]),
            ("于 10:30 写道：能退吗", &["于 10:30 写道：", "能退吗"]),
            (
                "see https://a.example/x now",
                &["see https://a.example/x now"],
            ),
            ("[VIP 3] Ann | hello", &["[VIP 3]", "Ann |", "hello"]),
            ("One. Two v1.2 three.", &["One.", "Two v1.2 three."]),
            (
                "<q a=\"b\">hello</q>",
                &["<q a=\"", "b\"", ">", "hello", "</q>"],
            ),
            ("----\n\n能退吗？？\n", &["----", "能退吗？？"]),
            ("他说“能退吗”。", &["他说", "“能退吗”", "。"]),
            ("", &[]),
        ] {
            assert_eq!(shown(Side::Beginning, text), expected, "{text}");
            let mut backwards = shown(Side::End, text);
            backwards.reverse();
            assert_eq!(backwards, expected, "{text}");
        }
    }

    #[test]
    fn what_changes_is_masked() {
        for (one, other) in [
            (
                "order A-1029 of Mon, 3 Nov",
                "order B-77 of Tuesday, 12 December",
            ),
            ("会员 3 级，周一上午", "会员  12 级，周日下午"),
            ("at 9:05 am", "at 11:40 PM"),
        ] {
            assert_eq!(masked(one), masked(other), "{one}");
        }
        assert_ne!(masked("Ann writes"), masked("Ben writes"));
        assert_ne!(masked("maybe"), masked("sunny"));
        assert_eq!(masked("周到的服务"), "周到的服务");
    }

    #[test]
    fn a_long_text_is_cut_at_its_sides() {
        let text = format!("{}中{}", "a:".repeat(9_000), "b: ".repeat(9_000));
        for side in [Side::Beginning, Side::End] {
            assert_eq!(side.pieces(&text).len(), MOST);
        }
    }
}
