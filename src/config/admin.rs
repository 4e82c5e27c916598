//! `[admin]`: metrics and health, on a listener of their own.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

use super::units;

/// The operators' side.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Where Prometheus and probes connect. Loopback unless changed: it has no password.
    #[serde(deserialize_with = "units::address")]
    pub listen: SocketAddr,
}

impl Default for Admin {
    fn default() -> Self {
        Admin {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
        }
    }
}
