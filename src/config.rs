//! `config.toml`: a file a section, every key optional, the environment over the file.
//!
//! Each section's struct is exactly the section of the file and carries its defaults; [`Config::load`]
//! checks what serde cannot and turns relative paths into ones that hold from anywhere.

mod access;
mod admin;
mod endpoint;
mod gate;
mod journal;
mod key;
mod limits;
mod locate;
mod model;
mod prices;
mod provenance;
mod reach;
mod server;
mod shop;
mod traces;
mod units;
mod upstream;
mod wording;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use access::{Access, ClientKey, Network, Origin};
pub use admin::Admin;
pub use endpoint::Endpoint;
pub use gate::{Gate, Grey, Mixed, Mode, OnFailure, Stages, UnknownShape};
pub use journal::{Journal, Store};
pub use limits::{Limits, Rate};
pub use locate::{RUNTIME_LIBRARY, find_default};
pub use model::Model;
pub use prices::{ModelPrice, Prices, Tokenizers};
pub use server::{LogFormat, Server};
pub use shop::Shop;
pub use traces::Traces;
pub use upstream::{Fallback, Upstream};

use provenance::Provenance;

use crate::language::Phrase;
use crate::problem::{Problem, Problems};
use crate::source::{self, Override};

/// Variables that override a key start with this; `__` stands for the dot.
pub const ENVIRONMENT_PREFIX: &str = "INTENTGATE_";

/// A section that may be written as a value: `journal = "off"` is `store = "off"` under `[journal]`.
const SHORT: (&str, &str) = ("journal", "store");

/// The whole configuration.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[admin]`
    pub admin: Admin,
    /// `[upstream]`
    pub upstream: Upstream,
    /// `[model]`
    pub model: Model,
    /// `[gate]`
    pub gate: Gate,
    /// `[shop]`
    pub shop: Shop,
    /// `[limits]`
    pub limits: Limits,
    /// `[access]`
    pub access: Access,
    /// `[prices]`
    pub prices: Prices,
    /// `[journal]`
    pub journal: Journal,
    /// `[traces]`
    pub traces: Traces,
    #[serde(skip)]
    provenance: Provenance,
}

impl Config {
    /// Reads `path`, or `config.toml` in the working directory where there is one, or nothing; then the
    /// environment's overrides. `intents` goes over all of them.
    ///
    /// # Errors
    /// Every problem of the file and of the environment.
    pub fn load(
        path: Option<PathBuf>,
        intents: Option<PathBuf>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, Problems> {
        Provenance::Files {
            path,
            intents,
            overrides: overrides(environment),
        }
        .read()
    }

    /// What its provenance holds now. One that was never in a file stays as it is.
    ///
    /// # Errors
    /// Every problem of the file and of the environment.
    pub fn read_again(&self) -> Result<Config, Problems> {
        match &self.provenance {
            Provenance::Text => Ok(self.clone()),
            files => files.read(),
        }
    }

    /// The folder of its file.
    pub fn folder(&self) -> Option<PathBuf> {
        let path = self.provenance.file()?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let here = folder.as_os_str().is_empty();
        Some(if here { ".".into() } else { folder.to_owned() })
    }

    /// Whether a snapshot of the same intents would be another one.
    pub fn fits_otherwise(&self, other: &Config) -> bool {
        let (gate, others) = (&self.gate, &other.gate);
        self.shop != other.shop
            || gate.intents != others.intents
            || gate.false_reject_target != others.false_reject_target
            || gate.background != others.background
            || gate.reject_reply != others.reject_reply
    }

    /// The keys in which another configuration differs that count only at the start.
    pub fn fixed_changes(&self, other: &Config) -> Vec<&'static str> {
        let (server, limits) = ((&self.server, &other.server), (&self.limits, &other.limits));
        let tls = |server: &Server| server.tls_certificate.is_some();
        let changes = [
            ("server.listen", server.0.listen != server.1.listen),
            ("server.grace", server.0.grace != server.1.grace),
            (
                "server.log_format",
                server.0.log_format != server.1.log_format,
            ),
            ("server.tls_certificate", tls(server.0) != tls(server.1)),
            ("admin.listen", self.admin.listen != other.admin.listen),
            ("[model]", self.model != other.model),
            (
                "limits.connections",
                limits.0.connections != limits.1.connections,
            ),
            ("limits.headers", limits.0.headers != limits.1.headers),
            (
                "limits.header_timeout",
                limits.0.header_timeout != limits.1.header_timeout,
            ),
            (
                "limits.stall_timeout",
                limits.0.stall_timeout != limits.1.stall_timeout,
            ),
            ("[traces]", self.traces != other.traces),
        ];
        let changed = changes.into_iter().filter(|(_, differs)| *differs);
        changed.map(|(key, _)| key).collect()
    }

