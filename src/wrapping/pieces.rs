//! A message → its pieces, a line or a part of one, each with its label.

use super::has_words;
use super::labels::{Label, label, says_whose};
use super::stamps;

/// Bytes of the longest label.
const LONGEST_LABEL: usize = 60;
/// Bytes of the longest sentence that leads to the words.
const LONGEST_LEAD: usize = 160;
/// Bytes of the longest name of somebody who speaks.
pub(super) const LONGEST_NAME: usize = 24;
/// Lines of one message that are looked at, from its end.
const MOST: usize = 400;
/// Places within a line that are looked at for a label.
const MOST_WITHIN: usize = 16;

/// A piece of a message: a line, or what stands behind a bar in one.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    /// What the label says; `Other` where there is none.
    pub(super) label: Label,
    /// The label, where there is one.
    pub(super) name: Option<&'a str>,
    /// Whether the label stands out: in brackets, as a heading.
    pub(super) heading: bool,
    /// Whether a time stands beside it.
    pub(super) stamped: bool,
    /// Whether the line is one of a numbered list.
    pub(super) numbered: bool,
    /// What stands behind the label on its line; all of the line where there is none.
    pub(super) rest: &'a str,
    /// All of the line.
    pub(super) line: &'a str,
    /// A line of dashes.
    pub(super) rule: bool,
}

/// Whether a line is a label by itself.
pub(super) fn is_label(line: &str) -> bool {
    let piece = piece(line);
    piece.name.is_some() && piece.label == Label::Question && piece.rest.is_empty()
}

/// The pieces of a message, in order.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut lines: Vec<_> = text.lines().rev().take(MOST).collect();
    lines.reverse();
    lines.into_iter().flat_map(pieces_of).collect()
}

/// A line, cut before the labels that stand within it where they name the customer's words.
fn pieces_of(line: &str) -> Vec<Piece<'_>> {
    let mut pieces = vec![piece(line)];
    let names_words = |piece: &Piece<'_>| {
        piece.name.is_some() && matches!(piece.label, Label::Question | Label::Customer)
    };
    if pieces.iter().any(names_words) {
        return pieces;
    }
    if let Some(behind) = pieces[0]
        .name
        .map(|_| piece(pieces[0].rest))
        .filter(names_words)
    {
        return vec![behind];
    }
    let ends = line.char_indices().filter(|(_, c)| ENDS.contains(c));
    for (at, _) in ends.take(MOST_WITHIN) {
        let next = at + line[at..].chars().next().map_or(1, char::len_utf8);
        let begin = if line[at..].starts_with('【') {
            at
        } else {
            next
        };
        let behind = piece(&line[begin..]);
        if begin > 0 && names_words(&behind) {
            pieces = vec![piece(&line[..at]), behind];
        }
    }
    pieces
}

/// What may end before a label within a line.
const ENDS: [char; 14] = [
    '|', '｜', ';', '；', '\t', '【', '.', '。', '!', '！', '?', '？', ')', '）',
];
/// What stands before a label without being part of it.
const DECORATION: &[char] = &[
    '#', '*', '=', '-', '_', '~', '•', '·', '>', '<', ' ', '■', '●', '◆', '▼', '★', '□', '○', '◇',
    '※', '├', '└', '┌', '│', '|', '\u{3000}', '💬', '⤷',
];

fn piece(line: &str) -> Piece<'_> {
    let trimmed = line.trim();
    let timeless = stamps::without_time(trimmed);
    let stamped = timeless.len() < trimmed.len();
    let number = timeless.trim_start_matches(|c: char| c.is_ascii_digit());
    let numbered = number.len() < timeless.len() && number.starts_with(['.', '、', ')', '）']);
    let timeless = if numbered {
        number.trim_start_matches(['.', '、', ')', '）', ' '])
    } else {
        timeless
    };
    let says = has_words(trimmed);
    let plain = Piece {
        label: Label::Other,
        name: None,
        heading: false,
        stamped: false,
        numbered,
        rest: trimmed,
        line: trimmed,
        rule: !trimmed.is_empty() && !says && trimmed.len() >= 3,
    };
    if !says {
        return plain;
    }
    if let Some((name, rest)) = in_brackets(timeless) {
        return plain.named(
            name,
            true,
            stamped,
            rest.trim_start_matches([':', '：', '*', '=', ' ', '\u{3000}']),
        );
    }
    let bare = timeless.trim_start_matches(DECORATION);
    let bare = bare.strip_prefix(":::").unwrap_or(bare).trim_start();
    let marks = &timeless[..timeless.len() - bare.len()];
    const HEADINGS: [&str; 8] = ["#", "=", "**", "--", "■", "<<", ">>", ":::"];
    let marked = HEADINGS.iter().any(|mark| marks.contains(mark));
    if let Some((name, rest)) = before_separator(bare) {
        return plain.named(name, marked, stamped, rest);
    }
    let name = bare
        .trim_end_matches(DECORATION)
        .trim_end_matches([':', '：']);
    let shouted = name.contains(|c: char| c.is_ascii_uppercase())
        && !name.contains(|c: char| c.is_lowercase())
        && label(name) != Label::Other;
    let speaker =
        shouted || matches!(label(name), Label::Customer | Label::Agent) && name.len() > 1;
    if bare.len() <= LONGEST_LABEL && (marked || speaker) {
        return plain.named(name, true, stamped, "");
    }
    match stamps::before_time(trimmed) {
        Some(name) if name.len() <= LONGEST_LABEL => plain.named(name, false, true, ""),
        _ => plain,
    }
}

