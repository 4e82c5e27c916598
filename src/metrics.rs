//! Every metric, as a documented field of one struct.

mod counting;
mod embeddings;
mod expected;
mod register;

#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    CounterVec, Encoder, Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Registry, TextEncoder,
};

use crate::verdict::Reason;
pub use embeddings::Embeddings;
use register::Register;

/// The metrics of one gateway.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests of judged protocols that have ended, by decision, intent and protocol. `intent` is `none`
    /// where nothing was judged, `background` where no intent of the shop is meant; `decision` is `refused` where
    /// the gateway turned the request itself away, `none` where the client left first.
    pub requests: IntCounterVec,
    /// Requests that needed no LLM, by decision and intent; repeats are not among them.
    pub llm_calls_saved: IntCounterVec,
    /// Repeats of a saved call within a minute, by decision and intent: with it they are one saved call.
    pub repeats: IntCounterVec,
    /// Seconds from prompt to decision, by the stage that the verdict rests on; waiting included.
    pub gate_duration: HistogramVec,
    /// Seconds from a request's headers to the end of its reply, by decision.
    pub request_duration: HistogramVec,
    /// Seconds from the request sent to the upstream to its reply's headers.
    pub upstream_first_byte: Histogram,
    /// Failed requests to the upstream, by the code of the error that the client saw.
    pub upstream_errors: IntCounterVec,
    /// Requests as they were sent, retries included, by upstream and by what they came to: `ok`, a status
    /// (`status_429`, `status_4xx`, `status_503`, `status_529`, `status_5xx`), `connect_failed`, `broke_off` or
    /// `timed_out` before the reply's headers, `client_left`.
    pub upstream_requests: IntCounterVec,
    /// Requests that were sent once more, by what the time before came to.
    pub upstream_retries: IntCounterVec,
    /// 1 while an upstream is left alone after failures, by upstream.
    pub upstream_open: IntGaugeVec,
    /// Requests that went upstream unjudged since their path passes, by the path in `upstream.pass_through`.
    pub passed_through: IntCounterVec,
    /// Messages in which the customer's words were found within what a front end puts around them, by what that is.
    pub unwrapped: IntCounterVec,
    /// Requests that went upstream unjudged, by reason.
    pub gate_bypassed: IntCounterVec,
    /// Decisions that were not acted upon, by what would have been done, for which intent, why (`shadow`, `audit`).
    pub gate_waived: IntCounterVec,
    /// Requests that the gateway turned away or had no reply for, by the code of the error that the client saw.
    pub requests_refused: IntCounterVec,
    /// Questions longer than what is read of one; they were judged by their beginning, their end and parts between.
    pub truncated: IntCounter,
    /// Bytes of long questions that were not read.
    pub left_out: IntCounter,
    /// Questions of which a part is off-topic.
    pub mixed: IntCounter,
    /// Requests in flight, running streams included.
    pub in_flight: IntGauge,
    /// 1 while the published intents are those of the folder, 0 while the folder holds an edit that was refused.
    pub intents_in_sync: IntGauge,
    /// Reloads of the intents, by result: `ok` or `refused`.
    pub intents_reloads: IntCounterVec,
    /// 1 while the configuration is that of its file, 0 while the file holds an edit that was refused.
    pub config_in_sync: IntGauge,
    /// Reloads of the configuration, by result: `ok` or `refused`.
    pub config_reloads: IntCounterVec,
    /// Published intents, by action.
    pub intents: IntGaugeVec,
    /// 1 for the mode that is in force, 0 for the others: `enforce`, `shadow`, `off`.
    pub gate_mode: IntGaugeVec,
    /// Log-odds that decided, of every judged question.
    pub gate_log_odds: Histogram,
    /// Decisions, by reason.
    pub decisions: IntCounterVec,
    /// Questions between the two thresholds, by what `gate.grey` did about them: `forward`, `clarify`, `reject`.
    pub grey: IntCounterVec,
    /// Tokens that upstreams would have billed for requests that needed no LLM, by kind: `prompt` counted,
    /// `completion` expected from what forwarded questions used.
    pub tokens_saved: CounterVec,
    /// What they would have cost, by currency.
    pub cost_saved: CounterVec,
    /// Completion tokens of a reply as they are expected for a saved call: the mean of forwarded replies.
    pub completion_tokens_mean: Gauge,
    /// Their standard deviation.
    pub completion_tokens_stddev: Gauge,
    /// Tokens that upstreams billed, by kind: `prompt` (cached ones included), `cached_prompt`, `completion`.
    pub upstream_tokens: IntCounterVec,
    /// What they cost, by currency.
    pub upstream_cost: CounterVec,
    /// Replies of upstreams to judged protocols, by how their tokens are known: `told`, `counted`, `unknown`.
    pub upstream_usage: IntCounterVec,
    /// Requests, saved or forwarded, for whose model `[prices]` has no price.
    pub unpriced: IntCounter,
    /// Seconds from the request sent to the upstream to the end of its reply.
    pub upstream_duration: Histogram,
    /// Rejected questions that were asked again within minutes, by the intent that they were rejected for.
    pub asked_again: IntCounterVec,
    /// Rejected questions after which the customer asked for a person, by the intent they were rejected for.
    pub handed_over: IntCounterVec,
    /// Would-be rejections that a person has reviewed, by what they say of them: `right`, `wrong`.
    pub reviewed: IntGaugeVec,
    /// The share of rejections that are wrong, by reviews of a random sample: `estimate`, and the ends of its
    /// 95 % interval, `low` and `high`.
    pub false_rejections: GaugeVec,
    /// The share of real questions that may be rejected by the configuration in force.
    pub false_reject_target: Gauge,
    /// Requests that went into no savings and no journal, since too many waited to be entered.
    pub ledger_dropped: IntCounter,
    /// Records for the journal, by result: `written`, `dropped`.
    pub journal_records: IntCounterVec,
    /// Bytes of the journal's file.
    pub journal_size: IntGauge,
    /// Spans for the collector, by result: `exported`, `failed` where it did not take them, `dropped` where too
    /// many waited.
    pub trace_spans: IntCounterVec,
    /// 1, with the version as a label.
    pub build_info: IntGaugeVec,
}

