//! What one request came to. It rides in the response's body and records itself when that is gone, so that
//! every request is recorded once, streams and those who leave included.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;

use super::body::ResponseBody;
use super::headers::{self, ANTHROPIC_REQUEST_ID, DECISION, REQUEST_ID, RequestId};
use super::protocol_label;
use super::refusal::{self, Refusal};
use crate::chat::{Prompt, Protocol};
use crate::intent::Action;
use crate::language::Phrase;
use crate::metrics::Metrics;
use crate::upstream::StreamError;
use crate::verdict::{Decision, Topic, Waiver};

/// One request, from its headers to the last byte of its reply.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) id: RequestId,
    pub(super) protocol: Option<Protocol>,
    pub(super) permit: Option<OwnedSemaphorePermit>,
    /// The name of the client's key.
    pub(super) client: Option<Arc<str>>,
    /// The trace that the request is part of.
    trace_id: Option<String>,
    /// Whether the request's body may not have been read to its end.
    pub(super) unread: bool,
    metrics: Metrics,
    begun: Instant,
    decision: Option<Decided>,
    status: u16,
    /// `complete`, `cut` or the code of an error.
    outcome: &'static str,
}

#[derive(Debug)]
struct Decided {
    action: Action,
    /// What would have been done, and why it was not.
    waived: Option<(Action, Waiver)>,
    intent: String,
    log_odds: Option<f64>,
    mixed: bool,
    time: Duration,
}

impl Exchange {
    pub(super) fn begin(metrics: Metrics, request: &Request<Incoming>) -> Self {
        metrics.in_flight.inc();
        Exchange {
            id: RequestId::of(request.headers()),
            protocol: Protocol::of_path(request.uri().path()),
            permit: None,
            client: None,
            trace_id: headers::trace_id(request.headers()),
            unread: !request.body().is_end_stream(),
            metrics,
            begun: Instant::now(),
            decision: None,
            status: 0,
            outcome: "cut",
        }
    }

    /// Notes the decision, and whether it is acted upon.
    pub(super) fn decided(&mut self, decision: &Decision, waived: Option<Waiver>, time: Duration) {
        let metrics = &self.metrics;
        let intent = decision.topic.as_ref().map_or("none", Topic::label);
        if let Some(reason) = decision.reason.bypass() {
            metrics.gate_bypassed.with_label_values(&[reason]).inc();
        }
        if let Some(waiver) = waived {
            let labels = [decision.action.as_str(), intent, waiver.as_str()];
            metrics.gate_waived.with_label_values(&labels).inc();
        }
        let judgement = decision.judgement.as_ref();
        metrics
            .truncated
            .inc_by(judgement.is_some_and(|j| j.assessment.truncated).into());
        metrics.mixed.inc_by(decision.mixed.into());
        self.decision = Some(Decided {
            action: waived.map_or(decision.action, |_| Action::Forward),
            waived: waived.map(|waiver| (decision.action, waiver)),
            intent: intent.to_owned(),
            log_odds: judgement.map(|j| j.log_odds),
            mixed: decision.mixed,
            time,
        });
    }

    /// Notes that the request got no reply, and says why in the log.
    pub(super) fn refused(&mut self, code: &'static str, by_upstream: bool, refusal: &Refusal) {
        self.outcome = code;
        self.metrics
            .requests_refused
            .with_label_values(&[code])
            .inc();
        if by_upstream {
            self.metrics
                .upstream_errors
                .with_label_values(&[code])
                .inc();
            tracing::warn!(
                request_id = self.id.as_str(),
                error = chain(refusal),
                "the upstream gave no reply"
            );
        } else {
            tracing::debug!(
                request_id = self.id.as_str(),
                error = chain(refusal),
                "a request was refused"
            );
        }
    }

    /// A reply made here, in the client's protocol and language.
    pub(super) fn reply(
        &self,
        protocol: Protocol,
        prompt: &Prompt,
        reply: &Phrase,
    ) -> Response<ResponseBody> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let reply = protocol.reply(prompt, reply.text(prompt.language()), self.id.as_str(), now);
        self.local(reply.content_type, reply.body)
    }

    /// A response with a body made here.
    pub(super) fn local(&self, content_type: &'static str, body: Bytes) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::local(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    /// Marks the response and goes with its body.
    pub(super) fn ride(mut self, mut response: Response<ResponseBody>) -> Response<ResponseBody> {
        self.status = response.status().as_u16();
        let headers = response.headers_mut();
        // An upstream's own id is what its support asks for, and what clients expect to see.
        headers.entry(REQUEST_ID).or_insert_with(|| self.id.value());
        if self.protocol == Some(Protocol::Messages) {
            let id = headers.entry(ANTHROPIC_REQUEST_ID);
            id.or_insert_with(|| self.id.value());
        }
        if let Some(decision) = &self.decision {
            headers.insert(DECISION, HeaderValue::from_static(decision.action.as_str()));
        }
        response.map(|body| body.carrying(self))
    }

    /// A frame of the reply has gone by; none is its end.
    pub(super) fn passed(&mut self, frame: Option<&Result<Frame<Bytes>, StreamError>>) {
        match frame {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                self.outcome = refusal::of_stream(error).code;
                self.metrics
                    .upstream_errors
                    .with_label_values(&[self.outcome])
                    .inc();
                tracing::warn!(
                    request_id = self.id.as_str(),
                    error = chain(error),
                    "the upstream's reply broke off"
                );
            }
            None if self.outcome == "cut" => self.outcome = "complete",
            None => {}
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        let took = self.begun.elapsed();
        let protocol = protocol_label(self.protocol);
        let decided = self.decision.as_ref();
        // Who left before a decision was not refused.
        let undecided = if self.outcome == "cut" {
            "none"
        } else {
            "refused"
        };
        let decision = decided.map_or(undecided, |d| d.action.as_str());
        let intent = decided.map_or("none", |d| d.intent.as_str());
        if self.protocol.is_some() {
            self.metrics
                .requests
                .with_label_values(&[decision, intent, protocol])
                .inc();
            self.metrics
                .request_duration
                .with_label_values(&[decision])
                .observe(took.as_secs_f64());
        }
        if decided.is_some_and(|d| d.action != Action::Forward) {
            self.metrics
                .llm_calls_saved
                .with_label_values(&[decision, intent])
                .inc();
        }
        tracing::info!(
            request_id = self.id.as_str(),
            trace_id = self.trace_id,
            client = self.client.as_deref(),
            protocol,
            decision = decided.map(|d| d.action.as_str()),
            intent = decided.map(|d| d.intent.as_str()),
            log_odds = decided.and_then(|d| d.log_odds),
            mixed = decided.map(|d| d.mixed),
            would_be = decided.and_then(|d| Some(d.waived?.0.as_str())),
            waived = decided.and_then(|d| Some(d.waived?.1.as_str())),
            gate_ms = decided.map(|d| ms(d.time)),
            status = self.status,
            outcome = self.outcome,
            total_ms = ms(took),
            "request"
        );
    }
}

/// Milliseconds to the microsecond, without the digits behind it.
fn ms(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

/// An error with what brought it about.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}
