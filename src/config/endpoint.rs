//! The upstreams as the gateway uses them: every key settled, in order of preference.

use std::time::Duration;

use url::Url;

use super::upstream::{Fallback, Upstream};
use crate::secret::Secret;

/// One upstream with nothing left open. Two that are equal are the same upstream, connections included.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// How logs and metrics call it.
    pub name: String,
    /// The base URL.
    pub url: Url,
    /// Sent in place of the client's key.
    pub api_key: Option<Secret>,
    /// PEM of authorities that are trusted besides the system's; empty where there are none.
    pub roots_pem: Vec<u8>,
    /// For the connection, TLS included.
    pub connect_timeout: Duration,
    /// From the request sent to the reply's headers.
    pub first_byte_timeout: Duration,
    /// Between two pieces of a reply.
    pub idle_timeout: Duration,
    /// From the request sent to the reply's last byte.
    pub total_timeout: Duration,
}

impl Upstream {
    /// The upstreams in order of preference. One without a URL is not among them.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let first = self.url.clone().map(|url| Endpoint {
            name: self.name.clone(),
            url,
            api_key: self.api_key.clone(),
            roots_pem: self.roots_pem.clone(),
            connect_timeout: self.connect_timeout,
            first_byte_timeout: self.first_byte_timeout,
            idle_timeout: self.idle_timeout,
            total_timeout: self.total_timeout,
        });
        let fallbacks = self.fallback.iter().enumerate();
        let fallbacks = fallbacks.filter_map(|(index, fallback)| self.stand_in(index, fallback));
        first.into_iter().chain(fallbacks).collect()
    }

    fn stand_in(&self, index: usize, fallback: &Fallback) -> Option<Endpoint> {
        Some(Endpoint {
            name: fallback.name_at(index),
            url: fallback.url.clone()?,
            api_key: fallback.api_key.clone(),
            roots_pem: fallback.roots_pem.clone(),
            connect_timeout: fallback.connect_timeout.unwrap_or(self.connect_timeout),
            first_byte_timeout: fallback
                .first_byte_timeout
                .unwrap_or(self.first_byte_timeout),
            idle_timeout: fallback.idle_timeout.unwrap_or(self.idle_timeout),
            total_timeout: fallback.total_timeout.unwrap_or(self.total_timeout),
        })
    }
}
