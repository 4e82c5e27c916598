//! What one request came to. It rides in the response's body and records itself when that is gone, so that
//! every request is recorded once, streams and those who leave included.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;

use super::body::ResponseBody;
use super::headers::{ANTHROPIC_REQUEST_ID, DECISION, REQUEST_ID, RequestId};
use super::protocol_label;
use super::refusal::{self, Refusal};
use crate::chat::{Prompt, Protocol};
use crate::language::Phrase;
use crate::metrics::Metrics;
use crate::record::{Decided, Record};
use crate::traces::{self, Parent, Traces};
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
    /// The model that the client asked for.
    pub(super) model: String,
    /// Its part of its trace, where traces are on.
    pub(super) trace: Option<Box<traces::Request>>,
    /// The trace that the request is part of.
    trace_id: Option<String>,
    /// The status of the upstream's reply, and the time to its headers.
    pub(super) upstream: Option<(u16, Duration)>,
    /// Whether the request's body may not have been read to its end.
    pub(super) unread: bool,
    metrics: Metrics,
    at: SystemTime,
    begun: Instant,
    decision: Option<Decided>,
    status: u16,
    /// `complete`, `cut` or the code of an error.
    outcome: &'static str,
}

impl Exchange {
    pub(super) fn begin(
        metrics: Metrics,
        traces: Option<&Traces>,
        request: &Request<Incoming>,
    ) -> Self {
        metrics.in_flight.inc();
        let trace = traces.and_then(|traces| traces.begin(request));
        let named = || Some(Parent::of(request.headers())?.trace.to_string());
        Exchange {
            id: RequestId::of(request.headers()),
            protocol: Protocol::of_path(request.uri().path()),
            permit: None,
            client: None,
            model: String::new(),
            trace_id: trace.as_ref().map(|trace| trace.trace_id()).or_else(named),
            trace,
            upstream: None,
            unread: !request.body().is_end_stream(),
            metrics,
            at: SystemTime::now(),
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
        self.decision = Some(Decided::of(decision, waived, time));
    }

    /// The question is judged from now on.
    pub(super) fn judging(&mut self) {
        if let Some(trace) = &mut self.trace {
            trace.judging();
        }
    }

    /// The upstream is asked now, with these headers.
    pub(super) fn sending(&mut self, headers: &mut HeaderMap) {
        if let Some(trace) = &mut self.trace {
            trace.sending(headers);
        }
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

    /// What it came to, now that it has ended.
    fn record(&mut self) -> Record {
        Record {
            at: self.at,
            request_id: self.id.as_str().to_owned(),
            trace_id: self.trace_id.take(),
            protocol: self.protocol,
            model: std::mem::take(&mut self.model),
            client: self.client.take(),
            decided: self.decision.take(),
            status: self.status,
            upstream_status: self.upstream.map(|(status, _)| status),
            first_byte: self.upstream.map(|(_, first_byte)| first_byte),
            took: self.begun.elapsed(),
            outcome: self.outcome,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        let record = self.record();
        let protocol = protocol_label(record.protocol);
        let decided = record.decided.as_ref();
        let (decision, intent) = (record.decision(), record.intent());
        if record.protocol.is_some() {
            self.metrics
                .requests
                .with_label_values(&[decision, intent, protocol])
                .inc();
            self.metrics
                .request_duration
                .with_label_values(&[decision])
                .observe(record.took.as_secs_f64());
        }
        if record.is_saved() {
            self.metrics
                .llm_calls_saved
                .with_label_values(&[decision, intent])
                .inc();
        }
        tracing::info!(
            request_id = record.request_id,
            trace_id = record.trace_id,
            client = record.client.as_deref(),
            protocol,
            decision = decided.map(|d| d.action.as_str()),
            intent = decided.map(|_| intent),
            log_odds = decided.and_then(|d| d.log_odds),
            mixed = decided.map(|d| d.mixed),
            would_be = decided.and_then(|d| Some(d.waived?.0.as_str())),
            waived = decided.and_then(|d| Some(d.waived?.1.as_str())),
            gate_ms = decided.map(|d| ms(d.time)),
            status = record.status,
            outcome = record.outcome,
            total_ms = ms(record.took),
            "request"
        );
        if let Some(trace) = self.trace.take() {
            trace.end(&record, None);
        }
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
