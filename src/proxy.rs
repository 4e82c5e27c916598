//! The journey of a request, on one screen: `Proxy::journey`.

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

use crate::chat::Protocol;
use crate::config::Limits;
use crate::gate::Gate;
use crate::intent::Action;
use crate::metrics::Metrics;
use crate::snapshot::Live;
use crate::upstream::{Outgoing, Upstreams};
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
    pub upstreams: Upstreams,
    /// What is counted.
    pub metrics: Metrics,
    /// Which paths are judged, which pass.
    pub routes: Routes,
    /// Bounds on what clients send.
    pub limits: Limits,
    /// Permits for requests in flight.
    pub permits: Arc<Semaphore>,
}

impl Proxy {
    /// Puts the parts together.
    pub fn new(
        gate: Arc<Gate>,
        live: Arc<Live>,
        upstreams: Upstreams,
        metrics: Metrics,
        config: &crate::config::Config,
    ) -> Self {
        Proxy {
            gate,
            live,
            upstreams,
            metrics,
            routes: Routes::new(&config.upstream.pass_through),
            limits: config.limits.clone(),
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
        let id = RequestId::of(request.headers());
        let mut exchange = Exchange::begin(self.metrics.clone(), id);
        let response = match self.journey(request, &mut exchange).await {
            Ok(response) => response,
            Err(refusal) => refusal.respond(&mut exchange),
        };
        Ok(exchange.ride(response))
    }

    async fn journey(
        &self,
        request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Refusal> {
        exchange.protocol = Protocol::of_path(request.uri().path());
        exchange.permit = Some(
            self.permits
                .clone()
                .try_acquire_owned()
                .map_err(|_| Refusal::Busy)?,
        );
        let protocol = match self.routes.route(request.method(), request.uri().path())? {
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
            _ => self.forward(request.map(Outgoing::Whole), exchange).await,
        }
    }

    /// A request that is not judged: its body streams through unread.
    async fn pass(
        &self,
        request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let limit = self.limits.body;
        body::ensure_announced(request.headers(), limit)?;
        self.forward(
            request.map(|incoming| body::stream_through(incoming, limit)),
            exchange,
        )
        .await
        .map_err(|refusal| body::too_large_or(refusal, limit))
    }

    async fn forward(
        &self,
        mut request: Request<Outgoing>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Refusal> {
        headers::prepare_request(request.headers_mut(), &exchange.id, exchange.mixed());
        let sent = Instant::now();
        let mut response = self.upstreams.send(request).await?;
        self.metrics
            .upstream_first_byte
            .observe(sent.elapsed().as_secs_f64());
        headers::prepare_response(response.headers_mut());
        Ok(response.map(ResponseBody::upstream))
    }
}

/// The label of a request's protocol where it is not judged.
fn protocol_label(protocol: Option<Protocol>) -> &'static str {
    protocol.map_or("none", Protocol::as_str)
}
