//! A fake LLM that does what the test says, and tells what it got.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream as streams;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use intentgate::chat::{Protocol, Usage};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{Authority, embeddings, soon};

/// What it replies where the test says nothing else.
pub(crate) const COMPLETION: &str = r#"{"id":"up-1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"from the upstream"},"finish_reason":"stop"}]}"#;

type AnyBody = BoxBody<Bytes, io::Error>;

pub(crate) struct Upstream {
    address: SocketAddr,
    received: mpsc::UnboundedReceiver<Received>,
    script: Arc<Script>,
    hang_up: mpsc::Sender<oneshot::Sender<()>>,
    scheme: &'static str,
    connections: Arc<AtomicUsize>,
    _accepting: JoinSet<()>,
}

/// A request as it arrived.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) version: Version,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A reply whose pieces the test sends. Dropped, the reply has ended.
#[derive(Debug)]
pub(crate) struct Pace {
    pieces: mpsc::UnboundedSender<io::Result<Bytes>>,
    taken: Arc<AtomicUsize>,
    gone: Gone,
}

/// Tells when nobody waits for the reply any more.
#[derive(Debug)]
pub(crate) struct Gone(oneshot::Receiver<Infallible>);

#[derive(Debug)]
struct Script {
    acts: Mutex<VecDeque<Act>>,
    /// What is replied to a body where the test says nothing.
    usual: fn(&[u8]) -> Response<Bytes>,
    record: mpsc::UnboundedSender<Received>,
}

/// What is done with one request.
#[derive(Debug)]
enum Act {
    Reply(Response<Bytes>),
    Pace(Response<Paced>),
    /// Each piece of the request's body is a piece of the reply's, as it comes.
    Echo,
    /// So many times the same piece, each made when it is asked for; how many were made.
    Flood(usize, Bytes, Arc<AtomicUsize>),
    Hang(oneshot::Sender<Infallible>),
    BreakOff,
}

impl Upstream {
    pub(crate) async fn start() -> Upstream {
        Upstream::start_over(None, completion).await
    }

    /// An embeddings API.
    pub(crate) async fn start_embeddings(authority: Option<&Authority>) -> Upstream {
        Upstream::start_over(authority, embeddings::answer).await
    }

    /// With TLS; HTTP/2 where the client offers it.
    pub(crate) async fn start_tls(authority: &Authority) -> Upstream {
        Upstream::start_over(Some(authority), completion).await
    }

    async fn start_over(
        authority: Option<&Authority>,
        usual: fn(&[u8]) -> Response<Bytes>,
    ) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Upstream::start_at(listener, authority, usual).await
    }

    /// An embeddings API at an address that a test has kept for it.
    pub(crate) async fn start_embeddings_at(listener: TcpListener) -> Upstream {
        Upstream::start_at(listener, None, embeddings::answer).await
    }

    async fn start_at(
        listener: TcpListener,
        authority: Option<&Authority>,
        usual: fn(&[u8]) -> Response<Bytes>,
    ) -> Upstream {
        let tls = authority.map(Authority::acceptor);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let connections = Arc::new(AtomicUsize::new(0));
        let address = listener.local_addr().unwrap();
        let (record, received) = mpsc::unbounded_channel();
        let script = Arc::new(Script {
            acts: Mutex::default(),
            usual,
            record,
        });
        let (hang_up, told) = mpsc::channel(1);
        let mut accepting = JoinSet::new();
        let accept = Accept {
            listener,
            script: script.clone(),
            tls,
            connections: connections.clone(),
        };
        accepting.spawn(accept.run(told));
        Upstream {
            address,
            received,
            script,
            hang_up,
            scheme,
            connections,
            _accepting: accepting,
        }
    }

    /// The base URL.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}/v1", self.scheme, self.address)
    }

    /// How many connections it has taken.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of an upstream that takes no connections.
    pub(crate) async fn refusing() -> String {
        format!("http://{}/v1", nobody())
    }

    /// The next request is replied to with this.
    pub(crate) fn replies(&self, response: Response<impl Into<Bytes>>) {
        self.act(Act::Reply(response.map(Into::into)));
    }

    /// The next request, which is this one, is replied to as an LLM would, with this usage.
    pub(crate) fn tells(&self, protocol: Protocol, request: &Value, usage: Usage) {
        let mut prompt = protocol.prompt(request.to_string().as_bytes()).unwrap();
        prompt.reply.usage = usage;
        let reply = protocol.reply(&prompt, "from the upstream", "up-1", 0);
        let response = Response::builder().header("content-type", reply.content_type);
        self.replies(response.body(reply.body.whole()).unwrap());
    }

    /// The next request gets a stream whose pieces the test sends.
    pub(crate) fn paces(&self) -> Pace {
        let stream = Response::builder().header("content-type", "text/event-stream");
        self.paces_with(stream)
    }

    /// The same with a response of the test's own.
    pub(crate) fn paces_with(&self, response: http::response::Builder) -> Pace {
        let (pieces, coming) = mpsc::unbounded_channel();
        let (waited_for, gone) = oneshot::channel();
        let taken = Arc::<AtomicUsize>::default();
        let body = Paced {
            coming,
            taken: taken.clone(),
            _waited_for: waited_for,
        };
        self.act(Act::Pace(response.body(body).unwrap()));
        let gone = Gone(gone);
        Pace {
            pieces,
            taken,
            gone,
        }
    }

    /// The next request's body comes back piece by piece.
    pub(crate) fn echoes(&self) {
        self.act(Act::Echo);
    }

    /// The next request gets one piece so many times. How many have been made so far.
    pub(crate) fn floods(&self, times: usize, piece: Bytes) -> Arc<AtomicUsize> {
        let made = Arc::new(AtomicUsize::new(0));
        self.act(Act::Flood(times, piece, made.clone()));
        made
    }

    /// The next request is never replied to.
    pub(crate) fn hangs(&self) -> Gone {
        let (waited_for, gone) = oneshot::channel();
        self.act(Act::Hang(waited_for));
        Gone(gone)
    }

    /// The next request's connection closes before a reply.
    pub(crate) fn breaks_off(&self) {
        self.act(Act::BreakOff);
    }

    fn act(&self, act: Act) {
        self.script.acts.lock().unwrap().push_back(act);
    }

    /// The next request that arrived.
    pub(crate) async fn received(&mut self) -> Received {
        let received = soon("a request at the upstream", self.received.recv());
        received.await.unwrap()
    }

    /// How many requests have arrived that no test has looked at.
    pub(crate) fn unseen(&mut self) -> usize {
        std::iter::from_fn(|| self.received.try_recv().ok()).count()
    }

    /// Closes every connection; comes back when that is done.
    pub(crate) async fn closes_connections(&self) {
        let (done, closed) = oneshot::channel();
        self.hang_up.send(done).await.unwrap();
        soon("connections closed", closed).await.unwrap();
    }
}

