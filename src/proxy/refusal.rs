//! Errors → responses: the one table of statuses, codes and texts that clients see.

use std::time::Duration;

use http::header::{ALLOW, CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use super::body::ResponseBody;
use super::exchange::Exchange;
use crate::chat::{Fault, Protocol, ReplyBody, Unreadable};
use crate::upstream::{StreamError, UpstreamError};
use crate::verdict::Reason;

/// Why a request got no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Too many requests are in flight.
    #[error("too many requests in flight")]
    Busy,
    /// No host, or several.
    #[error("not one Host")]
    NotOneHost,
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
    /// A method that its path does not have.
    #[error("method not allowed")]
    Method {
        /// Those that are.
        allowed: String,
    },
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
    /// A question that could not be judged, where the operator wants none of those forwarded.
    #[error("not judged: {}", .0.explain().en)]
    Unjudged(Reason),
    /// No reply from the upstream.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

impl Refusal {
    fn fault(&self) -> Fault {
        let row = |status, code, message: &str| Fault {
            status,
            code,
            message: message.to_owned(),
        };
        match self {
            Refusal::Busy => row(
                StatusCode::SERVICE_UNAVAILABLE,
                "gateway_busy",
                "Too many requests are in flight. Please try again in a moment.",
            ),
            Refusal::NotOneHost => row(
                StatusCode::BAD_REQUEST,
                "not_one_host",
                "A request has one Host header, no more and no fewer.",
            ),
            Refusal::InvalidKey => row(
                StatusCode::UNAUTHORIZED,
                "invalid_api_key",
                "This gateway needs a key of its own, as Authorization: Bearer KEY or x-api-key: KEY. Its operator gives them out.",
            ),
            Refusal::RateLimited { wait } => Fault {
                status: StatusCode::TOO_MANY_REQUESTS,
                code: "rate_limited",
                message: format!(
                    "Too many requests. Please try again in {} s.",
                    whole_seconds(*wait)
                ),
            },
            Refusal::NotServed(path) => Fault {
                status: StatusCode::FORBIDDEN,
                code: "path_not_served",
                message: format!(
                    "{path} is neither judged nor passed through by this gateway. Its operator can add it to upstream.pass_through."
                ),
            },
            Refusal::Method { allowed } => Fault {
                status: StatusCode::METHOD_NOT_ALLOWED,
                code: "method_not_allowed",
                message: format!("Use {allowed} here."),
            },
            Refusal::TooLarge { limit } => Fault {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                code: "body_too_large",
                message: format!(
                    "The request body is larger than {limit} bytes, the limit of this gateway (limits.body)."
                ),
            },
            Refusal::SlowBody => row(
                StatusCode::REQUEST_TIMEOUT,
                "body_timeout",
                "The request body did not arrive in time.",
            ),
            Refusal::BrokenBody(_) | Refusal::Upstream(UpstreamError::RequestBroke(_)) => row(
                StatusCode::BAD_REQUEST,
                "body_incomplete",
                "The request body broke off.",
            ),
            Refusal::Unreadable(unreadable) => {
                row(StatusCode::BAD_REQUEST, "unreadable_request", &unreadable.0)
            }
            Refusal::Unjudged(Reason::UnknownShape) => row(
                StatusCode::BAD_REQUEST,
                "unknown_shape",
                "The last turn holds content in a shape that this gateway does not read (gate.unknown_shape). Please send it as text.",
            ),
            Refusal::Unjudged(reason) => Fault {
                status: StatusCode::SERVICE_UNAVAILABLE,
                code: match reason {
                    Reason::QueueFull => "gate_queue_full",
                    Reason::OverBudget => "gate_over_budget",
                    _ => "gate_failed",
                },
                message: format!(
                    "The gateway could not judge this request: {} (gate.on_failure). Please try again in a moment.",
                    reason.explain().en
                ),
            },
            Refusal::Upstream(UpstreamError::Unreachable(_)) => row(
                StatusCode::BAD_GATEWAY,
                "upstream_unreachable",
                "The model's server cannot be reached. Please try again later.",
            ),
            Refusal::Upstream(UpstreamError::BrokeOff(_)) => row(
                StatusCode::BAD_GATEWAY,
                "upstream_broke_off",
                "The model's server broke off before it replied. Please try again.",
            ),
            Refusal::Upstream(UpstreamError::TimedOut(_)) => row(
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                "The model's server did not reply in time. Please try again.",
            ),
            Refusal::Upstream(UpstreamError::Unavailable { .. }) => row(
                StatusCode::SERVICE_UNAVAILABLE,
                "upstream_unavailable",
                "The model's server keeps failing. Please try again in a moment.",
            ),
        }
    }

    /// The response in the error shape of the client's protocol, in OpenAI's where the path speaks none; the
    /// inner text goes to the log, once.
    pub(super) fn respond(&self, exchange: &mut Exchange) -> Response<ResponseBody> {
        let fault = self.fault();
        exchange.refused(fault.code, matches!(self, Refusal::Upstream(_)), self);
        let protocol = exchange
            .record
            .protocol
            .unwrap_or(Protocol::ChatCompletions);
        let body = protocol.error(&fault, &exchange.record.request_id);
        let mut response = exchange.local("application/json", ReplyBody::Whole(body));
        *response.status_mut() = fault.status;
        let headers = response.headers_mut();
        if exchange.unread || matches!(self, Refusal::NotOneHost) {
            // What is left of the body cannot be told from the next request, so there is none; nor is there behind a
            // head that another server may have read otherwise.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        match self {
            Refusal::Busy => headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
            Refusal::Unjudged(reason) if reason.is_failure() => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))
            }
            Refusal::RateLimited { wait: time }
            | Refusal::Upstream(UpstreamError::Unavailable { retry_after: time }) => {
                headers.insert(RETRY_AFTER, whole_seconds(*time).into())
            }
            Refusal::InvalidKey => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            Refusal::Method { allowed } => {
                let allowed = HeaderValue::from_str(allowed).ok();
                allowed.and_then(|allowed| headers.insert(ALLOW, allowed))
            }
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

/// What the event says that ends a stream which broke off.
pub(super) fn of_stream(error: &StreamError) -> Fault {
    let (status, code, message) = match error {
        StreamError::BrokeOff(_) | StreamError::Unfinished => (
            StatusCode::BAD_GATEWAY,
            "upstream_stream_broke_off",
            "The model's server broke off in the middle of its reply. Please try again.",
        ),
        StreamError::Silent(_) => (
            StatusCode::GATEWAY_TIMEOUT,
            "upstream_stream_silent",
            "The model's server fell silent in the middle of its reply. Please try again.",
        ),
        StreamError::TooLong(_) => (
            StatusCode::GATEWAY_TIMEOUT,
            "upstream_stream_too_long",
            "The model's server did not finish its reply in time. Please try again.",
        ),
    };
    Fault {
        status,
        code,
        message: message.to_owned(),
    }
}
