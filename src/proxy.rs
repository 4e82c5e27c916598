//! The journey of a request, on one screen: `Journey::of`.

mod access;
mod body;
mod exchange;
mod headers;
mod ids;
mod passing;
mod refusal;
mod route;
pub mod serving;
mod shares;
mod unflushed;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::header::CONTENT_ENCODING;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use tower::{Layer, ServiceExt, service_fn};

use crate::chat::Prompt;
use crate::config::Mode;
use crate::gate::course::Course;
use crate::gate::learning::Origin;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::traces::Traces;
use crate::upstream::Outgoing;
use crate::verdict::{Decision, Reason};
pub use access::{Access, Peer};
use body::ResponseBody;
pub use exchange::Spawn;
use exchange::{Exchange, Watched};
use refusal::Refusal;
use route::Route;
use serving::{Live, Serving};
pub use shares::{Share, Shares};
pub use unflushed::Unflushed;

/// Everything that a request meets.
#[derive(Debug)]
pub struct Proxy {
    /// What requests are served by: a request takes it once.
    pub live: Arc<Live>,
    /// What is counted.
    pub metrics: Metrics,
    /// What is entered beside the requests.
    pub ledger: Ledger,
    /// Where its spans go; none where traces are off.
    pub traces: Option<Traces>,
    /// Runs what outlives a reply.
    pub spawn: Spawn,
}

impl Proxy {
    /// Answers one request; what it came to is recorded when the reply's last byte is gone.
    ///
    /// # Errors
    /// Never: what goes wrong becomes a response.
    pub fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + Send {
        let serving = self.live.current();
        match serving.settings.access.cors.clone() {
            // Preflights are answered there, and every reply is marked.
            Some(cors) => {
                let inner =
                    service_fn(move |request| self.clone().exchange(serving.clone(), request));
                Either::Left(cors.layer(inner).oneshot(request))
            }
            None => Either::Right(self.exchange(serving, request)),
        }
    }

    /// The exchange begins here, not where the future is first asked: a client may have left before that.
    fn exchange(
        self: Arc<Self>,
        serving: Arc<Serving>,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + Send {
        let terms = serving.settings.terms.clone();
        let mut exchange = Exchange::begin(self.clone(), terms, &request);
        async move {
            let journey = Journey {
                serving,
                metrics: &self.metrics,
            };
            let reply = match journey.admit(&mut request, &mut exchange) {
                // Those who are refused need no room for the rest of the way.
                Ok(route) => Box::pin(journey.of(route, request, &mut exchange)).await,
                Err(refusal) => {
                    let (head, mut incoming) = request.into_parts();
                    exchange.unread =
                        !body::linger(body::waits(&head.headers), &mut incoming).await;
                    Err(refusal)
                }
            };
            let response = reply.unwrap_or_else(|refusal| refusal.respond(&mut exchange));
            Ok(exchange.ride(response))
        }
    }
}

/// The way of one request.
struct Journey<'p> {
    serving: Arc<Serving>,
    metrics: &'p Metrics,
}

