//! Codes, figures and addresses at the beginning of a text.

use super::{Figure, Found, Given, span, words};

/// The digits of the shortest code, and the letters that may stand in it in a row.
const CODE_DIGITS: usize = 4;
const CODE_LETTERS: usize = 5;
/// Characters of a code that are looked at in one go.
const CODE_LENGTH: usize = 64;
/// The end of an address that is given without `https://`.
const TOP_LEVELS: [&str; 9] = ["com", "cn", "net", "org", "hk", "tw", "cc", "xyz", "io"];
/// Chinese figures.
const NUMERALS: &str = "零〇一二三四五六七八九十百千万两";

/// A link or an address of e-mail; `before` is the character before it.
pub(super) fn link(before: Option<char>, rest: &str) -> Option<Found> {
    let in_name = |c: char| c.is_ascii_alphanumeric() || "._%+-".contains(c);
    if before.is_some_and(|c| in_name(c) || c == '@') {
        return None;
    }
    let (name, tail) = rest.split_at(span(rest, in_name));
    let length = match tail.strip_prefix('@') {
        Some(domain) => {
            let (domain, _) = domain.split_at(span(domain, in_name));
            let length = name.len() + 1 + domain.len();
            domain.contains('.').then_some(length)
        }
        None => is_host(name, tail).then(|| span(rest, |c| c.is_ascii_graphic())),
    };
    length.map(|length| Found::giving(length, Given::Code, None))
}

/// Whether a link begins with this name, which `tail` goes on from.
fn is_host(name: &str, tail: &str) -> bool {
    let scheme = matches!(name, "http" | "https") && tail.starts_with("://");
    let name = name.trim_end_matches('.');
    let dotted = name.rsplit_once('.').is_some_and(|(_, top)| {
        let word = top.len() > 1 && top.bytes().all(|b| b.is_ascii_alphabetic());
        TOP_LEVELS.contains(&top) || word && tail.starts_with('/')
    });
    scheme || dotted || name.starts_with("www.")
}

/// Digits, but neither a sum nor the beginning of a code.
pub(super) fn digits(rest: &str) -> Option<Found> {
    let first = span(rest, char::is_numeric);
    if first == 0 {
        return None;
    }
    let gives = match rest[..first].chars().count() {
        0..=2 => Given::Figure,
        _ => Given::Code,
    };
    let mut end = first;
    while let Some(length) = operand(&rest[end..]) {
        end += length;
    }
    let tail = &rest[end..];
    let measured = words::unit(tail.trim_start(), true).is_some();
    let plain = end == first && !tail.starts_with(|c: char| c.is_ascii_alphabetic());
    let bare = !tail.trim_start().starts_with('=') && (measured || plain);
    bare.then(|| Found::giving(end, gives, Some(Figure::Digits)))
}

/// The bytes of an operator and the number behind it: a sum, or 20×30 where a unit follows.
fn operand(tail: &str) -> Option<usize> {
    let operator = tail.trim_start();
    let behind = operator.strip_prefix(['+', '*', '×', '÷', '^', 'x'])?;
    // A list of phone numbers: 13800138000 +8613900139000.
    if operator.starts_with('+') && tail.starts_with(' ') && !behind.starts_with(' ') {
        return None;
    }
    let number = behind.trim_start();
    let length = span(number, char::is_numeric);
    (length > 0).then(|| tail.len() - number.len() + length)
}

/// Figures in Chinese.
pub(super) fn numerals(rest: &str) -> Option<Found> {
    let length = span(rest, |c| NUMERALS.contains(c));
    (length > 0).then(|| Found::giving(length, Given::Figure, Some(Figure::Numerals)))
}

/// Letters and digits mixed, in groups that spaces or dashes part; letters alone stand in front or behind a dash.
pub(super) fn code(rest: &str) -> Option<Found> {
    let end = rest.bytes().take(CODE_LENGTH);
    let end = end
        .take_while(|b| b.is_ascii_alphanumeric() || b" -_".contains(b))
        .count();
    let (mut length, mut seen, mut dashed) = (0, 0, false);
    let (mut digits, mut letters) = (0, 0);
    let mut least = CODE_DIGITS;
    for part in rest[..end].split_inclusive([' ', '-', '_']) {
        let group = part.trim_end_matches([' ', '-', '_']);
        let of_group = group.bytes().filter(u8::is_ascii_digit).count();
        match (of_group, length) {
            // A word and a year are no code.
            (0, 0) if part.ends_with(' ') && group.len() > 3 => break,
            (0, 0) if part.ends_with(' ') => least = CODE_DIGITS + 2,
            (0, 0) => {}
            (0, _) if !dashed || group.is_empty() => break,
            _ => {}
        }
        let longest = group
            .split(|c: char| c.is_ascii_digit())
            .map(str::len)
            .max();
        if longest > Some(CODE_LETTERS) {
            break;
        }
        digits += of_group;
        letters += group.len() - of_group;
        length = seen + group.len();
        seen += part.len();
        dashed = part.ends_with('-');
    }
    let is_code = digits >= least && letters > 0 && (letters <= CODE_LETTERS || digits >= letters);
    // 12x13 is a product.
    let product = rest[..length].contains('x') && letters == 1;
    (is_code && !product).then(|| Found::giving(length, Given::Code, Some(Figure::Digits)))
}
