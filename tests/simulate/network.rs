//! The simulated network in place of the system's: where the gateway's connections come from, and how its requests
//! get to upstreams.

use std::io;
use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use intentgate::server::{Listen, Tasks};
use intentgate::upstream::{Carry, UpstreamError};
use turmoil::net::{TcpListener, TcpStream};

/// A listener of the simulated network.
pub(crate) struct Listener(pub(crate) TcpListener);

impl Listen for Listener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.accept().await
    }
}

/// Carries each request over a connection of its own, as reqwest does where none is free.
#[derive(Debug)]
pub(crate) struct Carrier {
    /// Runs the connections. Dropped by the simulation's end, it needs no word to stop.
    pub(crate) tasks: Tasks,
}

impl Carry for Carrier {
    fn carry(
        &self,
        request: reqwest::Request,
    ) -> BoxFuture<'_, Result<Response<reqwest::Body>, UpstreamError>> {
        Box::pin(async move {
            let url = request.url().clone();
            let host = url.host_str().unwrap_or_default().to_owned();
            let address = (host.as_str(), url.port_or_known_default().unwrap_or(80));
            let stream = TcpStream::connect(address).await.map_err(unreachable)?;
            let handshake = http1::handshake(TokioIo::new(stream)).await;
            let (mut sender, connection) = handshake.map_err(unreachable)?;
            self.tasks.spawn("upstream connection", async move {
                // What goes wrong is told to the request as well.
                connection.await.ok();
            });
            let mut request: Request<reqwest::Body> = request.try_into()?;
            let path = request
                .uri()
                .path_and_query()
                .map_or("/", |path| path.as_str());
            *request.uri_mut() = path.parse().unwrap_or_default();
            let host = HeaderValue::from_str(&host).unwrap_or(HeaderValue::from_static("upstream"));
            request.headers_mut().insert(HOST, host);
            let reply =
                sender
                    .send_request(request)
                    .await
                    .map_err(|error| match error.is_user() {
                        true => UpstreamError::RequestBroke(error.into()),
                        false => UpstreamError::BrokeOff(error.into()),
                    })?;
            Ok(reply.map(reqwest::Body::wrap))
        })
    }
}

fn unreachable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> UpstreamError {
    UpstreamError::Unreachable(error.into())
}