    /// The pure part of [`Config::load`]; relative paths are taken from `folder`.
    ///
    /// # Errors
    /// Every problem of the text and of the overrides.
    pub fn parse(
        file: &str,
        text: &str,
        folder: &Path,
        overrides: Vec<Override>,
    ) -> Result<Config, Problems> {
        let (mut config, mut problems) =
            source::read::<Config>(file, text, &overrides, Some(SHORT));
        config.model.root_paths(folder);
        config.gate.root_paths(folder);
        config.upstream.root_paths(folder);
        config.server.root_paths(folder);
        config.admin.root_paths(folder);
        config.access.root_paths(folder);
        config.journal.root_paths(folder);
        config.prices.root_paths(folder);
        let mut checks = config.upstream.check();
        checks.extend(config.model.check());
        checks.extend(config.prices.check());
        let own = config.gate.check(&config.shop).into_iter();
        let own = own
            .chain(config.server.check())
            .chain(config.admin.check())
            .chain(config.access.check())
            .chain(config.limits.check(&config.access))
            .chain(config.journal.check())
            .chain(config.traces.check());
        checks.extend(own.map(|(key, message)| (key.to_owned(), message)));
        // A value that was refused is not missing as well.
        checks.retain(|(key, _)| !problems.iter().any(|p| p.key.as_ref() == Some(key)));
        problems.extend(checks.into_iter().map(|(key, message)| Problem {
            file: file.to_owned(),
            line: None,
            key: Some(key),
            message,
        }));
        problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Problems(problems).or(config)
    }
}

/// The text of a file an operator edits.
///
/// # Errors
/// One problem: the file is not there, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Problems> {
    let file = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| {
        let message = Phrase::new(
            format!("读不了：{error}"),
            format!("cannot be read: {error}"),
        );
        Problems(vec![Problem::of_file(&file, message)])
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..valid]
            .iter()
            .filter(|b| **b == b'\n')
            .count();
        let message = Phrase::new(
            "不是 UTF-8 编码；请在编辑器里选“另存为”，编码选 UTF-8",
            "is not UTF-8; save it again with the encoding UTF-8",
        );
        Problems(vec![Problem {
            line: Some(line),
            ..Problem::of_file(&file, message)
        }])
    })?;
    // Notepad's mark is no part of the text.
    match text.strip_prefix('\u{feff}') {
        Some(rest) => Ok(rest.to_owned()),
        None => Ok(text),
    }
}

fn overrides(environment: impl Iterator<Item = (String, String)>) -> Vec<Override> {
    let mut found: Vec<_> = environment
        .filter_map(|(variable, value)| {
            let name = variable.strip_prefix(ENVIRONMENT_PREFIX)?;
            let mut path: Vec<_> = name.to_lowercase().split("__").map(str::to_owned).collect();
            if path == [SHORT.0] {
                path.push(SHORT.1.to_owned());
            }
            (path.len() > 1).then_some(Override {
                variable,
                path,
                value,
            })
        })
        .collect();
    found.sort_by(|a, b| a.variable.cmp(&b.variable));
    found
}

fn root(path: &mut Option<PathBuf>, folder: &Path) {
    if let Some(path) = path
        && path.is_relative()
    {
        *path = folder.join(&*path);
    }
}
