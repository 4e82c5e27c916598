//! Bodies on their way in and out, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::exchange::Exchange;
use super::passing::{Passing, is_plain};
use super::refusal::{self, Refusal};
use crate::chat::{Events, Prompt, Protocol, ReplyBody};
use crate::config::Limits;
use crate::upstream::{Outgoing, ReplyBody as UpstreamBody, StreamError, UpstreamError};

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
            linger(waits(&parts.headers), &mut incoming).await;
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
    linger(waits(&parts.headers), &mut incoming).await;
    Err(Refusal::TooLarge { limit })
}

/// Whether a client waits to be told to send.
pub(super) fn waits(headers: &HeaderMap) -> bool {
    headers.contains_key(EXPECT)
}

/// Reads on for a while, unless the client waits: one that is still sending hears nothing until it has sent.
/// Whether it has sent everything.
pub(super) async fn linger(waits: bool, incoming: &mut Incoming) -> bool {
    if !waits {
        let sending =
            async { while let Ok(Some(Ok(_))) = timeout(LISTENS, incoming.frame()).await {} };
        timeout(LINGER, sending).await.ok();
    }
    incoming.is_end_stream()
}

/// The same once the upstream's connection has given the body back.
pub(super) async fn linger_once_back(waits: bool, back: oneshot::Receiver<Incoming>) -> bool {
    match timeout(LISTENS, back).await {
        Ok(Ok(mut incoming)) => linger(waits, &mut incoming).await,
        // There was none.
        Ok(Err(_)) => true,
        Err(_) => false,
    }
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
    match refusal {
        Refusal::Upstream(UpstreamError::RequestBroke(error)) => {
            Refusal::BrokenBody(error.to_string())
        }
        other => other,
    }
}

/// A body that goes upstream unread, within the limit; and how it comes back where the upstream does not take it.
pub(super) async fn stream_through(
    request: Request<Incoming>,
    limit: usize,
) -> Result<(Request<Outgoing>, oneshot::Receiver<Incoming>), Refusal> {
    let (lender, back) = oneshot::channel();
    let through = |incoming: Incoming| match incoming.is_end_stream() {
        true => Outgoing::Whole(Bytes::new()),
        false => {
            let lent = Lent {
                incoming: Some(incoming),
                back: Some(lender),
            };
            Outgoing::Stream(reqwest::Body::wrap(Limited::new(lent, limit)))
        }
    };
    Ok((announced(request, limit).await?.map(through), back))
}

/// A request's body on loan to the upstream's connection: where that drops it, its client may still be sending.
#[derive(Debug)]
struct Lent {
    incoming: Option<Incoming>,
    back: Option<oneshot::Sender<Incoming>>,
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.incoming.as_ref().map(Body::size_hint);
        hint.unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(incoming), Some(back)) = (self.incoming.take(), self.back.take()) {
            // Where nobody waits for it, the reply has begun.
            back.send(incoming).ok();
        }
    }
}

/// A response's body, and the exchange that ends with it.
#[derive(Debug)]
pub struct ResponseBody {
    source: Source,
    /// Whose error event ends the body if it breaks off; none where it is no stream of events.
    ending: Option<Protocol>,
    exchange: Option<Exchange>,
}

#[derive(Debug)]
enum Source {
    Local(Full<Bytes>),
    Events(Events),
    Upstream(Passing),
}

impl ResponseBody {
    /// A body made here.
    pub(super) fn local(body: ReplyBody) -> Self {
        ResponseBody {
            source: match body {
                ReplyBody::Whole(bytes) => Source::Local(Full::new(bytes)),
                ReplyBody::Events(events) => Source::Events(events),
            },
            ending: None,
            exchange: None,
        }
    }

    /// The upstream's reply as it comes. Where it is a stream of events that breaks off, the protocol's error
    /// event ends it.
    pub(super) fn upstream(
        reply: Response<UpstreamBody>,
        protocol: Option<Protocol>,
    ) -> Response<ResponseBody> {
        let (mut head, body) = reply.into_parts();
        let ending = protocol.filter(|_| is_plain(&head.headers, "text/event-stream"));
        let is_error = head.status.as_u16() >= 400;
        let body = Passing::new(body, &head.headers, ending, is_error);
        if ending.is_some() {
            // An error's event may be added.
            head.headers.remove(CONTENT_LENGTH);
        }
        let body = ResponseBody {
            source: Source::Upstream(body),
            ending,
            exchange: None,
        };
        Response::from_parts(head, body)
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
        ResponseBody::local(ReplyBody::Whole(Bytes::new()))
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
        if let Some(exchange) = &mut this.exchange {
            exchange.look(cx);
        }
        let frame = match &mut this.source {
            Source::Local(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Source::Events(events) => Poll::Ready(events.next().map(Frame::data).map(Ok)),
            Source::Upstream(body) => Pin::new(body).poll_frame(cx),
        };
        let frame = ready!(frame);
        if let Some(exchange) = &mut this.exchange {
            exchange.passed(frame.as_ref());
        }
        match (frame, this.ending) {
            (Some(Err(error)), Some(protocol)) => {
                let event = protocol.stream_error(&refusal::of_stream(&error));
                let event = match &this.source {
                    // An event that was too long to be held back ends first, broken as it is.
                    Source::Upstream(body) if body.is_amid_event() => format!("\n\n{event}"),
                    _ => event,
                };
                this.source = Source::Local(Full::default());
                this.ending = None;
                Poll::Ready(Some(Ok(Frame::data(event.into()))))
            }
            (frame, _) => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Local(body) => body.is_end_stream(),
            Source::Events(_) => false,
            Source::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Local(body) => body.size_hint(),
            Source::Events(_) => SizeHint::default(),
            Source::Upstream(body) => body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A body of known length is not asked again after its last byte.
        let ended = self.is_end_stream();
        if let Some(mut exchange) = self.exchange.take() {
            if ended {
                exchange.passed(None);
            }
            exchange.end();
        }
    }
}

/// A request that goes on from a reply made here goes on from what the upstream knows; any other stays as it came.
pub(super) fn continued(
    mut request: Request<Bytes>,
    protocol: Protocol,
    prompt: Option<&Prompt>,
    most: usize,
) -> Request<Bytes> {
    let coding = request.headers().get(CONTENT_ENCODING);
    let coding = coding.map(HeaderValue::as_bytes);
    let body = prompt.and_then(|prompt| protocol.continued(request.body(), coding, most, prompt));
    if let Some(body) = body {
        let length = HeaderValue::from(body.len());
        *request.body_mut() = body;
        request.headers_mut().remove(CONTENT_ENCODING);
        request.headers_mut().insert(CONTENT_LENGTH, length);
    }
    request
}
