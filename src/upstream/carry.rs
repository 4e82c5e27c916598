//! What carries requests to upstreams.

use std::error::Error;
use std::fmt;

use futures_util::future::BoxFuture;
use http::Response;

use super::UpstreamError;

/// Carries a request to an upstream, and the reply back: reqwest does, or what a test puts in its place.
pub trait Carry: fmt::Debug + Send + Sync {
    /// Sends one request and waits for the reply's headers. Dropping the future, or the reply's body, cancels it.
    ///
    /// It fails where the upstream cannot be reached, where the connection breaks, or where the request's own body does.
    fn carry(
        &self,
        request: reqwest::Request,
    ) -> BoxFuture<'_, Result<Response<reqwest::Body>, UpstreamError>>;
}

impl Carry for reqwest::Client {
    fn carry(
        &self,
        request: reqwest::Request,
    ) -> BoxFuture<'_, Result<Response<reqwest::Body>, UpstreamError>> {
        let reply = self.execute(request);
        Box::pin(async move { Ok(reply.await?.into()) })
    }
}

impl From<reqwest::Error> for UpstreamError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_connect() {
            return UpstreamError::Unreachable(error.into());
        }
        match is_of_request(&error) {
            true => UpstreamError::RequestBroke(error.into()),
            false => UpstreamError::BrokeOff(error.into()),
        }
    }
}

/// Whether it was the body on its way through that failed, not the upstream.
fn is_of_request(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner.downcast_ref().is_some_and(hyper::Error::is_user) {
            return true;
        }
        source = inner.source();
    }
    false
}
