//! Listeners: accept, serve, drain. Listener and shutdown are arguments.

mod activity;
mod connection;
mod files;
mod head;
mod places;
mod tasks;
mod tls;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutWriter;

pub use files::raise_open_files;
pub use tasks::Tasks;
pub use tls::{Tls, TlsError};

use crate::config::Limits;
use crate::proxy::{Peer, Unflushed};
use connection::{Host, Streams};
use places::Places;

/// After an accept that failed for want of something (file descriptors), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What HTTP/2 keeps of a stream's reply that its client has not taken, in bytes.
const STREAM_SEND_BUFFER: usize = 16 << 10;
/// What an HTTP/2 client may send of one request, and of all, before any of it is read, in bytes.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;
/// Requests at a time on one connection of HTTP/2.
const STREAMS: u32 = 100;

/// Where connections come from: the system's network, or one that a test has made.
pub trait Listen: Send + Sync + 'static {
    /// One connection.
    type Stream: AsyncRead + AsyncWrite + Send + 'static;

    /// The next connection, and the address of its other end.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

impl Listen for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, address) = TcpListener::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((stream, address))
    }
}

/// Where connections come in, and what they are held to.
#[derive(Debug)]
pub struct Door<L = TcpListener> {
    /// Where they come from.
    pub listener: L,
    /// How they are encrypted; none where they are not.
    pub tls: Option<Tls>,
    /// How many there may be, of what size, in what time.
    pub limits: Limits,
}

impl<L> Door<L> {
    /// One that is not encrypted.
    pub fn plain(listener: L, limits: &Limits) -> Self {
        Door {
            listener,
            tls: None,
            limits: limits.clone(),
        }
    }
}

/// Accepts connections and has `answer` called for each request, with a [`Peer`] in its extensions, until the
/// tasks are told to stop; running connections then finish what they are at.
pub async fn serve<L, F, A, B>(door: Door<L>, tasks: Tasks, answer: F)
where
    L: Listen,
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
        // What comes together is looked at in one order, here and below: a run can be had again.
        let accepted = tokio::select! {
            biased;
            () = tasks.stopped() => return,
            accepted = places.accept(&listener) => accepted,
        };
        let mut accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (limits, tls, answer) = (limits.clone(), tls.clone(), answer.clone());
        let (builder, of_connection) = (builder.clone(), tasks.clone());
        tasks.spawn("connection", async move {
            accepted.settle().await;
            let host = Host {
                builder,
                tasks: of_connection,
                first_request: limits.header_timeout,
                idle: limits.idle_timeout,
                peer: Peer {
                    address: accepted.address,
                    turned_away: accepted.turned_away,
                    unflushed: Unflushed::default(),
                },
                activity: accepted.place.activity.clone(),
                answer,
            };
            let mut stream = TimeoutWriter::new(accepted.stream);
            stream.set_timeout(Some(limits.stall_timeout));
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
            drop(accepted.place);
        });
    }
}

fn builder(limits: &Limits, tasks: &Tasks) -> Builder<Streams> {
    let mut builder = Builder::new(Streams {
        tasks: tasks.clone(),
        stall: limits.stall_timeout,
    });
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
