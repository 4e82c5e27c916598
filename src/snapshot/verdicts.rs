//! Verdicts on texts that have been asked before.

use std::sync::Arc;

use moka::sync::Cache;

use super::Text;
use crate::config::Stages;
use crate::verdict::Assessment;

/// What the verdicts of each depth may take, in bytes: about five thousand of them.
const VERDICTS: u64 = 4 << 20;

/// Verdicts by how far the text was to be embedded, and by the text: what one customer is told must not depend on
/// whether another said the same in a conversation, where it is read more deeply.
#[derive(Clone, Debug)]
pub struct Verdicts {
    auto: Cache<Text, Arc<Assessment>>,
    full: Cache<Text, Arc<Assessment>>,
}

impl Verdicts {
    pub(super) fn new() -> Self {
        let cache = || {
            Cache::<Text, Arc<Assessment>>::builder()
                .max_capacity(VERDICTS)
                .weigher(|text, assessment| {
                    let size = text.len() + assessment.size();
                    u32::try_from(size).unwrap_or(u32::MAX)
                })
                .build()
        };
        Verdicts {
            auto: cache(),
            full: cache(),
        }
    }

    /// What is known of a text that was embedded so far.
    pub fn get(&self, stages: Stages, text: &str) -> Option<Arc<Assessment>> {
        self.of(stages).get(text)
    }

    /// Keeps what a text that is embedded so far comes to.
    pub fn keep(&self, stages: Stages, text: &str, assessment: Arc<Assessment>) {
        self.of(stages).insert(text.into(), assessment);
    }

    /// How many are kept.
    pub fn count(&self) -> u64 {
        self.auto.entry_count() + self.full.entry_count()
    }

    fn of(&self, stages: Stages) -> &Cache<Text, Arc<Assessment>> {
        match stages {
            Stages::Auto => &self.auto,
            Stages::Full => &self.full,
        }
    }
}
