//! OpenAI Chat Completions: `POST /v1/chat/completions`.

use serde::Deserialize;
use serde_json::{Value, json as value};

use super::json::{self, Descriptions, Format, Given, Object, ToolChoice, Word};
use super::turn::{self, Content, Message, Role, Turn};
use super::{Prompt, Reply, ReplyShape, Unreadable, Usage, stream};

/// Replies that one request may ask for, as the protocol has it.
pub(super) const MAX_CHOICES: u64 = 128;

/// What is read of a request; the rest is the upstream's.
#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    model: Word,
    #[serde(deserialize_with = "turn::read::<_, Said>")]
    messages: Turn,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    response_format: Object<Format>,
    #[serde(default)]
    tool_choice: ToolChoice,
    #[serde(default)]
    tools: Descriptions,
    /// What `tools` has come after.
    #[serde(default)]
    functions: Descriptions,
    /// What some servers take besides messages, and what they make of these.
    #[serde(default)]
    prompt: Given,
    #[serde(default)]
    chat_template: Given,
    #[serde(default)]
    documents: Given,
    #[serde(default)]
    safety_identifier: Word,
    /// What `safety_identifier` has come after.
    #[serde(default)]
    user: Word,
}

/// What a stream is asked to hold besides the reply.
#[derive(Deserialize)]
pub(super) struct StreamOptions {
    #[serde(default)]
    pub(super) include_usage: Option<bool>,
}

/// A message as this protocol has it.
#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    role: Word,
    #[serde(default = "Content::missing")]
    content: Content,
    /// What an assistant says in place of content where it was asked for structure.
    #[serde(default)]
    refusal: Word,
}

/// The text to judge, what was said before it, and how the reply is to look.
pub(super) fn prompt(body: &[u8]) -> Result<Prompt, Unreadable> {
    let mut request: Request = json::read_object(body)
        .map_err(|error| Unreadable(format!("the body is no chat completion request: {error}")))?;
    let described = request.tools.hold_more || request.functions.hold_more;
    let beside = [request.prompt, request.chat_template, request.documents];
    if described || beside.iter().any(|given| given.0) {
        request.messages.leave_unread();
    }
    let user = request.safety_identifier.into_name();
    let user = user.or(request.user.into_name());
    Ok(request.messages.prompt(
        user,
        ReplyShape {
            model: request.model.into_model(),
            stream: request.stream.unwrap_or(false),
            include_usage: StreamOptions::include_usage(request.stream_options),
            choices: choices(request.n),
            structured: request.response_format.is_structured() || request.tool_choice.forced,
            ..ReplyShape::default()
        },
    ))
}

impl StreamOptions {
    pub(super) fn include_usage(options: Option<Self>) -> bool {
        options.and_then(|o| o.include_usage).unwrap_or(false)
    }
}

/// The number of replies that `n` asks for.
pub(super) fn choices(n: Option<u64>) -> usize {
    let n = n.unwrap_or(1).clamp(1, MAX_CHOICES);
    usize::try_from(n).unwrap_or(1)
}

impl From<Said> for Message {
    fn from(said: Said) -> Self {
        let role = match said.role.as_str() {
            Some("tool" | "function") => Role::Tool,
            _ => Role::of(&said.role),
        };
        let content = match (role, said.refusal.as_str()) {
            (Role::Assistant, Some(refusal)) if said.content.words.is_empty() => {
                Content::of(refusal)
            }
            _ => said.content.without_results(),
        };
        Message { role, content }
    }
}

/// A whole completion, or the stream of one.
pub(super) fn reply(shape: &ReplyShape, text: &str, id: &str, created: u64) -> Reply {
    let own = Own {
        shape: shape.clone(),
        id: format!("chatcmpl-{id}"),
        created,
    };
    match shape.stream {
        true => Reply::stream(own.stream(text.to_owned())),
        false => Reply::json(&own.completion(text)),
    }
}

/// What all chunks of one reply have in common.
struct Own {
    shape: ReplyShape,
    id: String,
    created: u64,
}

