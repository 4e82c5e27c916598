//! Messages of chat platforms in JSON: `{"msg_type": "text", "body": "…"}`, one within another too.

use serde_json::{Deserializer, Value};

use super::labels::{self, Label};
use super::{Part, Wrapping, has_words, pieces};
use crate::text::{Pattern, compiled};

/// Markup of platforms within a text.
static MARKUP: Pattern =
    Pattern::new(|| compiled(r"(?i)</?(?:p|br|div|span|b|i|strong|em)(?:\s[^<>]{0,200})?/?>"));

/// Fields within fields that are looked into.
const DEEPEST: usize = 8;

/// What a field is worth as the place of the customer's words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Text,
    Question,
}

#[derive(Default)]
struct Best {
    words: Option<(Rank, String)>,
    before: Option<String>,
    said: Option<String>,
}

pub(super) fn unwrap(text: &str) -> Option<Part<'_>> {
    let body = fenced(text);
    if body.starts_with(['{', '[']) {
        let mut values = Deserializer::from_str(body).into_iter::<Value>();
        let first = values.next().and_then(Result::ok);
        let rest = body[values.byte_offset()..].trim();
        return match first {
            // A profile before the words.
            Some(Value::Object(_)) if has_words(rest) => Some(Part::new(Wrapping::Envelope, rest)),
            Some(value) if rest.is_empty() && is_envelope(&value) => Some(of_value(&value)),
            Some(_) => None,
            None => broken(body),
        };
    }
    behind_text(text)
}

/// An envelope or a profile on lines of its own, with text before it.
fn behind_text(text: &str) -> Option<Part<'_>> {
    let start = text.find("\n{").or_else(|| text.find("\n["))? + 1;
    let mut values = Deserializer::from_str(&text[start..]).into_iter::<Value>();
    let value = values.next()?.ok()?;
    let behind = text[start + values.byte_offset()..].trim();
    let before = text[..start].trim();
    let mut best = Best::default();
    find(&value, 0, &mut best);
    let leads =
        before.ends_with([':', '：']) || before.lines().last().is_some_and(pieces::is_label);
    match best.words {
        Some((_, words)) if leads || !behind.is_empty() => {
            Some(Part::new(Wrapping::Envelope, words))
        }
        None if is_envelope(&value) && behind.is_empty() => {
            Some(Part::new(Wrapping::Envelope, before))
        }
        _ => None,
    }
}

/// Lists of objects and objects; a list of numbers or words is what somebody asks about.
fn is_envelope(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_object),
        _ => false,
    }
}

fn fenced(text: &str) -> &str {
    let inner = text.strip_prefix("```json").or(text.strip_prefix("```"));
    let inner = inner.and_then(|inner| inner.trim_end().strip_suffix("```"));
    inner.unwrap_or(text).trim()
}

fn of_value(value: &Value) -> Part<'static> {
    let mut best = Best::default();
    find(value, 0, &mut best);
    let words = best.words.map(|(_, words)| words).unwrap_or_default();
    Part {
        before: best.before,
        said: best.said,
        ..Part::new(Wrapping::Envelope, words)
    }
}

fn find(value: &Value, depth: usize, best: &mut Best) {
    if depth > DEEPEST {
        return;
    }
    match value {
        Value::Object(fields) => {
            let from_agent = speaker(value) == Some(Label::Agent);
            for (name, value) in fields {
                match (rank(name), value) {
                    (Some(rank), Value::String(words)) => {
                        of_words(rank, words, depth, from_agent, best)
                    }
                    (Some(rank), Value::Array(items)) if items.iter().all(Value::is_string) => {
                        let words = items.iter().filter_map(Value::as_str);
                        words.for_each(|words| of_words(rank, words, depth, from_agent, best));
                    }
                    (_, Value::Object(_) | Value::Array(_)) if !is_aside(name) => {
                        find(value, depth + 1, best);
                    }
                    _ => {}
                }
            }
        }
        // The last that was said is what is asked.
        Value::Array(items) => items.iter().for_each(|item| find(item, depth + 1, best)),
        _ => {}
    }
}

fn of_words(rank: Rank, words: &str, depth: usize, from_agent: bool, best: &mut Best) {
    let plain = MARKUP
        .as_ref()
        .map_or(words.into(), |markup| markup.replace_all(words, " "));
    let inner = plain.trim();
    if inner.starts_with('{')
        && let Ok(value) = serde_json::from_str::<Value>(inner)
    {
        return find(&value, depth + 1, best);
    }
    if inner.is_empty() {
        return;
    }
    if from_agent {
        best.said = Some(inner.to_owned());
        return;
    }
    let known = best.words.as_ref().map(|(rank, _)| *rank);
    if known.is_none_or(|known| rank >= known) {
        best.before = best.words.take().map(|(_, words)| words);
        best.words = Some((rank, inner.to_owned()));
    }
}

/// Who says what an object of a list holds.
fn speaker(value: &Value) -> Option<Label> {
    const NAMES: [&str; 7] = [
        "role",
        "sender",
        "from",
        "author",
        "speaker",
        "sender_type",
        "senderType",
    ];
    let name = NAMES.iter().find_map(|name| match value.get(name)? {
        Value::String(name) => Some(name.as_str()),
        Value::Object(of) => of.get("type").or(of.get("role")).and_then(Value::as_str),
        _ => None,
    })?;
    match name {
        "admin" => Some(Label::Agent),
        name => Some(labels::label(name)),
    }
}

fn rank(name: &str) -> Option<Rank> {
    const TEXTS: [&str; 17] = [
        "text",
        "content",
        "body",
        "msg",
        "message",
        "input",
        "data",
        "payload",
        "内容",
        "消息",
        "文本",
        "msgContent",
        "msg_content",
        "value",
        "Content",
        "Text",
        "prompt",
    ];
    if TEXTS.contains(&name) {
        return Some(Rank::Text);
    }
    labels::names_question(name).then_some(Rank::Question)
}

/// What is no part of the message: who sent it, what it answers, the goods it points at.
fn is_aside(name: &str) -> bool {
    const ASIDES: [&str; 16] = [
        "user", "sender", "from", "quote", "reply_to", "replyTo", "quoted", "product", "goods",
        "order", "metadata", "meta", "context", "extra", "profile", "customer",
    ];
    ASIDES.contains(&name)
}

/// An envelope that somebody glued together, with quotation marks inside of its words.
fn broken(body: &str) -> Option<Part<'_>> {
    if !body.ends_with('}') {
        return None;
    }
    const NAMES: [&str; 8] = [
        "\"question\"",
        "\"query\"",
        "\"text\"",
        "\"content\"",
        "\"body\"",
        "\"message\"",
        "\"msg\"",
        "\"input\"",
    ];
    let (at, name) = NAMES
        .iter()
        .find_map(|name| Some((body.find(name)?, name)))?;
    let rest = body[at + name.len()..].trim_start().strip_prefix(':')?;
    let rest = rest.trim_start().strip_prefix('"')?;
    let next = rest.find("\",\"").or_else(|| rest.find("\", \""));
    let end = next.or_else(|| rest.rfind('"'))?;
    Some(Part::new(Wrapping::Envelope, &rest[..end]))
}