/// From a static verdict to a full queue.
const GATE_BUCKETS: [f64; 13] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.006, 0.008, 0.012, 0.025, 0.05, 0.1, 0.5,
];
/// From a reply made here to a long generation.
const REQUEST_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
];

/// From plainly off-topic to plainly business.
const LOG_ODDS_BUCKETS: [f64; 14] = [
    -12.0, -9.0, -6.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 6.0, 9.0, 12.0, 16.0,
];

impl Metrics {
    /// Fresh metrics in a registry of their own.
    ///
    /// # Errors
    /// None that a caller could bring about: the names are fixed.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let register = Register(&registry);
        let metrics = Metrics {
            requests: register.counters(
                "requests_total",
                "Requests of judged protocols that have ended.",
                &["decision", "intent", "protocol"],
            )?,
            llm_calls_saved: register.counters(
                "llm_calls_saved_total",
                "Requests that needed no LLM, repeats left out.",
                &["decision", "intent"],
            )?,
            repeats: register.counters(
                "repeats_total",
                "Repeats of a saved call within a minute.",
                &["decision", "intent"],
            )?,
            gate_duration: register.histograms(
                "gate_duration_seconds",
                "From prompt to decision, waiting included.",
                &["stage"],
                &GATE_BUCKETS,
            )?,
            request_duration: register.histograms(
                "request_duration_seconds",
                "From a request's headers to the end of its reply.",
                &["decision"],
                &REQUEST_BUCKETS,
            )?,
            upstream_first_byte: register.histogram(
                "upstream_first_byte_seconds",
                "From the request sent to the upstream to its reply's headers.",
                &REQUEST_BUCKETS,
            )?,
            upstream_errors: register.counters(
                "upstream_errors_total",
                "Failed requests to the upstream.",
                &["code"],
            )?,
            upstream_requests: register.counters(
                "upstream_requests_total",
                "Requests as they were sent to upstreams, retries included.",
                &["upstream", "result"],
            )?,
            upstream_retries: register.counters(
                "upstream_retries_total",
                "Requests that were sent once more.",
                &["reason"],
            )?,
            upstream_open: register.gauges(
                "upstream_open",
                "1 while an upstream is left alone after failures.",
                &["upstream"],
            )?,
            passed_through: register.counters(
                "passed_through_total",
                "Requests that went upstream unjudged since their path passes.",
                &["path"],
            )?,
            unwrapped: register.counters(
                "unwrapped_total",
                "Messages in which the customer's words stood within something else.",
                &["wrapping"],
            )?,
            gate_bypassed: register.counters(
                "gate_bypassed_total",
                "Requests that went upstream unjudged.",
                &["reason"],
            )?,
            gate_waived: register.counters(
                "gate_waived_total",
                "Decisions that were not acted upon.",
                &["decision", "intent", "reason"],
            )?,
            requests_refused: register.counters(
                "requests_refused_total",
                "Requests that were answered with an error of the gateway.",
                &["code"],
            )?,
            truncated: register.counter(
                "questions_truncated_total",
                "Questions longer than the model reads, judged by parts.",
            )?,
            left_out: register.counter("question_bytes_left_out_total", "Bytes not read.")?,
            mixed: register.counter(
                "questions_mixed_total",
                "Questions of which a part is off-topic.",
            )?,
            in_flight: register.gauge(
                "requests_in_flight",
                "Requests in flight, running streams included.",
            )?,
            intents_in_sync: register.gauge(
                "intents_in_sync",
                "1 while the published intents are those of the folder.",
            )?,
            intents_reloads: register.counters(
                "intents_reloads_total",
                "Reloads of the intents.",
                &["result"],
            )?,
            config_in_sync: register.gauge(
                "config_in_sync",
                "1 while the configuration is that of its file.",
            )?,
            config_reloads: register.counters(
                "config_reloads_total",
                "Reloads of the configuration.",
                &["result"],
            )?,
            intents: register.gauges("intents", "Published intents.", &["action"])?,
            gate_mode: register.gauges(
                "gate_mode",
                "1 for the mode that is in force.",
                &["mode"],
            )?,
            gate_log_odds: register.histogram(
                "gate_log_odds",
                "Log-odds that decided: how far a question is the shop's business.",
                &LOG_ODDS_BUCKETS,
            )?,
            decisions: register.counters("decisions_total", "Decisions.", &["reason"])?,
            grey: register.counters(
                "questions_grey_total",
                "Questions between the two thresholds.",
                &["action"],
            )?,
            tokens_saved: register.amounts(
                "tokens_saved_total",
                "Tokens that upstreams would have billed for requests that needed no LLM.",
                &["kind"],
            )?,
            cost_saved: register.amounts(
                "cost_saved_total",
                "What requests that needed no LLM would have cost.",
                &["currency"],
            )?,
            completion_tokens_mean: register.reading(
                "completion_tokens_mean",
                "Completion tokens of forwarded replies: the mean, expected of saved ones.",
            )?,
            completion_tokens_stddev: register.reading(
                "completion_tokens_stddev",
                "Completion tokens of forwarded replies: the standard deviation.",
            )?,
            upstream_tokens: register.counters(
                "upstream_tokens_total",
                "Tokens that upstreams billed.",
                &["kind"],
            )?,
            upstream_cost: register.amounts(
                "upstream_cost_total",
                "What the tokens of upstreams cost.",
                &["currency"],
            )?,
            upstream_usage: register.counters(
                "upstream_usage_total",
                "Replies of upstreams, by how their tokens are known.",
                &["source"],
            )?,
            unpriced: register.counter(
                "unpriced_requests_total",
                "Requests, saved or forwarded, for whose model there is no price.",
            )?,
            upstream_duration: register.histogram(
                "upstream_duration_seconds",
                "From the request sent to the upstream to the end of its reply.",
                &REQUEST_BUCKETS,
            )?,
            asked_again: register.counters(
                "rejections_asked_again_total",
                "Rejected questions that were asked again within minutes.",
                &["intent"],
            )?,
            handed_over: register.counters(
                "rejections_handed_over_total",
                "Rejected questions after which the customer asked for a person.",
                &["intent"],
            )?,
            reviewed: register.gauges(
                "rejections_reviewed",
                "Would-be rejections that a person has reviewed.",
                &["verdict"],
            )?,
            false_rejections: register.readings(
                "false_rejections_ratio",
                "The share of rejections that are wrong, by reviews of a random sample.",
                &["bound"],
            )?,
            false_reject_target: register.reading(
                "false_reject_target_ratio",
                "The share of real questions that may be rejected: gate.false_reject_target.",
            )?,
            ledger_dropped: register.counter(
                "ledger_dropped_total",
                "Requests that went into no savings and no journal, since too many waited.",
            )?,
            journal_records: register.counters(
                "journal_records_total",
                "Records for the journal.",
                &["result"],
            )?,
            journal_size: register.gauge("journal_size_bytes", "Bytes of the journal's file.")?,
            trace_spans: register.counters(
                "trace_spans_total",
                "Spans for the collector.",
                &["result"],
            )?,
            build_info: register.gauges(
                "build_info",
                "1, with the version as a label.",
                &["version"],
            )?,
            registry: registry.clone(),
        };
        metrics.preset();
        #[cfg(target_os = "linux")]
        registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(metrics)
    }

    /// Series that alerts ask for exist from the start, not only after the first event.
    fn preset(&self) {
        for reason in Reason::BYPASSES {
            self.gate_bypassed.with_label_values(&[reason]);
        }
        for result in ["ok", "refused"] {
            self.intents_reloads.with_label_values(&[result]);
            self.config_reloads.with_label_values(&[result]);
        }
        for action in ["forward", "clarify", "reject"] {
            self.grey.with_label_values(&[action]);
        }
        for kind in ["prompt", "completion", "cached_prompt"] {
            self.upstream_tokens.with_label_values(&[kind]);
        }
        for kind in ["prompt", "completion"] {
            self.tokens_saved.with_label_values(&[kind]);
        }
        for source in ["told", "counted", "unknown"] {
            self.upstream_usage.with_label_values(&[source]);
        }
        for verdict in ["right", "wrong"] {
            self.reviewed.with_label_values(&[verdict]);
        }
        for result in ["written", "dropped"] {
            self.journal_records.with_label_values(&[result]);
        }
        for result in ["exported", "failed", "dropped"] {
            self.trace_spans.with_label_values(&[result]);
        }
        self.build_info
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
    }

    /// Has `value` asked whenever metrics are read.
    ///
    /// # Errors
    /// A name that there is already.
    pub fn watch(
        &self,
        name: &str,
        help: &str,
        value: impl Fn() -> f64 + Send + Sync + 'static,
    ) -> prometheus::Result<()> {
        let name = format!("intentgate_{name}");
        let gauge = prometheus::PullingGauge::new(name, help, Box::new(value))?;
        self.registry.register(Box::new(gauge))
    }

    /// All of them in the text format.
    ///
    /// # Errors
    /// The encoder's own.
    pub fn render(&self) -> prometheus::Result<String> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}
