//! OpenAI Completions, which came before chats: `POST /v1/completions`.

use serde::de::SeqAccess;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json as value};

use super::chat_completions::{StreamOptions, choices, usage};
use super::json::{self, LONGEST_NAME, Skim, Word, beginning};
use super::{Asker, Context, Prompt, Reply, ReplyShape, Text, Unreadable, stream};

/// Replies that one request gets here, whose prompts are not counted by the protocol: each reply is repeated in
/// full, so a small request could ask for gigabytes.
const MAX_REPLIES: usize = 1_024;

/// What is read of a request; the rest is the upstream's.
#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    model: Word,
    #[serde(default)]
    prompt: Prompts,
    /// What comes after the text that is to be written, where it is to be inserted.
    #[serde(default)]
    suffix: Word,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    user: Word,
}

/// The prompts of one request.
#[derive(Debug, Default)]
struct Prompts {
    /// Those that are text, a line each.
    words: String,
    count: usize,
    /// Whether any is not text.
    unread: bool,
}

/// The text to judge, and how the reply is to look.
pub(super) fn prompt(body: &[u8]) -> Result<Prompt, Unreadable> {
    let request: Request = json::read_object(body)
        .map_err(|error| Unreadable(format!("the body is no completion request: {error}")))?;
    let prompts = request.prompt;
    let inserts = request
        .suffix
        .as_str()
        .is_some_and(|s| !s.trim().is_empty());
    let unread = prompts.unread || inserts;
    let text = match prompts.words.trim() {
        words if !words.is_empty() => Text::Question(words.to_owned()),
        _ if unread => Text::UnknownShape,
        _ => Text::None,
    };
    let asked = choices(request.n).saturating_mul(prompts.count.max(1));
    let reply = ReplyShape {
        model: request.model.into_model(),
        stream: request.stream.unwrap_or(false),
        include_usage: StreamOptions::include_usage(request.stream_options),
        choices: asked.min(MAX_REPLIES),
        ..ReplyShape::default()
    };
    let opening = beginning(prompts.words.trim(), LONGEST_NAME).to_owned();
    Ok(Prompt {
        text,
        unread,
        context: Context::default(),
        asker: Asker {
            user: request.user.into_name(),
            opening,
        },
        reply,
    })
}

impl<'de> Skim<'de> for Prompts {
    fn other() -> Self {
        Prompts {
            unread: true,
            ..Prompts::default()
        }
    }

    fn null() -> Self {
        Prompts::default()
    }

    fn text(text: &str) -> Self {
        Prompts {
            words: text.to_owned(),
            count: 1,
            unread: false,
        }
    }

    /// Texts, or tokens, or lists of tokens.
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut prompts = Prompts::default();
        while let Some(element) = list.next_element()? {
            match element {
                Element::Text(text) => {
                    prompts.words.push_str(&text);
                    prompts.words.push('\n');
                    prompts.count += 1;
                }
                Element::Tokens => (prompts.count, prompts.unread) = (prompts.count + 1, true),
                Element::Token => prompts.unread = true,
            }
        }
        Ok(prompts)
    }
}

impl<'de> Deserialize<'de> for Prompts {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json::skim(json)
    }
}

enum Element {
    Text(String),
    Tokens,
    Token,
}

impl<'de> Skim<'de> for Element {
    fn other() -> Self {
        Element::Token
    }

    fn text(text: &str) -> Self {
        Element::Text(text.to_owned())
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<serde::de::IgnoredAny>()?.is_some() {}
        Ok(Element::Tokens)
    }
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json::skim(json)
    }
}

