//! What an upstream bills for a request: the tokens of all that the model is given, not only of what is judged.
//!
//! Chat Completions are counted as OpenAI's cookbook has it ("How to count tokens with tiktoken"): 3 for a message,
//! with its role, its content and its name encoded one by one, 1 for a name, and 3 that open the reply. The other
//! protocols have no published rule: Responses and Messages are counted by the same one, instructions and `system`
//! being a message; prompts of Completions are encoded as they are, and one that is tokens already has as many as it
//! lists. Anthropic's tokenizer is not public; the one that the operator chose stands for it.
//!
//! Definitions of tools, calls of them and schemas of replies are counted as the JSON that was sent. Pictures,
//! sounds, files, and what a server keeps (templates, earlier responses) are not counted, so the figure is a lower
//! bound; how many pictures there were is said.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Protocol;
use super::json::{self, elements, text_of};

/// Bytes of text that are counted; the rest of a larger request is taken to have as many tokens a byte.
const MAX_COUNTED: usize = 4 << 20;
/// How deep the results of tools may hold parts of their own.
const MAX_DEPTH: usize = 3;

const PER_MESSAGE: u64 = 3;
const PER_NAME: u64 = 1;
const OPENS_REPLY: u64 = 3;

/// What an upstream would have billed for a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Billed {
    /// Tokens of the prompt.
    pub tokens: u64,
    /// Pictures, which are not among the tokens.
    pub pictures: u32,
}

type Json<'a> = Option<&'a RawValue>;

/// A request of any protocol.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Request<'a> {
    #[serde(borrow)]
    messages: Json<'a>,
    tools: Json<'a>,
    functions: Json<'a>,
    response_format: Json<'a>,
    instructions: Json<'a>,
    input: Json<'a>,
    text: Json<'a>,
    prompt: Json<'a>,
    suffix: Json<'a>,
    system: Json<'a>,
    output_config: Json<'a>,
    output_format: Json<'a>,
}

/// A message of any protocol, or an item of Responses.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    role: Json<'a>,
    content: Json<'a>,
    name: Json<'a>,
    refusal: Json<'a>,
    tool_calls: Json<'a>,
    function_call: Json<'a>,
    arguments: Json<'a>,
    output: Json<'a>,
}

/// A part of a message's content.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(rename = "type", borrow)]
    kind: Json<'a>,
    text: Json<'a>,
    refusal: Json<'a>,
    /// Of a tool's result.
    content: Json<'a>,
    /// Of a call of a tool.
    name: Json<'a>,
    input: Json<'a>,
}

impl Protocol {
    /// What an upstream would bill for a request, with `count` for its tokenizer. What cannot be read counts
    /// nothing.
    pub fn billed(self, body: &[u8], count: &dyn Fn(&str) -> u64) -> Billed {
        let body = String::from_utf8_lossy(body);
        let request: Request = serde_json::from_str(&body).unwrap_or_default();
        let mut tally = Tally::new(count);
        match self {
            Protocol::ChatCompletions => {
                tally.messages(request.messages);
                tally.json(request.functions);
                tally.schema(request.response_format);
            }
            Protocol::Responses => {
                tally.message_of("system", request.instructions);
                tally.input(request.input);
                tally.schema(request.text);
            }
            Protocol::Messages => {
                tally.message_of("system", request.system);
                tally.messages(request.messages);
                tally.schema(request.output_config);
                tally.schema(request.output_format);
            }
            Protocol::Completions => {
                tally.prompt(request.prompt);
                tally.string(request.suffix);
                return tally.billed();
            }
        }
        tally.json(request.tools);
        tally.fixed += OPENS_REPLY;
        tally.billed()
    }
}

/// What has been counted so far.
struct Tally<'c> {
    count: &'c dyn Fn(&str) -> u64,
    /// Tokens of text that was counted.
    counted: u64,
    /// Its bytes, and those of the text that was not.
    read: usize,
    unread: usize,
    /// Tokens that stand for no text.
    fixed: u64,
    pictures: u32,
}

impl<'c> Tally<'c> {
    fn new(count: &'c dyn Fn(&str) -> u64) -> Self {
        Tally {
            count,
            counted: 0,
            read: 0,
            unread: 0,
            fixed: 0,
            pictures: 0,
        }
    }

    fn billed(self) -> Billed {
        let share = self.unread as f64 / self.read.max(1) as f64;
        let reckoned = (self.counted as f64 * share) as u64;
        Billed {
            tokens: self.counted + reckoned + self.fixed,
            pictures: self.pictures,
        }
    }

    fn text(&mut self, text: &str) {
        let end = text.floor_char_boundary(MAX_COUNTED - self.read);
        if end > 0 {
            self.counted += (self.count)(&text[..end]);
        }
        self.read += end;
        self.unread += text.len() - end;
    }

