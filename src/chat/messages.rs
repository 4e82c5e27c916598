//! Anthropic Messages: `POST /v1/messages`.

use std::iter;

use serde::Deserialize;
use serde_json::{Value, json as value};

use super::json::{self, Descriptions, Format, Object, ToolChoice, Word};
use super::turn::{self, Content, Message, Role, Turn};
use super::{Prompt, Reply, ReplyShape, Unreadable, Usage, stream};

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
    output_config: Object<OutputConfig>,
    /// Where the format stood before it moved into `output_config`.
    #[serde(default)]
    output_format: Object<Format>,
    #[serde(default)]
    metadata: Object<Metadata>,
    #[serde(default)]
    tool_choice: ToolChoice,
    #[serde(default)]
    tools: Descriptions,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    user_id: Word,
}

#[derive(Default, Deserialize)]
struct OutputConfig {
    #[serde(default)]
    format: Object<Format>,
}

/// A message as this protocol has it.
#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    role: Word,
    #[serde(default = "Content::missing")]
    content: Content,
}

/// The text to judge, what was said before it, and how the reply is to look.
pub(super) fn prompt(body: &[u8]) -> Result<Prompt, Unreadable> {
    let mut request: Request = json::read_object(body)
        .map_err(|error| Unreadable(format!("the body is no messages request: {error}")))?;
    if request.tools.hold_more {
        request.messages.leave_unread();
    }
    let config = request.output_config.0.unwrap_or_default();
    let formatted = config.format.is_structured() || request.output_format.is_structured();
    let structured = formatted || request.tool_choice.forced;
    let metadata = request.metadata.0.unwrap_or_default();
    let user = metadata.user_id.into_name();
    Ok(request.messages.prompt(
        user,
        ReplyShape {
            model: request.model.into_model(),
            stream: request.stream.unwrap_or(false),
            choices: 1,
            structured,
            ..ReplyShape::default()
        },
    ))
}

impl From<Said> for Message {
    fn from(said: Said) -> Self {
        let role = match Role::of(&said.role) {
            // Results of tools come in user messages here; what is written after them is the user's.
            Role::User if said.content.ends_in_result => Role::Tool,
            role => role,
        };
        Message {
            role,
            content: said.content,
        }
    }
}

/// A whole message, or the stream of one.
pub(super) fn reply(shape: &ReplyShape, text: &str, id: &str) -> Reply {
    let end = End::of(shape, text);
    let mut message = value!({
        "id": format!("msg_{id}"),
        "type": "message",
        "role": "assistant",
        "model": shape.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(shape.usage),
    });
    if shape.stream {
        return Reply::stream(iter::once(events(message, end, text)));
    }
    if !end.refuses {
        message["content"] = value!([block(text)]);
    }
    for (field, value) in end.fields {
        message[field] = value;
    }
    Reply::json(&message)
}

