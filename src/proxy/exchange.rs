//! What one request came to. It rides in the response's body and records itself when that is gone, so that
//! every request is recorded once, streams and those who leave included.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::Proxy;
use super::body::ResponseBody;
use super::headers::DECISION;
use super::ids::{Ids, upstream_id};
use super::refusal::{self, Refusal};
use super::serving::Permit;
use super::unflushed::Unflushed;
use crate::chat::{Prompt, Protocol, ReplyBody, UsageReader};
use crate::intent::Action;
use crate::language::Localized;
use crate::ledger::{Asked, Attempt, Note, Terms};
use crate::record::{Decided, Record};
use crate::snapshot::Snapshot;
use crate::traces::{self, Parent};
use crate::upstream::StreamError;
use crate::verdict::{Decision, Waiver};

/// The longest request that is kept while its reply streams: without a usage in that, its tokens are counted.
const MOST_KEPT: usize = 64 << 10;

/// Runs a future beside the requests.
#[derive(Clone)]
pub struct Spawn(Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>);

impl Spawn {
    /// One that has `run` do it.
    pub fn new(run: impl Fn(BoxFuture<'static, ()>) + Send + Sync + 'static) -> Self {
        Spawn(Arc::new(run))
    }
}

impl fmt::Debug for Spawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawn")
    }
}

/// A decision that is not acted upon.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) decision: Decision,
    /// Why it is not.
    pub(super) waived: Option<Waiver>,
    /// How long it took.
    pub(super) time: Duration,
}

/// One that is not there yet. Only who owns it looks at it; the lock says so to the compiler.
struct Watching(Mutex<BoxFuture<'static, Watched>>);

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watching")
    }
}

/// One request, from its headers to the last byte of its reply.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) ids: Ids,
    /// What it has come to so far.
    pub(super) record: Record,
    /// What it takes of the room for requests, and who holds that until the reply is written.
    pub(super) permit: Option<(Permit, Option<Unflushed>)>,
    pub(super) address: Option<IpAddr>,
    /// Whether the request's body may not have been read to its end.
    pub(super) unread: bool,
    /// Whether it was sent before.
    attempt: Attempt,
    proxy: Arc<Proxy>,
    terms: Arc<Terms>,
    begun: Instant,
    /// How long it took, where its reply has ended before its record.
    took: Option<Duration>,
    /// Its part of its trace, where traces are on.
    trace: Option<Box<traces::Request>>,
    /// What was judged, and the body that it came from.
    asked: Option<(Asked, Bytes)>,
    /// When the request went upstream; none where there was no reply.
    sent: Option<Instant>,
    /// Whether the upstream's reply will tell a usage: of a stream only who asks is told.
    tells: bool,
    usage: Option<UsageReader>,
    watching: Option<Watching>,
}

impl Exchange {
    pub(super) fn begin(proxy: Arc<Proxy>, terms: Arc<Terms>, request: &Request<Incoming>) -> Self {
        proxy.metrics.in_flight.inc();
        let ids = Ids::of(request.headers());
        let trace = proxy
            .traces
            .as_ref()
            .and_then(|traces| traces.begin(request));
        let named = || Some(Parent::of(request.headers())?.trace.to_string());
        Exchange {
            record: Record {
                at: SystemTime::now(),
                request_id: ids.request().to_owned(),
                gate_id: ids.gate().to_owned(),
                trace_id: trace.as_ref().map(|trace| trace.trace_id()).or_else(named),
                protocol: Protocol::of_path(request.uri().path()),
                ..Record::default()
            },
            ids,
            permit: None,
            address: None,
            unread: !request.body().is_end_stream(),
            attempt: Attempt::of(request.headers()),
            proxy,
            terms,
            trace,
            begun: Instant::now(),
            took: None,
            asked: None,
            sent: None,
            tells: true,
            usage: None,
            watching: None,
        }
    }

