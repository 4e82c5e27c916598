//! Where a closed connection is all that ends a reply: whether the reply itself says that it is whole.

use memchr::memmem;

use super::Protocol;

/// Bytes of the longest mark, and more.
const KEPT: usize = 64;

/// The end of OpenAI's older streams, and of some servers' newer ones.
const DONE: [&[u8]; 2] = [b"data: [DONE]", b"data:[DONE]"];

/// Looks for the event by which a stream says that it is whole, or that it has failed. Where a mark has quotes, none
/// is found inside a string of JSON, which would have to escape them.
#[derive(Debug)]
pub struct EndMark {
    marks: &'static [&'static [u8]],
    /// The end of what came: a mark may come in pieces.
    last: Vec<u8>,
    found: bool,
}

impl EndMark {
    /// That of a protocol.
    pub fn of(protocol: Protocol) -> Self {
        EndMark {
            marks: match protocol {
                // There are servers that say why they stop, and no more.
                Protocol::ChatCompletions | Protocol::Completions => &[
                    b"\"finish_reason\":\"",
                    b"\"finish_reason\": \"",
                    b"\"error\":{",
                    b"\"error\": {",
                ],
                Protocol::Responses => &[
                    b"\"response.completed\"",
                    b"\"response.failed\"",
                    b"\"response.incomplete\"",
                    b"\"type\":\"error\"",
                    b"\"type\": \"error\"",
                ],
                Protocol::Messages => &[
                    b"\"message_stop\"",
                    b"\"type\":\"error\"",
                    b"\"type\": \"error\"",
                ],
            },
            last: Vec::new(),
            found: false,
        }
    }

    /// The next whole events.
    pub fn look(&mut self, events: &[u8]) {
        if self.found {
            return;
        }
        self.last.extend_from_slice(events);
        let mut marks = self.marks.iter().chain(&DONE);
        self.found = marks.any(|mark| memmem::find(&self.last, mark).is_some());
        let passed = self.last.len().saturating_sub(KEPT);
        self.last.drain(..passed);
    }

    /// Whether the stream is whole, where this is left of it behind its last whole event.
    pub fn is_whole(&self, rest: &[u8]) -> bool {
        match rest.trim_ascii() {
            [] => self.found,
            rest => DONE.contains(&rest),
        }
    }
}

/// Follows JSON to its end.
#[derive(Debug, Default)]
pub struct JsonEnd {
    /// Objects and arrays that are open.
    open: usize,
    in_string: bool,
    is_escaped: bool,
    begun: bool,
}

impl JsonEnd {
    /// The next bytes.
    pub fn look(&mut self, json: &[u8]) {
        for byte in json {
            match (self.in_string, byte) {
                (true, _) if self.is_escaped => self.is_escaped = false,
                (true, b'\\') => self.is_escaped = true,
                (_, b'"') => self.in_string = !self.in_string,
                (false, b'{' | b'[') => self.open += 1,
                (false, b'}' | b']') => self.open = self.open.saturating_sub(1),
                _ => {}
            }
            self.begun |= !byte.is_ascii_whitespace();
        }
    }

    /// Whether nothing is missing, as far as brackets and quotes tell.
    pub fn is_whole(&self) -> bool {
        self.begun && self.open == 0 && !self.in_string
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_whole_by_its_end_mark() {
        use Protocol::{ChatCompletions, Completions, Messages, Responses};
        for (protocol, events, rest, expected) in [
            (ChatCompletions, "data: {}\n\ndata: [DONE]\n\n", "", true),
            (ChatCompletions, "data: {}\n\n", "data: [DONE]\n", true),
            (ChatCompletions, "data: {}\n\n", "data: [DONE", false),
            (ChatCompletions, "data: {}\n\n", "", false),
            (ChatCompletions, "data: [DONE]\n\n", "data: {\"a", false),
            (
                ChatCompletions,
                "data: {\"error\":{\"code\":1}}\n\n",
                "",
                true,
            ),
            (
                ChatCompletions,
                "data: {\"a\":\"\\\"error\\\":{\"}\n\n",
                "",
                false,
            ),
            (
                ChatCompletions,
                "data: {\"finish_reason\":null}\n\n",
                "",
                false,
            ),
            (
                ChatCompletions,
                "data: {\"finish_reason\": \"stop\"}\n\n",
                "",
                true,
            ),
            (Completions, "data:[DONE]\r\n\r\n", "", true),
            (
                Responses,
                "data: {\"response\":{}, \"type\": \"response.completed\"}\n\n",
                "",
                true,
            ),
            (
                Responses,
                "data: {\"type\":\"response.failed\"}\n\n",
                "",
                true,
            ),
            (
                Responses,
                "data: {\"type\":\"response.created\",\"response\":{\"error\":null}}\n\n",
                "",
                false,
            ),
            (Responses, "data: [DONE]\n\n", "", true),
            (
                Messages,
                "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
                "",
                true,
            ),
            (
                Messages,
                "data: {\"type\":\"message_delta\"}\n\n",
                "",
                false,
            ),
            (Messages, "data: {\"type\": \"error\"}\n\n", "", true),
        ] {
            for size in [1, 7, 1000] {
                let mut mark = EndMark::of(protocol);
                for piece in events.as_bytes().chunks(size) {
                    mark.look(piece);
                }
                let is_whole = mark.is_whole(rest.as_bytes());
                assert_eq!(is_whole, expected, "{protocol:?}: {events} {rest}");
            }
        }
    }

    #[test]
    fn json_is_whole_with_its_last_bracket() {
        let text = r#" {"a": ["]}\"", {}, "\\"], "b": 1} "#;
        let last = text.rfind('}').unwrap();
        for end in 0..=text.len() {
            let mut json = JsonEnd::default();
            for piece in text.as_bytes()[..end].chunks(3) {
                json.look(piece);
            }
            assert_eq!(json.is_whole(), end > last, "{}", &text[..end]);
        }
    }
}
