//! `[upstream]` and `[[upstream.fallback]]`: the LLM behind the gateway, and those that stand in for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use url::Url;

use super::reach::Reach;
use super::{root, units};
use crate::chat::Protocol;
use crate::language::Phrase;
use crate::secret::Secret;

/// Where questions go that need an LLM.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// The base URL as an OpenAI client takes it, `https://…/v1`. None: the built-in demo.
    #[serde(deserialize_with = "base_url")]
    pub url: Option<Url>,
    /// How logs and metrics call it.
    pub name: String,
    /// Sent in place of the client's key. None: the client's own passes.
    pub api_key: Option<Secret>,
    /// A file that holds the key, such as a mounted secret.
    pub api_key_file: Option<PathBuf>,
    /// A PEM file of authorities that are trusted besides the system's.
    pub tls_roots: Option<PathBuf>,
    /// For the connection, TLS included.
    #[serde(deserialize_with = "units::duration")]
    pub connect_timeout: Duration,
    /// From the request sent to the reply's headers.
    #[serde(deserialize_with = "units::duration")]
    pub first_byte_timeout: Duration,
    /// Between two pieces of a reply.
    #[serde(deserialize_with = "units::duration")]
    pub idle_timeout: Duration,
    /// From the request sent to the reply's last byte.
    #[serde(deserialize_with = "units::duration")]
    pub total_timeout: Duration,
    /// The longest `Retry-After` that is waited for.
    #[serde(deserialize_with = "units::duration")]
    pub retry_wait: Duration,
    /// Paths that pass unjudged: those of OpenAI and Anthropic as they are used, others with GET and POST and everything
    /// below them.
    pub pass_through: Vec<String>,
    /// Headers of clients that go upstream although they are about the client or another site.
    pub forward_headers: Vec<String>,
    /// Who is asked where this one cannot reply, in order.
    pub fallback: Vec<Fallback>,
    /// What `tls_roots` holds.
    #[serde(skip)]
    pub roots_pem: Vec<u8>,
}

/// One that is asked where those before it cannot reply. Its timeouts are `[upstream]`'s unless it has its own.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Fallback {
    /// The base URL; a fallback without one is refused.
    #[serde(deserialize_with = "base_url")]
    pub url: Option<Url>,
    /// How logs and metrics call it. None: `fallback-1` and so on.
    pub name: Option<String>,
    /// Sent in place of the client's key. None: the client's own passes.
    pub api_key: Option<Secret>,
    /// A file that holds the key, such as a mounted secret.
    pub api_key_file: Option<PathBuf>,
    /// A PEM file of authorities that are trusted besides the system's.
    pub tls_roots: Option<PathBuf>,
    /// As in `[upstream]`.
    #[serde(deserialize_with = "units::some_duration")]
    pub connect_timeout: Option<Duration>,
    /// As in `[upstream]`.
    #[serde(deserialize_with = "units::some_duration")]
    pub first_byte_timeout: Option<Duration>,
    /// As in `[upstream]`.
    #[serde(deserialize_with = "units::some_duration")]
    pub idle_timeout: Option<Duration>,
    /// As in `[upstream]`.
    #[serde(deserialize_with = "units::some_duration")]
    pub total_timeout: Option<Duration>,
    /// What `tls_roots` holds.
    #[serde(skip)]
    pub roots_pem: Vec<u8>,
}

impl Upstream {
    pub(super) fn root_paths(&mut self, folder: &Path) {
        root(&mut self.api_key_file, folder);
        root(&mut self.tls_roots, folder);
        for fallback in &mut self.fallback {
            root(&mut fallback.api_key_file, folder);
            root(&mut fallback.tls_roots, folder);
        }
    }

