//! When a request that got no good reply may be sent once more: only where that is safe, and within a budget.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, Method, Response, StatusCode};
use tower::retry::budget::{Budget as _, TpsBudget};

use super::UpstreamError;

/// 529, of Anthropic: overloaded.
const OVERLOADED: u16 = 529;

/// What may follow a reply, or an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Nothing: it is a reply, or the request may have been worked on.
    No,
    /// The same request at another upstream.
    Elsewhere,
    /// The same request at another upstream, or after so long at this one.
    Anywhere(Duration),
}

/// What may follow. `repeatable` says whether the request's body can be sent again.
pub(super) fn again<B>(
    method: &Method,
    repeatable: bool,
    outcome: &Result<Response<B>, UpstreamError>,
) -> Again {
    if !repeatable {
        return Again::No;
    }
    // A question that may have been worked on may have been billed.
    let harmless = [Method::GET, Method::HEAD].contains(method);
    match outcome {
        // Nothing was sent.
        Err(UpstreamError::Unreachable(_)) => Again::Elsewhere,
        Err(UpstreamError::BrokeOff(_)) if harmless => Again::Anywhere(Duration::ZERO),
        // Whoever waited so long does not wait as long once more for the same.
        Err(UpstreamError::TimedOut(_)) if harmless => Again::Elsewhere,
        Err(_) => Again::No,
        Ok(response) => match response.status().as_u16() {
            // The upstream says that it did nothing.
            429 | 503 | OVERLOADED => retry_after(response.headers(), SystemTime::now())
                .map_or(Again::Elsewhere, Again::Anywhere),
            500 | 502 | 504 if harmless => Again::Anywhere(Duration::ZERO),
            _ => Again::No,
        },
    }
}

/// Whether an upstream that replies so is not well. 429 and 500 are about the request.
pub(super) fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 502..=504)
}

/// `Retry-After` in either of its forms (RFC 9110, 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// How much is sent more than once, at most; else retries multiply the load that made them necessary.
#[derive(Debug)]
pub(super) struct Budget {
    /// Another upstream: on average one a request.
    elsewhere: TpsBudget,
    /// The same upstream once more: a fifth of the requests.
    here: TpsBudget,
}

impl Budget {
    /// Over ten seconds, with a floor of one a second.
    pub(super) fn new() -> Self {
        let of_share = |share| TpsBudget::new(Duration::from_secs(10), 1, share);
        Budget {
            elsewhere: of_share(1.0),
            here: of_share(0.2),
        }
    }

    /// A request has come.
    pub(super) fn deposit(&self) {
        self.elsewhere.deposit();
        self.here.deposit();
    }

    /// Whether another upstream may be asked.
    pub(super) fn allows_elsewhere(&self) -> bool {
        self.elsewhere.withdraw()
    }

    /// Whether the same upstream may be asked once more.
    pub(super) fn allows_here(&self) -> bool {
        self.here.withdraw()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn replied(status: u16, wait: Option<&str>) -> Result<Response<()>, UpstreamError> {
        let mut response = Response::builder().status(status);
        if let Some(wait) = wait {
            response = response.header(RETRY_AFTER, wait);
        }
        Ok(response.body(()).unwrap())
    }

    fn timed_out() -> Result<Response<()>, UpstreamError> {
        Err(UpstreamError::TimedOut(Duration::ZERO))
    }

    #[test]
    fn only_what_cannot_have_been_worked_on_is_sent_again() {
        let (get, post) = (Method::GET, Method::POST);
        let seconds = |seconds| Again::Anywhere(Duration::from_secs(seconds));
        let now = seconds(0);
        for (method, outcome, expected) in [
            (&post, replied(200, None), Again::No),
            (&post, replied(400, None), Again::No),
            (&post, replied(401, Some("1")), Again::No),
            (&post, replied(429, None), Again::Elsewhere),
            (&post, replied(429, Some("7")), seconds(7)),
            (&post, replied(429, Some("soon")), Again::Elsewhere),
            (&post, replied(503, Some("0")), now),
            (&post, replied(529, None), Again::Elsewhere),
            (&post, replied(500, Some("1")), Again::No),
            (&post, replied(502, None), Again::No),
            (&post, replied(504, None), Again::No),
            (&post, timed_out(), Again::No),
            (&get, replied(200, None), Again::No),
            (&get, replied(404, None), Again::No),
            (&get, replied(500, None), now),
            (&get, replied(502, None), now),
            (&get, replied(504, None), now),
            (&get, replied(501, None), Again::No),
            (&Method::HEAD, replied(500, None), now),
            (&Method::DELETE, replied(500, None), Again::No),
            (&get, timed_out(), Again::Elsewhere),
        ] {
            assert_eq!(
                again(method, true, &outcome),
                expected,
                "{method} {outcome:?}"
            );
            assert_eq!(again(method, false, &outcome), Again::No);
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Tue, 24 Nov 2026 10:00:00 GMT").unwrap();
        for (text, expected) in [
            ("0", Some(0)),
            (" 12 ", Some(12)),
            ("Tue, 24 Nov 2026 10:00:30 GMT", Some(30)),
            ("Tuesday, 24-Nov-26 10:00:30 GMT", Some(30)),
            ("Tue, 24 Nov 2026 09:00:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            let expected = expected.map(Duration::from_secs);
            assert_eq!(retry_after(&headers, now), expected, "{text}");
        }
    }

    #[test]
    fn what_says_that_an_upstream_is_not_well() {
        let failures: Vec<_> = (100..1000)
            .filter(|code| is_failure(StatusCode::from_u16(*code).unwrap()))
            .collect();
        assert_eq!(failures, [502, 503, 504]);
    }

    #[test]
    fn retries_stay_within_a_share_of_the_requests() {
        let budget = Budget::new();
        let mut counts = (0, 0);
        for _ in 0..100 {
            budget.deposit();
            counts.0 += u32::from(budget.allows_here());
            counts.1 += u32::from(budget.allows_elsewhere() && budget.allows_elsewhere());
        }
        // The floor of ten, and a fifth; a move elsewhere for each and the floor's.
        assert!((25..=30).contains(&counts.0), "{counts:?}");
        assert!(counts.1 <= 20, "{counts:?}");
    }

    proptest! {
        #[test]
        fn whatever_stands_in_retry_after_is_a_time_to_wait_or_none(
            seconds in any::<u64>(),
            date in 0..253_402_300_800_u64,
            now in 0..253_402_300_800_u64,
            other in "[ -~\t]{0,32}",
        ) {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
            let wait = |text: &str| {
                let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
                retry_after(&headers, now)
            };
            prop_assert_eq!(wait(&seconds.to_string()), Some(Duration::from_secs(seconds)));
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(date);
            let until = date.duration_since(now).unwrap_or_default();
            prop_assert_eq!(wait(&httpdate::fmt_http_date(date)), Some(until));
            wait(&other);
        }
    }
}
