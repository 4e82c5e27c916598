//! Checks that a chat completion made by the gateway is what an unchanged OpenAI client can read.

use http::StatusCode;
use serde_json::{Value, json};

use super::Answer;

/// The text of a local reply to `request`, after everything else about it was checked.
pub(crate) fn check_reply(request: &Value, answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(["answer", "reject"].contains(&answer.decision()));
    assert!(!answer.header("x-request-id").is_empty());
    let texts = if request["stream"] == true {
        check_stream(request, answer)
    } else {
        check_completion(request, answer)
    };
    let choices = request["n"].as_u64().unwrap_or(1);
    assert_eq!(texts.len() as u64, choices);
    assert!(texts.iter().all(|text| *text == texts[0]));
    texts[0].clone()
}

/// An error in OpenAI's shape.
pub(crate) fn check_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(!answer.header("x-request-id").is_empty());
    let error = &answer.json()["error"];
    assert_eq!(error["code"], code);
    assert_eq!(error["param"], Value::Null);
    assert!(!error["message"].as_str().unwrap().is_empty());
    let kind = match status {
        429 => "requests",
        ..500 => "invalid_request_error",
        _ => "server_error",
    };
    assert_eq!(error["type"], kind);
}

fn check_completion(request: &Value, answer: &Answer) -> Vec<String> {
    assert_eq!(answer.header("content-type"), "application/json");
    let completion = answer.json();
    check_frame(request, &completion, "chat.completion");
    check_usage(&completion["usage"]);
    let choices = completion["choices"].as_array().unwrap().iter().enumerate();
    choices
        .map(|(index, choice)| {
            assert_eq!(choice["index"], index);
            assert_eq!(choice["finish_reason"], "stop");
            assert_eq!(choice["message"]["role"], "assistant");
            let (field, other) = fields(request);
            assert!(choice["message"][other].is_null());
            choice["message"][field].as_str().unwrap().to_owned()
        })
        .collect()
}

/// Role, content and stop for each choice, usage where it was asked for, and the end mark.
fn check_stream(request: &Value, answer: &Answer) -> Vec<String> {
    assert_eq!(
        answer.header("content-type"),
        "text/event-stream; charset=utf-8"
    );
    let mut chunks = events(&answer.text());
    let id = chunks[0]["id"].clone();
    for chunk in &chunks {
        check_frame(request, chunk, "chat.completion.chunk");
        assert_eq!(chunk["id"], id, "one id for the whole stream");
    }
    if request["stream_options"]["include_usage"] == true {
        let last = chunks.pop().unwrap();
        assert_eq!(last["choices"], json!([]));
        check_usage(&last["usage"]);
        assert!(chunks.iter().all(|chunk| chunk["usage"].is_null()));
    } else {
        assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
    }
    let choices = request["n"].as_u64().unwrap_or(1);
    (0..choices)
        .map(|index| {
            let own = chunks.iter().map(|chunk| &chunk["choices"][0]);
            let own = own.filter(|choice| choice["index"] == index);
            text_of_choice(own.collect(), fields(request))
        })
        .collect()
}

/// The JSON of each event before the end mark.
pub(super) fn events(stream: &str) -> Vec<Value> {
    let (events, nothing) = stream.rsplit_once("data: [DONE]\n\n").unwrap();
    assert_eq!(nothing, "", "nothing follows the end mark");
    let events = events.strip_suffix("\n\n").unwrap().split("\n\n");
    events
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .collect()
}

/// The field that holds the text, and the one that does not.
fn fields(request: &Value) -> (&'static str, &'static str) {
    if request["response_format"].is_null() {
        ("content", "refusal")
    } else {
        ("refusal", "content")
    }
}

/// One of several choices is a chunk; the only one comes in pieces.
fn text_of_choice(chunks: Vec<&Value>, (field, other): (&str, &str)) -> String {
    if let [whole] = &chunks[..] {
        assert_eq!(whole["delta"]["role"], "assistant");
        assert_eq!(whole["finish_reason"], "stop");
        return whole["delta"][field].as_str().unwrap().to_owned();
    }
    let [first, content @ .., last] = &chunks[..] else {
        panic!("a choice of {} chunks", chunks.len());
    };
    assert_eq!(first["delta"]["role"], "assistant");
    assert_eq!(last["finish_reason"], "stop");
    assert_eq!(last["delta"], json!({}));
    assert!(first["finish_reason"].is_null());
    let pieces = content.iter().map(|chunk| {
        assert!(chunk["finish_reason"].is_null());
        assert!(chunk["delta"].get(other).is_none());
        chunk["delta"][field].as_str().unwrap()
    });
    pieces.collect()
}

/// What a completion and a chunk have in common.
fn check_frame(request: &Value, frame: &Value, object: &str) {
    assert_eq!(frame["object"], object);
    assert_eq!(frame["model"], request["model"]);
    assert!(frame["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(frame["created"].as_u64().unwrap() > 1_700_000_000);
}

pub(super) fn check_usage(usage: &Value) {
    for key in ["prompt_tokens", "completion_tokens", "total_tokens"] {
        assert_eq!(usage[key], 0, "{key}");
    }
}
