//! The LLMs behind the gateway, in order of preference: a request goes out as it came in, the reply comes back
//! as it comes.
//!
//! Where one cannot reply the next is asked, before the first byte and only where the request cannot have been
//! worked on; `retry` says when. One that keeps failing is left alone; [`breaker`](crate::breaker) says for how long.

mod carry;
mod connection;
pub mod demo;
mod keys;
mod reply;
mod retry;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use tokio::time::sleep;

use crate::config;
use crate::metrics::Metrics;
pub use carry::Carry;
pub(crate) use connection::is_loopback;
use connection::{Leave, Upstream, label};
pub use keys::X_API_KEY;
pub use reply::{ReplyBody, StreamError};
pub(crate) use retry::retry_after;
use retry::{Again, Budget, again};

/// The upstreams. Clones share connections, health and budget.
#[derive(Clone, Debug)]
pub struct Upstreams {
    list: Vec<Arc<Upstream>>,
    budget: Arc<Budget>,
    /// The longest `Retry-After` that is waited for.
    retry_wait: Duration,
    metrics: Metrics,
}

/// A request's body.
#[derive(Debug)]
pub enum Outgoing {
    /// It is here, and can be sent again.
    Whole(Bytes),
    /// It streams through, once.
    Stream(reqwest::Body),
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection, TLS included; nothing was sent.
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// The connection broke before the reply's headers.
    #[error("the upstream broke off before it replied: {0}")]
    BrokeOff(#[source] Box<dyn Error + Send + Sync>),
    /// No reply's headers within the time.
    #[error("the upstream did not begin to reply within {}", humantime::format_duration(*.0))]
    TimedOut(Duration),
    /// The request's own body broke off on its way through.
    #[error("the request's body broke off: {0}")]
    RequestBroke(#[source] Box<dyn Error + Send + Sync>),
    /// Every upstream is left alone after failures; none was asked.
    #[error("every upstream has failed and is left alone for {}", humantime::format_duration(*retry_after))]
    Unavailable {
        /// Until the first of them is tried again.
        retry_after: Duration,
    },
}

impl Upstreams {
    /// The configured upstreams. Those that `previous` has with the same settings are taken over, connections
    /// and health included.
    ///
    /// # Errors
    /// No URL at all, TLS that cannot be set up, or a key that is no header.
    pub fn new(
        config: &config::Upstream,
        metrics: &Metrics,
        previous: Option<&Upstreams>,
    ) -> anyhow::Result<Self> {
        Upstreams::carried(config, metrics, previous, None)
    }

    /// The same, with something else to carry requests to those that `previous` does not have.
    ///
    /// # Errors
    /// Those of [`Upstreams::new`].
    pub fn carried(
        config: &config::Upstream,
        metrics: &Metrics,
        previous: Option<&Upstreams>,
        carrier: Option<&Arc<dyn Carry>>,
    ) -> anyhow::Result<Self> {
        let known = previous.map_or(&[][..], |previous| &previous.list);
        let one = |endpoint: config::Endpoint| match known.iter().find(|u| u.config == endpoint) {
            Some(same) => Ok(same.clone()),
            None => Upstream::new(endpoint, metrics, carrier).map(Arc::new),
        };
        let list: Vec<_> = config
            .endpoints()
            .into_iter()
            .map(one)
            .collect::<anyhow::Result<_>>()?;
        anyhow::ensure!(!list.is_empty(), "upstream.url is not set");
        for gone in known {
            let name = gone.config.name.as_str();
            if !list.iter().any(|upstream| upstream.config.name == name) {
                metrics.upstream_open.remove_label_values(&[name]).ok();
            }
        }
        Ok(Upstreams {
            list,
            budget: previous.map_or_else(|| Arc::new(Budget::new()), |p| p.budget.clone()),
            retry_wait: config.retry_wait,
            metrics: metrics.clone(),
        })
    }

    /// Sends a request and waits for the reply's headers: of the first upstream that gives one, else what came
    /// closest to it. Dropping the future, or the reply's body, cancels it.
    ///
    /// # Errors
    /// No reply: no upstream can be reached, one breaks off or is silent, or all are left alone.
    pub async fn send(
        &self,
        request: Request<Outgoing>,
    ) -> Result<Response<ReplyBody>, UpstreamError> {
        self.budget.deposit();
        let mut request = Asked::new(request);
        let mut kept: Option<Tried<'_>> = None;
        let mut why = "";
        let mut retry_after = Duration::MAX;
        for upstream in &self.list {
            let leave = match upstream.admit() {
                Ok(leave) => leave,
                Err(wait) => {
                    retry_after = retry_after.min(wait);
                    continue;
                }
            };
            if kept.is_some() {
                if !self.budget.allows_elsewhere() {
                    break;
                }
                self.count_retry(why);
            }
            let tried = request.at(leave).await;
            if tried.again == Again::No {
                return tried.outcome;
            }
            why = label(&tried.outcome);
            kept = Some(match kept {
                Some(before) if before.rank() <= tried.rank() => before,
                _ => tried,
            });
        }
        match kept {
            Some(tried) => self.once_more(tried, request).await,
            None => Err(UpstreamError::Unavailable { retry_after }),
        }
    }

    /// Nobody is left to ask, so the same upstream once more, where it says when and that is soon enough.
    async fn once_more(
        &self,
        tried: Tried<'_>,
        mut request: Asked,
    ) -> Result<Response<ReplyBody>, UpstreamError> {
        match tried.again {
            Again::Anywhere(wait) if wait <= self.retry_wait && self.budget.allows_here() => {
                sleep(wait).await;
            }
            _ => return tried.outcome,
        }
        match tried.upstream.admit() {
            Ok(leave) => {
                self.count_retry(label(&tried.outcome));
                request.at(leave).await.outcome
            }
            Err(_) => tried.outcome,
        }
    }

    /// `why`: what the time before came to.
    fn count_retry(&self, why: &'static str) {
        let retries = &self.metrics.upstream_retries;
        retries.with_label_values(&[why]).inc();
    }
}

/// A request that may be sent several times.
struct Asked {
    head: Parts,
    body: Outgoing,
}

impl Asked {
    fn new(request: Request<Outgoing>) -> Self {
        let (head, body) = request.into_parts();
        Asked { head, body }
    }

    async fn at<'a>(&mut self, leave: Leave<'a>) -> Tried<'a> {
        let (body, repeatable) = match &mut self.body {
            Outgoing::Whole(bytes) => (bytes.clone().into(), true),
            Outgoing::Stream(stream) => (std::mem::take(stream), false),
        };
        let upstream = leave.upstream;
        let outcome = leave.send(&self.head, body).await;
        Tried {
            upstream,
            again: again(&self.head.method, repeatable, &outcome),
            outcome,
        }
    }
}

/// What a request came to at one upstream.
struct Tried<'a> {
    upstream: &'a Upstream,
    outcome: Result<Response<ReplyBody>, UpstreamError>,
    again: Again,
}

impl Tried<'_> {
    /// The least is the most use to a client: a reply before an error, a short wait before a long one.
    fn rank(&self) -> (bool, Duration) {
        let wait = match self.again {
            Again::Anywhere(wait) => wait,
            Again::No | Again::Elsewhere => Duration::MAX,
        };
        (self.outcome.is_err(), wait)
    }
}
