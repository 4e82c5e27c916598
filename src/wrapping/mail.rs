//! Mail: what it quotes, its headers and its signature.

use super::{Part, Wrapping, has_words};
use crate::text::{Pattern, compiled};

static HEADER: Pattern = Pattern::new(|| {
    compiled(
        r"^(?i:from|to|cc|date|sent|subject|reply-to|发件人|收件人|抄送|日期|发送时间|时间|主题)\s*[:：]",
    )
});
/// Where what was written before begins.
static QUOTED: Pattern = Pattern::new(|| {
    compiled(concat!(
        r"(?m)^(?:>? ?On .{4,120} wrote:|>? ?Am .{4,120} schrieb.{0,80}:|Le .{4,120} a écrit ?:|El .{4,120} escribió:|在 ?.{4,80}写道[:：]|",
        r"[-_=]{2,} ?(?i:original message|forwarded message|回复的原邮件|原始邮件|转发邮件|邮件原件).*|_{10,})\s*$",
    ))
});
static SIGNATURE: Pattern = Pattern::new(|| {
    compiled(concat!(
        r"(?mi)^(?:-- ?|(?:sent|envoyé|gesendet|enviado) (?:from|depuis|von|desde|do) .{1,40}|von meinem .{1,30} gesendet|(?:get outlook for|获取 ?outlook for) .{1,20}|(?:发自|来自)我?的?.{1,20}|从我的.{1,12}发送|",
        r"(?:kind |best |warm )?regards,?|(?:sincerely|cheers|(?:many )?thanks,|best wishes|yours truly),?|此致|祝好|顺颂商祺|mit freundlichen grüßen,?|cordialement,?|saludos,?)\s*$",
    ))
});
/// What mail servers put above.
static BANNER: Pattern = Pattern::new(|| {
    compiled(
        r"(?mi)^(?:\[?(?:caution|warning|external|外部邮件)\b?.{0,160}(?:organi[sz]ation|email|links?|链接|external).{0,80}|.{0,10}(?:reply above this line|reply above|上方输入回复).{0,20})$\n?",
    )
});
/// A bubble that quotes another one: `「客服：您好」` and a line of dashes.
static BUBBLE: Pattern =
    Pattern::new(|| compiled(r"^[「『“][^」』”]{1,2000}[」』”]\s*\n\s*(?:[-—–_ ]{3,})\s*\n"));

pub(super) fn unwrap(text: &str) -> Option<Part<'_>> {
    if !text.contains('\n') {
        return None;
    }
    if let Some(bubble) = BUBBLE.as_ref()?.find(text) {
        return Some(Part {
            said: Some(bubble.as_str().trim().to_owned()),
            ..Part::new(Wrapping::Mail, &text[bubble.end()..])
        });
    }
    let own = BANNER.as_ref()?.replace_all(text, "");
    let mut end = own.len();
    for mark in [&QUOTED, &SIGNATURE] {
        let found = mark.as_ref()?.find(&own);
        // What is quoted may stand above as well.
        let found = found.filter(|found| own[..found.start()].contains(char::is_alphanumeric));
        end = found.map_or(end, |found| end.min(found.start()));
    }
    let header = HEADER.as_ref()?;
    let headers = own.lines().take_while(|line| header.is_match(line)).count();
    let headers = if headers >= 2 { headers } else { 0 };
    let above = |line: &&str| !QUOTED.as_ref().is_some_and(|quoted| quoted.is_match(line));
    let (said, kept): (Vec<_>, Vec<_>) = own[..end]
        .lines()
        .skip(headers)
        .filter(above)
        .partition(|line| is_quoted(line));
    let words = kept.join("\n");
    let changed = words.trim().len() < text.trim().len();
    (changed && has_words(&words)).then(|| Part {
        said: (!said.is_empty()).then(|| said.join("\n")),
        ..Part::new(Wrapping::Mail, words)
    })
}

/// `> Thank you for contacting us.`
fn is_quoted(line: &str) -> bool {
    let line = line.trim_start();
    line == ">" || line.starts_with("> ")
}
