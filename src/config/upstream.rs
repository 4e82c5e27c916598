//! `[upstream]`: the LLM behind the gateway.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use url::Url;

use super::{root, units};
use crate::language::Phrase;
use crate::secret::Secret;

/// Where questions go that need an LLM.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// The base URL as an OpenAI client takes it, `https://…/v1`. None: the built-in demo.
    #[serde(deserialize_with = "base_url")]
    pub url: Option<Url>,
    /// Sent as `Authorization: Bearer …` in place of what the client sent. None: the client's own passes.
    pub api_key: Option<Secret>,
    /// A file that holds the key, such as a mounted secret.
    pub api_key_file: Option<PathBuf>,
    /// For the connection, TLS included.
    #[serde(deserialize_with = "units::duration")]
    pub connect_timeout: Duration,
    /// From the request sent to the reply's headers.
    #[serde(deserialize_with = "units::duration")]
    pub first_byte_timeout: Duration,
    /// Between two pieces of a reply.
    #[serde(deserialize_with = "units::duration")]
    pub idle_timeout: Duration,
    /// Paths that pass unjudged, each with everything below it.
    pub pass_through: Vec<String>,
}

impl Upstream {
    pub(super) fn root_paths(&mut self, folder: &Path) {
        root(&mut self.api_key_file, folder);
    }

    /// What serde cannot see: the key of the problem, and what is wrong.
    pub(super) fn check(&mut self) -> Vec<(&'static str, Phrase)> {
        let mut problems = Vec::new();
        if let Some(path) = &self.api_key_file {
            match std::fs::read_to_string(path).map(|key| Secret::new(&key)) {
                _ if self.api_key.is_some() => problems.push((
                    "upstream.api_key_file",
                    Phrase::new(
                        "与 upstream.api_key 同时存在；只留一个",
                        "stands beside upstream.api_key; keep one of the two",
                    ),
                )),
                Ok(key) => self.api_key = Some(key),
                Err(error) => problems.push((
                    "upstream.api_key_file",
                    Phrase::new(
                        format!("{}：读不了：{error}", path.display()),
                        format!("{} cannot be read: {error}", path.display()),
                    ),
                )),
            }
        }
        if let Some(key) = &self.api_key
            && (key.is_empty() || key.reveal().chars().any(|c| !c.is_ascii_graphic()))
        {
            problems.push((
                "upstream.api_key",
                Phrase::new(
                    "是空的，或含有空格、非 ASCII 字符；密钥只能是可见的 ASCII 字符",
                    "is empty, or holds spaces or characters outside ASCII; a key is visible ASCII",
                ),
            ));
        }
        for path in self.pass_through.iter().filter(|p| !p.starts_with('/')) {
            problems.push((
                "upstream.pass_through",
                Phrase::new(
                    format!("\"{path}\" 不是路径；请写如 \"/v1/models\""),
                    format!("\"{path}\" is not a path; write \"/v1/models\""),
                ),
            ));
        }
        problems
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Upstream {
            url: None,
            api_key: None,
            api_key_file: None,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(120),
            pass_through: ["/v1/models", "/v1/embeddings", "/v1/moderations"]
                .map(str::to_owned)
                .into(),
        }
    }
}

fn base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let accepted = || {
        Phrase::new(
            "不是上游地址；请写 OpenAI 客户端用的 base URL，如 \"https://api.example.com/v1\"",
            "is no base URL; write what an OpenAI client takes, such as \"https://api.example.com/v1\"",
        )
    };
    units::text(deserializer, accepted, |text| {
        if text.is_empty() {
            return Some(None);
        }
        let url = Url::parse(text.trim_end_matches('/')).ok()?;
        let usable = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none();
        usable.then_some(Some(url))
    })
}
