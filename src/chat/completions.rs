//! OpenAI Chat Completions: `POST /v1/chat/completions`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json as value};

use super::{Context, Prompt, Reply, Text, Unreadable, json, stream};

/// Replies that one request may ask for, as the protocol has it.
const MAX_CHOICES: usize = 128;
/// Characters kept of each message of the context.
const CONTEXT_CHARS: usize = 2_000;

/// What is read of a request; the rest is the upstream's.
#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    model: Value,
    messages: Vec<Message>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    response_format: Value,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    role: Value,
    #[serde(default)]
    content: Value,
}

/// The text to judge, what was said before it, and how the reply is to look.
pub(super) fn prompt(body: &[u8]) -> Result<Prompt, Unreadable> {
    let request: Request = json::read(body)
        .map_err(|error| Unreadable(format!("the body is no chat completion request: {error}")))?;
    let format = request.response_format["type"].as_str();
    let choices = usize::try_from(request.n.unwrap_or(1)).unwrap_or(MAX_CHOICES);
    let (text, context) = turn(&request.messages);
    Ok(Prompt {
        text,
        context,
        model: request.model.as_str().unwrap_or_default().to_owned(),
        stream: request.stream.unwrap_or(false),
        include_usage: request
            .stream_options
            .and_then(|o| o.include_usage)
            .unwrap_or(false),
        choices: choices.clamp(1, MAX_CHOICES),
        structured: matches!(format, Some("json_schema" | "json_object")),
    })
}

impl Message {
    fn role(&self) -> &str {
        self.role.as_str().unwrap_or_default()
    }

    /// A string, or the parts of type `text`, a line each; none in a shape that is not known here.
    fn words(&self) -> Option<Cow<'_, str>> {
        let parts = match &self.content {
            Value::String(text) => return Some(text.trim().into()),
            Value::Null => return Some("".into()),
            Value::Array(parts) => parts,
            _ => return None,
        };
        let mut texts = Vec::new();
        for part in parts {
            match (part["type"].as_str(), part["text"].as_str()) {
                (Some("text"), Some(text)) => texts.push(text),
                (Some("image_url" | "input_audio" | "file"), _) => {}
                _ => return None,
            }
        }
        Some(texts.join("\n").trim().to_owned().into())
    }
}

/// The turn to judge: the last user message, unless a tool's result has come after it.
fn turn(messages: &[Message]) -> (Text, Context) {
    let nothing = |text| (text, Context::default());
    let last = messages.iter().rposition(|m| m.role() == "user");
    let Some((before, [question, after @ ..])) = last.map(|last| messages.split_at(last)) else {
        return nothing(Text::None);
    };
    if after
        .iter()
        .any(|m| matches!(m.role(), "tool" | "function"))
    {
        return nothing(Text::None);
    }
    match question.words() {
        None => nothing(Text::UnknownShape),
        Some(words) if words.is_empty() => nothing(Text::None),
        Some(words) => (Text::Question(words.into_owned()), context(before)),
    }
}

/// Goes back from the question and copies no more than what is kept.
fn context(before: &[Message]) -> Context {
    let nearest = |role| {
        let of_role = before.iter().rev().filter(move |m| m.role() == role);
        of_role.filter_map(Message::words).find(|w| !w.is_empty())
    };
    Context {
        user: nearest("user").map(|words| beginning(&words).to_owned()),
        assistant: nearest("assistant").map(|words| end(&words).to_owned()),
    }
}

fn beginning(text: &str) -> &str {
    let behind = text.char_indices().nth(CONTEXT_CHARS);
    behind.map_or(text, |(at, _)| &text[..at])
}

fn end(text: &str) -> &str {
    let first = text.char_indices().rev().nth(CONTEXT_CHARS - 1);
    first.map_or(text, |(at, _)| &text[at..])
}

/// A whole completion, or the stream of one.
pub(super) fn reply(prompt: &Prompt, text: &str, id: &str, created: u64) -> Reply {
    let shape = Shape {
        prompt,
        id,
        created,
    };
    if prompt.stream {
        Reply {
            content_type: stream::CONTENT_TYPE,
            body: shape.stream(text).into(),
        }
    } else {
        Reply {
            content_type: "application/json",
            body: shape.completion(text).to_string().into(),
        }
    }
}

struct Shape<'a> {
    prompt: &'a Prompt,
    id: &'a str,
    created: u64,
}

impl Shape<'_> {
    fn completion(&self, text: &str) -> Value {
        let choice = |index| {
            // Prose where the client expects its own structure would break it; a refusal it knows.
            let prose = (!self.prompt.structured).then_some(text);
            let refusal = self.prompt.structured.then_some(text);
            value!({
                "index": index,
                "message": {"role": "assistant", "content": prose, "refusal": refusal, "annotations": []},
                "logprobs": null,
                "finish_reason": "stop",
            })
        };
        let choices: Vec<_> = (0..self.prompt.choices).map(choice).collect();
        value!({
            "id": format!("chatcmpl-{}", self.id),
            "object": "chat.completion",
            "created": self.created,
            "model": self.prompt.model,
            "choices": choices,
            "usage": usage(),
        })
    }

    /// Role, content and stop for each choice, usage where it was asked for, and the end mark.
    fn stream(&self, text: &str) -> String {
        let mut events = String::new();
        for index in 0..self.prompt.choices {
            let mut chunk = |delta: Value, finish_reason: Value| {
                let choice = value!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
                stream::event(&mut events, &self.chunk(value!([choice]), Value::Null));
            };
            let (field, other) = match self.prompt.structured {
                true => ("refusal", "content"),
                false => ("content", "refusal"),
            };
            chunk(
                value!({"role": "assistant", field: "", other: null}),
                Value::Null,
            );
            for piece in stream::pieces(text) {
                chunk(value!({field: piece}), Value::Null);
            }
            chunk(value!({}), value!("stop"));
        }
        if self.prompt.include_usage {
            stream::event(&mut events, &self.chunk(value!([]), usage()));
        }
        events.push_str("data: [DONE]\n\n");
        events
    }

    fn chunk(&self, choices: Value, usage: Value) -> Value {
        let mut chunk = value!({
            "id": format!("chatcmpl-{}", self.id),
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.prompt.model,
            "choices": choices,
        });
        if self.prompt.include_usage {
            chunk["usage"] = usage;
        }
        chunk
    }
}