    pub(super) fn proxy(&self) -> Arc<Proxy> {
        self.proxy.clone()
    }

    /// Runs what the request brings about and does not wait for.
    pub(super) fn beside(&self, task: impl Future<Output = ()> + Send + 'static) {
        (self.proxy.spawn.0)(Box::pin(task));
    }

    /// Notes what is to be judged.
    pub(super) fn asked(&mut self, prompt: &Prompt, snapshot: &Arc<Snapshot>, body: &Bytes) {
        self.record.model.clone_from(&prompt.reply.model);
        self.tells = !prompt.reply.stream || prompt.reply.include_usage;
        let attempt = std::mem::take(&mut self.attempt);
        let asked = Asked::new(prompt, attempt, self.address, snapshot);
        self.asked = Some((asked, body.clone()));
    }

    /// Notes the decision, and whether it is acted upon.
    pub(super) fn decided(&mut self, decision: &Decision, waived: Option<Waiver>, time: Duration) {
        let decided = Decided::of(decision, waived, time);
        self.proxy.metrics.count_decision(decision, &decided);
        self.record.decided = Some(decided);
    }

    /// Notes a decision that is not acted upon.
    pub(super) fn watched(&mut self, watched: &Watched) {
        self.decided(&watched.decision, watched.waived, watched.time);
    }

    /// The same once it is there; the reply begins before it.
    pub(super) fn watching(&mut self, judging: BoxFuture<'static, Watched>) {
        self.watching = Some(Watching(Mutex::new(judging)));
    }

    /// Looks whether it is there.
    pub(super) fn look(&mut self, cx: &mut Context<'_>) {
        if let Some(Watching(judging)) = &mut self.watching
            && let Ok(judging) = judging.get_mut()
            && let Poll::Ready(watched) = judging.as_mut().poll(cx)
        {
            self.watching = None;
            self.watched(&watched);
        }
    }

    /// The end of it: at once, or once the decision is there.
    pub(super) fn end(mut self) {
        if let Some(Watching(judging)) = self.watching.take() {
            self.took = Some(self.begun.elapsed());
            let spawn = self.proxy.spawn.clone();
            let judging = judging.into_inner().unwrap_or_else(PoisonError::into_inner);
            spawn.0(Box::pin(async move {
                self.watched(&judging.await);
            }));
        }
    }

