//! A message as a front end sends it → the customer's words in it.
//!
//! Front ends put profile lines, envelopes of JSON, tags, retrieved passages, chat logs, quoted mail and instructions
//! around what a customer wrote. What is judged are the words; the bytes that are forwarded stay as they came. Each
//! way of wrapping has a file of its own, and since one wrapping may hold another they are looked for in turn until
//! none is found. Nothing is looked for in a text that has none of their marks, as most have none.
//!
//! What texts of one front end share is [learned](Learned) from a [sketch](Sketch) of them, which holds no text.

mod cuts;
mod envelope;
mod fields;
mod instructions;
mod labels;
mod learned;
mod lines;
mod mail;
mod pieces;
mod replies;
mod seen;
mod sketch;
mod stamps;
mod tags;
mod tasks;
mod template;

use std::borrow::Cow;

use crate::text::excerpt;
pub use learned::{Learned, Place};
pub use replies::Replies;
pub use seen::Sender;
pub use sketch::Sketch;
pub use tasks::{is_harness, is_task};
pub use template::{Template, TemplateError};

/// What is read of a message, in bytes: the words stand at its beginning or its end.
const LONGEST: usize = 16 << 10;
/// Wrappings within each other.
const DEEPEST: usize = 6;

/// What was found in a wrapped message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The customer's words. Empty where there are none: a card, a front end's reminder by itself.
    pub words: String,
    /// What the customer said before them, as far as the message tells.
    pub before: Option<String>,
    /// What was said to the customer before them, likewise.
    pub said: Option<String>,
    /// The outermost wrapping.
    pub wrapping: Wrapping,
}

/// What is put around a customer's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// What the operator says: `gate.question`.
    Template,
    /// A message of a chat platform, in JSON.
    Envelope,
    /// Tags around the words or around what is not.
    Tags,
    /// Fields with labels.
    Labels,
    /// The log of a chat.
    Log,
    /// Quoted mail and signatures.
    Mail,
    /// Times, channels, mentions and cards.
    Stamp,
    /// Sentences to an assistant.
    Instructions,
    /// What many messages of one front end share.
    Learned,
    /// A reply of the gateway's own, quoted.
    Quote,
}

/// What is known of the shop and of the front end, beside what is known of any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// Where the operator says that the words stand.
    pub templates: &'a [Template],
    /// What was learned of the front end.
    pub learned: &'a [Learned],
    /// What the gateway says itself.
    pub replies: Option<&'a Replies>,
}

/// One wrapping taken off.
struct Part<'a> {
    words: Cow<'a, str>,
    before: Option<String>,
    said: Option<String>,
    wrapping: Wrapping,
}

impl<'a> Part<'a> {
    fn new(wrapping: Wrapping, words: impl Into<Cow<'a, str>>) -> Self {
        Part {
            words: words.into(),
            before: None,
            said: None,
            wrapping,
        }
    }
}

impl Wrapping {
    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Wrapping::Template => "template",
            Wrapping::Envelope => "envelope",
            Wrapping::Tags => "tags",
            Wrapping::Labels => "labels",
            Wrapping::Log => "log",
            Wrapping::Mail => "mail",
            Wrapping::Stamp => "stamp",
            Wrapping::Instructions => "instructions",
            Wrapping::Learned => "learned",
            Wrapping::Quote => "quote",
        }
    }
}

/// The customer's words in a message; none where nothing stands around them. The operator's templates come first, then
/// what was learned of the front end, then what is known of any, then quotations.
pub fn unwrap(message: &str, of: Known<'_>) -> Option<Found> {
    let kept = excerpt(message, LONGEST);
    let mut text = kept.trim().to_owned();
    let mut found: Option<Found> = None;
    for _ in 0..DEEPEST {
        let part = template::unwrap(&text, of.templates)
            .or_else(|| learned::unwrap(&text, of.learned))
            .or_else(|| known(&text))
            .or_else(|| of.replies?.unwrap(&text));
        let Some(part) = part else { break };
        let words = unquoted(&part.words).to_owned();
        let whole = found.get_or_insert_with(|| Found {
            words: String::new(),
            before: None,
            said: None,
            wrapping: part.wrapping,
        });
        whole.before = part.before.or(whole.before.take());
        whole.said = part.said.or(whole.said.take());
        whole.words.clone_from(&words);
        if words.is_empty() {
            break;
        }
        text = words;
    }
    found
}

/// Whether a text has words, and not marks alone.
fn has_words(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

/// A text without the quotation marks around it, and without what stands behind them where that is a sentence of its own.
fn unquoted(text: &str) -> &str {
    const QUOTES: [(&str, &str); 11] = [
        ("\"\"\"", "\"\"\""),
        ("```", "```"),
        ("###", "###"),
        ("<<<", ">>>"),
        ("\"", "\""),
        ("“", "”"),
        ("「", "」"),
        ("『", "』"),
        ("«", "»"),
        ("【", "】"),
        ("'", "'"),
    ];
    let text = text.trim();
    let arrow = ["→", "->", "=>"]
        .iter()
        .find_map(|arrow| text.strip_suffix(arrow));
    let text = arrow.unwrap_or(text).trim();
    // A quotation mark that was taken for what parts the label from the words.
    let open = text.strip_suffix('»').or(text.strip_suffix(">>>"));
    let text = open
        .filter(|text| !text.contains(['«', '<']))
        .unwrap_or(text)
        .trim();
    let inner = QUOTES.iter().find_map(|(open, close)| {
        let inner = text.strip_prefix(open)?;
        let (inner, behind) = inner.split_once(close)?;
        let ends =
            behind.is_empty() || behind.starts_with(['。', '.', '，', ',', '\n', ' ', ';', '；']);
        (ends && !behind.contains(close)).then_some(inner.trim())
    });
    inner.filter(|inner| inner.len() > 2).unwrap_or(text)
}

fn known(text: &str) -> Option<Part<'_>> {
    const MARKS: &[char] = &[
        '\n', ':', '：', '<', '{', '[', '【', '(', '（', '「', '"', '“', '@', '|', '>', '*', '#',
        '-',
    ];
    if !text.contains(MARKS) {
        return None;
    }
    envelope::unwrap(text)
        .or_else(|| stamps::card(text))
        .or_else(|| mail::unwrap(text))
        .or_else(|| tags::unwrap(text))
        .or_else(|| lines::unwrap(text))
        .or_else(|| stamps::unwrap(text))
        .or_else(|| instructions::unwrap(text))
}

#[cfg(test)]
mod tests;
