//! What all protocols of conversations have in common: messages, folded into the turn to judge and what was
//! said before it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::json::{self, Fields, LONGEST_NAME, Object, Skim, Word, beginning};
use super::{Asker, Context, Prompt, ReplyShape, Text};

/// Characters of what a reply is to begin with, such as `{` or `Answer:`; more may say what is to be written.
const LONGEST_PREFILL: usize = 16;
/// Messages without an answer between them that are one turn; more of them are a history without answers.
const LONGEST_BURST: usize = 4;
/// Characters kept of each message of the context.
const CONTEXT_CHARS: usize = 2_000;

/// Whose words a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    User,
    Assistant,
    /// Nobody who takes turns: the operator's instructions, what a model calls and thinks.
    Aside,
    /// A tool's result, which ends the turn of whoever asked before it.
    Tool,
    Unknown,
}

impl Role {
    /// What the protocols call alike.
    pub(super) fn of(name: &Word) -> Self {
        match name.as_str() {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system" | "developer") => Role::Aside,
            _ => Role::Unknown,
        }
    }
}

/// One message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) role: Role,
    pub(super) content: Content,
}

/// What a message holds, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// Its text, the parts a line each, without the space around it.
    pub(super) words: String,
    /// Whether it holds anything that may hold words and cannot be read here.
    pub(super) unread: bool,
    /// Whether any of its parts is a tool's result.
    pub(super) holds_result: bool,
    /// Whether its last part is a tool's result.
    pub(super) ends_in_result: bool,
}

impl Content {
    pub(super) fn of(text: &str) -> Self {
        Content {
            words: text.trim().to_owned(),
            ..Content::default()
        }
    }

    /// A message without the field: its words may be in another.
    pub(super) fn missing() -> Self {
        Content {
            unread: true,
            ..Content::default()
        }
    }

    /// What was sent in several messages, as one: a message that was sent again says nothing more.
    fn with(self, next: Content) -> Self {
        let words = match (&*self.words, &*next.words) {
            (earlier, "") => earlier.to_owned(),
            (earlier, next) if earlier == next || earlier.ends_with(&format!("\n{next}")) => {
                earlier.to_owned()
            }
            (earlier, next) => format!("{earlier}\n{next}"),
        };
        Content {
            words,
            unread: self.unread || next.unread,
            ..next
        }
    }

    /// Where a protocol's users bring no results of tools, what looks like one is a part as unknown as others.
    pub(super) fn without_results(mut self) -> Self {
        self.unread |= self.holds_result;
        self
    }