/// A whole completion, or the stream of one.
pub(super) fn reply(shape: &ReplyShape, text: &str, id: &str, created: u64) -> Reply {
    let choice = |index: usize, text: &str, finish_reason: Option<&str>| value!({"text": text, "index": index, "logprobs": null, "finish_reason": finish_reason});
    let completion = |choices: Vec<Value>| {
        value!({
            "id": format!("cmpl-{id}"),
            "object": "text_completion",
            "created": created,
            "model": shape.model,
            "choices": choices,
        })
    };
    if !shape.stream {
        let choices = (0..shape.choices).map(|index| choice(index, text, Some("stop")));
        let mut whole = completion(choices.collect());
        whole["usage"] = usage(shape.usage);
        return Reply::json(&whole);
    }
    let mut events = String::new();
    let mut send = |choices: Vec<Value>, counted: Value| {
        let mut chunk = completion(choices);
        if shape.include_usage {
            chunk["usage"] = counted;
        }
        events.push_str(&stream::event(&chunk));
    };
    for index in 0..shape.choices {
        for piece in stream::pieces(text) {
            send(vec![choice(index, piece, None)], Value::Null);
        }
        send(vec![choice(index, "", Some("stop"))], Value::Null);
    }
    if shape.include_usage {
        send(Vec::new(), usage(shape.usage));
    }
    events.push_str(stream::DONE);
    Reply::stream(events)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(prompts: &Value) -> Prompt {
        let body = json!({"model": "m", "prompt": prompts, "n": 2}).to_string();
        prompt(body.as_bytes()).unwrap()
    }

    #[test]
    fn texts_are_judged_and_tokens_are_an_unknown_shape() {
        let question = |text: &str| Text::Question(text.to_owned());
        for (prompts, text, unread, choices) in [
            (json!(" 退款 "), question("退款"), false, 2),
            (json!(["a", "b"]), question("a\nb"), false, 4),
            (json!([1, 2, 3]), Text::UnknownShape, true, 2),
            (json!([[1, 2], [3]]), Text::UnknownShape, true, 4),
            (json!(["a", [1], 2]), question("a"), true, 4),
            (json!({"text": "a"}), Text::UnknownShape, true, 2),
            (json!(7), Text::UnknownShape, true, 2),
            (json!(""), Text::None, false, 2),
            (json!([]), Text::None, false, 2),
            (Value::Null, Text::None, false, 2),
            (
                json!(vec!["a"; 5_000]),
                question(&["a"; 5_000].join("\n")),
                false,
                MAX_REPLIES,
            ),
        ] {
            let found = read(&prompts);
            assert_eq!(found.text, text, "{prompts}");
            assert_eq!(
                (found.unread, found.reply.choices),
                (unread, choices),
                "{prompts}"
            );
        }
    }

    #[test]
    fn a_suffix_is_not_read() {
        let of = |body: &str| prompt(body.as_bytes()).unwrap();
        let beside = of(r#"{"prompt": "a", "suffix": "b"}"#);
        assert_eq!(
            (beside.text, beside.unread),
            (Text::Question("a".to_owned()), true)
        );
        assert_eq!(of(r#"{"suffix": "b"}"#).text, Text::UnknownShape);
        assert!(!of(r#"{"prompt": "a", "suffix": ""}"#).unread);
    }

    #[test]
    fn a_body_that_no_server_could_read_is_an_error() {
        for body in [
            "",
            "[]",
            "{",
            r#"{"prompt": "a", "prompt": "b"}"#,
            r#"{"n": "1"}"#,
        ] {
            assert!(prompt(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_stream_ends_each_choice_and_then_itself() {
        let shape = ReplyShape {
            model: "m".to_owned(),
            stream: true,
            include_usage: true,
            choices: 2,
            ..ReplyShape::default()
        };
        let events = String::from_utf8(reply(&shape, "您好", "1", 0).body.to_vec()).unwrap();
        let events: Vec<_> = events.trim_end().split("\n\n").collect();
        assert_eq!(events.len(), 6);
        let chunk = |at: usize| -> Value {
            serde_json::from_str(events[at].strip_prefix("data: ").unwrap()).unwrap()
        };
        assert_eq!(chunk(0)["choices"][0]["text"], "您好");
        assert_eq!(chunk(0)["choices"][0]["finish_reason"], Value::Null);
        assert_eq!(chunk(0)["usage"], Value::Null);
        assert_eq!(
            chunk(3)["choices"],
            json!([{"text": "", "index": 1, "logprobs": null, "finish_reason": "stop"}])
        );
        assert_eq!(
            (&chunk(4)["choices"], &chunk(4)["usage"]["total_tokens"]),
            (&json!([]), &json!(0))
        );
        assert_eq!(events[5], "data: [DONE]");
    }
}
