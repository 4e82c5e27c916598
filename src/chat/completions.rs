//! OpenAI Completions, which came before chats: `POST /v1/completions`.

use serde::de::SeqAccess;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json as value};

use super::chat_completions::{StreamOptions, choices, usage};
use super::json::{self, LONGEST_NAME, Skim, Word, beginning};
use super::{Asker, Context, Prompt, Reply, ReplyShape, Text, Unreadable, stream};

/// Replies that one request gets here, whose prompts are not counted by the protocol: each reply is repeated in
/// full, so a small request could ask for gigabytes.
const MAX_REPLIES: usize = 128;

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
        wrapping: None,
        previous: None,
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
    let own = Own {
        shape: shape.clone(),
        id: format!("cmpl-{id}"),
        created,
    };
    match shape.stream {
        true => Reply::stream(own.stream(text.to_owned())),
        false => Reply::json(&own.whole(text)),
    }
}

/// What all chunks of one reply have in common.
struct Own {
    shape: ReplyShape,
    id: String,
    created: u64,
}

impl Own {
    fn whole(&self, text: &str) -> Value {
        let choices = (0..self.shape.choices).map(|index| choice(index, text, Some("stop")));
        let mut whole = self.completion(choices.collect());
        whole["usage"] = usage(self.shape.usage);
        whole
    }

    /// The choices one after the other, usage where it was asked for, and the end mark.
    fn stream(self, text: String) -> impl Iterator<Item = String> + Send + Sync + 'static {
        let choices = self.shape.choices;
        (0..=choices).map(move |index| match index < choices {
            true => self.events_of(index, &text),
            false => self.end(),
        })
    }

    /// One choice, in pieces where there is no other.
    fn events_of(&self, index: usize, text: &str) -> String {
        if self.shape.choices > 1 {
            return self.event(vec![choice(index, text, Some("stop"))], Value::Null);
        }
        let pieces = stream::pieces(text).map(|piece| choice(index, piece, None));
        let pieces = pieces.chain([choice(index, "", Some("stop"))]);
        pieces
            .map(|piece| self.event(vec![piece], Value::Null))
            .collect()
    }

    fn end(&self) -> String {
        let counted = || self.event(Vec::new(), usage(self.shape.usage));
        let counted = self.shape.include_usage.then(counted);
        counted.unwrap_or_default() + stream::DONE
    }

    fn event(&self, choices: Vec<Value>, counted: Value) -> String {
        let mut chunk = self.completion(choices);
        if self.shape.include_usage {
            chunk["usage"] = counted;
        }
        stream::event(&chunk)
    }

    fn completion(&self, choices: Vec<Value>) -> Value {
        value!({
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.shape.model,
            "choices": choices,
        })
    }
}

fn choice(index: usize, text: &str, finish_reason: Option<&str>) -> Value {
    value!({"text": text, "index": index, "logprobs": null, "finish_reason": finish_reason})
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
        let events =
            String::from_utf8(reply(&shape, "您好", "1", 0).body.whole().to_vec()).unwrap();
        let events: Vec<_> = events.trim_end().split("\n\n").collect();
        assert_eq!(events.len(), 4);
        let chunk = |at: usize| -> Value {
            serde_json::from_str(events[at].strip_prefix("data: ").unwrap()).unwrap()
        };
        assert_eq!(chunk(0)["choices"][0]["text"], "您好");
        assert_eq!(chunk(0)["usage"], Value::Null);
        assert_eq!(
            chunk(1)["choices"],
            json!([{"text": "您好", "index": 1, "logprobs": null, "finish_reason": "stop"}])
        );
        assert_eq!(
            (&chunk(2)["choices"], &chunk(2)["usage"]["total_tokens"]),
            (&json!([]), &json!(0))
        );
        assert_eq!(events[3], "data: [DONE]");
    }

    #[test]
    fn a_small_request_gets_no_large_reply() {
        for stream in [false, true] {
            let model = "\u{1}".repeat(256);
            let body = json!({"model": model, "prompt": vec!["a"; 8], "n": 128, "stream": stream});
            let prompt = prompt(body.to_string().as_bytes()).unwrap();
            let text = "您".repeat(100);
            let length = reply(&prompt.reply, &text, "1", 0).body.whole().len();
            assert!(length < 128 << 10, "{length}");
        }
    }
}
