//! Runs, spaces and repetitions.

use super::characters::{Kind, kind};

/// Words or characters of the longest repetition that is seen.
const LONGEST_PERIOD: usize = 16;

/// What is left of a text without its repetitions must be more than this, else they stay.
const FEWEST_WORDS: usize = 2;

/// A word, a Chinese character or a mark.
#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    text: &'a str,
    kind: Kind,
    /// Whether a space stands before it.
    spaced: bool,
}

impl PartialEq for Token<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Three or more of one character become one, or two of a letter within a word. Numbers are left alone, and so
/// is a text of runs only: there they are all it says.
pub(super) fn without_runs(text: &str) -> String {
    let says_more = runs(text).any(|(c, length)| kind(c).is_word() && length < 3);
    let mut kept = String::with_capacity(text.len());
    let mut runs = runs(text).peekable();
    while let Some((c, length)) = runs.next() {
        let within = runs
            .peek()
            .is_some_and(|(next, _)| kind(*next) == Kind::Letter);
        let most = match kind(c) {
            _ if is_numeral(c) || length < 3 => length,
            kind if kind.is_word() && !says_more => length,
            Kind::Letter if within => 2,
            _ => 1,
        };
        kept.extend(std::iter::repeat_n(c, most));
    }
    kept
}

fn is_numeral(c: char) -> bool {
    c.is_numeric() || "零一二三四五六七八九十".contains(c)
}

/// Every character with the number of times that it stands in a row.
fn runs(text: &str) -> impl Iterator<Item = (char, usize)> {
    let mut rest = text.chars().peekable();
    std::iter::from_fn(move || {
        let c = rest.next()?;
        let mut length = 1;
        while rest.next_if_eq(&c).is_some() {
            length += 1;
        }
        Some((c, length))
    })
}

/// One space where words need one, none elsewhere; one mark between clauses, none around the text; a
/// repeated word or phrase once.
pub(super) fn tidy(text: &str) -> String {
    let tokens = within_marks(without_separators(tokens(text)));
    joined(&without_repetitions(tokens))
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut spaced = false;
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        let kind_here = kind(c);
        if kind_here == Kind::Blank {
            spaced = true;
            continue;
        }
        let mut end = start + c.len_utf8();
        while kind_here == Kind::Letter
            && let Some((at, c)) = chars.next_if(|(_, c)| kind(*c) == Kind::Letter)
        {
            end = at + c.len_utf8();
        }
        tokens.push(Token {
            text: &text[start..end],
            kind: kind_here,
            spaced,
        });
        spaced = false;
    }
    tokens
}

/// Without the marks that stand between each of several single Chinese characters: 退.款.到.哪.
fn without_separators(tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    let parts = |at: usize| match tokens.get(at..at + 3) {
        Some([a, mark, b])
            if a.kind == Kind::Han && b.kind == Kind::Han && !mark.kind.is_word() =>
        {
            Some(mark)
        }
        _ => None,
    };
    let same = |a: Option<&Token<'_>>, b: Option<&Token<'_>>| a.is_some() && a == b;
    let is_separator = |at: usize| {
        let Some(before) = at.checked_sub(1) else {
            return false;
        };
        let this = parts(before);
        same(this, parts(at + 1)) || before >= 2 && same(this, parts(before - 2))
    };
    let kept = (0..tokens.len()).filter(|at| !is_separator(*at));
    kept.map(|at| tokens[at]).collect()
}

/// One mark between clauses, the one that says most, and none around the text, where there is a text.
fn within_marks(tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    let mut within: Vec<Token<'_>> = Vec::with_capacity(tokens.len());
    for token in tokens {
        match within.last_mut() {
            Some(last) if last.kind == Kind::Clause && token.kind == Kind::Clause => {
                if weight(token) > weight(*last) {
                    last.text = token.text;
                }
            }
            _ => within.push(token),
        }
    }
    let is_mark = |token: &Token<'_>| token.kind == Kind::Clause;
    if within.len() > 1 {
        within.pop_if(|last| is_mark(last));
        within.drain(..usize::from(is_mark(&within[0])));
    }
    within
}

