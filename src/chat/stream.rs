//! Server-sent events, as chat protocols use them.

use serde_json::Value;

/// The `content-type` of a stream of events.
pub const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";

/// The last event of OpenAI's older streams.
pub(super) const DONE: &str = "data: [DONE]\n\n";

/// One event of JSON data.
pub(super) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// The same with its name in a line of its own.
pub(super) fn named_event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// A text in pieces as a model would send them: a few characters each, never inside a character.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    const LENGTH: usize = 4;
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest
            .char_indices()
            .nth(LENGTH)
            .map_or(rest.len(), |(at, _)| at);
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_text() {
        for text in ["", "您好", "Hello, 您好！😀😀😀 bye"] {
            assert_eq!(pieces(text).collect::<String>(), text);
        }
    }
}
