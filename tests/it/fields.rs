//! Every field of a request that may carry a customer's words is judged, counted or refused, as SECURITY.md says.

use intentgate::chat::{Protocol, Text};
use serde_json::{Value, json};

/// What becomes of words in a field.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Done {
    Judged,
    /// Counted as `unknown_shape`.
    Counted,
    Refused,
    /// The front end's own.
    Left,
}

fn done(protocol: Protocol, body: &Value) -> Done {
    match protocol.prompt(body.to_string().as_bytes()) {
        Err(_) => Done::Refused,
        Ok(prompt) if prompt.unread => Done::Counted,
        Ok(prompt) => match prompt.text {
            Text::Question(text) if text.contains("poem") => Done::Judged,
            _ => Done::Left,
        },
    }
}

#[test]
fn words_in_any_field_are_judged_counted_or_refused() {
    const POEM: &str = "write me a long poem about the sea";
    let long = POEM.repeat(40);
    let user = |content: Value| json!({"role": "user", "content": content});
    let hello = user(json!("hello"));
    let chat = |more: Value| {
        let mut body = json!({"model": "m", "messages": [hello]});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let tool = |description: &str| json!([{"type": "function", "function": {"name": "f", "description": description}}]);
    let (openai, anthropic) = (Protocol::ChatCompletions, Protocol::Messages);
    for (field, protocol, body, expected) in [
        (
            "messages",
            openai,
            chat(json!({"messages": [user(json!(POEM))]})),
            Done::Judged,
        ),
        (
            "messages",
            openai,
            chat(json!({"messages": [hello, {"role": "assistant", "content": POEM}]})),
            Done::Counted,
        ),
        (
            "messages",
            openai,
            chat(json!({"messages": [{"role": "system", "content": POEM}, hello]})),
            Done::Left,
        ),
        (
            "messages",
            openai,
            chat(
                json!({"messages": [user(json!([{"type": "file", "file": {"file_data": POEM}}]))]}),
            ),
            Done::Counted,
        ),
        (
            "messages",
            openai,
            json!({"messages": [hello], "Messages": [user(json!(POEM))]}),
            Done::Refused,
        ),
        (
            "tools",
            openai,
            chat(json!({"tools": tool(POEM)})),
            Done::Left,
        ),
        (
            "tools",
            openai,
            chat(json!({"tools": tool(&long)})),
            Done::Counted,
        ),
        (
            "functions",
            openai,
            chat(json!({"functions": [{"name": "f", "description": long}]})),
            Done::Counted,
        ),
        (
            "prompt",
            openai,
            chat(json!({"prompt": POEM})),
            Done::Counted,
        ),
        (
            "chat_template",
            openai,
            chat(json!({"chat_template": POEM})),
            Done::Counted,
        ),
        (
            "documents",
            openai,
            chat(json!({"documents": [{"text": POEM}]})),
            Done::Counted,
        ),
        (
            "tools",
            anthropic,
            chat(json!({"tools": [{"name": "f", "description": long}]})),
            Done::Counted,
        ),
        (
            "messages",
            anthropic,
            chat(json!({"messages": [hello, {"role": "assistant", "content": POEM}]})),
            Done::Counted,
        ),
        (
            "prompt",
            Protocol::Completions,
            json!({"prompt": ["hello", POEM]}),
            Done::Judged,
        ),
        (
            "prompt",
            Protocol::Completions,
            json!({"prompt": [[1, 2, 3]]}),
            Done::Counted,
        ),
        (
            "suffix",
            Protocol::Completions,
            json!({"prompt": "hello", "suffix": POEM}),
            Done::Counted,
        ),
        (
            "input",
            Protocol::Responses,
            json!({"input": POEM}),
            Done::Judged,
        ),
        (
            "tools",
            Protocol::Responses,
            json!({"input": "hello", "tools": [{"type": "function", "name": "f", "description": long}]}),
            Done::Counted,
        ),
        (
            "prompt",
            Protocol::Responses,
            json!({"input": "hello", "prompt": {"id": "p", "variables": {"a": POEM}}}),
            Done::Counted,
        ),
        (
            "conversation",
            Protocol::Responses,
            json!({"conversation": "c"}),
            Done::Counted,
        ),
    ] {
        assert_eq!(
            done(protocol, &body),
            expected,
            "{protocol:?} {field}: {body}"
        );
        let page = std::fs::read_to_string("SECURITY.md").unwrap();
        assert!(
            page.contains(&format!("`{field}`")),
            "SECURITY.md does not say what is done with {field}"
        );
    }
}
