//! `[limits]`: how much of strangers' bytes and time the gateway takes.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Deserialize;

use super::units;

/// Bounds on what clients may send.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest request body; pictures in a message count.
    #[serde(deserialize_with = "units::size")]
    pub body: usize,
    /// Requests in flight, running streams included; more get 503 at once.
    pub requests: NonZeroUsize,
    /// Open connections; more wait until one closes.
    pub connections: NonZeroUsize,
    /// For a request's headers to arrive.
    #[serde(deserialize_with = "units::duration")]
    pub header_timeout: Duration,
    /// For a request's body to arrive.
    #[serde(deserialize_with = "units::duration")]
    pub body_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let at_least_one = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Limits {
            body: 32 << 20,
            requests: at_least_one(4096),
            connections: at_least_one(16384),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
        }
    }
}
