//! Responses that were made here, in `previous_response_id`: the upstream does not know them.
//!
//! The id of a response made here holds that of the response before it, so that nothing has to be kept: whoever goes
//! on from it goes on from there.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::value::RawValue;

/// The field that names a response to go on from.
const FIELD: &str = "previous_response_id";
/// What the id of a response made here begins with.
const OURS: &str = "resp_local_";
/// What the name of a response made here begins with, before the protocol makes an id of it.
const NAME: &str = "local_";
/// Bytes of the longest id of an upstream's that is kept.
const LONGEST: usize = 512;

/// The response that a request goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Previous {
    /// One of the upstream's, which has the conversation so far.
    Upstream(String),
    /// One that was made here.
    Local {
        /// The id of the request that it replied to.
        request: String,
        /// The upstream's response before it.
        before: Option<String>,
    },
}

impl Previous {
    pub(super) fn of(id: &str) -> Self {
        let Some(ours) = id.strip_prefix(OURS) else {
            return Previous::Upstream(id.to_owned());
        };
        let (request, before) = ours.split_once('.').unwrap_or((ours, ""));
        let before = URL_SAFE_NO_PAD.decode(before).ok();
        let before = before.and_then(|before| String::from_utf8(before).ok());
        Previous::Local {
            request: request.to_owned(),
            before: before.filter(|before| !before.is_empty()),
        }
    }

    /// The upstream's response that this goes on from.
    pub(super) fn of_upstream(&self) -> Option<&str> {
        match self {
            Previous::Upstream(id) => Some(id),
            Previous::Local { before, .. } => before.as_deref(),
        }
    }
}

/// The name of a response made here for a request that goes on from `previous`.
pub(super) fn local_id(request_id: &str, previous: Option<&Previous>) -> String {
    let before = previous.and_then(Previous::of_upstream);
    match before.filter(|before| before.len() <= LONGEST) {
        Some(before) => format!("{NAME}{request_id}.{}", URL_SAFE_NO_PAD.encode(before)),
        None => format!("{NAME}{request_id}"),
    }
}

/// A request's body as the upstream can go on from it. None where it is no object.
pub(super) fn for_upstream(body: &[u8], before: Option<&str>) -> Option<Bytes> {
    let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(body).ok()?;
    match before {
        Some(before) => {
            let id = serde_json::value::to_raw_value(before).ok()?;
            fields.insert(FIELD.to_owned(), id);
        }
        None => {
            fields.remove(FIELD);
        }
    }
    serde_json::to_vec(&fields).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_goes_on_from_a_local_response_goes_on_from_the_one_before_it() {
        let upstream = Previous::of("resp_68af");
        assert_eq!(upstream, Previous::Upstream("resp_68af".to_owned()));
        let named = |request, previous| format!("resp_{}", local_id(request, previous));
        let first = named("7", None);
        let local = |request: &str, before: Option<&str>| Previous::Local {
            request: request.to_owned(),
            before: before.map(str::to_owned),
        };
        assert_eq!(Previous::of(&first), local("7", None));
        let second = named("8", Some(&upstream));
        let known = local("8", Some("resp_68af"));
        assert_eq!(Previous::of(&second), known);
        // However many are made here in a row.
        let third = Previous::of(&named("9", Some(&known)));
        assert_eq!(third, local("9", Some("resp_68af")));
        for broken in [
            "resp_local_",
            "resp_local_7.",
            "resp_local_7.***",
            "resp_local_7./w",
        ] {
            assert!(
                matches!(Previous::of(broken), Previous::Local { before: None, .. }),
                "{broken}"
            );
        }
    }

    #[test]
    fn the_rest_of_the_body_stays() {
        let body = br#"{"n": 1e400, "previous_response_id": "resp_local_7", "input": "a\u0062"}"#;
        let text =
            |before| String::from_utf8(for_upstream(body, before).unwrap().to_vec()).unwrap();
        assert_eq!(text(None), r#"{"input":"a\u0062","n":1e400}"#);
        assert_eq!(
            text(Some("r")),
            r#"{"input":"a\u0062","n":1e400,"previous_response_id":"r"}"#
        );
    }
}
