//! Times, channels, mentions and cards.

use super::{Part, Wrapping, fields, has_words};
use crate::text::{Pattern, compiled};

/// A time, with its date or without, as logs write it.
const TIME: &str = r"(?:\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?(?:[ T,]*\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?)?|(?:\d{1,2}[-/]\d{1,2}(?:[-/]\d{2,4})?[ ,]+)?(?:今天 ?|昨天 ?|Today at |Yesterday at )?(?:上午|下午|晚上)?\d{1,2}:\d{2}(?::\d{2})?(?: ?[AaPp]\.?[Mm]?\.?)?)";

static BEFORE: Pattern = Pattern::new(|| {
    compiled(&format!(
        r"^(?:[\[(（【<]\s*{TIME}\s*[\])）】>]|{TIME}[\s|,，\-–—])[\s|,，\-–—:：]*"
    ))
});
static BEHIND: Pattern =
    Pattern::new(|| compiled(&format!(r"^(.{{1,40}}?)[\s,，(（\[—·]+{TIME}[)）\]]?$")));
/// A channel, a state: `[web]`, `【微信】`, `(voice message)`.
static BRACKETED: Pattern = Pattern::new(|| {
    compiled(
        r"^(?:\[([^\[\]\n]{1,300})\]|【([^【】\n]{1,300})】|[(（]([^()（）\n]{1,300})[)）])[\s:：\-]*",
    )
});
static MENTION: Pattern = Pattern::new(|| compiled(r"^(?:@[^\s@]{1,24}|<@[^\s<>]{1,32}>)\s+"));
/// What stands on a line of its own behind the words.
static BEHIND_ALL: Pattern = Pattern::new(|| {
    compiled(
        r"\n\s*(?:\[[^\[\]\n]{1,120}\]|[(（][^()（）\n]{1,300}[)）]|【[^【】\n]{1,120}】|[-—–~]{1,3} ?(?:来自|via|from|sent)[^\n]{1,80})\s*$",
    )
});
/// What platforms write in place of what is no text.
static MARK: Pattern = Pattern::new(|| {
    compiled(concat!(
        r"(?i)[\[【](?:动画|自定义|系统|商城)?(?:表情|表情包|图片|照片|位置|视频|语音|文件|链接|商品|商品卡片|订单|订单卡片|卡片|名片|小程序|红包|转账|截图|分享|",
        r"sticker|image|photo|picture|video|voice(?: message)?|audio|location|file|gif|link|contact|product|order|card|attachment|emoji)(?:[:：][^\]】\n]{0,200})?[\]】]",
    ))
});
static LINK: Pattern = Pattern::new(|| compiled(r"(?:https?|[a-z]{2,12})://[^\s，。]{1,2000}"));
/// Longer brackets hold more than a channel.
const LONGEST_CHANNEL: usize = 32;

/// A text without the time at its beginning.
pub(super) fn without_time(text: &str) -> &str {
    let found = BEFORE.as_ref().and_then(|stamp| stamp.find(text));
    found.map_or(text, |stamp| &text[stamp.end()..])
}

/// What stands before the time that a line ends with: `小陈 2026/11/20 10:03:22`, `Visitor (09:15)`.
pub(super) fn before_time(line: &str) -> Option<&str> {
    let found = BEHIND.as_ref()?.captures(line)?;
    Some(found.get(1)?.as_str())
}

/// A card, a link or marks of what is no text, and nothing beside them: the customer points at goods.
pub(super) fn card(text: &str) -> Option<Part<'_>> {
    if !text.contains(['[', '【']) && !text.contains("://") {
        return None;
    }
    let rest = MARK.as_ref()?.replace_all(text, " ");
    let marks = rest != text;
    let rest = LINK.as_ref()?.replace_all(&rest, " ").into_owned();
    (marks && !has_words(&rest)).then(|| Part::new(Wrapping::Stamp, ""))
}

/// Takes times, channels and mentions off the beginning, and notes of its own line off the end; of a line between
/// bars the piece that says most.
pub(super) fn unwrap(text: &str) -> Option<Part<'_>> {
    let mut rest = text;
    loop {
        let timeless = without_time(rest);
        let next = without_bracket(timeless);
        let mention = MENTION.as_ref().and_then(|mention| mention.find(next));
        let next = mention.map_or(next, |mention| &next[mention.end()..]);
        if next.len() == rest.len() || !has_words(next) {
            break;
        }
        rest = next;
    }
    while let Some(note) = BEHIND_ALL.as_ref().and_then(|note| note.find(rest)) {
        rest = rest[..note.start()].trim_end();
    }
    let rest = between_bars(rest).unwrap_or(rest);
    let says = has_words(rest);
    (says && rest.len() < text.len()).then(|| Part::new(Wrapping::Stamp, rest))
}

fn without_bracket(text: &str) -> &str {
    let Some(found) = BRACKETED
        .as_ref()
        .and_then(|bracket| bracket.captures(text))
    else {
        return text;
    };
    let inner = found
        .iter()
        .skip(1)
        .flatten()
        .next()
        .map_or("", |inner| inner.as_str());
    let round = text.starts_with(['(', '（']);
    let of_fields = fields::are_fields(inner) || inner.contains(|c: char| c.is_ascii_digit());
    let of_fields = of_fields && (!round || inner.contains(char::is_alphabetic));
    match of_fields || !round && inner.len() <= LONGEST_CHANNEL {
        true => found.get(0).map_or(text, |all| &text[all.end()..]),
        false => text,
    }
}

/// `2024-09-30 | web | en-US | where is my parcel`.
fn between_bars(text: &str) -> Option<&str> {
    let bars = text.matches(['|', '｜']).count();
    if bars < 2 || text.contains('\n') {
        return None;
    }
    let weight = |piece: &&str| {
        let solid = piece
            .chars()
            .filter(|c| !c.is_ascii() && c.is_alphabetic())
            .count();
        let words = piece
            .split_whitespace()
            .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()));
        2 * solid + 3 * words.count()
    };
    text.split(['|', '｜']).map(str::trim).max_by_key(weight)
}
