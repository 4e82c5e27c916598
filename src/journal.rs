//! One row a judged request, in an embedded SQLite database.

mod error;
mod file;
pub mod read;
mod reviews;

pub use error::Error;
pub use file::{open_for_reading, open_for_writing, path};
pub use reviews::{Reviews, reviews};

/// A row of `request` in `journal/1.sql`, which says what the fields mean. Durations are whole microseconds.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields are the columns of journal/1.sql")]
pub struct Entry {
    pub at: i64,
    pub request_id: String,
    pub conversation: Option<i64>,
    pub caller: Option<i64>,
    pub client: Option<String>,
    pub protocol: String,
    pub model: Option<String>,
    pub decision: String,
    pub would_be: Option<String>,
    pub waived: Option<String>,
    pub audit_share: Option<f64>,
    pub intent: String,
    pub topic: Option<String>,
    pub nearest: Option<String>,
    pub reason: Option<String>,
    pub log_odds: Option<f64>,
    pub threshold: Option<f64>,
    pub mixed: bool,
    pub stage: Option<String>,
    pub gate_us: Option<i64>,
    pub first_byte_us: Option<i64>,
    pub total_us: i64,
    pub status: u16,
    pub upstream_status: Option<u16>,
    pub outcome: String,
    pub usage: Option<String>,
    pub prompt_tokens: Option<i64>,
    pub cached_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    pub cost: Option<f64>,
    pub saved_prompt_tokens: Option<i64>,
    pub saved_completion_tokens: Option<f64>,
    pub saved_cost: Option<f64>,
    pub currency: Option<String>,
    pub again_of: Option<String>,
    pub handed_over_of: Option<String>,
    pub question: Option<String>,
}
