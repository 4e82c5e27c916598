//! Tags around the words, and around what is not: `<user_query>`, `<system-reminder>`, `<history>`.

use std::borrow::Cow;

use super::{Part, Wrapping, labels, lines};
use crate::text::{Pattern, compiled};

static OPEN: Pattern =
    Pattern::new(|| compiled(r"<([A-Za-z_\p{Han}][\w\-.]{0,40})(?:\s[^<>]{0,200})?>"));
/// Tags in other brackets: `[USER]…[/USER]`, `{{#message}}…{{/message}}`, `<<SYS>>…<</SYS>>`.
static OTHERS: Pattern = Pattern::new(|| {
    compiled(
        r"\[(/?)([\p{L}_][\w-]{0,40})\]|\{\{[#]?(/?)([A-Za-z_][\w-]{0,40})\}\}|<<(/?)([A-Za-z_][\w-]{0,40})>>",
    )
});
/// Tags within each other that are looked into.
const DEEPEST: usize = 4;
/// Tags of one message that are looked at.
const MOST: usize = 64;

pub(super) fn unwrap(text: &str) -> Option<Part<'_>> {
    const CLOSING: [&str; 4] = ["</", "[/", "{{/", "<![CDATA["];
    if !CLOSING.iter().any(|mark| text.contains(mark)) {
        return None;
    }
    let text = match text.contains("[/") || text.contains("{{/") || text.contains("<</") {
        true => OTHERS
            .as_ref()?
            .replace_all(text, "<${1}${3}${5}${2}${4}${6}>"),
        false => Cow::Borrowed(text),
    };
    let text = text.replace("<s>", "").replace("</s>", "");
    let mut seen = Seen::default();
    read(&text, 0, &mut seen);
    if seen.blocks == 0 {
        return None;
    }
    // A label outside of all tags is nearer to the words than a tag among others.
    if seen.deep
        && let Some(words) = lines::labelled(&seen.outside)
    {
        return Some(Part::new(Wrapping::Tags, words));
    }
    let outside = seen.outside.trim();
    let words = match seen.words {
        Some(words) => without_cdata(words).to_owned(),
        None if outside.is_empty() && seen.blocks == 1 => seen.inner.to_owned(),
        None => outside.to_owned(),
    };
    Some(Part::new(Wrapping::Tags, words))
}

#[derive(Default)]
struct Seen<'a> {
    /// What the last tag that names the customer's words holds.
    words: Option<&'a str>,
    /// Whether that stands within another tag.
    deep: bool,
    /// What stands outside of all tags.
    outside: String,
    /// What the last tag outside of all others holds.
    inner: &'a str,
    blocks: usize,
    looked_at: usize,
}

fn read<'a>(text: &'a str, depth: usize, seen: &mut Seen<'a>) {
    let Some(open) = OPEN.as_ref() else { return };
    let mut at = 0;
    while let Some(found) = open.captures_at(text, at) {
        let (Some(tag), Some(name)) = (found.get(0), found.get(1)) else {
            break;
        };
        seen.looked_at += 1;
        if seen.looked_at > MOST {
            break;
        }
        let close = format!("</{}>", name.as_str());
        let inner = &text[tag.end()..];
        let (true, Some(end)) = (!is_markup(name.as_str()), inner.find(&close)) else {
            outside(&text[at..tag.end()], depth, seen);
            at = tag.end();
            continue;
        };
        outside(&text[at..tag.start()], depth, seen);
        let inner = &inner[..end];
        at = tag.end() + end + close.len();
        let name = name.as_str();
        if depth == 0 {
            seen.blocks += 1;
            seen.inner = if is_aside(name) { "" } else { inner };
        }
        if labels::names_question(name) || labels::names_customer(name) || is_text(name) {
            (seen.words, seen.deep) = (Some(inner), depth > 0);
        } else if depth < DEEPEST && !is_aside(name) {
            read(inner, depth + 1, seen);
        }
    }
    outside(&text[at..], depth, seen);
}

fn outside(text: &str, depth: usize, seen: &mut Seen<'_>) {
    if depth == 0 {
        seen.outside.push_str(text);
    }
}

/// Fields of messages in XML.
fn is_text(name: &str) -> bool {
    matches!(
        name,
        "Content" | "content" | "text" | "Text" | "body" | "内容"
    )
}

/// What holds what others said, or what is to be answered from.
fn is_aside(name: &str) -> bool {
    const ASIDES: [&str; 16] = [
        "history",
        "chat_history",
        "context",
        "contexts",
        "documents",
        "snippet",
        "verlauf",
        "example",
        "examples",
        "system-reminder",
        "memory",
        "memories",
        "reference",
        "references",
        "sources",
        "knowledge",
    ];
    ASIDES.contains(&name.to_ascii_lowercase().as_str())
}

/// What is within a text, not around it.
fn is_markup(name: &str) -> bool {
    const MARKUP: [&str; 40] = [
        "p", "div", "span", "br", "b", "i", "u", "a", "em", "strong", "img", "ul", "ol", "li",
        "table", "tr", "td", "th", "tbody", "thead", "h1", "h2", "h3", "h4", "html", "head",
        "script", "style", "code", "pre", "font", "center", "form", "button", "section", "main",
        "nav", "header", "footer", "label",
    ];
    MARKUP.contains(&name.to_ascii_lowercase().as_str())
}

fn without_cdata(words: &str) -> &str {
    let words = words.trim();
    let inner = words
        .strip_prefix("<![CDATA[")
        .and_then(|inner| inner.strip_suffix("]]>"));
    inner.unwrap_or(words)
}
