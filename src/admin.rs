//! The operators' side: metrics and health, on a listener of their own.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};

use crate::metrics::Metrics;
use crate::panics;
use crate::secret::{Digest, Secret};

/// Answers operators.
#[derive(Clone, Debug)]
pub struct Admin {
    metrics: Metrics,
    ready: Arc<AtomicBool>,
    /// Of the whole header that has the token.
    authorization: Arc<ArcSwapOption<Digest>>,
}

impl Admin {
    /// Not ready until [`Admin::set_ready`].
    pub fn new(metrics: Metrics) -> Self {
        Admin {
            metrics,
            ready: Arc::default(),
            authorization: Arc::default(),
        }
    }

    /// With a token, metrics are shown to those who present it.
    pub fn set_token(&self, token: Option<&Secret>) {
        let header = |token: &Secret| Digest::of(format!("Bearer {}", token.reveal()).as_bytes());
        self.authorization.store(token.map(header).map(Arc::new));
    }

    /// Says whether requests may come: the model is loaded, a snapshot is published, nothing stops yet.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Answers one request.
    ///
    /// # Errors
    /// Never.
    pub async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(match request.uri().path() {
            "/metrics" if !self.is_operator(request.headers()) => no_token(),
            "/metrics" => self.metrics(),
            "/healthz" => plain(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" if self.ready.load(Ordering::Acquire) && !panics::is_shaken() => {
                plain(StatusCode::OK, "ready\n".to_owned())
            }
            "/readyz" => plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
            _ => plain(
                StatusCode::NOT_FOUND,
                "here are: /metrics /healthz /readyz\n".to_owned(),
            ),
        })
    }

    fn is_operator(&self, headers: &HeaderMap) -> bool {
        let Some(asked) = self.authorization.load_full() else {
            return true;
        };
        let presented = headers.get(AUTHORIZATION);
        presented.is_some_and(|value| Digest::of(value.as_bytes()) == *asked)
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        match self.metrics.render() {
            Ok(text) => {
                let mut response = plain(StatusCode::OK, text);
                let format = HeaderValue::from_static(prometheus::TEXT_FORMAT);
                response.headers_mut().insert(CONTENT_TYPE, format);
                response
            }
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }
}

fn no_token() -> Response<Full<Bytes>> {
    let text = "metrics need the header Authorization: Bearer TOKEN, with admin.token of the configuration; /healthz and /readyz need none\n";
    let mut response = plain(StatusCode::UNAUTHORIZED, text.to_owned());
    let scheme = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    response
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let format = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, format);
    response
}
