//! W3C Trace Context: the span that a request came out of, and what the next one is told.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use opentelemetry::{SpanId, TraceFlags, TraceId};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What tracing systems tell each other beside it; worth nothing without it.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The flags that have a meaning: whether the caller records, and whether the trace's id is random.
const KNOWN_FLAGS: u8 = 0b11;
/// More of `tracestate` than this is passed on but not exported: the length that the standard asks all to bear.
const MAX_STATE_BYTES: usize = 512;

/// The span that a request came out of, by its `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The trace that both are part of.
    pub trace: TraceId,
    /// The client's span.
    pub span: SpanId,
    /// Whether the client records.
    pub flags: TraceFlags,
}

impl Parent {
    /// None where there is none, or one that is not valid. Of a version to come, what version 00 has is read, as
    /// the standard asks.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut parts = headers.get(TRACEPARENT)?.to_str().ok()?.split('-');
        let mut part = |digits: usize| {
            let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
            let part = parts.next()?;
            (part.len() == digits && part.bytes().all(is_hex)).then_some(part)
        };
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let is_complete = version != "ff" && (version != "00" || parts.next().is_none());
        let parent = Parent {
            trace: TraceId::from_hex(trace).ok()?,
            span: SpanId::from_hex(span).ok()?,
            flags: TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & KNOWN_FLAGS),
        };
        let is_zero = parent.trace == TraceId::INVALID || parent.span == SpanId::INVALID;
        (is_complete && !is_zero).then_some(parent)
    }

    /// Makes this the parent of whoever gets the headers.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        let Parent { trace, span, flags } = self;
        let value = format!("00-{trace}-{span}-{:02x}", flags.to_u8());
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(TRACEPARENT, value);
        }
    }
}

/// The client's `tracestate` as far as it is exported.
pub(super) fn state(headers: &HeaderMap) -> Option<&str> {
    let state = headers.get(TRACESTATE)?.to_str().ok()?;
    (state.len() <= MAX_STATE_BYTES).then_some(state)
}

/// Takes out the state of a trace that is not gone on with.
pub(super) fn remove_state(headers: &mut HeaderMap) {
    headers.remove(TRACESTATE);
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn parent(traceparent: &str) -> Option<Parent> {
        let value = HeaderValue::from_bytes(traceparent.as_bytes()).unwrap();
        Parent::of(&HeaderMap::from_iter([(TRACEPARENT, value)]))
    }

    #[test]
    fn a_parent_is_taken_from_a_valid_traceparent_only() {
        for (flags, known) in [("00", 0), ("01", 1), ("02", 2), ("03", 3), ("ff", 3)] {
            let found = parent(&format!("00-{TRACE}-{SPAN}-{flags}")).unwrap();
            assert_eq!(found.trace.to_string(), TRACE);
            assert_eq!(found.span.to_string(), SPAN);
            assert_eq!(found.flags.to_u8(), known);
        }
        for later in ["01-{}-01", "cc-{}-01-what-may-come", "01-{}-01-"] {
            let later = later.replace("{}", &format!("{TRACE}-{SPAN}"));
            assert_eq!(parent(&later).unwrap().trace.to_string(), TRACE, "{later}");
        }
        for wrong in [
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-01-x"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}x-{SPAN}-01"),
            format!("00-1-{SPAN}-01"),
            String::new(),
        ] {
            assert_eq!(parent(&wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_trace_is_what_the_client_said_or_none(
            parts in ("0[01f]", "[0-9a-fA0]{31,33}", "[0-9a-f]{15,17}", "[0-9a-f]{1,3}"),
            any in vec(any::<u8>(), 0..80),
        ) {
            let (version, trace, span, flags) = parts;
            let found = parent(&format!("{version}-{trace}-{span}-{flags}"));
            let lengths = (trace.len(), span.len(), flags.len()) == (32, 16, 2);
            let zero = |id: &str| id.trim_matches('0').is_empty();
            let valid = lengths && !trace.contains('A') && !zero(&trace) && !zero(&span);
            prop_assert_eq!(found.map(|p| p.trace.to_string()), valid.then_some(trace));

            let allowed = |b: &u8| *b == b'\t' || *b >= b' ' && *b != 0x7f;
            let any: Vec<_> = any.into_iter().filter(allowed).collect();
            let any = HeaderValue::from_bytes(&any).unwrap();
            if let Some(found) = Parent::of(&HeaderMap::from_iter([(TRACEPARENT, any)])) {
                prop_assert!(found.trace != TraceId::INVALID && found.span != SpanId::INVALID);
            }
        }

        #[test]
        fn what_is_written_is_read_again(trace in 1u128.., span in 1u64.., flags in 0..=KNOWN_FLAGS) {
            let parent = Parent {
                trace: TraceId::from(trace),
                span: SpanId::from(span),
                flags: TraceFlags::new(flags),
            };
            let mut headers = HeaderMap::new();
            parent.write(&mut headers);
            prop_assert_eq!(Parent::of(&headers), Some(parent));
        }
    }
}
