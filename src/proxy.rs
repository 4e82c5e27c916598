//! The journey of a request, on one screen: `Proxy::journey`.

mod access;
mod body;
mod exchange;
mod headers;
mod refusal;
mod route;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tower::{Layer, ServiceExt, service_fn};

use crate::chat::Protocol;
use crate::config::Limits;
use crate::gate::Gate;
use crate::intent::Action;
use crate::metrics::Metrics;
use crate::snapshot::Live;
use crate::upstream::Upstream;
pub use access::{Access, Peer};
use body::ResponseBody;
use exchange::Exchange;
use headers::RequestId;
use refusal::Refusal;
use route::{Route, Routes};

/// Everything that a request meets.
#[derive(Debug)]
pub struct Proxy {
    /// Judges.
    pub gate: Arc<Gate>,
    /// What it judges by.
    pub live: Arc<Live>,
    /// Where the shop's business goes.
    pub upstream: Upstream,
    /// What is counted.
    pub metrics: Metrics,
    /// Which paths are judged, which pass.
    pub routes: Routes,
    /// Bounds on what clients send.
    pub limits: Limits,
    /// Who may come in, and how often.
    pub access: Arc<Access>,
    /// Permits for requests in flight.
    pub permits: Arc<Semaphore>,
}

impl Proxy {
    /// Puts the parts together.
    pub fn new(
        gate: Arc<Gate>,
        live: Arc<Live>,
        upstream: Upstream,
        metrics: Metrics,
        config: &crate::config::Config,
    ) -> Self {
        Proxy {
            gate,
            live,
            upstream,
            metrics,
            routes: Routes::new(&config.upstream.pass_through),
            limits: config.limits.clone(),
            access: Arc::new(Access::new(&config.access, &config.limits)),
            permits: Arc::new(Semaphore::new(config.limits.requests.get())),
        }
    }

    /// Answers one request; what it came to is recorded when the reply's last byte is gone.
    ///
    /// # Errors
    /// Never: what goes wrong becomes a response.
    pub async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<ResponseBody>, Infallible> {
        match self.access.cors.clone() {
            // Preflights are answered there, and every reply is marked.
            Some(cors) => {
                let inner = service_fn(move |request| self.clone().exchange(request));
                cors.layer(inner).oneshot(request).await
            }
            None => self.exchange(request).await,
        }
    }

    async fn exchange(
        self: Arc<Self>,
        mut request: Request<Incoming>,
    ) -> Result<Response<ResponseBody>, Infallible> {
        let id = RequestId::of(request.headers());
        let mut exchange = Exchange::begin(self.metrics.clone(), id);
        let reply = match self.admit(&mut request, &mut exchange) {
            Ok(route) => self.journey(route, request, &mut exchange).await,
            Err(refusal) => {
                let (head, mut incoming) = request.into_parts();
                body::linger(&head.headers, &mut incoming).await;
                Err(refusal)
            }
        };
        let response = reply.unwrap_or_else(|refusal| refusal.respond(&mut exchange));
        Ok(exchange.ride(response))
    }

    /// Everything that can be said of a request before its body: room, access, path.
    fn admit(
        &self,
        request: &mut Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Route, Refusal> {
        exchange.protocol = Protocol::of_path(request.uri().path());
        exchange.trace_id = headers::trace_id(request.headers());
        let peer = request.extensions().get::<Peer>().copied();
        if peer.is_some_and(|peer| peer.turned_away) {
            return Err(Refusal::Busy);
        }
        let permit = self.permits.clone().try_acquire_owned();
        exchange.permit = Some(permit.map_err(|_| Refusal::Busy)?);
        let client = |peer: Peer| {
            self.access
                .client_address(peer.address.ip(), request.headers())
        };
        let address = peer.map(client);
        tracing::debug!(
            request_id = exchange.id.as_str(),
            ?address,
            "a request came"
        );
        exchange.client = self.access.admit(request.headers_mut(), address)?;
        self.routes.route(request.method(), request.uri().path())
    }

    async fn journey(
        &self,
        route: Route,
        request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let protocol = match route {
            Route::Judge(protocol) => protocol,
            Route::PassThrough => return self.pass(request, exchange).await,
        };
        let request = body::read(request, &self.limits).await?;
        let prompt = protocol
            .prompt(request.body())
            .map_err(Refusal::Unreadable)?;

        let judging = Instant::now();
        let snapshot = self.live.current();
        let decision = self.gate.judge(&snapshot, &prompt).await;
        exchange.decided(&decision, judging.elapsed());

        match (decision.action, decision.reply) {
            (Action::Answer | Action::Reject, Some(reply)) => {
                Ok(exchange.reply(protocol, &prompt, &reply))
            }
            _ => {
                self.forward(request.map(reqwest::Body::from), exchange)
                    .await
            }
        }
    }

    /// A request that is not judged: its body streams through unread.
    async fn pass(
        &self,
        request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let limit = self.limits.body;
        let request = body::stream_through(request, limit).await?;
        self.forward(request, exchange)
            .await
            .map_err(|refusal| body::too_large_or(refusal, limit))
    }

    async fn forward(
        &self,
        mut request: Request<reqwest::Body>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Refusal> {
        headers::prepare_request(request.headers_mut(), &exchange.id, exchange.mixed());
        let sent = Instant::now();
        let mut response = self.upstream.send(request).await?;
        self.metrics
            .upstream_first_byte
            .observe(sent.elapsed().as_secs_f64());
        headers::prepare_response(response.headers_mut());
        if self.access.cors.is_some() {
            access::remove_cors(response.headers_mut());
        }
        Ok(response.map(ResponseBody::upstream))
    }
}

/// The label of a request's protocol where it is not judged.
fn protocol_label(protocol: Option<Protocol>) -> &'static str {
    protocol.map_or("none", Protocol::as_str)
}
