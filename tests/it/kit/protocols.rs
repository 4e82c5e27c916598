//! Requests in every protocol, and what an unchanged client of each has to find in replies made here.

use http::StatusCode;
use intentgate::chat::Protocol;
use serde_json::{Value, json};

use super::reply::check_usage;
use super::{Answer, chat, check_reply};

/// A request with one question in it.
pub(crate) fn ask_in(protocol: Protocol, question: &str) -> Value {
    match protocol {
        Protocol::ChatCompletions => chat(question),
        Protocol::Responses => json!({"model": "test-model", "input": question}),
        Protocol::Completions => json!({"model": "test-model", "prompt": question}),
        Protocol::Messages => json!({
            "model": "test-model",
            "max_tokens": 100,
            "messages": [{"role": "user", "content": question}],
        }),
    }
}

/// The text of a local reply to `request`, after everything else about it was checked.
pub(crate) fn check_reply_in(protocol: Protocol, request: &Value, answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(["answer", "reject"].contains(&answer.decision()));
    assert!(!answer.header("x-request-id").is_empty());
    let streams = request["stream"] == true;
    let content_type = match streams {
        true => "text/event-stream; charset=utf-8",
        false => "application/json",
    };
    assert_eq!(answer.header("content-type"), content_type);
    match (protocol, streams) {
        (Protocol::ChatCompletions, _) => check_reply(request, answer),
        (Protocol::Responses, false) => response_text(&answer.json()),
        (Protocol::Responses, true) => response_stream(&answer.text()),
        (Protocol::Completions, false) => completion_text(&answer.json()),
        (Protocol::Completions, true) => completion_stream(&answer.text()),
        (Protocol::Messages, streams) => {
            assert_eq!(answer.header("request-id"), answer.header("x-request-id"));
            match streams {
                false => message_text(&answer.json()),
                true => message_stream(&answer.text()),
            }
        }
    }
}

/// An error in the protocol's own shape. OpenAI's has a code, Anthropic's only its type.
pub(crate) fn check_error_in(protocol: Protocol, answer: &Answer, status: u16, code: &str) {
    if protocol != Protocol::Messages {
        super::check_error(answer, status, code);
        return;
    }
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    let id = answer.header("request-id");
    assert!(!id.is_empty() && id == answer.header("x-request-id"));
    let body = answer.json();
    let kind = match status {
        413 => "request_too_large",
        502 => "api_error",
        503 => "overloaded_error",
        504 => "timeout_error",
        _ => "invalid_request_error",
    };
    let message = &body["error"]["message"];
    assert!(!message.as_str().unwrap().is_empty());
    let error = json!({"type": kind, "message": message});
    assert_eq!(
        body,
        json!({"type": "error", "error": error, "request_id": id})
    );
}

/// The data of each named event, which must say its name as well.
fn named_events(stream: &str) -> Vec<Value> {
    let events = stream.strip_suffix("\n\n").unwrap().split("\n\n");
    let data = events.map(|event| {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    });
    data.collect()
}

/// What the events of one type have in a field, joined.
fn joined<'e>(events: &'e [Value], kind: &str, text: impl Fn(&'e Value) -> &'e Value) -> String {
    let own = events.iter().filter(|event| event["type"] == kind);
    own.map(|event| text(event).as_str().unwrap()).collect()
}

fn response_text(response: &Value) -> String {
    assert_eq!(response["object"], "response");
    assert_eq!(response["status"], "completed");
    assert_eq!(response["model"], "test-model");
    assert!(response["id"].as_str().unwrap().starts_with("resp_"));
    assert!(response["created_at"].as_u64().unwrap() > 1_700_000_000);
    for key in ["input_tokens", "output_tokens", "total_tokens"] {
        assert_eq!(response["usage"][key], 0, "{key}");
    }
    let [item] = &response["output"].as_array().unwrap()[..] else {
        panic!("not one item: {response}");
    };
    assert_eq!(
        (&item["type"], &item["role"]),
        (&json!("message"), &json!("assistant"))
    );
    assert!(item["id"].as_str().unwrap().starts_with("msg_"));
    let part = &item["content"][0];
    assert_eq!(part["type"], "output_text");
    part["text"].as_str().unwrap().to_owned()
}

