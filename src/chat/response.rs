//! The reply of OpenAI Responses: the Response object, whole or as the events that build it.

use std::iter;

use serde_json::{Value, json as value};

use super::fault::Fault;
use super::{Reply, ReplyShape, Usage, stream};

/// Fields of a request that its response repeats, and what stands there where the request has none.
pub(super) const ECHOED: [(&str, &str); 19] = [
    ("background", "false"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort": null, "summary": null}"#),
    ("safety_identifier", "null"),
    ("service_tier", r#""default""#),
    ("store", "true"),
    ("temperature", "1.0"),
    ("text", r#"{"format": {"type": "text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_p", "1.0"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

/// A whole response, or the stream of one.
pub(super) fn reply(shape: &ReplyShape, text: &str, id: &str, created: u64) -> Reply {
    let own = Own { shape, id, created };
    match shape.stream {
        true => Reply::stream(iter::once(own.stream(text))),
        false => Reply::json(&own.completed(text)),
    }
}

/// The event that ends a stream which broke off: what the API documents, and the object by which the SDKs
/// tell an error.
pub(super) fn stream_error(fault: &Fault) -> String {
    let error = value!({
        "type": "error",
        "code": fault.code,
        "message": fault.message,
        "param": null,
        "error": fault.openai_inner(),
        // How many events came before is not known here.
        "sequence_number": 0,
    });
    stream::named_event("error", &error)
}

/// What all events of one reply have in common.
struct Own<'a> {
    shape: &'a ReplyShape,
    id: &'a str,
    created: u64,
}

impl Own<'_> {
    fn response(&self, status: &str, output: Value) -> Value {
        let mut response = value!({
            "id": format!("resp_{}", self.id),
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": null,
            "incomplete_details": null,
            "model": self.shape.model,
            "output": output,
            "usage": null,
        });
        for (field, default) in ECHOED {
            let echoed = self.shape.echo.get(field).cloned();
            response[field] =
                echoed.unwrap_or_else(|| serde_json::from_str(default).unwrap_or_default());
        }
        response
    }

    fn completed(&self, text: &str) -> Value {
        let item = self.item("completed", value!([self.part(text)]));
        let mut response = self.response("completed", value!([item]));
        response["completed_at"] = self.created.into();
        response["usage"] = usage(self.shape.usage);
        response
    }

    fn item_id(&self) -> String {
        format!("msg_{}", self.id)
    }

    fn item(&self, status: &str, content: Value) -> Value {
        value!({
            "id": self.item_id(),
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        })
    }

    /// Prose where the client expects its own structure would break it; a refusal it knows.
    fn part(&self, text: &str) -> Value {
        match self.shape.structured {
            true => value!({"type": "refusal", "refusal": text}),
            false => {
                value!({"type": "output_text", "annotations": [], "logprobs": [], "text": text})
            }
        }
    }

    fn stream(&self, text: &str) -> String {
        let mut events = Events::default();
        for name in ["response.created", "response.in_progress"] {
            events.send(
                name,
                value!({"response": self.response("in_progress", value!([]))}),
            );
        }
        let added = self.item("in_progress", value!([]));
        events.send(
            "response.output_item.added",
            value!({"output_index": 0, "item": added}),
        );
        self.send_part(&mut events, text);
        let done = self.item("completed", value!([self.part(text)]));
        events.send(
            "response.output_item.done",
            value!({"output_index": 0, "item": done}),
        );
        events.send(
            "response.completed",
            value!({"response": self.completed(text)}),
        );
        events.text
    }

    fn send_part(&self, events: &mut Events, text: &str) {
        let at = |name: &str, field: &str, value: Value| {
            let mut data =
                value!({"item_id": self.item_id(), "output_index": 0, "content_index": 0});
            data[field] = value;
            if name.contains("output_text") {
                data["logprobs"] = value!([]);
            }
            data
        };
        let mut send = |name: &str, field: &str, value: Value| {
            events.send(name, at(name, field, value));
        };
        let (delta, done, field) = match self.shape.structured {
            true => ("response.refusal.delta", "response.refusal.done", "refusal"),
            false => (
                "response.output_text.delta",
                "response.output_text.done",
                "text",
            ),
        };
        send("response.content_part.added", "part", self.part(""));
        for piece in stream::pieces(text) {
            send(delta, "delta", piece.into());
        }
        send(done, field, text.into());
        send("response.content_part.done", "part", self.part(text));
    }
}

/// Events in their order, each with its number.
#[derive(Default)]
struct Events {
    text: String,
    sent: u64,
}

impl Events {
    fn send(&mut self, name: &str, fields: Value) {
        let mut data = value!({"type": name, "sequence_number": self.sent});
        if let (Some(data), Value::Object(fields)) = (data.as_object_mut(), fields) {
            data.extend(fields);
        }
        self.sent += 1;
        self.text.push_str(&stream::named_event(name, &data));
    }
}

fn usage(used: Usage) -> Value {
    value!({
        "input_tokens": used.prompt,
        "input_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": 0},
        "output_tokens": used.completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": used.prompt + used.completion,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Prompt;
    use super::super::responses::{MAX_ECHO, prompt};
    use super::*;

    fn read(fields: Value) -> Prompt {
        prompt(fields.to_string().as_bytes()).unwrap()
    }

    fn whole(prompt: &Prompt) -> Value {
        serde_json::from_slice(&reply(&prompt.reply, "您好", "1", 7).body.whole()).unwrap()
    }

    #[test]
    fn a_response_repeats_what_it_was_asked_with_unless_that_is_large() {
        let large = "i".repeat(MAX_ECHO);
        let request = json!({
            "input": "a",
            "instructions": large,
            "temperature": 0.5,
            "metadata": {"a": "b"},
            "tools": [{"type": "function", "name": "f"}],
            "user": null,
            "unknown": 1,
        });
        let response = whole(&read(request));
        for (field, value) in [
            ("instructions", Value::Null),
            ("temperature", json!(0.5)),
            ("metadata", json!({"a": "b"})),
            ("tools", json!([{"type": "function", "name": "f"}])),
            ("tool_choice", json!("auto")),
            ("text", json!({"format": {"type": "text"}})),
            ("id", json!("resp_1")),
            ("created_at", json!(7)),
        ] {
            assert_eq!(response[field], value, "{field}");
        }
        assert!(response.get("unknown").is_none());
    }

    #[test]
    fn what_is_repeated_is_measured_as_it_is_repeated() {
        let numbers = vec!["1e15"; MAX_ECHO / 10].join(",");
        let body = format!(r#"{{"input": "a", "tools": [{numbers}]}}"#);
        let response = whole(&prompt(body.as_bytes()).unwrap());
        assert_eq!(response["tools"], json!([]));
    }

    /// The data of a stream's events, each under its own name and number.
    fn events(prompt: &Prompt) -> Vec<Value> {
        let stream = reply(&prompt.reply, "您好，再见", "1", 0).body.whole();
        let stream = String::from_utf8(stream.to_vec()).unwrap();
        let events = stream.strip_suffix("\n\n").unwrap().split("\n\n");
        let event = |(number, event): (usize, &str)| {
            let (name, data) = event.split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            assert_eq!(data["sequence_number"], number);
            data
        };
        events.enumerate().map(event).collect()
    }

    #[test]
    fn a_stream_has_each_event_in_its_order() {
        let format = json!({"type": "json_schema", "name": "n", "schema": "s".repeat(MAX_ECHO)});
        for (fields, delta, done, field) in [
            (
                json!({"input": "a", "stream": true}),
                "output_text.delta",
                "output_text.done",
                "text",
            ),
            (
                json!({"input": "a", "stream": true, "text": {"format": format}}),
                "refusal.delta",
                "refusal.done",
                "refusal",
            ),
        ] {
            let prompt = read(fields);
            let events = events(&prompt);
            let kinds: Vec<_> = events
                .iter()
                .map(|data| {
                    data["type"]
                        .as_str()
                        .unwrap()
                        .strip_prefix("response.")
                        .unwrap()
                })
                .collect();
            let expected = [
                "created",
                "in_progress",
                "output_item.added",
                "content_part.added",
                delta,
                delta,
                done,
                "content_part.done",
                "output_item.done",
                "completed",
            ];
            assert_eq!(kinds, expected);
            assert_eq!(events[6][field], "您好，再见");
            assert_eq!(events[9]["response"]["output"][0], events[8]["item"]);
            assert_eq!(events[8]["item"]["content"][0], events[7]["part"]);
            assert_eq!(events[7]["part"][field], "您好，再见");
        }
    }
}