impl Own {
    fn completion(&self, text: &str) -> Value {
        let choice = |index| {
            // Prose where the client expects its own structure would break it; a refusal it knows.
            let prose = (!self.shape.structured).then_some(text);
            let refusal = self.shape.structured.then_some(text);
            value!({
                "index": index,
                "message": {"role": "assistant", "content": prose, "refusal": refusal, "annotations": []},
                "logprobs": null,
                "finish_reason": "stop",
            })
        };
        let choices: Vec<_> = (0..self.shape.choices).map(choice).collect();
        value!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.shape.model,
            "choices": choices,
            "usage": usage(self.shape.usage),
        })
    }

    /// The choices one after the other, usage where it was asked for, and the end mark.
    fn stream(self, text: String) -> impl Iterator<Item = String> + Send + Sync + 'static {
        let choices = self.shape.choices;
        (0..=choices).map(move |index| match index < choices {
            true => self.choice(index, &text),
            false => self.end(),
        })
    }

    /// Role, content and stop of one choice. The text comes in pieces as a model sends it, where there is one choice
    /// to be read while it comes.
    fn choice(&self, index: usize, text: &str) -> String {
        let mut events = String::new();
        let mut chunk = |delta: Value, finish_reason: Value| {
            let choice = value!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
            events.push_str(&stream::event(&self.chunk(value!([choice]), Value::Null)));
        };
        let (field, other) = match self.shape.structured {
            true => ("refusal", "content"),
            false => ("content", "refusal"),
        };
        if self.shape.choices > 1 {
            chunk(
                value!({"role": "assistant", field: text, other: null}),
                value!("stop"),
            );
            return events;
        }
        chunk(
            value!({"role": "assistant", field: "", other: null}),
            Value::Null,
        );
        for piece in stream::pieces(text) {
            chunk(value!({field: piece}), Value::Null);
        }
        chunk(value!({}), value!("stop"));
        events
    }

    fn end(&self) -> String {
        let mut events = String::new();
        if self.shape.include_usage {
            let usage = self.chunk(value!([]), usage(self.shape.usage));
            events.push_str(&stream::event(&usage));
        }
        events + stream::DONE
    }

    fn chunk(&self, choices: Value, usage: Value) -> Value {
        let mut chunk = value!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.shape.model,
            "choices": choices,
        });
        if self.shape.include_usage {
            chunk["usage"] = usage;
        }
        chunk
    }
}