    fn string(&mut self, value: Json) {
        if let Some(text) = value.and_then(text_of) {
            self.text(&text);
        }
    }

    fn json(&mut self, value: Json) {
        if let Some(value) = value {
            self.text(value.get());
        }
    }

    /// A format of output, where it is more than its name.
    fn schema(&mut self, format: Json) {
        self.json(format.filter(|format| format.get().contains("\"json_schema\"")));
    }

    fn messages(&mut self, messages: Json) {
        elements(messages, |message| self.message(message));
    }

    fn message(&mut self, message: &RawValue) {
        let Some(message) = json::fields_of::<Message>(message) else {
            return;
        };
        self.fixed += PER_MESSAGE;
        self.string(message.role);
        self.content(message.content, MAX_DEPTH);
        if message.name.is_some() {
            self.string(message.name);
            self.fixed += PER_NAME;
        }
        self.string(message.refusal);
        self.json(message.tool_calls);
        self.json(message.function_call);
        self.string(message.arguments);
        self.content(message.output, MAX_DEPTH);
    }

    /// A message that stands outside the list of them.
    fn message_of(&mut self, role: &str, content: Json) {
        if content.is_some() {
            self.fixed += PER_MESSAGE;
            self.text(role);
            self.content(content, MAX_DEPTH);
        }
    }

    /// A text that is the customer's message, or a list of items.
    fn input(&mut self, input: Json) {
        match input.and_then(text_of) {
            Some(_) => self.message_of("user", input),
            None => self.messages(input),
        }
    }

    /// A text, or a list of parts.
    fn content(&mut self, content: Json, depth: usize) {
        self.string(content);
        if depth > 0 {
            elements(content, |part| self.part(part, depth - 1));
        }
    }

    fn part(&mut self, part: &RawValue, depth: usize) {
        let Some(part) = json::fields_of::<Part>(part) else {
            return;
        };
        let kind = part.kind.and_then(text_of).unwrap_or_default();
        if matches!(kind.as_str(), "image" | "image_url" | "input_image") {
            self.pictures = self.pictures.saturating_add(1);
            return;
        }
        self.string(part.text);
        self.string(part.refusal);
        self.content(part.content, depth);
        self.string(part.name);
        self.json(part.input);
    }

