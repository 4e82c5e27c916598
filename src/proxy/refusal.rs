//! Errors → responses: the one table of statuses, codes and texts that clients see.

use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::body::ResponseBody;
use super::exchange::Exchange;
use crate::chat::Unreadable;
use crate::upstream::UpstreamError;

/// Why a request got no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Too many requests are in flight.
    #[error("too many requests in flight")]
    Busy,
    /// No key of the gateway's, where it asks for one.
    #[error("no valid key")]
    InvalidKey,
    /// More requests than the client's rate allows.
    #[error("over the rate")]
    RateLimited {
        /// Until the next request is allowed.
        wait: Duration,
    },
    /// A path that is neither judged nor passed through.
    #[error("{0} is not served")]
    NotServed(String),
    /// A judged path without POST.
    #[error("method not allowed")]
    Method,
    /// A body over the limit.
    #[error("body over {limit} bytes")]
    TooLarge {
        /// `limits.body`, in bytes.
        limit: usize,
    },
    /// A body that did not arrive in time.
    #[error("body not received in time")]
    SlowBody,
    /// A body that broke off.
    #[error("body broke off: {0}")]
    BrokenBody(String),
    /// A body that is no request of its protocol.
    #[error(transparent)]
    Unreadable(Unreadable),
    /// No reply from the upstream.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// How a refusal looks from outside.
struct Row {
    status: StatusCode,
    /// OpenAI's class of error.
    kind: &'static str,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn row(&self) -> Row {
        let row = |status, kind, code, message: &str| Row {
            status,
            kind,
            code,
            message: message.to_owned(),
        };
        let client = "invalid_request_error";
        let server = "server_error";
        match self {
            Refusal::Busy => row(
                StatusCode::SERVICE_UNAVAILABLE,
                server,
                "gateway_busy",
                "Too many requests are in flight. Please try again in a moment.",
            ),
            Refusal::InvalidKey => row(
                StatusCode::UNAUTHORIZED,
                client,
                "invalid_api_key",
                "This gateway needs a key of its own, as Authorization: Bearer KEY or x-api-key: KEY. Its operator gives them out.",
            ),
            Refusal::RateLimited { wait } => Row {
                status: StatusCode::TOO_MANY_REQUESTS,
                kind: "requests",
                code: "rate_limited",
                message: format!(
                    "Too many requests. Please try again in {} s.",
                    whole_seconds(*wait)
                ),
            },
            Refusal::NotServed(path) => Row {
                status: StatusCode::FORBIDDEN,
                kind: client,
                code: "path_not_served",
                message: format!(
                    "{path} is neither judged nor passed through by this gateway. Its operator can add it to upstream.pass_through."
                ),
            },
            Refusal::Method => row(
                StatusCode::METHOD_NOT_ALLOWED,
                client,
                "method_not_allowed",
                "Use POST here.",
            ),
            Refusal::TooLarge { limit } => Row {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                kind: client,
                code: "body_too_large",
                message: format!(
                    "The request body is larger than {limit} bytes, the limit of this gateway (limits.body)."
                ),
            },
            Refusal::SlowBody => row(
                StatusCode::REQUEST_TIMEOUT,
                client,
                "body_timeout",
                "The request body did not arrive in time.",
            ),
            Refusal::BrokenBody(_) => row(
                StatusCode::BAD_REQUEST,
                client,
                "body_incomplete",
                "The request body broke off.",
            ),
            Refusal::Unreadable(unreadable) => row(
                StatusCode::BAD_REQUEST,
                client,
                "unreadable_request",
                &unreadable.0,
            ),
            Refusal::Upstream(UpstreamError::Unreachable(_)) => row(
                StatusCode::BAD_GATEWAY,
                server,
                "upstream_unreachable",
                "The model's server cannot be reached. Please try again later.",
            ),
            Refusal::Upstream(UpstreamError::BrokeOff(_)) => row(
                StatusCode::BAD_GATEWAY,
                server,
                "upstream_broke_off",
                "The model's server broke off before it replied. Please try again.",
            ),
            Refusal::Upstream(UpstreamError::TimedOut(_)) => row(
                StatusCode::GATEWAY_TIMEOUT,
                server,
                "upstream_timeout",
                "The model's server did not reply in time. Please try again.",
            ),
        }
    }

    /// The response in OpenAI's error shape; the inner text goes to the log, once.
    pub(super) fn respond(&self, exchange: &mut Exchange) -> Response<ResponseBody> {
        let row = self.row();
        exchange.refused(row.code, matches!(self, Refusal::Upstream(_)), self);
        let error =
            json!({"message": row.message, "type": row.kind, "param": null, "code": row.code});
        let body = json!({"error": error}).to_string();
        let mut response = Response::new(ResponseBody::local(body.into()));
        *response.status_mut() = row.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self {
            Refusal::Busy => headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
            Refusal::RateLimited { wait } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(*wait)))
            }
            Refusal::InvalidKey => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            Refusal::Method => headers.insert(ALLOW, HeaderValue::from_static("POST")),
            _ => None,
        };
        response
    }
}

/// After so many seconds the time is over: `Retry-After` has no fractions.
fn whole_seconds(time: Duration) -> u64 {
    let rest = u64::from(time.subsec_nanos() > 0);
    (time.as_secs() + rest).max(1)
}