/// How much a mark says: of several, the one that says most is kept.
fn weight(mark: Token<'_>) -> usize {
    ["~", ",", ":", ";", ".", "!", "?"]
        .iter()
        .position(|known| *known == mark.text)
        .unwrap_or_default()
}

/// Every repeated phrase once, unless there is nothing else: of a word said twice, the second is a part.
fn without_repetitions(tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    let mut once = Vec::with_capacity(tokens.len());
    for token in &tokens {
        once.push(*token);
        once.truncate(once.len() - repeated(&once));
    }
    if once.len() > FEWEST_WORDS {
        once
    } else {
        tokens
    }
}

/// How many tokens at the end say again what stands before them, a mark between the two included. A single
/// Chinese character may stand twice (谢谢), numbers may, and 能不能不 is no repetition.
fn repeated(tokens: &[Token<'_>]) -> usize {
    for period in 1..=LONGEST_PERIOD.min(tokens.len() / 2) {
        let (before, phrase) = tokens.split_at(tokens.len() - period);
        let last = phrase[period - 1];
        if phrase[0].text.contains(char::is_numeric) {
            return 0;
        }
        let (unmarked, mark) = match before.split_last() {
            Some((mark, unmarked)) if mark.kind == Kind::Clause && last.kind.is_word() => {
                (unmarked, 1)
            }
            _ => (before, 0),
        };
        let meant = match period {
            1 => last.kind != Kind::Letter,
            2 => matches!(last.text, "不" | "没"),
            _ => false,
        };
        if !meant && unmarked.ends_with(phrase) && phrase.iter().any(|token| token.kind.is_word()) {
            return period + mark;
        }
    }
    0
}

fn joined(tokens: &[Token<'_>]) -> String {
    let mut text = String::new();
    let mut last = Kind::Clause;
    for token in tokens {
        let tight = [last, token.kind].contains(&Kind::Han) || token.kind == Kind::Clause;
        if token.spaced && !tight && !text.is_empty() {
            text.push(' ');
        }
        text.push_str(token.text);
        last = token.kind;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_become_short() {
        for (text, expected) in [
            ("什么时候到货啊啊啊啊", "什么时候到货啊"),
            ("我要退退退退款", "我要退款"),
            ("谢谢你", "谢谢你"),
            ("soooo slooow!!!", "so sloow!"),
            ("i neeeeed help", "i need help"),
            ("10000元，单号55555", "10000元，单号55555"),
            ("二二二号楼", "二二二号楼"),
            ("c++ a==b 。。。。", "c++ a==b 。"),
            ("啊啊啊啊", "啊啊啊啊"),
            ("喵喵喵 汪汪汪", "喵喵喵 汪汪汪"),
        ] {
            assert_eq!(without_runs(text), expected, "{text}");
        }
    }

    #[test]
    fn words_stand_where_they_belong() {
        for (text, expected) in [
            ("退 款 怎 么 办", "退款怎么办"),
            ("  where   is  it ", "where is it"),
            ("有没有 38 码", "有没有38码"),
            ("iphone 16 pro 有货吗", "iphone 16 pro有货吗"),
            ("退.款.到.哪.一.步.了", "退款到哪一步了"),
            ("客-服-电-话-多少", "客服电话多少"),
            ("北京-上海", "北京-上海"),
            ("买1.5米的 , 白色 !", "买1.5米的,白色"),
            ("到了?!?.", "到了"),
            ("a.,b", "a.b"),
            ("1+1=?", "1+1="),
            ("?", "?"),
            ("!?.", "?"),
        ] {
            assert_eq!(tidy(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_said_twice_stands_once() {
        for (text, expected) in [
            ("快点快点快点给我发货", "快点给我发货"),
            ("怎么还不退钱怎么还不退钱", "怎么还不退钱"),
            ("会缩水吗?会缩水吗?", "会缩水吗"),
            ("cancel cancel cancel my order", "cancel my order"),
            ("能不能不显示头像", "能不能不显示头像"),
            ("谢谢谢谢", "谢谢谢谢"),
            ("12 12 12 kg", "12 12 12 kg"),
            ("banana", "banana"),
            ("blah blah blah", "blah blah blah"),
        ] {
            assert_eq!(tidy(text), expected, "{text}");
        }
    }
}
