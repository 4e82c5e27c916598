//! Headers on their way through: what belongs to one connection stays there, the rest passes.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Request, Version};

use super::ids::{Ids, REQUEST_ID};
use super::refusal::Refusal;

/// What the gateway's own headers begin with.
const OWN: &str = "x-intentgate-";
/// What was done with the question.
pub(super) const DECISION: HeaderName = HeaderName::from_static("x-intentgate-decision");
/// Tells the upstream that a part of the question is off-topic.
pub(super) const MIXED: HeaderName = HeaderName::from_static("x-intentgate-mixed");

/// What says who the client is and where it came from, or is for another site: none of the LLM's business unless the
/// operator says so.
const PRIVATE: [&str; 14] = [
    "cookie",
    "referer",
    "origin",
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
];

/// RFC 9112, 3.2: whoever reads the other of two hosts than the next does is led astray.
pub(super) fn ensure_one_host<B>(request: &Request<B>) -> Result<(), Refusal> {
    let hosts = request.headers().get_all(HOST).iter().count();
    let fits = match request.version() {
        Version::HTTP_11 => hosts == 1,
        _ => hosts <= 1,
    };
    fits.then_some(()).ok_or(Refusal::NotOneHost)
}

/// A client's headers as the upstream gets them. What only the gate may say is taken from no client.
pub(super) fn prepare_request(
    headers: &mut HeaderMap,
    ids: &Ids,
    mixed: bool,
    forwarded: &[HeaderName],
) {
    remove_hop_by_hop(headers);
    for name in PRIVATE {
        if !forwarded.iter().any(|forwarded| forwarded == name) {
            headers.remove(name);
        }
    }
    // Both are the upstream connection's: its host, and the length of the body as sent.
    headers.remove(HOST);
    headers.remove(CONTENT_LENGTH);
    headers.insert(REQUEST_ID, ids.header().clone());
    let own = headers.keys().filter(|name| name.as_str().starts_with(OWN));
    for name in own.cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
    if mixed {
        headers.insert(MIXED, HeaderValue::from_static("true"));
    }
}

/// The upstream's headers as the client gets them.
pub(super) fn prepare_response(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
}

/// RFC 9110, 7.6.1: `Connection`, what it names, and what was always meant for one connection.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let fixed = [
        CONNECTION,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    for name in named.iter().chain(&fixed) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_belongs_to_one_connection_does_not_pass() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-mine"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("x-other", "2"),
            ("authorization", "Bearer k"),
        ] {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        remove_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "x-other"]);
    }

    /// A value that a header may have, from bytes that may be none.
    fn value(bytes: &[u8]) -> HeaderValue {
        let allowed = |b: &u8| *b == b'\t' || *b >= b' ' && *b != 0x7f;
        let bytes: Vec<_> = bytes.iter().copied().filter(allowed).collect();
        HeaderValue::from_bytes(&bytes).unwrap()
    }

    proptest! {
        #[test]
        fn what_connection_names_does_not_pass_and_the_rest_does(
            named in vec("x-[a-c]", 0..4),
            others in vec("x-[a-f]", 0..6),
            junk in vec(any::<u8>(), 0..20),
            blank in "[ \t]{0,2}",
        ) {
            let lines = [named.join(&format!("{blank},{blank}")).into_bytes(), junk];
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(CONNECTION, value(line));
            }
            let names = others.iter().chain(&named).map(|name| name.parse::<HeaderName>().unwrap());
            headers.extend(names.map(|name| (name, HeaderValue::from_static("1"))));
            remove_hop_by_hop(&mut headers);
            prop_assert!(!headers.contains_key(CONNECTION));
            prop_assert!(named.iter().all(|name| !headers.contains_key(name)));
            let is_named = |name: &String| {
                let junk = String::from_utf8_lossy(&lines[1]).to_ascii_lowercase();
                named.contains(name) || junk.contains(name.as_str())
            };
            let rest = others.iter().filter(|name| !is_named(name));
            for name in rest {
                prop_assert!(headers.contains_key(name), "{name}");
            }
        }
    }
}