    /// What serde cannot see: the key of the problem, and what is wrong. Reads the files that keys and roots
    /// stand in.
    pub(super) fn check(&mut self) -> Vec<(String, Phrase)> {
        let mut problems = Reach {
            section: "upstream".to_owned(),
            url: self.url.as_ref(),
            api_key: &mut self.api_key,
            api_key_file: self.api_key_file.as_deref(),
            tls_roots: self.tls_roots.as_deref(),
            roots_pem: &mut self.roots_pem,
        }
        .check();
        for (index, fallback) in self.fallback.iter_mut().enumerate() {
            problems.extend(fallback.check(index));
        }
        problems.extend(self.check_names());
        for name in &self.forward_headers {
            if name.parse::<http::HeaderName>().is_err() {
                problems.push((
                    "upstream.forward_headers".to_owned(),
                    Phrase::new(
                        format!("\"{name}\" 不是请求头的名字；请写如 \"x-forwarded-for\""),
                        format!(
                            "\"{name}\" is no name of a header; write such as \"x-forwarded-for\""
                        ),
                    ),
                ));
            }
        }
        for path in self
            .pass_through
            .iter()
            .filter(|path| Protocol::of_path(path).is_some())
        {
            problems.push((
                "upstream.pass_through".to_owned(),
                Phrase::new(
                    format!("\"{path}\" 是要判断的路径，不能直接放行；不用写它"),
                    format!(
                        "\"{path}\" is a path that is judged and cannot pass unjudged; leave it out"
                    ),
                ),
            ));
        }
        for path in self.pass_through.iter().filter(|p| !p.starts_with('/')) {
            problems.push((
                "upstream.pass_through".to_owned(),
                Phrase::new(
                    format!("\"{path}\" 不是路径；请写如 \"/v1/models\""),
                    format!("\"{path}\" is not a path; write \"/v1/models\""),
                ),
            ));
        }
        problems
    }

    /// Two of one name could not be told apart in logs and metrics.
    fn check_names(&self) -> Vec<(String, Phrase)> {
        let fallbacks = self.fallback.iter().enumerate();
        let fallbacks =
            fallbacks.map(|(index, fallback)| (section_of(index), fallback.name_at(index)));
        let first = ("upstream".to_owned(), self.name.clone());
        let mut taken = BTreeSet::new();
        std::iter::once(first)
            .chain(fallbacks)
            .filter_map(|(section, name)| {
                let problem = if !is_name(&name) {
                    Phrase::new(
                        format!("\"{name}\" 不是名字；请用 1 到 40 个英文字母、数字、- _ ."),
                        format!("\"{name}\" is no name; write 1 to 40 of a-z A-Z 0-9 - _ ."),
                    )
                } else if !taken.insert(name.clone()) {
                    Phrase::new(
                        format!("\"{name}\" 已经是另一个上游的名字；请换一个"),
                        format!("\"{name}\" is another upstream's name already; choose another"),
                    )
                } else {
                    return None;
                };
                Some((format!("{section}.name"), problem))
            })
            .collect()
    }
}

fn section_of(index: usize) -> String {
    format!("upstream.fallback[{index}]")
}

/// Names are labels of metrics and words of log lines.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=40).contains(&name.len()) && name.chars().all(plain)
}

impl Fallback {
    fn check(&mut self, index: usize) -> Vec<(String, Phrase)> {
        let section = section_of(index);
        let mut problems = Vec::new();
        if self.url.is_none() {
            problems.push((
                format!("{section}.url"),
                Phrase::new(
                    "没有写；备用上游要有自己的 base URL，如 \"https://api.example.com/v1\"",
                    "is missing; a fallback needs a base URL, such as \"https://api.example.com/v1\"",
                ),
            ));
        }
        let reach = Reach {
            section,
            url: self.url.as_ref(),
            api_key: &mut self.api_key,
            api_key_file: self.api_key_file.as_deref(),
            tls_roots: self.tls_roots.as_deref(),
            roots_pem: &mut self.roots_pem,
        };
        problems.extend(reach.check());
        problems
    }

    /// The configured name, else one by place.
    pub(super) fn name_at(&self, index: usize) -> String {
        let by_place = || format!("fallback-{}", index + 1);
        self.name.clone().unwrap_or_else(by_place)
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Upstream {
            url: None,
            name: "primary".to_owned(),
            api_key: None,
            api_key_file: None,
            tls_roots: None,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(120),
            total_timeout: Duration::from_secs(600),
            retry_wait: Duration::from_secs(2),
            forward_headers: Vec::new(),
            pass_through: [
                "/v1/models",
                "/v1/embeddings",
                "/v1/moderations",
                "/v1/messages/count_tokens",
            ]
            .map(str::to_owned)
            .into(),
            fallback: Vec::new(),
            roots_pem: Vec::new(),
        }
    }
}

pub(super) fn base_url<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Url>, D::Error> {
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
        let mut url = Url::parse(text.trim_end_matches('/')).ok()?;
        // Of an endpoint's own address, as providers' pages show it, the base.
        let judged = Protocol::ALL.map(|protocol| protocol.path().trim_start_matches("/v1"));
        let path = url.path().to_owned();
        let base = judged.iter().find_map(|judged| path.strip_suffix(judged));
        if let Some(base) = base {
            url.set_path(base);
        }
        let usable = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none();
        usable.then_some(Some(url))
    })
}
