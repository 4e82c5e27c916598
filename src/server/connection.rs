//! One connection: it answers until either side has enough, and no client holds it, or a reply on it, by doing nothing.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Builder;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Busy, Pace};
use super::head::Head;
use super::tasks::Tasks;
use crate::proxy::{Peer, Unflushed};

/// Once the gateway stops, a client that has taken nothing for so long is waited for no longer.
const STOPPING: Duration = Duration::from_secs(2);

tokio::task_local! {
    /// That of the stream of HTTP/2 that the task is for.
    static PACE: Pace;
}

/// Runs the streams of HTTP/2, each for as long as its client takes its reply: a window that stays shut is nothing
/// that a connection's own timers see.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    pub(super) tasks: Tasks,
    pub(super) stall: Duration,
}

impl<F: Future + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let (stall, pace) = (self.stall, Pace::default());
        let (tasks, stream) = (self.tasks.clone(), Box::pin(stream));
        self.tasks.spawn("http2", async move {
            let stream = PACE.scope(pace.clone(), stream);
            tokio::select! {
                biased;
                _ = stream => {}
                // Dropped, a stream is reset.
                () = pace.stalled_for(stall) => tracing::debug!("a client does not take its reply"),
                () = stalled_at_the_end(&tasks, &pace) => {}
            }
        });
    }
}

async fn stalled_at_the_end(tasks: &Tasks, pace: &Pace) {
    tasks.stopped().await;
    pace.stalled_for(STOPPING).await;
}

async fn idle_at_the_end(activity: &Activity) {
    sleep(STOPPING).await;
    activity.idle_for(STOPPING).await;
}

/// What one connection is answered by.
pub(super) struct Host<F> {
    pub(super) builder: Builder<Streams>,
    pub(super) tasks: Tasks,
    pub(super) first_request: Duration,
    pub(super) idle: Duration,
    pub(super) peer: Peer,
    pub(super) activity: Arc<Activity>,
    pub(super) answer: F,
}

impl<F, A, B> Host<F>
where
    F: Fn(Request<Incoming>) -> A + Send + 'static,
    A: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Answers until either side has enough. A connection that is turned away has one request.
    pub(super) async fn talk<S>(mut self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (peer, answer) = (self.peer, self.answer);
        let (turned_away, unflushed) = (peer.turned_away, peer.unflushed.clone());
        self.builder.http1().keep_alive(!turned_away);
        let asked = CancellationToken::new();
        let (told, activity, own) = (asked.clone(), self.activity.clone(), Pace::default());
        let pace = own.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            told.cancel();
            request.extensions_mut().insert(peer.clone());
            let (busy, response, own) = (activity.begin(), answer(request), own.clone());
            async move {
                let pace = PACE.try_with(Pace::clone).unwrap_or(own);
                Ok::<_, Infallible>(response.await?.map(|body| {
                    pace.offers();
                    Paced {
                        body,
                        pace,
                        begun: false,
                        _busy: busy,
                    }
                }))
            }
        });
        let stream = Wire {
            stream,
            head: Head::default(),
            activity: self.activity.clone(),
            unflushed,
        };
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let finish = async {
            tokio::select! {
                () = self.tasks.stopped() => {}
                () = self.activity.idle_for(self.idle) => {}
                () = asked.cancelled(), if turned_away => {}
            }
        };
        // Told to finish, it ends after the request that it is at.
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = unused(&asked, self.first_request) => return,
            () = self.activity.give_way.cancelled() => return,
            () = finish => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    ended = connection => ended,
                    () = stalled_at_the_end(&self.tasks, &pace) => return,
                    // HTTP/2 waits for its client to say that it has heard.
                    () = idle_at_the_end(&self.activity) => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    }
}

/// Comes back where a connection has had no request in time: HTTP's own timer starts with its first byte.
async fn unused(asked: &CancellationToken, time: Duration) {
    if timeout(time, asked.cancelled()).await.is_ok() {
        std::future::pending().await
    }
}

pin_project! {
    /// A reply that says when it was last taken from. It ends a frame after its last data, since HTTP/2 asks for that
    /// frame once the client has room for more than it was sent.
    struct Paced<B> {
        #[pin]
        body: B,
        pace: Pace,
        begun: bool,
        _busy: Busy,
    }
}

impl<B: Body> Body for Paced<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        *this.begun = true;
        this.pace.goes_on();
        let frame = ready!(this.body.poll_frame(cx));
        this.pace.offers();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        !self.begun && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// What a connection reads and writes: no head that may be read in two ways gets through, and what its replies
    /// held is let go of once they are written.
    struct Wire<S> {
        #[pin]
        stream: S,
        head: Head,
        activity: Arc<Activity>,
        unflushed: Unflushed,
    }
}

impl<S: AsyncRead> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buffer.filled().len();
        let read = ready!(this.stream.poll_read(cx, buffer));
        if this.activity.idle().is_some() {
            this.head.next();
        }
        let goes_on = this.head.takes(&buffer.filled()[before..]);
        let ambiguous = || io::Error::new(io::ErrorKind::InvalidData, "an ambiguous head");
        Poll::Ready(read.and_then(|()| goes_on.then_some(()).ok_or_else(ambiguous)))
    }
}

impl<S: AsyncWrite> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Both versions of HTTP flush when they have nothing more to write.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let flushed = ready!(this.stream.poll_flush(cx));
        this.unflushed.clear();
        Poll::Ready(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_shutdown(cx)
    }
}
