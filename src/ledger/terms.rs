//! What the configuration says of prices, and of what is kept.

use std::time::Instant;

use crate::chat::Usage;
use crate::config::{self, Config, Tokenizers};
use crate::problem::Problems;

/// Prices, tokenizers and what is kept, as a request saw them.
#[derive(Debug)]
pub struct Terms {
    /// When they were read: of two the later hold.
    pub(super) since: Instant,
    pub(super) prices: config::Prices,
    pub(super) journal: config::Journal,
    /// The share of rejections that is forwarded as a sample.
    pub(super) audit_share: f64,
    tokenizers: Tokenizers,
}

impl Terms {
    /// Reads the tokenizers that the configuration names.
    ///
    /// # Errors
    /// Those that cannot be read.
    pub fn new(config: &Config) -> Result<Self, Problems> {
        Ok(Terms {
            since: Instant::now(),
            tokenizers: config.prices.tokenizers()?,
            prices: config.prices.clone(),
            journal: config.journal.clone(),
            audit_share: config.gate.audit_share,
        })
    }

    /// How many tokens a text has for a model.
    pub(super) fn count(&self, model: &str, text: &str) -> u64 {
        self.tokenizers.of(model).count(text)
    }

    /// What upstreams bill for a usage; none where the model has no price.
    pub(super) fn cost(&self, model: &str, usage: &Usage) -> Option<f64> {
        Some(self.prices.price_of(model)?.cost(usage))
    }

    /// What a prompt and an expected completion would have cost.
    pub(super) fn expected_cost(&self, model: &str, prompt: u64, completion: f64) -> Option<f64> {
        Some(self.prices.price_of(model)?.expected(prompt, completion))
    }
}
