//! Listeners: accept, serve, drain. Listener and shutdown are arguments.

mod tasks;

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

pub use tasks::Tasks;

use crate::config::Limits;

/// After an accept that failed for want of something (file descriptors), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections and has `answer` called for each request until the tasks are told to stop; running
/// connections then finish what they are at.
pub async fn serve<F, A, B>(listener: TcpListener, limits: Limits, tasks: Tasks, answer: F)
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let connections = Arc::new(Semaphore::new(limits.connections.get()));
    let mut builder = Builder::new(tasks.clone());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(60)));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            () = tasks.stopped() => return,
        };
        let (stream, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (builder, answer, stopping) = (builder.clone(), answer.clone(), tasks.clone());
        let (used, first_request) = (Arc::new(AtomicBool::new(false)), limits.header_timeout);
        tasks.spawn("connection", async move {
            let answered = used.clone();
            let answer = service_fn(move |request| {
                answered.store(true, Ordering::Relaxed);
                answer(request)
            });
            let connection = builder.serve_connection(TokioIo::new(stream), answer);
            let mut connection = std::pin::pin!(connection);
            // Once told to stop, it ends after the request it is at.
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = unused(&used, first_request) => return,
                () = stopping.stopped() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(permit);
        });
    }
}

/// Comes back where a connection has had no request in time: HTTP's own timer starts with its first byte.
async fn unused(used: &AtomicBool, time: Duration) {
    tokio::time::sleep(time).await;
    if used.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = connections
        .clone()
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, permit))
}
