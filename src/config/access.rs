//! `[access]`: who may ask, and from where.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::{key, root, units};
use crate::language::Phrase;
use crate::secret::Digest;

/// Longest name of a key: it stands in every log line of its client.
const MAX_NAME_CHARS: usize = 64;

/// Who may ask. Without keys, everyone who reaches the port may.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// The clients' keys; those of `keys_file` are among them once the configuration is loaded.
    pub keys: Vec<ClientKey>,
    /// A file of keys, `NAME SHA256` a line; what follows `#` at the beginning of a line is a comment.
    pub keys_file: Option<PathBuf>,
    /// Origins whose pages may call from a browser. Empty: CORS is not spoken.
    pub cors_origins: Vec<Origin>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

/// A client's key: its hash, so that the file gives none away.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ClientKey {
    /// The client's name in the log. Two keys may share it while one takes the other's place.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// The SHA-256 of the key.
    #[serde(deserialize_with = "digest")]
    pub sha256: Digest,
}

/// `https://shop.example`, or `*` for every origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(pub String);

/// A range of addresses; one address is a range of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(pub IpNet);

impl Access {
    pub(super) fn root_paths(&mut self, folder: &Path) {
        root(&mut self.keys_file, folder);
    }

    /// What serde cannot see: the key of the problem, and what is wrong.
    pub(super) fn check(&mut self) -> Vec<(&'static str, Phrase)> {
        let mut problems = Vec::new();
        if let Some(path) = &self.keys_file {
            match std::fs::read_to_string(path) {
                Ok(text) => {
                    let shown = path.display().to_string();
                    let (keys, wrong) = keys_of(&text, &shown);
                    problems.extend(wrong.into_iter().map(|wrong| ("access.keys_file", wrong)));
                    self.keys.extend(keys);
                }
                Err(error) => {
                    problems.push(("access.keys_file", key::unreadable(path, &error)));
                }
            }
        }
        for (index, key) in self.keys.iter().enumerate() {
            let twice = |other: &&ClientKey| other.sha256 == key.sha256;
            if let Some(first) = self.keys[..index].iter().find(twice) {
                let names = (&first.name, &key.name);
                problems.push((
                    "access.keys",
                    Phrase::new(
                        format!("{} 和 {} 是同一个密钥；只留一个", names.0, names.1),
                        format!("{} and {} are the same key; keep one", names.0, names.1),
                    ),
                ));
            }
        }
        problems
    }
}

/// The keys of a file, and what is wrong with its lines. A file without keys is wrong, since it would open
/// the gateway to everyone.
fn keys_of(text: &str, file: &str) -> (Vec<ClientKey>, Vec<Phrase>) {
    let (mut keys, mut wrong) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let key = (|| {
            let key = ClientKey {
                name: words.next().filter(|name| is_name(name))?.to_owned(),
                sha256: Digest::parse(words.next()?)?,
            };
            words.next().is_none().then_some(key)
        })();
        match key {
            Some(key) => keys.push(key),
            // The line itself is not shown: someone may have written the key in place of its hash.
            None => wrong.push(Phrase::new(
                format!("{file}:{number}：应当是“名字 SHA256”，SHA256 是 64 个十六进制字符"),
                format!(
                    "{file}:{number} is not NAME SHA256, the latter of 64 hexadecimal characters"
                ),
            )),
        }
    }
    if keys.is_empty() && wrong.is_empty() {
        wrong.push(Phrase::new(
            format!("{file} 里没有密钥；不想要密钥就删去这个键"),
            format!("{file} holds no key; leave this key out to ask for none"),
        ));
    }
    (keys, wrong)
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_CHARS).contains(&name.chars().count())
        && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let accepted = || {
        Phrase::new(
            "不是名字；请写 1 到 64 个字符，不含空格，如 \"web\"",
            "is not a name; write 1 to 64 characters without spaces, such as \"web\"",
        )
    };
    units::text(deserializer, accepted, |text| {
        is_name(text).then(|| text.to_owned())
    })
}

fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let accepted = || {
        Phrase::new(
            "不是 SHA-256；请写 64 个十六进制字符，由 printf %s KEY | sha256sum 得到",
            "is not a SHA-256; write the 64 hexadecimal characters of: printf %s KEY | sha256sum",
        )
    };
    units::text(deserializer, accepted, Digest::parse)
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let accepted = || {
            Phrase::new(
                "不是来源；请写如 \"https://shop.example\"（没有路径），或 \"*\" 表示全部",
                "is no origin; write \"https://shop.example\", without a path, or \"*\" for all",
            )
        };
        units::text(deserializer, accepted, |text| {
            let is_origin = |url: Url| url.origin().ascii_serialization() == text;
            let known = text == "*" || Url::parse(text).is_ok_and(is_origin);
            known.then(|| Origin(text.to_owned()))
        })
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let accepted = || {
            Phrase::new(
                "不是地址或网段；请写如 \"10.0.0.0/8\"、\"::1\"",
                "is no address and no range; write \"10.0.0.0/8\" or \"::1\"",
            )
        };
        units::text(deserializer, accepted, |text| {
            let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
            text.parse::<IpNet>().ok().or_else(one).map(Network)
        })
    }
}
