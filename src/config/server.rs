//! `[server]`: where the gateway listens, and what it logs.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use super::units;
use crate::language::Phrase;

/// The public side.
#[derive(Clone, Debug, Deserialize, PartialEq)]
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

impl Server {
    /// What serde cannot see: the key of the problem, and what is wrong.
    pub(super) fn check(&self) -> Option<(&'static str, Phrase)> {
        let error = EnvFilter::try_new(&self.log).err()?;
        let wrong = Phrase::new(
            format!(
                "“{}”不是日志级别（{error}）；请写 error、warn、info、debug 或如 info,intentgate=debug",
                self.log
            ),
            format!(
                "\"{}\" is no log level ({error}); write error, warn, info, debug or such as info,intentgate=debug",
                self.log
            ),
        );
        Some(("server.log", wrong))
    }
}

impl<'de> Deserialize<'de> for LogFormat {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let accepted = || {
            Phrase::new(
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