/// How a message ends.
struct End {
    /// Prose where the client expects its own structure would break it: the words are in the details of a
    /// refusal then, and there is no content.
    refuses: bool,
    fields: Vec<(&'static str, Value)>,
}

impl End {
    fn of(shape: &ReplyShape, text: &str) -> Self {
        let details = value!({"type": "refusal", "category": null, "explanation": text});
        End {
            refuses: shape.structured,
            fields: match shape.structured {
                true => vec![("stop_reason", "refusal".into()), ("stop_details", details)],
                false => vec![("stop_reason", "end_turn".into())],
            },
        }
    }
}

fn events(mut message: Value, end: End, text: &str) -> String {
    // What was said is known at the end only.
    let used = message["usage"].clone();
    message["usage"]["output_tokens"] = 0.into();
    let mut events = String::new();
    let mut send = |data: Value| {
        let name = data["type"].as_str().unwrap_or_default();
        events.push_str(&stream::named_event(name, &data));
    };
    send(value!({"type": "message_start", "message": message}));
    if !end.refuses {
        send(value!({"type": "content_block_start", "index": 0, "content_block": block("")}));
        for piece in stream::pieces(text) {
            let delta = value!({"type": "text_delta", "text": piece});
            send(value!({"type": "content_block_delta", "index": 0, "delta": delta}));
        }
        send(value!({"type": "content_block_stop", "index": 0}));
    }
    let mut delta = value!({"stop_reason": null, "stop_sequence": null});
    for (field, value) in end.fields {
        delta[field] = value;
    }
    send(value!({"type": "message_delta", "delta": delta, "usage": used}));
    send(value!({"type": "message_stop"}));
    events
}

fn block(text: &str) -> Value {
    value!({"type": "text", "text": text})
}

fn usage(used: Usage) -> Value {
    value!({
        "input_tokens": used.prompt.saturating_sub(used.cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": used.cached,
        "output_tokens": used.completion,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Text;
    use super::*;

    fn read(messages: &Value) -> Prompt {
        let body = json!({"model": "m", "system": "s", "max_tokens": 9, "messages": messages});
        prompt(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_last_user_message_is_judged_unless_it_ends_in_a_result() {
        let question = |text: &str| Text::Question(text.to_owned());
        let user = |content: Value| json!({"role": "user", "content": content});
        let assistant = json!({"role": "assistant", "content": [
            {"type": "thinking", "thinking": "t", "signature": "s"},
            {"type": "tool_use", "id": "1", "name": "f", "input": {}},
        ]});
        let system = json!({"role": "system", "content": "s"});
        let words = |text: &str| json!({"type": "text", "text": text});
        let picture = json!({"type": "image", "source": {"type": "url", "url": "u"}});
        let document = json!({"type": "document", "source": {"type": "text", "data": "d"}});
        let found = json!({"type": "search_result", "content": [words("x")]});
        let result = json!({"type": "tool_result", "tool_use_id": "1", "content": [words("x")]});
        for (messages, text, unread) in [
            (json!([user(json!(" 退款 "))]), question("退款"), false),
            (
                json!([user(json!([words("a"), picture, words("b")]))]),
                question("a\nb"),
                false,
            ),
            (json!([user(json!("a")), assistant]), question("a"), false),
            (json!([user(json!("a")), system]), question("a"), false),
            (
                json!([user(json!("a")), assistant, user(json!([result]))]),
                Text::None,
                false,
            ),
            (
                json!([user(json!([result, words("b")]))]),
                question("b"),
                false,
            ),
            (
                json!([user(json!([words("a"), result]))]),
                Text::None,
                false,
            ),
            (json!([user(json!([result, picture]))]), Text::None, false),
            (
                json!([user(json!([result, document]))]),
                Text::UnknownShape,
                true,
            ),
            (json!([user(json!([picture]))]), Text::None, false),
            (json!([user(json!([document]))]), Text::UnknownShape, true),
            (
                json!([user(json!([words("a"), document]))]),
                question("a"),
                true,
            ),
            (
                json!([user(json!([found, words("a")]))]),
                question("a"),
                true,
            ),
            (
                json!([{"role": "tool", "content": "a"}]),
                Text::UnknownShape,
                true,
            ),
            (json!([]), Text::None, false),
        ] {
            let found = read(&messages);
            assert_eq!((found.text, found.unread), (text, unread), "{messages}");
        }
    }

    #[test]
    fn the_context_is_what_was_said_around_a_tools_result() {
        let found = read(&json!([
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [{"type": "tool_use"}]},
            {"role": "user", "content": [{"type": "tool_result", "content": "r"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
            {"role": "user", "content": "q"},
        ]));
        let (user, assistant) = (Some("a".to_owned()), Some("b".to_owned()));
        let context = found.context;
        assert_eq!((context.user, context.assistant), (user, assistant));
    }

    #[test]
    fn a_body_that_no_server_could_read_is_an_error() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"messages": "a"}"#,
            r#"{"messages": [], "stream": 1}"#,
        ] {
            assert!(prompt(body.as_bytes()).is_err(), "{body}");
        }
    }

    /// The names and data of a stream's events.
    fn events(shape: &ReplyShape) -> Vec<(String, Value)> {
        let stream =
            String::from_utf8(reply(shape, "您好，再见", "1").body.whole().to_vec()).unwrap();
        let events = stream.strip_suffix("\n\n").unwrap().split("\n\n");
        let event = |event: &str| {
            let (name, data) = event.split_once("\ndata: ").unwrap();
            let name = name.strip_prefix("event: ").unwrap().to_owned();
            (name, serde_json::from_str(data).unwrap())
        };
        events.map(event).collect()
    }

    #[test]
    fn a_stream_has_each_event_in_its_order() {
        let shape = ReplyShape {
            stream: true,
            ..ReplyShape::default()
        };
        let events = events(&shape);
        let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "message_start",
                "content_block_start",
                "content_block_delta",
                "content_block_delta",
                "content_block_stop",
                "message_delta",
                "message_stop"
            ]
        );
        assert!(events.iter().all(|(name, data)| data["type"] == *name));
        assert_eq!(events[0].1["message"]["content"], json!([]));
        assert_eq!(
            events[2].1["delta"],
            json!({"type": "text_delta", "text": "您好，再"})
        );
        let ended = json!({"stop_reason": "end_turn", "stop_sequence": null});
        assert_eq!(events[5].1["delta"], ended);
    }

    #[test]
    fn a_client_that_expects_structure_gets_a_refusal() {
        let format = json!({"type": "json_schema", "schema": {}});
        for request in [
            json!({"messages": [], "output_config": {"format": format}}),
            json!({"messages": [], "output_format": format}),
        ] {
            let mut shape = prompt(request.to_string().as_bytes()).unwrap().reply;
            let whole = reply(&shape, "您好", "1").body.whole();
            let whole: Value = serde_json::from_slice(&whole).unwrap();
            assert_eq!(
                (&whole["content"], &whole["stop_reason"]),
                (&json!([]), &json!("refusal"))
            );
            assert_eq!(whole["stop_details"]["explanation"], "您好");
            shape.stream = true;
            let events = events(&shape);
            assert_eq!(events.len(), 3);
            assert_eq!(
                events[1].1["delta"]["stop_details"]["explanation"],
                "您好，再见"
            );
        }
    }
}