impl Pace {
    pub(crate) fn send(&self, piece: impl Into<Bytes>) {
        self.pieces.send(Ok(piece.into())).unwrap();
    }

    /// How many pieces the upstream's connection has taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Ends the connection in the middle of the reply.
    pub(crate) fn break_off(self) {
        self.pieces.send(Err(broken())).unwrap();
    }

    pub(crate) async fn client_gone(self) {
        self.gone.client_gone().await;
    }
}

impl Gone {
    pub(crate) async fn client_gone(self) {
        soon("the cancellation at the upstream", self.0)
            .await
            .unwrap_err();
    }
}

struct Accept {
    listener: TcpListener,
    script: Arc<Script>,
    tls: Option<TlsAcceptor>,
    connections: Arc<AtomicUsize>,
}

impl Accept {
    async fn run(self, mut told: mpsc::Receiver<oneshot::Sender<()>>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Ok((stream, _)) = self.listener.accept() => {
                    self.connections.fetch_add(1, Ordering::SeqCst);
                    stream.set_nodelay(true).unwrap();
                    let (script, tls) = (self.script.clone(), self.tls.clone());
                    connections.spawn(async move {
                        match tls {
                            None => serve(stream, script).await,
                            Some(tls) => {
                                // A client that does not trust it is what a test is about.
                                if let Ok(stream) = tls.accept(stream).await {
                                    serve(stream, script).await;
                                }
                            }
                        }
                    });
                }
                Some(done) = told.recv() => {
                    connections.shutdown().await;
                    done.send(()).ok();
                }
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, script: Arc<Script>) {
    let answer = service_fn(move |request| answer(request, script.clone()));
    let builder = auto::Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection(TokioIo::new(stream), answer);
    // Broken connections are what many tests are about.
    connection.await.ok();
}

async fn answer(
    request: Request<Incoming>,
    script: Arc<Script>,
) -> Result<Response<AnyBody>, io::Error> {
    let act = script.acts.lock().unwrap().pop_front();
    let (parts, body) = request.into_parts();
    let (body, echo) = match act {
        Some(Act::Echo) => (Bytes::new(), Some(body)),
        _ => (
            body.collect().await.map_err(io::Error::other)?.to_bytes(),
            None,
        ),
    };
    let received = Received {
        version: parts.version,
        method: parts.method,
        target: parts.uri.to_string(),
        headers: parts.headers,
        body,
    };
    let usual = match act {
        None => Some((script.usual)(&received.body)),
        Some(_) => None,
    };
    script.record.send(received).ok();
    match act {
        Some(Act::Reply(response)) => Ok(response.map(whole)),
        Some(Act::Pace(response)) => Ok(response.map(Paced::boxed)),
        Some(Act::Echo) => Ok(Response::new(
            echo.unwrap().map_err(io::Error::other).boxed(),
        )),
        Some(Act::Flood(times, piece, made)) => Ok(Response::new(flood(times, piece, made))),
        Some(Act::Hang(_waited_for)) => std::future::pending().await,
        Some(Act::BreakOff) => Err(broken()),
        None => Ok(usual.unwrap().map(whole)),
    }
}

fn completion(_: &[u8]) -> Response<Bytes> {
    Response::new(COMPLETION.into())
}

fn whole(body: Bytes) -> AnyBody {
    Full::new(body).map_err(|never| match never {}).boxed()
}

fn flood(times: usize, piece: Bytes, made: Arc<AtomicUsize>) -> AnyBody {
    let pieces = streams::iter((0..times).map(move |_| {
        made.fetch_add(1, Ordering::SeqCst);
        Ok(Frame::data(piece.clone()))
    }));
    StreamBody::new(pieces).boxed()
}

fn broken() -> io::Error {
    io::Error::other("broken off as the test has it")
}

/// The body behind a [`Pace`].
#[derive(Debug)]
struct Paced {
    coming: mpsc::UnboundedReceiver<io::Result<Bytes>>,
    taken: Arc<AtomicUsize>,
    _waited_for: oneshot::Sender<Infallible>,
}

impl Body for Paced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = std::task::ready!(self.coming.poll_recv(cx));
        self.taken.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }
}

/// An address that takes no connections as long as the tests run: bound, and never listened on. A port that is given
/// back is soon another test's.
pub(crate) fn nobody() -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address
}