    fn add(&mut self, part: Object<Part>) {
        let Part {
            kind,
            text,
            refusal,
        } = part.0.unwrap_or_default();
        self.ends_in_result = false;
        // One table for all protocols: there are upstreams that take one's parts in another's messages.
        let text = match kind.as_str() {
            Some("text" | "input_text" | "output_text") => text,
            Some("refusal") => refusal,
            Some("image" | "image_url" | "input_image") => return,
            Some("tool_result") => {
                self.holds_result = true;
                self.ends_in_result = true;
                return;
            }
            _ => Word(None),
        };
        match text.as_str() {
            Some(text) => {
                self.words.push_str(text);
                self.words.push('\n');
            }
            None => self.unread = true,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
struct Part {
    #[serde(default, rename = "type")]
    kind: Word,
    #[serde(default)]
    text: Word,
    #[serde(default)]
    refusal: Word,
}

impl<'de> Skim<'de> for Content {
    fn other() -> Self {
        Content::missing()
    }

    fn null() -> Self {
        Content::default()
    }

    fn text(text: &str) -> Self {
        Content::of(text)
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut content = Content::default();
        while let Some(part) = list.next_element()? {
            content.add(part);
        }
        content.words = content.words.trim().to_owned();
        Ok(content)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json::skim(json)
    }
}

/// A conversation, folded message by message, so that of a long one no more stays than what is kept.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// The last user message so far.
    question: Option<Content>,
    /// How many messages without an answer between them it is made of.
    burst: usize,
    /// Whether a tool's result has come after it.
    ended: bool,
    /// Whether something came after it whose words cannot be read here.
    unread: bool,
    /// What was said before it.
    context: Context,
    /// What the assistant has said after it; at the end of a request, what the reply is to begin with.
    assistant: Option<String>,
    /// The beginning of the first user message with words.
    opening: String,
}

impl Turn {
    pub(super) fn push(&mut self, message: Message) {
        let Message { role, content } = message;
        match role {
            Role::User => self.begin(content),
            Role::Assistant if !content.words.is_empty() => {
                self.assistant = Some(end(&content.words).to_owned());
            }
            Role::Assistant | Role::Aside => {}
            Role::Tool => (self.ended, self.unread) = (true, false),
            Role::Unknown => self.unread = true,
        }
    }

    /// Notes that the request holds something beside its messages whose words cannot be read here.
    pub(super) fn leave_unread(&mut self) {
        self.unread |= !self.ended;
    }

    fn begin(&mut self, question: Content) {
        if self.opening.is_empty() {
            beginning(&question.words, LONGEST_NAME).clone_into(&mut self.opening);
        }
        self.context.after_tool = self.ended;
        let earlier = self
            .question
            .take()
            .filter(|earlier| !earlier.words.is_empty());
        let unanswered = self.assistant.is_none() && !self.ended && self.burst < LONGEST_BURST;
        self.question = Some(match earlier {
            Some(earlier) if unanswered => {
                self.burst += 1;
                earlier.with(question)
            }
            earlier => {
                if let Some(earlier) = earlier {
                    let said = beginning(&earlier.words, CONTEXT_CHARS);
                    self.context.push(said.to_owned());
                }
                self.burst = 1;
                question
            }
        });
        if let Some(said) = self.assistant.take() {
            self.context.assistant = Some(said);
        }
        (self.ended, self.unread) = (false, false);
    }

    /// What there is to judge. `user` is the front end's name for who asks.
    pub(super) fn prompt(self, user: Option<String>, reply: ReplyShape) -> Prompt {
        let asker = Asker {
            user,
            opening: self.opening,
        };
        let question = self.question.filter(|_| !self.ended).unwrap_or_default();
        let begun = self.assistant.filter(|_| !self.ended);
        let begins = begun.is_some_and(|begun| begun.chars().count() > LONGEST_PREFILL);
        let unread = self.unread || question.unread || begins;
        let (text, context) = match question.words {
            words if !words.is_empty() => (Text::Question(words), self.context),
            _ if unread => (Text::UnknownShape, Context::default()),
            _ => (Text::None, Context::default()),
        };
        Prompt {
            text,
            unread,
            wrapping: None,
            previous: None,
            context,
            asker,
            reply,
        }
    }
}

fn end(text: &str) -> &str {
    let first = text.char_indices().rev().nth(CONTEXT_CHARS - 1);
    first.map_or(text, |(at, _)| &text[at..])
}

/// Reads a list of a protocol's own messages.
pub(super) fn read<'de, D, M>(json: D) -> Result<Turn, D::Error>
where
    D: Deserializer<'de>,
    M: Deserialize<'de> + Into<Message>,
{
    json.deserialize_seq(Folder::<M>(PhantomData))
}

/// Folds a list of a protocol's own messages.
pub(super) fn fold<'de, A, M>(mut messages: A) -> Result<Turn, A::Error>
where
    A: SeqAccess<'de>,
    M: Deserialize<'de> + Into<Message>,
{
    let mut turn = Turn::default();
    while let Some(message) = messages.next_element::<Fields<M>>()? {
        turn.push(message.0.into());
    }
    Ok(turn)
}

struct Folder<M>(PhantomData<M>);

impl<'de, M: Deserialize<'de> + Into<Message>> Visitor<'de> for Folder<M> {
    type Value = Turn;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, messages: A) -> Result<Turn, A::Error> {
        fold::<_, M>(messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The context of messages written as `role content`.
    fn context_of(messages: &[&str]) -> (Option<String>, Option<String>) {
        let mut turn = Turn::default();
        for message in messages {
            let (name, content) = message.split_once(' ').unwrap();
            let role = match name {
                "tool" => Role::Tool,
                _ => Role::of(&Word(Some(name.to_owned()))),
            };
            let content = serde_json::from_str(content).unwrap_or_else(|_| Content::of(content));
            turn.push(Message { role, content });
        }
        let context = turn.prompt(None, ReplyShape::default()).context;
        (context.user, context.assistant)
    }

    #[test]
    fn the_context_is_the_nearest_words_before_the_question() {
        const PARTS: &str = r#"[{"type": "text", "text": " a"}, {"type": "image_url"}, {"type": "text", "text": "b "}]"#;
        let poem = r#"user [{"type": "poem", "text": "x"}]"#;
        let (user, assistant) = (format!("user {PARTS}"), format!("assistant {PARTS}"));
        for (before, expected_user, expected_assistant) in [
            (&["system s", "developer d"][..], None, None),
            (&["assistant  hi "], None, Some("hi")),
            // What no answer stands between is one question.
            (&["user a"], None, None),
            (
                &["user a", "assistant b", "user c", "assistant d"],
                Some("c"),
                Some("d"),
            ),
            // Messages without words are passed over, a tool's result is nobody's words.
            (
                &[
                    "user a",
                    "assistant b",
                    "assistant null",
                    "tool {}",
                    "user  ",
                ],
                Some("a"),
                Some("b"),
            ),
            (
                &["user a", "assistant b", poem, "assistant {}", "customer c"],
                Some("a"),
                Some("b"),
            ),
            (&[&user, &assistant], Some("a\nb"), Some("a\nb")),
        ] {
            let found = context_of(&[before, &["user q", "assistant later"]].concat());
            let found = (found.0.as_deref(), found.1.as_deref());
            assert_eq!(found, (expected_user, expected_assistant), "{before:?}");
            for unjudged in [&["user null"][..], &["user q", "tool {}"], &[poem]] {
                let found = context_of(&[before, unjudged].concat());
                assert_eq!(found, (None, None), "{before:?}, {unjudged:?}");
            }
        }
        assert_eq!(context_of(&["user q"]), (None, None));
    }

    #[test]
    fn messages_without_an_answer_between_them_are_one_question() {
        let question = |messages: &[&str]| {
            let mut turn = Turn::default();
            for message in messages {
                let (name, content) = message.split_once(' ').unwrap();
                let role = Role::of(&Word(Some(name.to_owned())));
                let content = Content::of(content);
                turn.push(Message { role, content });
            }
            turn.prompt(None, ReplyShape::default()).text
        };
        for (messages, words) in [
            (&["user a", "user b", "user c"][..], "a\nb\nc"),
            // What is sent again says nothing more.
            (&["user a", "user b", "user b"], "a\nb"),
            (
                &["user a", "assistant x", "user b", "system s", "user c"],
                "b\nc",
            ),
            // A history without answers.
            (&["user a", "user b", "user c", "user d", "user e"], "e"),
        ] {
            assert_eq!(
                question(messages),
                Text::Question(words.to_owned()),
                "{messages:?}"
            );
        }
    }

    #[test]
    fn the_context_is_bounded() {
        let long = format!("前{}后", "，".repeat(CONTEXT_CHARS));
        let kept = "，".repeat(CONTEXT_CHARS - 1);
        let (user, assistant) = (format!("user {long}"), format!("assistant {long}"));
        assert_eq!(
            context_of(&[&user, &assistant, "user q"]),
            (Some(format!("前{kept}")), Some(format!("{kept}后")))
        );
    }
}