fn response_stream(stream: &str) -> String {
    let events = named_events(stream);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let [
        created,
        progress,
        item,
        part,
        ..,
        text_done,
        part_done,
        item_done,
        completed,
    ] = &events[..]
    else {
        panic!("{} events", events.len());
    };
    let text = response_text(&completed["response"]);
    for (event, kind) in [
        (created, "response.created"),
        (progress, "response.in_progress"),
        (item, "response.output_item.added"),
        (part, "response.content_part.added"),
        (text_done, "response.output_text.done"),
        (part_done, "response.content_part.done"),
        (item_done, "response.output_item.done"),
        (completed, "response.completed"),
    ] {
        assert_eq!(event["type"], kind);
    }
    assert_eq!(created["response"]["id"], completed["response"]["id"]);
    assert_eq!(completed["response"]["output"][0], item_done["item"]);
    assert_eq!(
        joined(
            &events,
            "response.output_text.delta",
            |event| &event["delta"]
        ),
        text
    );
    text
}

fn completion_frame(completion: &Value) {
    assert_eq!(completion["object"], "text_completion");
    assert_eq!(completion["model"], "test-model");
    assert!(completion["id"].as_str().unwrap().starts_with("cmpl-"));
    assert!(completion["created"].as_u64().unwrap() > 1_700_000_000);
}

fn completion_text(completion: &Value) -> String {
    completion_frame(completion);
    check_usage(&completion["usage"]);
    let text = &completion["choices"][0]["text"];
    let choice = json!({"text": text, "index": 0, "logprobs": null, "finish_reason": "stop"});
    assert_eq!(completion["choices"], json!([choice]));
    text.as_str().unwrap().to_owned()
}

fn completion_stream(stream: &str) -> String {
    let chunks = super::reply::events(stream);
    for chunk in &chunks {
        completion_frame(chunk);
        assert_eq!(chunk["id"], chunks[0]["id"], "one id for the whole stream");
    }
    let choices = chunks.iter().map(|chunk| &chunk["choices"][0]);
    let reasons: Vec<_> = choices
        .clone()
        .map(|choice| &choice["finish_reason"])
        .collect();
    let (last, others) = reasons.split_last().unwrap();
    assert!(*last == "stop" && others.iter().all(|reason| reason.is_null()));
    choices
        .map(|choice| choice["text"].as_str().unwrap())
        .collect()
}

fn message_frame(message: &Value) {
    assert_eq!(
        (&message["type"], &message["role"]),
        (&json!("message"), &json!("assistant"))
    );
    assert_eq!(message["model"], "test-model");
    assert!(message["id"].as_str().unwrap().starts_with("msg_"));
    assert_eq!(message["stop_sequence"], Value::Null);
    for key in ["input_tokens", "output_tokens"] {
        assert_eq!(message["usage"][key], 0, "{key}");
    }
}

fn message_text(message: &Value) -> String {
    message_frame(message);
    assert_eq!(message["stop_reason"], "end_turn");
    let text = &message["content"][0]["text"];
    assert_eq!(message["content"], json!([{"type": "text", "text": text}]));
    text.as_str().unwrap().to_owned()
}

fn message_stream(stream: &str) -> String {
    let events = named_events(stream);
    let [start, block, .., block_stop, delta, stop] = &events[..] else {
        panic!("{} events", events.len());
    };
    assert_eq!(start["type"], "message_start");
    message_frame(&start["message"]);
    assert_eq!(start["message"]["content"], json!([]));
    let empty = json!({"type": "text", "text": ""});
    assert_eq!(
        *block,
        json!({"type": "content_block_start", "index": 0, "content_block": empty})
    );
    assert_eq!(
        *block_stop,
        json!({"type": "content_block_stop", "index": 0})
    );
    assert_eq!(
        (&delta["type"], &delta["delta"]["stop_reason"]),
        (&json!("message_delta"), &json!("end_turn"))
    );
    assert_eq!(*stop, json!({"type": "message_stop"}));
    joined(
        &events,
        "content_block_delta",
        |event| &event["delta"]["text"],
    )
}