impl<'a> Piece<'a> {
    fn named(self, name: &'a str, heading: bool, stamped: bool, rest: &'a str) -> Piece<'a> {
        let (name, stamped) = match stamps::before_time(name) {
            Some(name) => (name, true),
            None => (name, stamped),
        };
        let whole = name.trim_matches(['*', '"', '\'', '`', ' ']);
        let whole = ["BEGIN ", "START "]
            .iter()
            .find_map(|begin| whole.strip_prefix(begin))
            .unwrap_or(whole);
        let whole = [" start", " begin"]
            .iter()
            .find_map(|end| whole.strip_suffix(end))
            .unwrap_or(whole);
        let shown = whole
            .split(['(', '（', '[', '<', '“', '「', '"'])
            .next()
            .unwrap_or(whole)
            .trim();
        let label = match label(shown) {
            Label::Other if says_whose(whole) => Label::Question,
            label => label,
        };
        Piece {
            label,
            name: Some(shown),
            heading,
            stamped,
            rest: rest.trim().trim_start_matches("**").trim(),
            ..self
        }
    }
}

/// `【用户问题】能退吗`, `[Customer message] …`, `<|user|>`.
fn in_brackets(line: &str) -> Option<(&str, &str)> {
    const PAIRS: [(&str, &str); 8] = [
        ("【", "】"),
        ("[", "]"),
        ("「", "」"),
        ("〔", "〕"),
        ("<<<", ">>>"),
        ("<<", ">>"),
        ("<|", "|>"),
        ("<", ">"),
    ];
    let (open, close) = PAIRS.iter().find(|(open, _)| line.starts_with(open))?;
    let inner = &line[open.len()..];
    let end = inner.find(close).filter(|end| *end <= LONGEST_LABEL)?;
    Some((&inner[..end], &inner[end + close.len()..]))
}

/// Whether what stands behind a colon makes a face of it: `:P`, `:))`.
fn colon_face(rest: &str) -> bool {
    let face = rest.trim_end();
    !face.is_empty()
        && face.len() <= 3
        && face == rest
        && !face.starts_with(|c: char| c == ' ' || c.is_ascii_digit())
        && face.is_ascii()
}

/// `Customer (09:15): hello`; a colon in a time or a link is none. A sentence that leads to the words may be longer
/// than a label.
fn before_separator(line: &str) -> Option<(&str, &str)> {
    const SEPARATORS: [&str; 14] = [
        ":", "：", "=>", "->", "—>", "→", "⇒", "▶", ">>", "——", "↓", "<<<", "«", "=",
    ];
    for (at, c) in line.char_indices() {
        if at > LONGEST_LEAD {
            return None;
        }
        let separator = match c {
            ':' | '：' | '=' | '-' | '—' | '→' | '⇒' | '▶' | '>' | '↓' | '<' | '«' => {
                SEPARATORS
                    .iter()
                    .find(|mark| line[at..].starts_with(**mark))
            }
            _ => None,
        };
        let Some(separator) = separator.filter(|_| at > 0) else {
            continue;
        };
        let (name, rest) = (&line[..at], &line[at + separator.len()..]);
        // A face.
        if colon_face(rest) {
            return None;
        }
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        if digit(name.chars().next_back()) && digit(rest.chars().next()) || rest.starts_with("//") {
            continue;
        }
        let colon = matches!(*separator, ":" | "：");
        let whose = says_whose(name.split(['(', '（']).next().unwrap_or(name)) || says_whose(name);
        if whose
            || colon && at <= LONGEST_LABEL
            || at <= LONGEST_NAME && label(name) != Label::Other
        {
            return Some((name, rest));
        }
        if colon {
            return None;
        }
    }
    None
}
