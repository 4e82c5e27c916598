//! OpenAI Responses: `POST /v1/responses`, as it is read; `response` is what it gets.

use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::json::{self, Descriptions, Format, Given, Object, ToolChoice, Word};
use super::names;
use super::response::ECHOED;
use super::turn::{self, Content, Message, Role, Turn};
use super::{Previous, Prompt, ReplyShape, Text, Unreadable};

/// Bytes of JSON that are echoed; what is larger is not repeated, a stream has it three times.
pub(super) const MAX_ECHO: usize = 32 << 10;

/// What is read of a request; the rest is the upstream's.
#[derive(Default)]
struct Request {
    model: Word,
    stream: bool,
    input: Option<Turn>,
    /// A template that the server keeps.
    template: Option<Template>,
    /// Whether the server keeps the conversation.
    kept: bool,
    /// The id of the response that it goes on from.
    previous: Option<String>,
    structured: bool,
    /// Whether tools are described at more length than servers take.
    unread: bool,
    echo: Map<String, Value>,
}

/// The fields that name who asks, the newer first.
const USER: [&str; 2] = ["safety_identifier", "user"];

#[derive(Deserialize)]
struct Template {
    /// What it is filled in with.
    #[serde(default)]
    variables: Given,
}

/// The text to judge, what was said before it, and how the reply is to look.
pub(super) fn prompt(body: &[u8]) -> Result<Prompt, Unreadable> {
    let unreadable =
        |error: &dyn fmt::Display| Unreadable(format!("the body is no responses request: {error}"));
    let request: Request = json::read_object(body).map_err(|error| unreadable(&error))?;
    if request.input.is_none() && request.template.is_none() && !request.kept {
        return Err(unreadable(&"missing field `input`"));
    }
    let filled = request.template.is_some_and(|t| t.variables.0);
    let elsewhere = filled || request.unread || request.input.is_none();
    let mut turn = request.input.unwrap_or_default();
    if elsewhere {
        turn.leave_unread();
    }
    let named = |field: &&str| request.echo.get(*field)?.as_str().map(str::to_owned);
    let user = USER.iter().find_map(named);
    let user = Word(user).into_name();
    let previous = request.previous.as_deref().map(Previous::of);
    let prompt = turn.prompt(
        user,
        ReplyShape {
            model: request.model.into_model(),
            stream: request.stream,
            choices: 1,
            structured: request.structured,
            echo: request.echo,
            ..ReplyShape::default()
        },
    );
    let mut context = prompt.context;
    let of_upstream = previous.as_ref().and_then(Previous::of_upstream);
    context.kept_upstream = of_upstream.is_some() && matches!(prompt.text, Text::Question(_));
    Ok(Prompt {
        previous,
        context,
        ..prompt
    })
}

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(RequestVisitor)
    }
}

/// The names of what is read.
fn known_names() -> impl Iterator<Item = &'static str> {
    let own = ["input", "model", "stream", "prompt", "conversation"];
    own.into_iter().chain(ECHOED.map(|(name, _)| name))
}

/// Reads the fields of a request one by one, since those that are echoed are many.
struct RequestVisitor;

impl<'de> Visitor<'de> for RequestVisitor {
    type Value = Request;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Request, A::Error> {
        let mut request = Request::default();
        let mut left = MAX_ECHO;
        while let Some(name) = fields.next_key::<String>()? {
            names::ensure(&name, known_names())?;
            match name.as_str() {
                "input" if request.input.is_some() => return Err(Error::duplicate_field("input")),
                "input" => request.input = fields.next_value::<Option<Input>>()?.map(|i| i.0),
                "model" => request.model = fields.next_value()?,
                "stream" => request.stream = fields.next_value::<Option<bool>>()?.unwrap_or(false),
                "prompt" => request.template = fields.next_value::<Object<Template>>()?.0,
                "conversation" => request.kept |= fields.next_value::<Given>()?.0,
                _ if ECHOED.iter().any(|(echoed, _)| *echoed == name) => {
                    let text: Box<RawValue> = fields.next_value()?;
                    request.note(name, text.get(), &mut left);
                }
                _ => _ = fields.next_value::<IgnoredAny>()?,
            }
        }
        Ok(request)
    }
}

impl Request {
    /// Keeps what is echoed, as long as it is small.
    fn note(&mut self, name: String, json: &str, left: &mut usize) {
        match name.as_str() {
            "previous_response_id" => {
                self.kept |= json != "null";
                self.previous = serde_json::from_str(json).ok().flatten();
            }
            "tool_choice" => {
                let choice = serde_json::from_str::<ToolChoice>(json).unwrap_or_default();
                self.structured |= choice.forced;
            }
            "tools" => {
                let described = serde_json::from_str::<Descriptions>(json).unwrap_or_default();
                self.unread |= described.hold_more;
            }
            "text" => {
                let config = serde_json::from_str::<Object<TextConfig>>(json).unwrap_or_default();
                self.structured |= config.0.is_some_and(|c| c.format.is_structured());
            }
            _ => {}
        }
        if json == "null" || json.len() > *left {
            return;
        }
        let Ok(value) = serde_json::from_str::<Value>(json) else {
            return;
        };
        // What is repeated may be longer than what came: 1e15 is written out.
        let length = value.to_string().len();
        if length <= *left {
            *left -= length;
            self.echo.insert(name, value);
        }
    }
}

#[derive(Default, Deserialize)]
struct TextConfig {
    #[serde(default)]
    format: Object<Format>,
}

/// A text, or a list of items.
struct Input(Turn);

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Items)
    }
}

struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = Input;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of items")
    }

    fn visit_str<E>(self, text: &str) -> Result<Input, E> {
        let mut turn = Turn::default();
        turn.push(Message {
            role: Role::User,
            content: Content::of(text),
        });
        Ok(Input(turn))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Input, A::Error> {
        turn::fold::<_, Item>(items).map(Input)
    }
}

/// An item of the input: a message, or what has been called for and what came of it.
#[derive(Deserialize)]
struct Item {
    #[serde(default, rename = "type")]
    kind: Word,
    #[serde(default)]
    role: Word,
    #[serde(default = "Content::missing")]
    content: Content,
}

impl From<Item> for Message {
    fn from(item: Item) -> Self {
        let role = match item.kind.as_str() {
            None | Some("message") => Role::of(&item.role),
            Some("mcp_approval_response") => Role::Tool,
            Some(kind) if kind.ends_with("_output") => Role::Tool,
            Some(kind) if kind.ends_with("_call") => Role::Aside,
            Some(
                "reasoning"
                | "compaction"
                | "compaction_trigger"
                | "mcp_list_tools"
                | "mcp_approval_request"
                | "additional_tools",
            ) => Role::Aside,
            // A reference to an item that the server keeps, among others.
            Some(_) => Role::Unknown,
        };
        Message {
            role,
            content: item.content.without_results(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Text;
    use super::*;

    fn read(fields: Value) -> Prompt {
        prompt(fields.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_last_user_message_is_judged() {
        let question = |text: &str| Text::Question(text.to_owned());
        let user = |content: Value| json!({"role": "user", "content": content});
        let message = json!({"type": "message", "role": "user", "content": "a"});
        let of = |kind: &str| json!({"type": kind, "id": "1", "output": "o"});
        let words = |text: &str| json!({"type": "input_text", "text": text});
        let picture = json!({"type": "input_image", "image_url": "data:,"});
        let file = json!({"type": "input_file", "file_id": "1"});
        for (input, text, unread) in [
            (json!(" 退款 "), question("退款"), false),
            (json!(""), Text::None, false),
            (json!([]), Text::None, false),
            (json!([message]), question("a"), false),
            (
                json!([user(json!([words("a"), picture, words("b")]))]),
                question("a\nb"),
                false,
            ),
            (
                json!([{"role": "developer", "content": "d"}]),
                Text::None,
                false,
            ),
            (json!([user(json!([picture]))]), Text::None, false),
            (json!([user(json!([file]))]), Text::UnknownShape, true),
            (
                json!([user(json!([file, words("a")]))]),
                question("a"),
                true,
            ),
            (
                json!([message, of("reasoning"), of("function_call")]),
                question("a"),
                false,
            ),
            (
                json!([message, of("function_call"), of("function_call_output")]),
                Text::None,
                false,
            ),
            (
                json!([message, of("computer_call_output")]),
                Text::None,
                false,
            ),
            (json!([of("function_call_output")]), Text::None, false),
            (
                json!([of("function_call_output"), message]),
                question("a"),
                false,
            ),
            (
                json!([
                    message,
                    of("mcp_approval_request"),
                    of("mcp_approval_response")
                ]),
                Text::None,
                false,
            ),
            (json!([of("item_reference")]), Text::UnknownShape, true),
            (
                json!([{"type": "item_reference"}, message]),
                question("a"),
                false,
            ),
            (json!([message, of("poem")]), question("a"), true),
            (
                json!([{"role": "customer", "content": "a"}]),
                Text::UnknownShape,
                true,
            ),
        ] {
            let found = read(json!({"model": "m", "instructions": "i", "input": input}));
            assert_eq!((found.text, found.unread), (text, unread), "{input}");
        }
    }

    #[test]
    fn words_that_the_server_keeps_are_an_unknown_shape() {
        let template = |variables: Value| json!({"id": "pmpt_1", "variables": variables});
        let filled = template(json!({"name": "a"}));
        let result = json!([{"type": "function_call_output", "output": "o"}]);
        let question = || Text::Question("a".to_owned());
        for (fields, text, unread) in [
            (
                json!({"prompt": template(Value::Null)}),
                Text::UnknownShape,
                true,
            ),
            (json!({"prompt": filled, "input": "a"}), question(), true),
            (
                json!({"prompt": template(Value::Null), "input": "a"}),
                question(),
                false,
            ),
            (
                json!({"prompt": filled, "input": result}),
                Text::None,
                false,
            ),
            (
                json!({"previous_response_id": "resp_1"}),
                Text::UnknownShape,
                true,
            ),
            (
                json!({"previous_response_id": "resp_1", "input": "a"}),
                question(),
                false,
            ),
            (
                json!({"conversation": {"id": "conv_1"}, "input": null}),
                Text::UnknownShape,
                true,
            ),
        ] {
            let found = read(fields.clone());
            assert_eq!((found.text, found.unread), (text, unread), "{fields}");
        }
    }

    #[test]
    fn the_context_is_what_was_said_before() {
        let found = read(json!({"input": [
            {"role": "user", "content": "a"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "c"}]},
            {"role": "user", "content": "q"},
        ]}));
        let (user, assistant) = (Some("a".to_owned()), Some("c".to_owned()));
        let context = found.context;
        assert_eq!((context.user, context.assistant), (user, assistant));
    }

    #[test]
    fn a_body_that_no_server_could_read_is_an_error() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"input": null}"#,
            r#"{"input": 1}"#,
            r#"{"input": {}}"#,
            r#"{"input": "a", "stream": 1}"#,
            r#"{"input": "a", "input": "b"}"#,
        ] {
            assert!(prompt(body.as_bytes()).is_err(), "{body}");
        }
    }
}
