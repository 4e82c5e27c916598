//! The LLM behind the gateway: a request goes out as it came in, the reply comes back as it comes.

pub mod demo;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep, timeout};
use url::Url;

use crate::config;

/// Sends requests to the upstream.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
    first_byte_timeout: Duration,
    idle_timeout: Duration,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(#[source] reqwest::Error),
    /// The connection broke before the reply's headers.
    #[error("the upstream broke off before it replied: {0}")]
    BrokeOff(#[source] reqwest::Error),
    /// No reply's headers within the time.
    #[error("the upstream did not begin to reply within {}", humantime::format_duration(*.0))]
    TimedOut(Duration),
}

/// The reply broke off in the middle.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The connection broke.
    #[error("the upstream's reply broke off: {0}")]
    BrokeOff(#[source] reqwest::Error),
    /// Nothing came for too long.
    #[error("the upstream was silent for {}", humantime::format_duration(*.0))]
    Silent(Duration),
}

/// A path as clients know it begins with this; the base URL has its own.
const CLIENT_BASE: &str = "/v1";

impl Upstream {
    /// A client with a pool of connections to `base`.
    ///
    /// # Errors
    /// TLS that cannot be set up, or a key that is no header.
    pub fn new(config: &config::Upstream, base: Url) -> anyhow::Result<Self> {
        let mut client = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true);
        if is_loopback(&base) {
            // A proxy of the environment is for the world outside.
            client = client.no_proxy();
        }
        let client = client.build()?;
        let bearer = |key: &crate::secret::Secret| -> anyhow::Result<HeaderValue> {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.reveal()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        Ok(Upstream {
            client,
            base,
            authorization: config.api_key.as_ref().map(bearer).transpose()?,
            first_byte_timeout: config.first_byte_timeout,
            idle_timeout: config.idle_timeout,
        })
    }

    /// Sends a request and waits for the reply's headers. Dropping the future, or the reply's body, cancels it.
    ///
    /// # Errors
    /// No reply: the upstream cannot be reached, breaks off or is silent.
    pub async fn send(
        &self,
        request: Request<reqwest::Body>,
    ) -> Result<Response<ReplyBody>, UpstreamError> {
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let sending = self
            .request(parts.method, self.url(&parts.uri), headers, body)
            .send();
        let reply = timeout(self.first_byte_timeout, sending)
            .await
            .map_err(|_| UpstreamError::TimedOut(self.first_byte_timeout))?
            .map_err(|error| match error.is_connect() || error.is_timeout() {
                true => UpstreamError::Unreachable(error),
                false => UpstreamError::BrokeOff(error),
            })?;
        Ok(Response::from(reply).map(|body| ReplyBody::new(body, self.idle_timeout)))
    }

    fn request(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: reqwest::Body,
    ) -> reqwest::RequestBuilder {
        self.client.request(method, url).headers(headers).body(body)
    }

    /// `/v1/models?x` of the client → `BASE/models?x`.
    fn url(&self, uri: &http::Uri) -> Url {
        let path = uri.path().strip_prefix(CLIENT_BASE).unwrap_or(uri.path());
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.set_query(uri.query());
        url
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

pin_project_lite::pin_project! {
    /// A reply's body as it comes, within the silence allowed between two pieces.
    #[derive(Debug)]
    pub struct ReplyBody {
        #[pin]
        body: reqwest::Body,
        #[pin]
        silence: Sleep,
        allowed: Duration,
    }
}

impl ReplyBody {
    fn new(body: reqwest::Body, allowed: Duration) -> Self {
        ReplyBody {
            body,
            silence: sleep(allowed),
            allowed,
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let mut this = self.project();
        match this.body.poll_frame(cx) {
            Poll::Ready(frame) => {
                this.silence.as_mut().reset(Instant::now() + *this.allowed);
                Poll::Ready(frame.map(|frame| frame.map_err(StreamError::BrokeOff)))
            }
            Poll::Pending => {
                std::task::ready!(this.silence.poll(cx));
                Poll::Ready(Some(Err(StreamError::Silent(*this.allowed))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_v1_is_the_base_urls_own_path() {
        for (base, path, expected) in [
            (
                "https://a.example/v1",
                "/v1/models",
                "https://a.example/v1/models",
            ),
            (
                "https://a.example/api/v4",
                "/v1/chat/completions?x=1",
                "https://a.example/api/v4/chat/completions?x=1",
            ),
            (
                "http://127.0.0.1:9",
                "/v1/models",
                "http://127.0.0.1:9/models",
            ),
        ] {
            let upstream =
                Upstream::new(&config::Upstream::default(), Url::parse(base).unwrap()).unwrap();
            assert_eq!(upstream.url(&path.parse().unwrap()).as_str(), expected);
        }
    }
}