/// What was used, as OpenAI's older protocols tell it.
pub(super) fn usage(used: Usage) -> Value {
    value!({
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "total_tokens": used.prompt + used.completion,
        "prompt_tokens_details": {"cached_tokens": used.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Text;
    use super::*;

    fn read(messages: &Value) -> Prompt {
        let body = json!({"model": "m", "messages": messages}).to_string();
        prompt(body.as_bytes()).unwrap()
    }

    #[test]
    fn the_last_user_message_is_judged() {
        let question = |text: &str| Text::Question(text.to_owned());
        let said = |role: &str, content: Value| json!({"role": role, "content": content});
        let user = |content: Value| said("user", content);
        let assistant = said("assistant", json!("hi"));
        let tool = json!({"role": "tool", "content": "{}", "tool_call_id": "1"});
        let function = json!({"role": "function", "content": "{}", "name": "f"});
        let customer = said("customer", json!("c"));
        let words = |text: &str| json!({"type": "text", "text": text});
        let picture = json!({"type": "image_url", "image_url": {"url": "data:,"}, "text": "t"});
        let sound = json!({"type": "input_audio", "input_audio": {"data": ""}});
        let file = json!({"type": "file", "file": {"file_data": ""}});
        let poem = json!({"type": "poem", "text": "x"});
        let result = json!({"type": "tool_result", "content": "x"});
        for (messages, text, unread) in [
            (json!([user(json!(" 退款 "))]), question("退款"), false),
            (
                json!([user(json!("a")), assistant, user(json!("b"))]),
                question("b"),
                false,
            ),
            (json!([user(json!("a")), assistant]), question("a"), false),
            (
                json!([said("system", json!("s")), said("developer", json!("d"))]),
                Text::None,
                false,
            ),
            (json!([]), Text::None, false),
            (
                json!([user(json!("a")), assistant, tool]),
                Text::None,
                false,
            ),
            (json!([user(json!("a")), function]), Text::None, false),
            (
                json!([user(json!("a")), tool, assistant, user(json!("b"))]),
                question("b"),
                false,
            ),
            (json!([user(json!(""))]), Text::None, false),
            (json!([user(Value::Null)]), Text::None, false),
            (json!([user(json!([]))]), Text::None, false),
            (
                json!([user(json!([words("a"), picture, words("b")]))]),
                question("a\nb"),
                false,
            ),
            (json!([user(json!([picture]))]), Text::None, false),
            // What may hold words is told of, beside words that are read as well as without them.
            (json!([user(json!([sound]))]), Text::UnknownShape, true),
            (
                json!([user(json!([file, picture]))]),
                Text::UnknownShape,
                true,
            ),
            (
                json!([user(json!([words("a"), file]))]),
                question("a"),
                true,
            ),
            (
                json!([user(json!([poem, words("a")]))]),
                question("a"),
                true,
            ),
            (
                json!([user(json!([words("a"), result]))]),
                question("a"),
                true,
            ),
            (json!([user(json!([poem]))]), Text::UnknownShape, true),
            (json!([user(json!(["a"]))]), Text::UnknownShape, true),
            (
                json!([user(json!([{"type": "text", "text": 1}]))]),
                Text::UnknownShape,
                true,
            ),
            (
                json!([user(json!([{"type": ["text"], "text": "a"}]))]),
                Text::UnknownShape,
                true,
            ),
            (
                json!([user(json!({"text": "a"}))]),
                Text::UnknownShape,
                true,
            ),
            (json!([user(json!(7))]), Text::UnknownShape, true),
            (
                json!([{"role": "user", "text": "a"}]),
                Text::UnknownShape,
                true,
            ),
            (json!([customer]), Text::UnknownShape, true),
            (json!([user(json!("a")), customer]), question("a"), true),
            (
                json!([user(json!("a")), tool, customer]),
                Text::UnknownShape,
                true,
            ),
            (json!([customer, user(json!("a"))]), question("a"), false),
            (json!([said("User", json!("a"))]), Text::UnknownShape, true),
            (json!([{"content": "a"}]), Text::UnknownShape, true),
        ] {
            let found = read(&messages);
            assert_eq!((found.text, found.unread), (text, unread), "{messages}");
        }
    }

    #[test]
    fn a_body_that_no_server_could_read_is_an_error() {
        for body in [
            "",
            "[]",
            "{",
            "{}",
            r#"{"messages": 1}"#,
            r#"{"messages": "a"}"#,
            r#"{"messages": [1]}"#,
            r#"{"messages": [["user", "a"]]}"#,
            r#"{"messages": [], "messages": []}"#,
            r#"{"messages": [{"role": "user", "role": "assistant", "content": "a"}]}"#,
        ] {
            assert!(prompt(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn what_is_nested_without_end_is_no_reason_to_fall_over() {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"type":"#, "}]")] {
            let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
            let body = format!(r#"{{"messages": [{{"role": "user", "content": {deep}}}]}}"#);
            if let Ok(prompt) = prompt(body.as_bytes()) {
                assert_eq!(prompt.text, Text::UnknownShape);
            }
        }
    }

    #[test]
    fn a_client_that_expects_structure_gets_a_refusal() {
        let body =
            json!({"messages": [], "response_format": {"type": "json_schema", "json_schema": {}}});
        let mut prompt = prompt(body.to_string().as_bytes()).unwrap();
        let body = |prompt: &Prompt| {
            let reply = reply(&prompt.reply, "您好", "1", 0);
            String::from_utf8(reply.body.whole().to_vec()).unwrap()
        };
        let whole: Value = serde_json::from_str(&body(&prompt)).unwrap();
        assert_eq!(whole["choices"][0]["message"]["content"], Value::Null);
        assert_eq!(whole["choices"][0]["message"]["refusal"], "您好");
        prompt.reply.stream = true;
        let stream = body(&prompt);
        assert!(stream.contains(r#""delta":{"refusal":"您好"}"#), "{stream}");
    }

    #[test]
    fn a_refusal_is_what_the_assistant_said() {
        let found = read(&json!([
            {"role": "assistant", "content": null, "refusal": "no"},
            {"role": "user", "content": "a"},
        ]));
        assert_eq!(found.context.assistant.as_deref(), Some("no"));
    }

    #[test]
    fn a_stream_ends_with_usage_only_where_it_was_asked_for() {
        let ask = |options: Value| {
            let body =
                json!({"model": "m", "messages": [], "stream": true, "stream_options": options});
            let prompt = prompt(body.to_string().as_bytes()).unwrap();
            let reply = reply(&prompt.reply, "您好", "1", 0);
            String::from_utf8(reply.body.whole().to_vec()).unwrap()
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

    #[test]
    fn the_name_of_a_model_is_not_repeated_without_end() {
        let body = json!({"model": "模".repeat(1_000), "messages": [], "n": 1_000}).to_string();
        let reply = prompt(body.as_bytes()).unwrap().reply;
        assert_eq!((reply.model.chars().count(), reply.choices), (256, 128));
    }
}
