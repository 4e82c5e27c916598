//! The journey of a request, on one screen: `Journey::of`.

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
use http::{Request, Response};
use hyper::body::Incoming;

use crate::chat::{Prompt, Protocol};
use crate::config::Mode;
use crate::gate::course::Course;
use crate::metrics::Metrics;
use crate::upstream::Outgoing;
use crate::verdict::{Decision, Reason};
use body::ResponseBody;
use exchange::Exchange;
use headers::RequestId;
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
}

impl Proxy {
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
        let journey = Journey {
            serving: self.live.current(),
            metrics: &self.metrics,
        };
        let response = match journey.of(request, &mut exchange).await {
            Ok(response) => response,
            Err(refusal) => refusal.respond(&mut exchange),
        };
        Ok(exchange.ride(response))
    }
}

/// The way of one request.
struct Journey<'p> {
    serving: Arc<Serving>,
    metrics: &'p Metrics,
}

impl Journey<'_> {
    async fn of(
        &self,
        request: Request<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let settings = &self.serving.settings;
        exchange.protocol = Protocol::of_path(request.uri().path());
        exchange.permit = Some(settings.permit().ok_or(Refusal::Busy)?);
        let route = settings
            .routes
            .route(request.method(), request.uri().path())?;
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
        let prompt = protocol.prompt(request.body());
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
                self.forward(
                    request.map(Outgoing::Whole),
                    exchange.id.clone(),
                    decision.mixed,
                )
                .await
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
        let forwarding = self.forward(request.map(Outgoing::Whole), exchange.id.clone(), false);
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
        body::ensure_announced(request.headers(), limit)?;
        let request = request.map(|incoming| body::stream_through(incoming, limit));
        self.forward(request, exchange.id.clone(), false)
            .await
            .map_err(|refusal| body::too_large_or(refusal, limit))
    }

    async fn forward(
        &self,
        mut request: Request<Outgoing>,
        id: RequestId,
        mixed: bool,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let protocol = Protocol::of_path(request.uri().path());
        headers::prepare_request(request.headers_mut(), &id, mixed);
        let sent = Instant::now();
        let mut response = self.serving.settings.upstreams.send(request).await?;
        self.metrics
            .upstream_first_byte
            .observe(sent.elapsed().as_secs_f64());
        headers::prepare_response(response.headers_mut());
        Ok(ResponseBody::upstream(response, protocol))
    }
}

/// The label of a request's protocol where it is not judged.
fn protocol_label(protocol: Option<Protocol>) -> &'static str {
    protocol.map_or("none", Protocol::as_str)
}
