//! `[server]`: where the gateway listens, and what it logs.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;

use super::units;

/// The public side.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where chat front ends connect.
    #[serde(deserialize_with = "units::address")]
    pub listen: SocketAddr,
    /// How long running replies may go on after SIGTERM before they are cut.
    #[serde(deserialize_with = "units::duration")]
    pub grace: Duration,
    /// What is logged: `error`, `warn`, `info`, `debug`, or a filter such as `info,intentgate=debug`.
    pub log: String,
    /// How it is written.
    pub log_format: LogFormat,
}

/// How log events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

impl<'de> Deserialize<'de> for LogFormat {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let accepted = || {
            crate::language::Phrase::new(
                "不是日志格式；请写 \"text\" 或 \"json\"",
                "is not a log format; write \"text\" or \"json\"",
            )
        };
        units::text(deserializer, accepted, |text| match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        })
    }
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            grace: Duration::from_secs(30),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}
