//! A reply's body as it comes, within the times that it is given.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
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
    }
}

impl ReplyBody {
    /// A body of a request that was sent at `sent`.
    pub(super) fn new(
        body: reqwest::Body,
        sent: Instant,
        silence_allowed: Duration,
        total_allowed: Duration,
    ) -> Self {
        ReplyBody {
            body,
            patience: None,
            end: sent + total_allowed,
            silence_allowed,
            total_allowed,
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