    /// Texts, or tokens, or lists of tokens.
    fn prompt(&mut self, prompt: Json) {
        self.string(prompt);
        elements(prompt, |element| match element.get().as_bytes().first() {
            Some(b'"') => self.string(Some(element)),
            Some(b'[') => elements(Some(element), |_| self.fixed += 1),
            _ => self.fixed += 1,
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A token a character.
    fn characters(text: &str) -> u64 {
        u64::try_from(text.chars().count()).unwrap()
    }

    fn tokens(protocol: Protocol, request: &Value) -> u64 {
        protocol
            .billed(request.to_string().as_bytes(), &characters)
            .tokens
    }

    #[test]
    fn a_whole_chat_is_billed() {
        let user = |content: Value| json!({"role": "user", "content": content});
        let call =
            json!([{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
        let tools = json!([{"type": "function", "function": {"name": "f"}}]);
        let schema = json!({"type": "json_schema", "json_schema": {"name": "n"}});
        let length = |json: &Value| characters(&json.to_string());
        for (request, expected) in [
            (json!({"messages": []}), 3),
            (json!({"messages": [user(json!("退款"))]}), 3 + 4 + 2 + 3),
            (
                json!({"messages": [{"role": "system", "content": "ab", "name": "c"}]}),
                3 + 6 + 2 + 1 + 1 + 3,
            ),
            (
                json!({"messages": [user(json!("a")), {"role": "assistant", "content": null, "refusal": "no"}]}),
                8 + 3 + 9 + 2 + 3,
            ),
            (
                json!({"messages": [user(json!([{"type": "text", "text": "a"}, {"type": "text", "text": "bc"}]))]}),
                7 + 3 + 3,
            ),
            (
                json!({"messages": [{"role": "assistant", "tool_calls": call}]}),
                3 + 9 + length(&call) + 3,
            ),
            (
                json!({"messages": [{"role": "tool", "tool_call_id": "1", "content": "ok"}]}),
                3 + 4 + 2 + 3,
            ),
            (
                json!({"messages": [], "tools": tools, "functions": tools}),
                3 + 2 * length(&tools),
            ),
            (
                json!({"messages": [], "response_format": schema}),
                3 + length(&schema),
            ),
            (
                json!({"messages": [], "response_format": {"type": "text"}, "model": "m", "user": "u"}),
                3,
            ),
            (
                json!({"messages": [1, "a", [user(json!("a"))], null, {}]}),
                3 + 3,
            ),
            (
                json!({"messages": [user(json!(7)), user(json!({"text": "a"}))]}),
                7 + 7 + 3,
            ),
        ] {
            assert_eq!(
                tokens(Protocol::ChatCompletions, &request),
                expected,
                "{request}"
            );
        }
    }

    #[test]
    fn the_other_protocols_are_counted_alike() {
        let tools = json!([{"name": "f"}]);
        let length = characters(&tools.to_string());
        let result = json!({"type": "tool_result", "content": [{"type": "text", "text": "ok"}]});
        let used = json!({"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}});
        for (protocol, request, expected) in [
            (Protocol::Responses, json!({"input": "ab"}), 3 + 4 + 2 + 3),
            (
                Protocol::Responses,
                json!({"input": "a", "instructions": "bc", "tools": tools}),
                8 + 3 + 6 + 2 + length + 3,
            ),
            (
                Protocol::Responses,
                json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": "ab"}]}]}),
                9 + 3,
            ),
            (
                Protocol::Responses,
                json!({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}),
                3 + 1 + 1 + 2 + 3,
            ),
            (
                Protocol::Responses,
                json!({"input": [{"type": "function_call_output", "output": "ok"}]}),
                3 + 2 + 3,
            ),
            (
                Protocol::Messages,
                json!({"messages": [{"role": "user", "content": "a"}], "system": "bc"}),
                8 + 3 + 6 + 2 + 3,
            ),
            (
                Protocol::Messages,
                json!({"messages": [], "system": [{"type": "text", "text": "bc"}], "tools": tools}),
                3 + 6 + 2 + length + 3,
            ),
            (
                Protocol::Messages,
                json!({"messages": [{"role": "user", "content": [result, used]}]}),
                7 + 2 + 1 + 7 + 3,
            ),
            (
                Protocol::Completions,
                json!({"prompt": "退款", "suffix": "a"}),
                3,
            ),
            (Protocol::Completions, json!({"prompt": ["ab", "c"]}), 3),
            (Protocol::Completions, json!({"prompt": [1, 2, 3, 4]}), 4),
            (Protocol::Completions, json!({"prompt": [[1, 2], [3]]}), 3),
            (Protocol::Completions, json!({}), 0),
        ] {
            assert_eq!(tokens(protocol, &request), expected, "{request}");
        }
    }

    #[test]
    fn pictures_are_told_and_not_counted() {
        let data = "data:image/png;base64,".to_owned() + &"A".repeat(1_000);
        let parts = json!([
            {"type": "image_url", "image_url": {"url": data}},
            {"type": "input_image", "image_url": data},
            {"type": "image", "source": {"type": "base64", "data": data}},
            {"type": "tool_result", "content": [{"type": "image", "source": {}}]},
            {"type": "input_audio", "input_audio": {"data": data}},
            {"type": "text", "text": "ab"},
        ]);
        let request = json!({"messages": [{"role": "user", "content": parts}]}).to_string();
        let billed = Protocol::ChatCompletions.billed(request.as_bytes(), &characters);
        let expected = Billed {
            tokens: 9 + 3,
            pictures: 4,
        };
        assert_eq!(billed, expected);
    }

    #[test]
    fn what_cannot_be_read_counts_nothing() {
        let nested = "[".repeat(100_000);
        let deep = format!(r#"{{"messages": [{{"role": "user", "content": {nested}"#);
        for body in ["", "x", "[]", "null", "1", r#"{"messages""#, &deep] {
            for protocol in Protocol::ALL {
                let tokens = protocol.billed(body.as_bytes(), &characters).tokens;
                assert!(tokens <= OPENS_REPLY, "{body:.20}: {tokens}");
            }
        }
        let half = br#"{"messages": [{"role": "user", "content": "a\ud83d"}]}"#;
        assert_eq!(
            Protocol::ChatCompletions.billed(half, &characters).tokens,
            12
        );
        let broken = b"{\"messages\": [{\"role\": \"user\", \"content\": \"a\xff\"}]}";
        assert_eq!(
            Protocol::ChatCompletions.billed(broken, &characters).tokens,
            12
        );
    }

    #[test]
    fn of_a_request_too_large_the_beginning_is_counted() {
        let text = "ab ".repeat(MAX_COUNTED);
        let request = json!({"prompt": text}).to_string();
        let longest = std::cell::Cell::new(0);
        let count = |text: &str| {
            longest.set(longest.get() + text.len());
            characters(text)
        };
        let billed = Protocol::Completions.billed(request.as_bytes(), &count);
        assert_eq!(longest.get(), MAX_COUNTED);
        assert_eq!(billed.tokens, characters(&text));
    }
}
