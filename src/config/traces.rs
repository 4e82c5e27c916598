//! `[traces]`: where spans of requests are sent, and of how many.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer};
use url::Url;

use super::units;
use crate::language::Phrase;
use crate::secret::Secret;

/// OTLP over HTTP adds this to a base URL; an address that has it already would have it twice.
const SIGNAL_PATH: &str = "/v1/traces";

/// Where spans go.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Traces {
    /// The base URL of an OTLP/HTTP collector. None: no spans are made.
    #[serde(deserialize_with = "base_url")]
    pub endpoint: Option<Url>,
    /// The share of traces begun here that is exported. Where the client began the trace, it decides.
    #[serde(deserialize_with = "units::share")]
    pub sample: f64,
    /// Sent with every export, such as a collector's token.
    pub headers: BTreeMap<String, Secret>,
    /// How the collector calls this gateway.
    pub service_name: String,
}

impl Traces {
    /// Where spans are sent: the base URL with the path of the signal.
    pub fn target(&self) -> Option<String> {
        let base = self.endpoint.as_ref()?.as_str();
        Some(format!("{}{SIGNAL_PATH}", base.trim_end_matches('/')))
    }

    /// `headers` as they are sent; what is no header is left out. No log shows their values.
    pub fn header_map(&self) -> HeaderMap {
        let headers = self.headers.iter();
        let headers = headers.filter_map(|(name, value)| header(name, value));
        headers.collect()
    }

    /// What serde cannot see: the key of the problem, and what is wrong.
    pub(super) fn check(&self) -> Vec<(&'static str, Phrase)> {
        let wrong = self.headers.iter();
        let wrong = wrong.filter(|(name, value)| header(name, value).is_none());
        let wrong = wrong.map(|(name, _)| {
            Phrase::new(
                format!("{name}：名字或值不能作 HTTP 头；名字如 authorization，值只能是可见的 ASCII 字符和空格"),
                format!("{name} cannot be an HTTP header; a name is like authorization, a value visible ASCII and spaces"),
            )
        });
        wrong.map(|problem| ("traces.headers", problem)).collect()
    }
}

impl Default for Traces {
    fn default() -> Self {
        Traces {
            endpoint: None,
            sample: 1.0,
            headers: BTreeMap::new(),
            service_name: "intentgate".to_owned(),
        }
    }
}

fn header(name: &str, value: &Secret) -> Option<(HeaderName, HeaderValue)> {
    let visible = !value.is_empty() && value.reveal().is_ascii();
    let mut header = HeaderValue::from_str(value.reveal())
        .ok()
        .filter(|_| visible)?;
    header.set_sensitive(true);
    Some((name.parse().ok()?, header))
}

fn base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let accepted = || {
        Phrase::new(
            "不是 OTLP/HTTP 采集器的地址；请写如 \"http://localhost:4318\"，不带 /v1/traces，不含用户名和密码",
            "is no base URL of an OTLP/HTTP collector; write \"http://localhost:4318\", without /v1/traces, a user or a password",
        )
    };
    units::text(deserializer, accepted, |text| {
        if text.is_empty() {
            return Some(None);
        }
        let url = Url::parse(text).ok()?;
        let usable = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && !url.path().trim_end_matches('/').ends_with(SIGNAL_PATH);
        usable.then_some(Some(url))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_go_to_the_signals_path_below_the_base() {
        for (base, target) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            (
                "https://o.example/otlp/",
                "https://o.example/otlp/v1/traces",
            ),
        ] {
            let traces = Traces {
                endpoint: Some(Url::parse(base).unwrap()),
                ..Traces::default()
            };
            assert_eq!(traces.target().as_deref(), Some(target));
        }
        assert_eq!(Traces::default().target(), None);
    }

    #[test]
    fn what_a_header_says_is_never_shown() {
        let (name, value) = header("Authorization", &Secret::new("Bearer sk-1")).unwrap();
        assert_eq!(name, "authorization");
        assert!(!format!("{value:?}").contains("sk-1"));
        for (name, value) in [
            ("a b", "x"),
            ("", "x"),
            ("a", ""),
            ("a", "é"),
            ("a", "x\ny"),
        ] {
            assert!(
                header(name, &Secret::new(value)).is_none(),
                "{name}: {value}"
            );
        }
    }
}
