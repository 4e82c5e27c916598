//! `[server]`: where the gateway listens, and what it logs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::{root, units};
use crate::language::Phrase;

/// The public side.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where chat front ends connect.
    #[serde(deserialize_with = "units::address")]
    pub listen: SocketAddr,
    /// A PEM file: the certificate, then those that it rests on. None: connections are not encrypted.
    pub tls_certificate: Option<PathBuf>,
    /// A PEM file: the certificate's private key.
    pub tls_key: Option<PathBuf>,
    /// How long running replies may go on after SIGTERM before they are cut.
    #[serde(deserialize_with = "units::duration")]
    pub grace: Duration,
    /// What is logged: `error`, `warn`, `info`, `debug`, or a filter such as `info,intentgate=debug`.
    pub log: String,
    /// How it is written.
    pub log_format: LogFormat,
}

impl Server {
    pub(super) fn root_paths(&mut self, folder: &Path) {
        root(&mut self.tls_certificate, folder);
        root(&mut self.tls_key, folder);
    }

    /// What serde cannot see: the key of the problem, and what is wrong.
    pub(super) fn check(&self) -> Option<(&'static str, Phrase)> {
        let (missing, there) = match (&self.tls_certificate, &self.tls_key) {
            (None, Some(_)) => ("server.tls_certificate", "server.tls_key"),
            (Some(_), None) => ("server.tls_key", "server.tls_certificate"),
            _ => return None,
        };
        let phrase = Phrase::new(
            format!("没有写，而写了 {there}；TLS 两个都要"),
            format!("is not there beside {there}; TLS needs both"),
        );
        Some((missing, phrase))
    }
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
            tls_certificate: None,
            tls_key: None,
            grace: Duration::from_secs(30),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}
