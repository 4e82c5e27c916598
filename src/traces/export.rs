//! Spans → the collector, many requests' at a time, beside the requests.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use prometheus::IntCounterVec;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::config;
use crate::language::say;
use crate::metrics::Metrics;
use crate::upstream::is_loopback;

/// What one request exports.
pub(super) type Spans = Vec<SpanData>;

/// Requests that are exported together, at most.
const BATCH: usize = 512;
/// How long the first of them waits for others.
const DELAY: Duration = Duration::from_secs(1);
/// For one export, what is tried again included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What exports spans.
pub struct Export {
    exporter: SpanExporter,
    waiting: mpsc::Receiver<Spans>,
    spans: IntCounterVec,
    target: String,
    failing: bool,
}

impl Export {
    pub(super) fn new(
        config: &config::Traces,
        target: String,
        waiting: mpsc::Receiver<Spans>,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&target)
            .with_timeout(TIMEOUT)
            .with_http_client(client(config)?)
            .build()?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder()
            .with_service_name(config.service_name.clone())
            .with_attribute(version);
        exporter.set_resource(&resource.build());
        Ok(Export {
            exporter,
            waiting,
            spans: metrics.trace_spans.clone(),
            target,
            failing: false,
        })
    }

    /// Exports what comes until nothing can come any more.
    pub async fn run(mut self) {
        let mut batch = Vec::new();
        while let Some(first) = self.waiting.recv().await {
            batch.push(first);
            let more = async {
                let mut room = BATCH - 1;
                while room > 0 {
                    match self.waiting.recv_many(&mut batch, room).await {
                        0 => break,
                        came => room -= came,
                    }
                }
            };
            timeout(DELAY, more).await.ok();
            self.export(batch.drain(..).flatten().collect()).await;
        }
    }

    async fn export(&mut self, spans: Vec<SpanData>) {
        let count = spans.len() as u64;
        let problem = match timeout(TIMEOUT, self.exporter.export(spans)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no reply within {TIMEOUT:?}")),
        };
        let result = if problem.is_none() {
            "exported"
        } else {
            "failed"
        };
        self.spans.with_label_values(&[result]).inc_by(count);
        self.notice(problem);
    }

    /// Says once when exports begin to fail, and once when they are taken again.
    fn notice(&mut self, problem: Option<String>) {
        let collector = self.target.as_str();
        match &problem {
            Some(error) if !self.failing => tracing::warn!(
                collector,
                error,
                "{}",
                say(
                    "采集器没有收下 span；请检查 traces.endpoint 和 traces.headers。问答不受影响",
                    "the collector does not take spans; check traces.endpoint and traces.headers. No request is affected",
                )
            ),
            None if self.failing => tracing::info!(
                collector,
                "{}",
                say("采集器又收下 span 了", "the collector takes spans again")
            ),
            _ => {}
        }
        self.failing = problem.is_some();
    }
}

fn client(config: &config::Traces) -> reqwest::Result<reqwest::Client> {
    // Marked as sensitive there, which the exporter's own list of headers cannot be.
    let client = reqwest::Client::builder()
        .default_headers(config.header_map())
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT);
    match config.endpoint.as_ref().is_some_and(is_loopback) {
        // A proxy of the environment is for the world outside.
        true => client.no_proxy().build(),
        false => client.build(),
    }
}
