//! A question as files and programs write it down: one line of JSON.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Prompt, Protocol};
use crate::language::Phrase;
use crate::source::shorten;

/// A line of JSON Lines that holds a question; one of the two.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The question by itself.
    pub text: Option<String>,
    /// The conversation that ends with it, as a chat completion request has it.
    pub messages: Option<Value>,
}

impl Line {
    /// The prompt that a request with this question would be.
    ///
    /// # Errors
    /// What is wrong, and what would be accepted.
    pub fn prompt(self) -> Result<Prompt, Phrase> {
        let messages = match (self.text, self.messages) {
            (Some(text), None) => json!([{"role": "user", "content": text}]),
            (None, Some(messages)) => messages,
            (None, None) => return Err(Line::accepted()),
            (Some(_), Some(_)) => {
                return Err(Phrase::new(
                    "text 和 messages 只能有一个；删掉一个",
                    "has both text and messages; delete one of the two",
                ));
            }
        };
        let body = json!({"messages": messages}).to_string();
        let prompt = Protocol::ChatCompletions.prompt(body.as_bytes());
        prompt.map_err(|_| Line::refused(&messages))
    }

    /// What is said of a value that is no line, or no conversation.
    pub fn refused(value: &Value) -> Phrase {
        let (value, accepted) = (shorten(&value.to_string()), Line::accepted());
        Phrase::new(
            format!("不接受 {value}；{}", accepted.zh),
            format!("{value} is not accepted; {}", accepted.en),
        )
    }

    /// What a line may be.
    pub fn accepted() -> Phrase {
        Phrase::new(
            "请写 {\"text\": \"…\"} 或 {\"messages\": [{\"role\": \"user\", \"content\": \"…\"}]}",
            "write {\"text\": \"…\"} or {\"messages\": [{\"role\": \"user\", \"content\": \"…\"}]}",
        )
    }
}
