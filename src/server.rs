//! Listeners: accept, serve, drain. Listener and shutdown are arguments.

mod files;
mod tasks;
mod tls;

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;

pub use files::raise_open_files;
pub use tasks::Tasks;
pub use tls::{Tls, TlsError};

use crate::config::Limits;
use crate::proxy::Peer;

/// After an accept that failed for want of something (file descriptors), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections over the limit that are told so at a time; the system keeps the rest waiting.
const TURNED_AWAY: usize = 256;
/// What HTTP/2 keeps of a stream's reply that its client has not taken, in bytes.
const STREAM_SEND_BUFFER: usize = 64 << 10;
/// What an HTTP/2 client may send of one request, and of all, before any of it is read, in bytes.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;
/// Requests at a time on one connection of HTTP/2.
const STREAMS: u32 = 100;

/// Where connections come in, and what they are held to.
#[derive(Debug)]
pub struct Door {
    /// Where they come from.
    pub listener: TcpListener,
    /// How they are encrypted; none where they are not.
    pub tls: Option<Tls>,
    /// How many there may be, of what size, in what time.
    pub limits: Limits,
}

impl Door {
    /// One that is not encrypted.
    pub fn plain(listener: TcpListener, limits: &Limits) -> Self {
        Door {
            listener,
            tls: None,
            limits: limits.clone(),
        }
    }
}

/// Accepts connections and has `answer` called for each request, with a [`Peer`] in its extensions, until the
/// tasks are told to stop; running connections then finish what they are at.
pub async fn serve<F, A, B>(door: Door, tasks: Tasks, answer: F)
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Door {
        listener,
        tls,
        limits,
    } = door;
    let places = Places::new(&limits);
    let builder = builder(&limits, &tasks);
    loop {
        let accepted = tokio::select! {
            accepted = places.accept(&listener) => accepted,
            () = tasks.stopped() => return,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let host = Host {
            builder: builder.clone(),
            tasks: tasks.clone(),
            first_request: limits.header_timeout,
            peer,
            answer: answer.clone(),
        };
        let (tls, stall) = (tls.clone(), limits.stall_timeout);
        tasks.spawn("connection", async move {
            let mut stream = TimeoutWriter::new(stream);
            stream.set_timeout(Some(stall));
            let stream = Box::pin(stream);
            match tls {
                None => host.talk(stream).await,
                Some(tls) => {
                    match timeout(host.first_request, tls.acceptor().accept(stream)).await {
                        Ok(Ok(stream)) => host.talk(stream).await,
                        Ok(Err(error)) => tracing::debug!(%error, "no TLS with a client"),
                        Err(_) => {}
                    }
                }
            }
            drop(place);
        });
    }
}

fn builder(limits: &Limits, tasks: &Tasks) -> Builder<Tasks> {
    let mut builder = Builder::new(tasks.clone());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.headers);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(60)))
        .max_header_list_size(u32::try_from(limits.headers).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(STREAM_SEND_BUFFER)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
}

/// The places that connections take.
struct Places {
    open: Arc<Semaphore>,
    spare: Arc<Semaphore>,
}

impl Places {
    fn new(limits: &Limits) -> Self {
        Places {
            open: Arc::new(Semaphore::new(limits.connections.get())),
            spare: Arc::new(Semaphore::new(TURNED_AWAY)),
        }
    }

    /// A spare place is held while one waits, and given back for an open one where there is any.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> std::io::Result<(TcpStream, Peer, OwnedSemaphorePermit)> {
        let spare = self.spare.clone().acquire_owned().await;
        let spare = spare.map_err(std::io::Error::other)?;
        let (stream, address) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (place, turned_away) = match self.open.clone().try_acquire_owned() {
            Ok(place) => (place, false),
            Err(_) => (spare, true),
        };
        let peer = Peer {
            address,
            turned_away,
        };
        Ok((stream, peer, place))
    }
}

/// What one connection is answered by.
struct Host<F> {
    builder: Builder<Tasks>,
    tasks: Tasks,
    first_request: Duration,
    peer: Peer,
    answer: F,
}

impl<F, A, B> Host<F>
where
    F: Fn(Request<Incoming>) -> A + Send + 'static,
    A: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Answers until either side has enough. A connection that is turned away has one request.
    async fn talk<S>(mut self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (peer, answer) = (self.peer, self.answer);
        self.builder.http1().keep_alive(!peer.turned_away);
        let asked = CancellationToken::new();
        let told = asked.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            told.cancel();
            request.extensions_mut().insert(peer);
            answer(request)
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let finish = async {
            tokio::select! {
                () = self.tasks.stopped() => {}
                () = asked.cancelled(), if peer.turned_away => {}
            }
        };
        // Told to finish, it ends after the request that it is at.
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = unused(&asked, self.first_request) => return,
            () = finish => {
                connection.as_mut().graceful_shutdown();
                connection.await
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
