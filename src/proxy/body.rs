//! Bodies on their way in and out, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{HeaderMap, Request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::exchange::Exchange;
use super::refusal::Refusal;
use crate::config::Limits;
use crate::upstream::{ReplyBody, StreamError};

/// A client that was refused may send for so long before it is cut off.
const LINGER: Duration = Duration::from_secs(2);
/// One that sends nothing for so long listens.
const LISTENS: Duration = Duration::from_millis(250);

/// Reads a request's body once, whole. A length over the limit is refused before a byte is read.
pub(super) async fn read(
    request: Request<Incoming>,
    limits: &Limits,
) -> Result<Request<Bytes>, Refusal> {
    let (parts, mut incoming) = announced(request, limits.body).await?.into_parts();
    let collecting = Limited::new(&mut incoming, limits.body).collect();
    match timeout(limits.body_timeout, collecting).await {
        Ok(Ok(body)) => Ok(Request::from_parts(parts, body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            linger(&parts.headers, &mut incoming).await;
            Err(Refusal::TooLarge { limit: limits.body })
        }
        Ok(Err(error)) => Err(Refusal::BrokenBody(error.to_string())),
        Err(_) => Err(Refusal::SlowBody),
    }
}

/// A length over the limit is refused before a byte is read.
async fn announced(request: Request<Incoming>, limit: usize) -> Result<Request<Incoming>, Refusal> {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_none_or(|length| length <= limit as u64) {
        return Ok(request);
    }
    let (parts, mut incoming) = request.into_parts();
    linger(&parts.headers, &mut incoming).await;
    Err(Refusal::TooLarge { limit })
}

/// Reads on for a while: a client that is still sending hears nothing until it has sent. One that waits to
/// be told to send is not.
pub(super) async fn linger(headers: &HeaderMap, incoming: &mut Incoming) {
    if headers.contains_key(EXPECT) {
        return;
    }
    let sending = async { while let Ok(Some(Ok(_))) = timeout(LISTENS, incoming.frame()).await {} };
    timeout(LINGER, sending).await.ok();
}

/// What went wrong with the upstream went wrong because its client sent too much.
pub(super) fn too_large_or(refusal: Refusal, limit: usize) -> Refusal {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&refusal);
    while let Some(error) = source {
        if error.is::<LengthLimitError>() {
            return Refusal::TooLarge { limit };
        }
        source = error.source();
    }
    refusal
}

/// A body that goes upstream unread, within the limit.
pub(super) async fn stream_through(
    request: Request<Incoming>,
    limit: usize,
) -> Result<Request<reqwest::Body>, Refusal> {
    let through = |incoming: Incoming| match incoming.is_end_stream() {
        true => reqwest::Body::default(),
        false => reqwest::Body::wrap(Limited::new(incoming, limit)),
    };
    Ok(announced(request, limit).await?.map(through))
}

/// A response's body, and the exchange that ends with it.
#[derive(Debug)]
pub struct ResponseBody {
    source: Source,
    exchange: Option<Exchange>,
}

#[derive(Debug)]
enum Source {
    Local(Full<Bytes>),
    Upstream(Pin<Box<ReplyBody>>),
}

impl ResponseBody {
    /// A body made here.
    pub(super) fn local(bytes: Bytes) -> Self {
        ResponseBody {
            source: Source::Local(Full::new(bytes)),
            exchange: None,
        }
    }

    /// The upstream's body as it comes.
    pub(super) fn upstream(body: ReplyBody) -> Self {
        ResponseBody {
            source: Source::Upstream(Box::pin(body)),
            exchange: None,
        }
    }

    /// The exchange is recorded when this body is gone.
    pub(super) fn carrying(mut self, exchange: Exchange) -> Self {
        self.exchange = Some(exchange);
        self
    }
}

/// Empty, as the reply to a browser's preflight is.
impl Default for ResponseBody {
    fn default() -> Self {
        ResponseBody::local(Bytes::new())
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let this = &mut *self;
        let frame = match &mut this.source {
            Source::Local(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Source::Upstream(body) => body.as_mut().poll_frame(cx),
        };
        if let (Poll::Ready(frame), Some(exchange)) = (&frame, &mut this.exchange) {
            exchange.passed(frame.as_ref());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Local(body) => body.is_end_stream(),
            Source::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Local(body) => body.size_hint(),
            Source::Upstream(body) => body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A body of known length is not asked again after its last byte.
        let ended = self.is_end_stream();
        if let Some(exchange) = &mut self.exchange
            && ended
        {
            exchange.passed(None);
        }
    }
}