    /// Notes that the upstream's reply begins.
    pub(super) fn replied<B>(&mut self, sent: Instant, response: &Response<B>) {
        let first_byte = sent.elapsed();
        self.proxy
            .metrics
            .upstream_first_byte
            .observe(first_byte.as_secs_f64());
        self.sent = Some(sent);
        self.record.first_byte = Some(first_byte);
        self.record.upstream_status = Some(response.status().as_u16());
        self.record.upstream_id = upstream_id(response.headers(), self.record.protocol);
        let bills = response.status().as_u16() < 400;
        let Some(protocol) = self.record.protocol.filter(|_| bills) else {
            return;
        };
        let mut tells = self.tells;
        if let Some((_, body)) = &mut self.asked {
            // A long reply would hold the memory of its request.
            tells |= body.len() > MOST_KEPT;
            *body = match tells {
                true => Bytes::new(),
                false => Bytes::copy_from_slice(body),
            };
        }
        self.usage = Some(UsageReader::new(protocol, response.headers(), tells));
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
        self.record.outcome = code;
        self.proxy
            .metrics
            .requests_refused
            .with_label_values(&[code])
            .inc();
        if by_upstream {
            self.proxy
                .metrics
                .upstream_errors
                .with_label_values(&[code])
                .inc();
            tracing::warn!(
                request_id = self.record.request_id,
                error = chain(refusal),
                "the upstream gave no reply"
            );
        } else {
            tracing::debug!(
                request_id = self.record.request_id,
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
        reply: &Localized,
    ) -> Response<ResponseBody> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let reply = protocol.reply(
            prompt,
            reply.text(prompt.language(reply)),
            &protocol.local_id(&self.record.gate_id, prompt),
            now,
        );
        self.local(reply.content_type, reply.body)
    }

    /// What a person sees who opens the address in a browser, and a health check that knows no better.
    pub(super) fn welcome(&self) -> Response<ResponseBody> {
        let text = "intentgate is here. Set a client's base URL to this address with /v1 behind it.\n\
            这里是 intentgate。请把客户端的 base URL 设为本地址加 /v1。\n";
        self.local(
            "text/plain; charset=utf-8",
            ReplyBody::Whole(text.as_bytes().into()),
        )
    }

    /// A response with a body made here.
    pub(super) fn local(
        &self,
        content_type: &'static str,
        body: ReplyBody,
    ) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::local(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    /// Marks the response and goes with its body.
    pub(super) fn ride(mut self, mut response: Response<ResponseBody>) -> Response<ResponseBody> {
        self.record.status = response.status().as_u16();
        let headers = response.headers_mut();
        self.ids.mark(headers, self.record.protocol);
        let watching = self.watching.as_ref().map(|_| Action::Forward);
        let decided = self.record.decided.as_ref().map(|decided| decided.action);
        if let Some(action) = decided.or(watching) {
            headers.insert(DECISION, HeaderValue::from_static(action.as_str()));
        }
        response.map(|body| body.carrying(self))
    }

    /// A frame of the reply has gone by; none is its end.
    pub(super) fn passed(&mut self, frame: Option<&Result<Frame<Bytes>, StreamError>>) {
        match frame {
            Some(Ok(frame)) => {
                if let (Some(usage), Some(data)) = (&mut self.usage, frame.data_ref()) {
                    usage.look(data);
                }
            }
            Some(Err(error)) => {
                self.record.outcome = refusal::of_stream(error).code;
                self.proxy
                    .metrics
                    .upstream_errors
                    .with_label_values(&[self.record.outcome])
                    .inc();
                tracing::warn!(
                    request_id = self.record.request_id,
                    error = chain(error),
                    "the upstream's reply broke off"
                );
            }
            None if self.record.outcome == "cut" => self.record.outcome = "complete",
            None => {}
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.proxy.metrics.in_flight.dec();
        if let Some((permit, Some(unflushed))) = self.permit.take() {
            unflushed.hold(permit);
        }
        self.record.took = self.took.unwrap_or_else(|| self.begun.elapsed());
        if let Some(sent) = self.sent {
            let duration = &self.proxy.metrics.upstream_duration;
            duration.observe(sent.elapsed().as_secs_f64());
        }
        log(&self.record);
        let trace = self.trace.take();
        if self.record.protocol.is_none() {
            if let Some(trace) = trace {
                trace.end(&self.record, None);
            }
            return;
        }
        self.proxy.metrics.count_request(&self.record);
        let (asked, body) = self.asked.take().unzip();
        self.proxy.ledger.note(Box::new(Note {
            record: std::mem::take(&mut self.record),
            terms: self.terms.clone(),
            asked,
            // A copy of its own length: what was read holds the connection's buffer.
            request: body
                .filter(|body| !body.is_empty())
                .map(|body| match body.len() {
                    ..=MOST_KEPT => Bytes::copy_from_slice(&body),
                    _ => body,
                }),
            heard: self.usage.take().map(UsageReader::finish),
            trace,
        }));
    }
}

/// The one event that a request leaves in the log.
fn log(record: &Record) {
    let decided = record.decided.as_ref();
    tracing::info!(
        request_id = record.request_id,
        gate_id = record.gate_id,
        upstream_id = record.upstream_id,
        trace_id = record.trace_id,
        client = record.client.as_deref(),
        protocol = record.protocol.map_or("none", Protocol::as_str),
        decision = decided.map(|d| d.action.as_str()),
        intent = decided.map(|_| record.intent()),
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
