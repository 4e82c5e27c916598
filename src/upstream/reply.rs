//! A reply's body as it comes, within the times that it is given.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Response, Version};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// The reply broke off in the middle.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The connection broke.
    #[error("the upstream's reply broke off: {0}")]
    BrokeOff(#[source] reqwest::Error),
    /// Nothing came for too long.
    #[error("the upstream was silent for {}", humantime::format_duration(*.0))]
    Silent(Duration),
    /// The whole of it took too long.
    #[error("the upstream's reply was not complete within {}", humantime::format_duration(*.0))]
    TooLong(Duration),
    /// The connection was closed, which is all that ends such a reply, and something is missing.
    #[error("the upstream closed the connection before its reply was whole")]
    Unfinished,
}

pin_project_lite::pin_project! {
    /// A reply's body. Dropped, it cancels the request.
    #[derive(Debug)]
    pub struct ReplyBody {
        #[pin]
        body: reqwest::Body,
        // Runs while nothing comes: most bodies are there when they are asked for, and need none.
        #[pin]
        patience: Option<Sleep>,
        end: Instant,
        silence_allowed: Duration,
        total_allowed: Duration,
        ends_by_close: bool,
    }
}

impl ReplyBody {
    /// A reply to a request that was sent at `sent`.
    pub(super) fn of(
        reply: Response<reqwest::Body>,
        sent: Instant,
        silence_allowed: Duration,
        total_allowed: Duration,
    ) -> Response<Self> {
        let is_framed = is_framed(reply.version(), reply.headers());
        reply.map(|body| ReplyBody {
            ends_by_close: !is_framed && !body.is_end_stream(),
            body,
            patience: None,
            end: sent + total_allowed,
            silence_allowed,
            total_allowed,
        })
    }

    /// Whether nothing tells the body's end but the end of the connection, so that one which broke off ends alike.
    pub fn ends_by_close(&self) -> bool {
        self.ends_by_close
    }
}

/// RFC 9112, 6.3: whether a reply's head tells where its body ends, or its body does.
fn is_framed(version: Version, headers: &HeaderMap) -> bool {
    let codings = headers.get_all(TRANSFER_ENCODING).iter().next_back();
    let is_chunked = |codings: &[u8]| {
        let last = codings.rsplit(|b| *b == b',').next().unwrap_or_default();
        last.trim_ascii().eq_ignore_ascii_case(b"chunked")
    };
    version > Version::HTTP_11
        || match codings {
            Some(codings) => is_chunked(codings.as_bytes()),
            None => headers.contains_key(CONTENT_LENGTH),
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
        // Before the body: one that never pauses does not go on for ever either.
        if Instant::now() >= *this.end {
            return Poll::Ready(Some(Err(StreamError::TooLong(*this.total_allowed))));
        }
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            this.patience.set(None);
            return Poll::Ready(frame.map(|frame| frame.map_err(StreamError::BrokeOff)));
        }
        if this.patience.is_none() {
            let silence_ends = Instant::now() + *this.silence_allowed;
            let until = silence_ends.min(*this.end);
            this.patience.set(Some(sleep_until(until)));
        }
        if let Some(patience) = this.patience.as_mut().as_pin_mut() {
            ready!(patience.poll(cx));
        }
        Poll::Ready(Some(Err(match Instant::now() >= *this.end {
            true => StreamError::TooLong(*this.total_allowed),
            false => StreamError::Silent(*this.silence_allowed),
        })))
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
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_reply_without_length_or_chunks_ends_by_its_connection() {
        let (length, coding) = (CONTENT_LENGTH, TRANSFER_ENCODING);
        for (version, header, expected) in [
            (Version::HTTP_11, None, false),
            (Version::HTTP_10, None, false),
            (Version::HTTP_2, None, true),
            (Version::HTTP_10, Some((&length, "5")), true),
            (Version::HTTP_11, Some((&length, "5")), true),
            (Version::HTTP_11, Some((&coding, "gzip, Chunked")), true),
            (Version::HTTP_11, Some((&coding, "gzip")), false),
        ] {
            let headers =
                header.map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            let headers = HeaderMap::from_iter(headers);
            assert_eq!(is_framed(version, &headers), expected, "{headers:?}");
        }
    }
}
