//! `[server]`: where the gateway listens, and what it logs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::{root, units};
use crate::language::Phrase;
use crate::secret::Digest;

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
    /// Of what the two files of TLS hold, so that a renewed certificate is another configuration.
    #[serde(skip)]
    pub tls_contents: Digest,
}

impl Server {
    pub(super) fn root_paths(&mut self, folder: &Path) {
        root(&mut self.tls_certificate, folder);
        root(&mut self.tls_key, folder);
    }

    /// What serde cannot see: the key of the problem, and what is wrong.
    pub(super) fn check(&mut self) -> Vec<(&'static str, Phrase)> {
        if let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) {
            let contents: Vec<_> = [certificate, key]
                .into_iter()
                .flat_map(std::fs::read)
                .collect();
            self.tls_contents = Digest::of(&contents.concat());
        }
        self.check_tls()
            .into_iter()
            .chain(self.check_log())
            .collect()
    }

    fn check_tls(&self) -> Option<(&'static str, Phrase)> {
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

    fn check_log(&self) -> Option<(&'static str, Phrase)> {
        // A bare word that is no level would name a part of the program, and silence all others.
        let is_read = EnvFilter::try_new(&self.log).is_ok();
        let mut parts = self.log.split(',').map(str::trim);
        if is_read && parts.all(|part| part.contains('=') || LevelFilter::from_str(part).is_ok()) {
            return None;
        }
        let log = &self.log;
        let wrong = Phrase::new(
            format!(
                "“{log}”不是日志级别；请写 error、warn、info、debug 或如 info,intentgate=debug"
            ),
            format!(
                "\"{log}\" is no log level; write error, warn, info, debug or such as info,intentgate=debug"
            ),
        );
        Some(("server.log", wrong))
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
            tls_contents: Digest::default(),
        }
    }
}
