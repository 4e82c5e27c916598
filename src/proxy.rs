//! The journey of a request, on one screen: `Journey::of`.

mod access;
mod body;
mod exchange;
mod headers;
mod refusal;
mod route;
pub mod serving;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::Either;
use http::{Request, Response};
use hyper::body::Incoming;
use tower::{Layer, ServiceExt, service_fn};

use crate::chat::Prompt;
use crate::config::Mode;
use crate::gate::course::Course;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::traces::Traces;
use crate::upstream::Outgoing;
use crate::verdict::{Decision, Reason};
pub use access::{Access, Peer};
use body::ResponseBody;
use exchange::Exchange;
use refusal::Refusal;
use route::Route;
use serving::{Live, Serving};

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
                Ok(route) => journey.of(route, request, &mut exchange).await,
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
    /// Everything that can be said of a request before its body: room, access, path.
    fn admit(
        &self,
        request: &mut Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Route, Refusal> {
        let settings = &self.serving.settings;
        let peer = request.extensions().get::<Peer>().copied();
        if peer.is_some_and(|peer| peer.turned_away) {
            return Err(Refusal::Busy);
        }
        exchange.permit = Some(settings.permit().ok_or(Refusal::Busy)?);
        let access = &settings.access;
        let address = peer.map(|peer| access.client_address(peer.address.ip(), request.headers()));
        tracing::debug!(
            request_id = exchange.record.request_id,
            ?address,
            "a request came"
        );
        exchange.address = address;
        exchange.record.client = access.admit(request.headers_mut(), address)?;
        settings
            .routes
            .route(request.method(), request.uri().path())
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
            Route::PassThrough => return self.pass(request, exchange).await,
        };
        if settings.gate.mode() == Mode::Off {
            let decision = Decision::unjudged(Reason::GateOff);
            exchange.decided(&decision, None, Duration::ZERO);
            return self.pass(request, exchange).await;
        }
        let request = body::read(request, &settings.limits).await?;
        exchange.unread = false;
        let prompt = protocol.prompt(request.body());
        if let Ok(prompt) = &prompt {
            exchange.asked(prompt, &self.serving.snapshot, request.body());
        }
        exchange.judging();
        if settings.gate.mode() == Mode::Shadow {
            return self.watch(request, prompt.ok(), exchange).await;
        }
        let prompt = prompt.map_err(Refusal::Unreadable)?;
        let (decision, time) = self.judge(&prompt).await;
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

    /// Judges beside the upstream, which is asked at once: whoever only watches costs nobody time.
    async fn watch(
        &self,
        request: Request<Bytes>,
        prompt: Option<Prompt>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let judging = async {
            match &prompt {
                Some(prompt) => self.judge(prompt).await,
                None => (Decision::unjudged(Reason::Unreadable), Duration::ZERO),
            }
        };
        let forwarding = self.forward(request.map(Outgoing::Whole), exchange, false);
        let ((decision, time), response) = tokio::join!(judging, forwarding);
        if let Course::Forward { waived } = self.serving.settings.gate.course(&decision, 1.0) {
            exchange.decided(&decision, waived, time);
        }
        response
    }

    /// The decision, and how long it took.
    async fn judge(&self, prompt: &Prompt) -> (Decision, Duration) {
        let begun = Instant::now();
        let Serving { settings, snapshot } = &*self.serving;
        let decision = settings.gate.judge_in_time(snapshot, prompt).await;
        let time = begun.elapsed();
        if let Some(judgement) = &decision.judgement {
            self.metrics
                .gate_duration
                .with_label_values(&[judgement.stage.as_str()])
                .observe(time.as_secs_f64());
        }
        (decision, time)
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
        headers::prepare_request(request.headers_mut(), &exchange.id, mixed);
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
