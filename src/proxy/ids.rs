//! What a request is known by: to the gateway, to its client, and to the upstream.
//!
//! ```text
//!                        no x-request-id came      one came
//! to the upstream        x-request-id: gate's      x-request-id: client's
//! x-request-id           upstream's, else gate's   client's
//! x-upstream-request-id                            upstream's
//! x-intentgate-request-id        always the gate's own
//! ```

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

use crate::chat::Protocol;

/// Tells requests apart in every log.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The same, where Anthropic's clients look for it.
pub(super) const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// The upstream's id, where the client's own is in its place.
pub(super) const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
/// The gateway's own.
pub(super) const GATE_REQUEST_ID: HeaderName = HeaderName::from_static("x-intentgate-request-id");

/// The longest id that is taken from a client, and kept of an upstream.
const LONGEST: usize = 128;

/// The ids with which a request begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ids {
    /// Made here: no client gives it twice, or to another's request.
    gate: HeaderValue,
    /// The client's, where it gave a plain one.
    client: Option<HeaderValue>,
}

impl Ids {
    /// Those of a request with these headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let fresh = Uuid::now_v7().simple().to_string();
        let gate = HeaderValue::from_str(&fresh);
        Ids {
            gate: gate.unwrap_or(HeaderValue::from_static("none")),
            client: headers
                .get(REQUEST_ID)
                .filter(|id| plain(id).is_some())
                .cloned(),
        }
    }

    /// The gateway's own.
    pub(super) fn gate(&self) -> &str {
        self.gate.to_str().unwrap_or_default()
    }

    /// What the client knows the request by: its own id, else the gateway's.
    pub(super) fn request(&self) -> &str {
        self.header().to_str().unwrap_or_default()
    }

    /// The same as a header.
    pub(super) fn header(&self) -> &HeaderValue {
        self.client.as_ref().unwrap_or(&self.gate)
    }

    /// Puts them into a reply's headers, beside the upstream's own.
    pub(super) fn mark(&self, headers: &mut HeaderMap, protocol: Option<Protocol>) {
        // An upstream's own id is what its support asks for, and what clients expect to see.
        let upstream = of_upstream(headers, protocol).cloned();
        match (&self.client, upstream) {
            (Some(client), upstream) => {
                if let Some(upstream) = upstream {
                    headers.insert(UPSTREAM_REQUEST_ID, upstream);
                }
                headers.insert(REQUEST_ID, client.clone());
            }
            (None, _) => {
                let id = headers.entry(REQUEST_ID);
                id.or_insert_with(|| self.gate.clone());
            }
        }
        if protocol == Some(Protocol::Messages) {
            let id = headers.entry(ANTHROPIC_REQUEST_ID);
            id.or_insert_with(|| self.header().clone());
        }
        headers.insert(GATE_REQUEST_ID, self.gate.clone());
    }
}

/// The upstream's id as it is written down; none where it gave no plain one.
pub(super) fn upstream_id(headers: &HeaderMap, protocol: Option<Protocol>) -> Option<String> {
    of_upstream(headers, protocol)
        .and_then(plain)
        .map(str::to_owned)
}

/// The id that an upstream gave its reply, under the header of its API before the other.
fn of_upstream(headers: &HeaderMap, protocol: Option<Protocol>) -> Option<&HeaderValue> {
    let names = match protocol {
        Some(Protocol::Messages) => [ANTHROPIC_REQUEST_ID, REQUEST_ID],
        _ => [REQUEST_ID, ANTHROPIC_REQUEST_ID],
    };
    names.iter().find_map(|name| headers.get(name))
}

/// An id that says nothing in a log but itself: visible ASCII, and not too long.
fn plain(id: &HeaderValue) -> Option<&str> {
    let text = id.to_str().ok()?;
    let fits = (1..=LONGEST).contains(&text.len());
    (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
        let given = given.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        given.collect()
    }

    #[test]
    fn a_reply_shows_the_ids_of_all_three() {
        const OPENAI: (&str, &str) = ("x-request-id", "req_o");
        const ANTHROPIC: (&str, &str) = ("request-id", "req_a");
        let chat = Some(Protocol::ChatCompletions);
        let messages = Some(Protocol::Messages);
        // Of the client, of the upstream's reply: x-request-id, request-id, x-upstream-request-id.
        for (client, upstream, protocol, expected) in [
            (None, &[][..], chat, ["gate", "", ""]),
            (None, &[], None, ["gate", "", ""]),
            (None, &[], messages, ["gate", "gate", ""]),
            (None, &[OPENAI], chat, ["req_o", "", ""]),
            (None, &[ANTHROPIC], messages, ["gate", "req_a", ""]),
            (None, &[OPENAI], messages, ["req_o", "gate", ""]),
            (Some("c"), &[], chat, ["c", "", ""]),
            (Some("c"), &[], messages, ["c", "c", ""]),
            (Some("c"), &[OPENAI], chat, ["c", "", "req_o"]),
            (Some("c"), &[ANTHROPIC], messages, ["c", "req_a", "req_a"]),
            (Some("c"), &[ANTHROPIC], chat, ["c", "req_a", "req_a"]),
            (Some("c"), &[OPENAI], messages, ["c", "c", "req_o"]),
            (Some("c"), &[OPENAI], None, ["c", "", "req_o"]),
        ] {
            let asked: Vec<_> = client.map(|id| ("x-request-id", id)).into_iter().collect();
            let ids = Ids::of(&headers(&asked));
            assert_eq!(ids.request(), client.unwrap_or(ids.gate()));
            let mut reply = headers(upstream);
            let written = upstream_id(&reply, protocol);
            assert_eq!(written.as_deref(), upstream.first().map(|(_, id)| *id));
            ids.mark(&mut reply, protocol);
            assert_eq!(reply[GATE_REQUEST_ID], ids.gate());
            let shown = |name| match reply.get(name).map(|id| id.to_str().unwrap()) {
                Some(id) if id == ids.gate() => "gate".to_owned(),
                id => id.unwrap_or_default().to_owned(),
            };
            let shown = [REQUEST_ID, ANTHROPIC_REQUEST_ID, UPSTREAM_REQUEST_ID].map(shown);
            assert_eq!(shown, expected, "{client:?} {upstream:?} {protocol:?}");
        }
    }

    proptest! {
        #[test]
        fn an_id_says_nothing_in_a_log_but_itself(
            plain in "[!-~]{1,128}",
            any in vec(any::<u8>(), 0..200),
        ) {
            let id = |bytes: &[u8]| {
                let allowed = |b: &u8| *b == b'\t' || *b >= b' ' && *b != 0x7f;
                let bytes: Vec<_> = bytes.iter().copied().filter(allowed).collect();
                let value = HeaderValue::from_bytes(&bytes).unwrap();
                let headers = HeaderMap::from_iter([(REQUEST_ID, value)]);
                let ids = Ids::of(&headers);
                let of_upstream = upstream_id(&headers, None);
                assert!(of_upstream.is_none_or(|id| id == ids.request()));
                ids.request().to_owned()
            };
            prop_assert_eq!(id(plain.as_bytes()), plain);
            let id = id(&any);
            prop_assert!((1..=LONGEST).contains(&id.len()));
            prop_assert!(id.bytes().all(|b| b.is_ascii_graphic()));
        }
    }
}
