//! One form for every character, and the kinds that the other steps tell apart.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// What a character is to the layout of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A Chinese character: a word of its own, written without spaces.
    Han,
    /// Any other letter, a digit, a mark on one.
    Letter,
    /// What parts clauses and says little else.
    Clause,
    /// A mark that may mean something: `+`, `%`, `#`, `¥`.
    Symbol,
    /// White space, and every ornament, emoji among them: it parts words at most.
    Blank,
}

impl Kind {
    pub(super) fn is_word(self) -> bool {
        matches!(self, Kind::Han | Kind::Letter)
    }
}

/// NFKC, lower case, simplified; one form for marks that differ by habit alone; nothing invisible.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let seen = text.chars().filter(|c| !is_invisible(*c)).map(as_meant);
    for c in seen.nfkc().flat_map(char::to_lowercase) {
        // A mark on a script that has none is an ornament: 退̶款̶.
        let stray = is_combining_mark(c) && !plain.chars().next_back().is_some_and(takes_marks);
        if !stray {
            plain.push(one_form(c));
        }
    }
    simplified(&plain)
}

/// What kind a character of a plain text is.
pub(super) fn kind(c: char) -> Kind {
    match c {
        ',' | '.' | '!' | '?' | ';' | ':' | '~' => Kind::Clause,
        _ if c.is_ascii_alphanumeric() => Kind::Letter,
        _ if c.is_ascii_graphic() => Kind::Symbol,
        _ if is_han(c) => Kind::Han,
        // Letters in boxes and circles that NFKC leaves, as in the emoji for blood groups.
        '\u{1f000}'..='\u{1fbff}' => Kind::Blank,
        _ if c.is_alphanumeric() || is_combining_mark(c) => Kind::Letter,
        '¢' | '£' | '¥' | '°' | '±' | '×' | '÷' | '\u{20a0}'..='\u{20cf}' | '∀'..='⋿' => {
            Kind::Symbol
        }
        _ => Kind::Blank,
    }
}

pub(super) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{323af}' | '々' | '〇')
}

/// What takes no place on the screen, or only says how another character is drawn.
fn is_invisible(c: char) -> bool {
    let shown = matches!(c, '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}');
    c.is_control() && !shown
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        )
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}')
        || matches!(c, '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' | '™' | '℠')
}

/// What NFKC would take for something else: an apostrophe for a space with an accent, the arms of a face for
/// brackets.
fn as_meant(c: char) -> char {
    match c {
        '´' => '\'',
        '\u{fe30}'..='\u{fe44}' => '•',
        _ => c,
    }
}

fn one_form(c: char) -> char {
    match c {
        _ if c.is_ascii_graphic() => c,
        _ if c.is_whitespace() => ' ',
        '。' => '.',
        '、' => ',',
        '“' | '”' | '„' | '«' | '»' | '「' | '」' | '『' | '』' | '《' | '》' | '〈' | '〉' => {
            '"'
        }
        '‘' | '’' | '‚' | 'ʼ' | '′' => '\'',
        '‐' | '‒' | '–' | '—' | '―' | '−' => '-',
        '〜' | '∼' => '~',
        '⁄' | '∕' => '/',
        _ => c,
    }
}

/// Whether marks belong to a letter: those of Thai or Arabic do; a Latin letter has swallowed its own.
fn takes_marks(c: char) -> bool {
    !c.is_ascii() && !is_han(c) && (c.is_alphanumeric() || is_combining_mark(c))
}

/// Traditional characters made simplified; no word is changed for another.
fn simplified(text: &str) -> String {
    if !text.chars().any(is_han) {
        return text.to_owned();
    }
    let simplified = hanconv::t2s(text);
    if simplified.contains('著') {
        without_particle(&simplified)
    } else {
        simplified
    }
}

/// 穿著 is how Taiwan writes 穿着; 著名 and 显著 are written so everywhere.
fn without_particle(text: &str) -> String {
    let mut last = ' ';
    let mut rest = text.chars().peekable();
    let mut out = String::with_capacity(text.len());
    while let Some(c) = rest.next() {
        let noun = "名显专原土巨论译编合昭新旧".contains(last)
            || rest
                .peek()
                .is_some_and(|next| "名作者称述书录有".contains(*next));
        out.push(if c == '著' && !noun { '着' } else { c });
        last = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_take_one_form() {
        for (text, expected) in [
            ("ｉＰａｄ　Ａｉｒ２", "ipad air2"),
            ("訂單怎麼還沒發貨", "订单怎么还没发货"),
            ("鞋子穿著磨腳", "鞋子穿着磨脚"),
            ("著名品牌，效果顯著", "著名品牌,效果显著"),
            ("乾隆年間 乾淨", "乾隆年间 干净"),
            ("在吗？好！行。“是”、『否』", "在吗?好!行.\"是\",\"否\""),
            ("what’s that´s", "what's that's"),
            ("退\u{200b}款\u{feff}", "退款"),
            ("退\u{336}款\u{336}", "退款"),
            ("1\u{fe0f}\u{20e3}", "1"),
            ("café naïve", "café naïve"),
            ("\r\n第\t二行", "  第 二行"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn simplified_characters_stay_as_they_are() {
        for text in [
            "什么抬头",
            "瞭望",
            "干净的后台",
            "里面有面条",
            "乾坤",
            "著作",
            "覆盖",
            "么么哒",
        ] {
            assert_eq!(plain(text), text);
        }
    }
}
