//! Spans of requests, exported by OTLP where the operator turned it on.
//!
//! A request makes its ids when it begins, since the upstream is told them, and notes two moments. Its spans are
//! made in one piece when it has ended, put into a bounded queue and exported beside the requests: nothing of the
//! collector's is waited for. With traces off there is no [`Traces`], and `traceparent` passes as it came.
//!
//! The SDK's own batch processor is not used: its thread cannot drive an asynchronous client, its stop blocks,
//! and it keeps the number of spans that it dropped to itself.

mod attributes;
mod context;
mod export;
mod spans;

use std::time::Instant;

use http::HeaderMap;
use opentelemetry::trace::{SpanKind, TraceState};
use opentelemetry::{SpanId, TraceFlags, TraceId};
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample,
};
use prometheus::IntCounterVec;
use tokio::sync::mpsc;

use crate::chat::Usage;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::record::Record;
use attributes::Heard;
pub use context::Parent;
pub use export::Export;
use export::Spans;

/// Requests whose spans wait for their export; those of more are dropped.
const QUEUE: usize = 1024;

/// Where the spans of requests begin. When the last clone is gone, [`Export`] sends what waits and ends.
#[derive(Clone, Debug)]
pub struct Traces {
    sampler: Sampler,
    scheme: &'static str,
    queue: mpsc::Sender<Spans>,
    spans: IntCounterVec,
}

/// One request's part of its trace.
#[derive(Debug)]
pub struct Request {
    trace: TraceId,
    flags: TraceFlags,
    /// The client's span; none where the trace begins here.
    parent: Option<SpanId>,
    state: TraceState,
    /// The span of the request itself.
    own: SpanId,
    /// The span of what the upstream is asked.
    upstream: SpanId,
    begun: Instant,
    judging: Option<Instant>,
    sent: Option<Instant>,
    /// What is exported and where to; none where the trace is not sampled.
    told: Option<(Heard, Traces)>,
}

impl Traces {
    /// Traces, and what exports them, which is to be run; none where no collector is configured.
    ///
    /// # Errors
    /// An HTTP client that cannot be set up.
    pub fn new(config: &Config, metrics: &Metrics) -> anyhow::Result<Option<(Self, Export)>> {
        let Some(target) = config.traces.target() else {
            return Ok(None);
        };
        let (queue, waiting) = mpsc::channel(QUEUE);
        let export = Export::new(&config.traces, target, waiting, metrics)?;
        let traces = Traces {
            sampler: Sampler::TraceIdRatioBased(config.traces.sample),
            scheme: match config.server.tls_certificate {
                Some(_) => "https",
                None => "http",
            },
            queue,
            spans: metrics.trace_spans.clone(),
        };
        Ok(Some((traces, export)))
    }

    /// A request has come. None where its client does not sample its trace: whoever records nothing passes
    /// the headers as they came.
    pub fn begin<B>(&self, request: &http::Request<B>) -> Option<Box<Request>> {
        let parent = Parent::of(request.headers());
        if parent.is_some_and(|parent| !parent.flags.is_sampled()) {
            return None;
        }
        let ids = RandomIdGenerator::default();
        let trace = parent.map_or_else(|| ids.new_trace_id(), |parent| parent.trace);
        let sampled = parent.is_some() || self.samples(trace);
        let state = parent.and_then(|_| context::state(request.headers()));
        Some(Box::new(Request {
            trace,
            flags: parent
                .map_or_else(TraceFlags::default, |p| p.flags)
                .with_sampled(sampled),
            parent: parent.map(|parent| parent.span),
            state: state
                .and_then(|state| state.parse().ok())
                .unwrap_or_default(),
            own: ids.new_span_id(),
            upstream: ids.new_span_id(),
            begun: Instant::now(),
            judging: None,
            sent: None,
            told: sampled.then(|| (Heard::of(request, self.scheme), self.clone())),
        }))
    }

    /// By the trace's id, as every service does that samples by the same share.
    fn samples(&self, trace: TraceId) -> bool {
        let sampled = (self.sampler).should_sample(None, trace, "", &SpanKind::Server, &[], &[]);
        sampled.decision == SamplingDecision::RecordAndSample
    }
}

impl Request {
    /// The trace's id, 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        self.trace.to_string()
    }

    /// The question is judged from now on.
    pub fn judging(&mut self) {
        self.judging = Some(Instant::now());
    }

    /// The upstream is asked now: its headers say whose child its spans are.
    pub fn sending(&mut self, headers: &mut HeaderMap) {
        self.sent = Some(Instant::now());
        let parent = Parent {
            trace: self.trace,
            span: self.upstream,
            flags: self.flags,
        };
        parent.write(headers);
        if self.parent.is_none() {
            context::remove_state(headers);
        }
    }

    /// The request has ended: hands its spans to the export, or counts them as dropped. `usage` is what the
    /// upstream billed, where that is known.
    pub fn end(self: Box<Self>, record: &Record, usage: Option<&Usage>) {
        let Some((heard, traces)) = &self.told else {
            return;
        };
        let spans = spans::of(&self, heard, record, usage);
        let count = spans.len() as u64;
        if traces.queue.try_send(spans).is_err() {
            traces.spans.with_label_values(&["dropped"]).inc_by(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn where_too_many_wait_spans_are_dropped_and_counted() {
        let metrics = Metrics::new().unwrap();
        let (queue, mut waiting) = mpsc::channel(1);
        let traces = Traces {
            sampler: Sampler::TraceIdRatioBased(1.0),
            scheme: "http",
            queue,
            spans: metrics.trace_spans.clone(),
        };
        let record = Record {
            status: 200,
            upstream_status: Some(200),
            took: Duration::from_secs(1),
            outcome: "complete",
            ..Record::default()
        };
        for _ in 0..3 {
            let mut request = traces.begin(&http::Request::new(())).unwrap();
            request.sending(&mut HeaderMap::new());
            request.end(&record, None);
        }
        assert_eq!(waiting.try_recv().unwrap().len(), 2);
        assert!(waiting.try_recv().is_err());
        let dropped = metrics.trace_spans.with_label_values(&["dropped"]);
        assert_eq!(dropped.get(), 4);
    }

    #[test]
    fn the_share_of_traces_is_the_configured_one() {
        let (queue, _waiting) = mpsc::channel(1);
        let sampled = |share: f64| {
            let traces = Traces {
                sampler: Sampler::TraceIdRatioBased(share),
                scheme: "http",
                queue: queue.clone(),
                spans: Metrics::new().unwrap().trace_spans,
            };
            let begun = (0..4000).filter_map(|_| traces.begin(&http::Request::new(())));
            begun.filter(|request| request.flags.is_sampled()).count()
        };
        assert_eq!((sampled(0.0), sampled(1.0)), (0, 4000));
        // Five standard deviations of a binomial of 4,000 at a quarter are 137.
        assert!(sampled(0.25).abs_diff(1000) < 137);
    }
}