impl Journey<'_> {
    /// Everything that can be said of a request before its body: access, path, room.
    fn admit(
        &self,
        request: &mut Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Route, Refusal> {
        let settings = &self.serving.settings;
        let peer = request.extensions().get::<Peer>().cloned();
        if peer.as_ref().is_some_and(|peer| peer.turned_away) {
            return Err(Refusal::Busy);
        }
        headers::ensure_one_host(request)?;
        let access = &settings.access;
        let address = peer.as_ref().map(|peer| peer.address.ip());
        let address = address.map(|address| access.client_address(address, request.headers()));
        tracing::debug!(
            request_id = exchange.record.request_id,
            ?address,
            "a request came"
        );
        exchange.address = address;
        exchange.record.client = access.admit(request.headers_mut(), address)?;
        let route = settings
            .routes
            .route(request.method(), request.uri().path())?;
        // Those who are refused take no room from others.
        let permit = settings.permit(address).ok_or(Refusal::Busy)?;
        exchange.permit = Some((permit, peer.map(|peer| peer.unflushed)));
        Ok(route)
    }

    async fn of(
        &self,
        route: Route,
        request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let settings = &self.serving.settings;
        let protocol = match route {
            Route::Judge(protocol) => protocol,
            Route::Welcome => return Ok(exchange.welcome()),
            Route::PassThrough(path) => {
                let passed = &self.metrics.passed_through;
                passed.with_label_values(&[&*path]).inc();
                return self.pass(request, exchange).await;
            }
        };
        let request = route::at(protocol, request);
        if settings.gate.mode() == Mode::Off {
            let decision = Decision::unjudged(Reason::GateOff);
            exchange.decided(&decision, None, Duration::ZERO);
            return self.pass(request, exchange).await;
        }
        let request = body::read(request, &settings.limits).await?;
        exchange.unread = false;
        let coding = request.headers().get(CONTENT_ENCODING);
        let coding = coding.map(HeaderValue::as_bytes);
        let most = settings.limits.body;
        let prompt = protocol.prompt_of(request.body(), coding, most);
        let origin = Origin::new(exchange.record.client.clone(), protocol);
        let snapshot = &self.serving.snapshot;
        let prompt = prompt.map(|prompt| settings.gate.unwrapped(snapshot, prompt, Some(&origin)));
        if let Ok(prompt) = &prompt {
            if let Some(wrapping) = prompt.wrapping {
                let unwrapped = &self.metrics.unwrapped;
                unwrapped.with_label_values(&[wrapping.as_str()]).inc();
            }
            exchange.asked(prompt, snapshot, request.body());
            self.learn(origin, prompt, exchange);
        }
        let request = body::continued(request, protocol, prompt.as_ref().ok(), most);
        exchange.judging();
        if settings.gate.mode() == Mode::Shadow {
            return self.watch(request, prompt.ok(), exchange).await;
        }
        let prompt = prompt.map_err(Refusal::Unreadable)?;
        let (decision, time) = judge(&self.serving, self.metrics, &prompt).await;
        match settings.gate.course(&decision, fastrand::f64()) {
            Course::Reply(reply) => {
                exchange.decided(&decision, None, time);
                Ok(exchange.reply(protocol, &prompt, reply))
            }
            Course::Forward { waived } => {
                exchange.decided(&decision, waived, time);
                let request = request.map(Outgoing::Whole);
                self.forward(request, exchange, decision.mixed).await
            }
            Course::Refuse(reason) => Err(Refusal::Unjudged(reason)),
        }
    }

    /// Learns what the front end puts around the customers' words; what takes longer goes on beside the request.
    fn learn(&self, origin: Origin, prompt: &Prompt, exchange: &Exchange) {
        let gate = &self.serving.settings.gate;
        let address = exchange.address.map(access::household);
        let Some(learned) = gate.observe(&origin, prompt, address) else {
            return;
        };
        let serving = self.serving.clone();
        exchange.beside(async move {
            let gate = &serving.settings.gate;
            gate.learn(&serving.snapshot, &origin, learned).await;
        });
    }

    /// Judges beside the upstream, which is asked at once: whoever only watches costs nobody time. What is not decided
    /// when the reply begins is decided while it streams, or after it.
    async fn watch(
        &self,
        request: Request<Bytes>,
        prompt: Option<Prompt>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let (serving, proxy) = (self.serving.clone(), exchange.proxy());
        let mut judging = Box::pin(async move {
            let (decision, time) = match &prompt {
                Some(prompt) => judge(&serving, &proxy.metrics, prompt).await,
                None => (Decision::unjudged(Reason::Unreadable), Duration::ZERO),
            };
            let waived = match serving.settings.gate.course(&decision, 1.0) {
                Course::Forward { waived } => waived,
                Course::Reply(_) | Course::Refuse(_) => None,
            };
            Watched {
                decision,
                waived,
                time,
            }
        });
        let forwarding = self.forward(request.map(Outgoing::Whole), exchange, false);
        let (response, watched) = match select(pin!(forwarding), &mut judging).await {
            Either::Left((response, _)) => (response, None),
            Either::Right((watched, forwarding)) => (forwarding.await, Some(watched)),
        };
        match (watched, &response) {
            (None, Ok(_)) => exchange.watching(judging),
            (None, Err(_)) => exchange.watched(&judging.await),
            (Some(watched), _) => exchange.watched(&watched),
        }
        response
    }

    /// A request that is not judged: its body streams through unread.
    async fn pass(
        &self,
        request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let limit = self.serving.settings.limits.body;
        let waits = body::waits(request.headers());
        let (request, back) = body::stream_through(request, limit).await?;
        let reply = self.forward(request, exchange, false).await;
        if reply.is_err() {
            exchange.unread = !body::linger_once_back(waits, back).await;
        }
        reply.map_err(|refusal| body::too_large_or(refusal, limit))
    }

    async fn forward(
        &self,
        mut request: Request<Outgoing>,
        exchange: &mut Exchange,
        mixed: bool,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let forwarded = &self.serving.settings.forward_headers;
        headers::prepare_request(request.headers_mut(), &exchange.ids, mixed, forwarded);
        exchange.sending(request.headers_mut());
        let sent = Instant::now();
        let mut response = self.serving.settings.upstreams.send(request).await?;
        exchange.replied(sent, &response);
        headers::prepare_response(response.headers_mut());
        if self.serving.settings.access.cors.is_some() {
            access::remove_cors(response.headers_mut());
        }
        Ok(ResponseBody::upstream(response, exchange.record.protocol))
    }
}

/// The decision, and how long it took.
async fn judge(serving: &Serving, metrics: &Metrics, prompt: &Prompt) -> (Decision, Duration) {
    let begun = Instant::now();
    let gate = &serving.settings.gate;
    let decision = gate.judge_in_time(&serving.snapshot, prompt).await;
    let time = begun.elapsed();
    if let Some(judgement) = &decision.judgement {
        metrics
            .gate_duration
            .with_label_values(&[judgement.stage.as_str()])
            .observe(time.as_secs_f64());
    }
    (decision, time)
}