/// Nothing was used.
fn usage() -> Value {
    value!({
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text_of(messages: &Value) -> Text {
        let body = json!({"model": "m", "messages": messages}).to_string();
        prompt(body.as_bytes()).unwrap().text
    }

    #[test]
    fn the_last_user_message_is_judged() {
        let question = |text: &str| Text::Question(text.to_owned());
        let user = |content: Value| json!({"role": "user", "content": content});
        let assistant = json!({"role": "assistant", "content": "hi"});
        let tool = json!({"role": "tool", "content": "{}", "tool_call_id": "1"});
        let words = |text: &str| json!({"type": "text", "text": text});
        let picture = json!({"type": "image_url", "image_url": {"url": "data:,"}});
        for (messages, expected) in [
            (json!([user(json!(" 退款 "))]), question("退款")),
            (
                json!([user(json!("a")), assistant, user(json!("b"))]),
                question("b"),
            ),
            (json!([user(json!("a")), assistant]), question("a")),
            (json!([{"role": "system", "content": "s"}]), Text::None),
            (json!([]), Text::None),
            (json!([user(json!("a")), tool]), Text::None),
            (json!([user(json!(""))]), Text::None),
            (json!([user(Value::Null)]), Text::None),
            (
                json!([user(json!([words("a"), picture, words("b")]))]),
                question("a\nb"),
            ),
            (json!([user(json!([picture]))]), Text::None),
            (
                json!([user(json!([{"type": "poem", "poem": "x"}]))]),
                Text::UnknownShape,
            ),
            (json!([user(json!(["a"]))]), Text::UnknownShape),
            (json!([user(json!({"text": "a"}))]), Text::UnknownShape),
        ] {
            assert_eq!(text_of(&messages), expected, "{messages}");
        }
    }

    /// The context of messages written as `role content`, the content text or JSON.
    fn context_of(messages: &[&str]) -> (Option<String>, Option<String>) {
        let message = |message: &&str| {
            let (role, content) = message.split_once(' ').unwrap();
            let content = serde_json::from_str(content).unwrap_or_else(|_| json!(content));
            json!({"role": role, "content": content})
        };
        let messages: Vec<_> = messages.iter().map(message).collect();
        let body = json!({"messages": messages}).to_string();
        let context = prompt(body.as_bytes()).unwrap().context;
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
            (&["user a"], Some("a"), None),
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
                &["user a", "assistant b", poem, "assistant {}"],
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
    fn the_context_is_bounded() {
        let long = format!("前{}后", "，".repeat(CONTEXT_CHARS));
        let kept = "，".repeat(CONTEXT_CHARS - 1);
        let (user, assistant) = (format!("user {long}"), format!("assistant {long}"));
        assert_eq!(
            context_of(&[&user, &assistant, "user q"]),
            (Some(format!("前{kept}")), Some(format!("{kept}后")))
        );
    }

    #[test]
    fn a_body_that_no_server_could_read_is_an_error() {
        for body in [
            "",
            "[]",
            "{",
            "{}",
            r#"{"messages": 1}"#,
            r#"{"messages": [], "messages": []}"#,
        ] {
            assert!(prompt(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_client_that_expects_structure_gets_a_refusal() {
        let body =
            json!({"messages": [], "response_format": {"type": "json_schema", "json_schema": {}}});
        let mut prompt = prompt(body.to_string().as_bytes()).unwrap();
        let message = |prompt: &Prompt| -> Value {
            let whole: Value = serde_json::from_slice(&reply(prompt, "您好", "1", 0).body).unwrap();
            whole["choices"][0]["message"].clone()
        };
        assert_eq!(message(&prompt)["content"], Value::Null);
        assert_eq!(message(&prompt)["refusal"], "您好");
        prompt.stream = true;
        let stream = String::from_utf8(reply(&prompt, "您好", "1", 0).body.to_vec()).unwrap();
        assert!(stream.contains(r#""delta":{"refusal":"您好"}"#), "{stream}");
    }

    #[test]
    fn a_stream_ends_with_usage_only_where_it_was_asked_for() {
        let ask = |options: Value| {
            let body =
                json!({"model": "m", "messages": [], "stream": true, "stream_options": options});
            let prompt = prompt(body.to_string().as_bytes()).unwrap();
            String::from_utf8(reply(&prompt, "您好", "1", 0).body.to_vec()).unwrap()
        };
        assert!(!ask(Value::Null).contains("usage"));
        let with_usage = ask(json!({"include_usage": true}));
        let events: Vec<_> = with_usage.trim_end().split("\n\n").collect();
        assert_eq!(events.last(), Some(&"data: [DONE]"));
        let last: Value =
            serde_json::from_str(events[events.len() - 2].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(last["usage"]["total_tokens"], 0);
        assert_eq!(last["choices"], json!([]));
    }
}
