//! An upstream's reply on its way to the client: passed on as it comes, and never so that one which broke off looks
//! whole.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};

use crate::chat::{EndMark, JsonEnd, Protocol, WholeEvents};
use crate::upstream::{ReplyBody, StreamError};

/// A reply's body.
#[derive(Debug)]
pub(super) struct Passing {
    body: Pin<Box<ReplyBody>>,
    kind: Kind,
    /// What goes on before anything else is asked for.
    next: Option<Frame<Bytes>>,
    has_ended: bool,
}

/// What is known of a body's shape. Where its framing tells its end, that is enough: who sends no end mark has a reason.
#[derive(Debug)]
enum Kind {
    /// It passes as it comes.
    Plain,
    /// JSON that a closed connection ends.
    Json(JsonEnd),
    /// Events; with the mark of their end where a closed connection ends them.
    Events(WholeEvents, Option<EndMark>),
}

impl Passing {
    /// A body that came with these headers and, unless it is an error's, is a stream of this protocol where it is one.
    pub(super) fn new(
        body: ReplyBody,
        headers: &HeaderMap,
        events: Option<Protocol>,
        is_error: bool,
    ) -> Self {
        let ends_by_close = body.ends_by_close();
        let kind = match events {
            Some(protocol) => {
                let mark = (ends_by_close && !is_error).then(|| EndMark::of(protocol));
                Kind::Events(WholeEvents::default(), mark)
            }
            None if ends_by_close && is_plain(headers, "application/json") => {
                Kind::Json(JsonEnd::default())
            }
            None => Kind::Plain,
        };
        Passing {
            body: Box::pin(body),
            kind,
            next: None,
            has_ended: false,
        }
    }

    /// Whether an event is under way at the client.
    pub(super) fn is_amid_event(&self) -> bool {
        matches!(&self.kind, Kind::Events(events, _) if events.is_amid())
    }

    /// What goes on for a frame of the body.
    fn pass(&mut self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        let Kind::Events(events, mark) = &mut self.kind else {
            if let (Kind::Json(json), Some(data)) = (&mut self.kind, frame.data_ref()) {
                json.look(data);
            }
            return Some(frame);
        };
        let (before, frame) = match frame.into_data() {
            Ok(piece) => {
                let [before, piece] = events.pass(piece);
                if let Some(mark) = mark {
                    mark.look(&before);
                    mark.look(&piece);
                }
                (before, (!piece.is_empty()).then(|| Frame::data(piece)))
            }
            // The body's data has ended.
            Err(trailers) => (events.release(), Some(trailers)),
        };
        match before.is_empty() {
            true => frame,
            false => {
                self.next = frame;
                Some(Frame::data(before))
            }
        }
    }

    /// The body has ended as its framing has it; what is left of it goes on.
    fn end(&mut self) -> Option<Result<Frame<Bytes>, StreamError>> {
        self.has_ended = true;
        let rest = match &mut self.kind {
            Kind::Plain => Bytes::new(),
            Kind::Json(json) if json.is_whole() => Bytes::new(),
            Kind::Json(_) => return Some(Err(StreamError::Unfinished)),
            Kind::Events(events, mark) => {
                let is_whole = |mark: &EndMark| !events.is_amid() && mark.is_whole(events.held());
                if !mark.as_ref().is_none_or(is_whole) {
                    return Some(Err(StreamError::Unfinished));
                }
                events.release()
            }
        };
        (!rest.is_empty()).then(|| Ok(Frame::data(rest)))
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        loop {
            if let Some(frame) = self.next.take() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if self.has_ended {
                return Poll::Ready(None);
            }
            match ready!(self.body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Some(frame) = self.pass(frame) {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Some(Err(error)) => {
                    self.has_ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(self.end()),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_held = matches!(&self.kind, Kind::Events(events, _) if !events.held().is_empty());
        self.next.is_none() && !is_held && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.kind {
            Kind::Plain | Kind::Json(_) => self.body.size_hint(),
            // An error's event may be added.
            Kind::Events(..) => SizeHint::default(),
        }
    }
}

/// Whether a body is of this type, and not compressed.
pub(super) fn is_plain(headers: &HeaderMap, kind: &str) -> bool {
    let is_kind = headers.get(CONTENT_TYPE).is_some_and(|given| {
        let essence = given.as_bytes().split(|b| *b == b';').next();
        let essence = essence.unwrap_or_default().trim_ascii();
        essence.eq_ignore_ascii_case(kind.as_bytes())
    });
    let coding = headers.get(CONTENT_ENCODING);
    is_kind && coding.is_none_or(|coding| coding == "identity")
}
