//! What an embeddings API has been asked; a gateway whose model is on its own machine shows none of it.

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::Metrics;
use super::register::options;

/// The counts of one embeddings API. Clones share them.
#[derive(Clone, Debug)]
pub struct Embeddings {
    /// Requests, each try counted, by what they came to: `ok` or `failed`.
    pub requests: IntCounterVec,
    /// Texts that were embedded.
    pub texts: IntCounter,
    /// Tokens that the API says it read.
    pub tokens: IntCounter,
    /// 0 while the API is left alone after failures, else 1.
    pub up: IntGauge,
}

impl Embeddings {
    /// From zero, in no registry yet.
    ///
    /// # Errors
    /// None that a caller could bring about: the names are fixed.
    pub fn new() -> prometheus::Result<Self> {
        let counts = Embeddings {
            requests: IntCounterVec::new(
                options(
                    "embedding_requests_total",
                    "Requests to the embeddings API, each try counted.",
                ),
                &["result"],
            )?,
            texts: IntCounter::with_opts(options(
                "embedding_texts_total",
                "Texts that the embeddings API has embedded.",
            ))?,
            tokens: IntCounter::with_opts(options(
                "embedding_tokens_total",
                "Tokens that the embeddings API says it read.",
            ))?,
            up: IntGauge::with_opts(options(
                "embedding_up",
                "0 while the embeddings API is left alone after failures, else 1.",
            ))?,
        };
        for result in ["ok", "failed"] {
            counts.requests.with_label_values(&[result]);
        }
        counts.up.set(1);
        Ok(counts)
    }
}

impl Metrics {
    /// Shows what an embeddings API has been asked.
    ///
    /// # Errors
    /// Counts of another API that are shown already.
    pub fn show_embeddings(&self, counts: &Embeddings) -> prometheus::Result<()> {
        self.registry.register(Box::new(counts.requests.clone()))?;
        self.registry.register(Box::new(counts.texts.clone()))?;
        self.registry.register(Box::new(counts.tokens.clone()))?;
        self.registry.register(Box::new(counts.up.clone()))
    }
}
