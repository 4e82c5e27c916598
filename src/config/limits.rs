//! `[limits]`: how much of strangers' bytes and time the gateway takes.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::{Access, units};
use crate::language::Phrase;

/// The sizes that `headers` may have, in bytes: HTTP/1 is read into a buffer of no less.
const HEADERS: std::ops::RangeInclusive<usize> = 8 << 10..=16 << 20;

/// Bounds on what clients may send.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest request body; pictures in a message count.
    #[serde(deserialize_with = "units::size")]
    pub body: usize,
    /// The largest head of a request: its first line and its headers.
    #[serde(deserialize_with = "units::size")]
    pub headers: usize,
    /// Requests in flight, running streams included; more get 503 at once.
    pub requests: NonZeroUsize,
    /// Open connections; where there are more, idle ones give way, and requests on the rest get 503 at once.
    pub connections: NonZeroUsize,
    /// Requests in flight of one address, of one /64 where it is IPv6. None: as many as there are.
    pub requests_per_address: Option<NonZeroUsize>,
    /// Open connections of one address, or one /64. None: as many as there are.
    pub connections_per_address: Option<NonZeroUsize>,
    /// Requests of one key. None: as many as there are.
    pub per_key: Option<Rate>,
    /// Requests of one address, of one /64 where it is IPv6. None: as many as there are.
    pub per_address: Option<Rate>,
    /// For a request's headers to arrive, and TLS before them.
    #[serde(deserialize_with = "units::duration")]
    pub header_timeout: Duration,
    /// For a request's body to arrive.
    #[serde(deserialize_with = "units::duration")]
    pub body_timeout: Duration,
    /// For a client to take some of what is written to it.
    #[serde(deserialize_with = "units::duration")]
    pub stall_timeout: Duration,
    /// For a connection to be asked something.
    #[serde(deserialize_with = "units::duration")]
    pub idle_timeout: Duration,
}

/// So many requests in so much time; as many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests.
    pub count: NonZeroU32,
    /// In this time.
    pub per: Duration,
}

impl Limits {
    /// What serde cannot see: the key of the problem, and what is wrong.
    pub(super) fn check(&self, access: &Access) -> Vec<(&'static str, Phrase)> {
        let mut problems = Vec::new();
        if !HEADERS.contains(&self.headers) {
            problems.push((
                "limits.headers",
                Phrase::new(
                    format!("{} 字节不在 8KiB 到 16MiB 之间", self.headers),
                    format!("{} bytes are not between 8KiB and 16MiB", self.headers),
                ),
            ));
        }
        if self.per_key.is_some() && access.keys.is_empty() && access.keys_file.is_none() {
            problems.push((
                "limits.per_key",
                Phrase::new(
                    "没有密钥就无从限制；请写 access.keys，或改用 limits.per_address",
                    "counts by keys and there are none; write access.keys, or use limits.per_address",
                ),
            ));
        }
        problems
    }
}

impl Default for Limits {
    fn default() -> Self {
        let at_least_one = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Limits {
            body: 32 << 20,
            headers: 64 << 10,
            requests: at_least_one(4096),
            connections: at_least_one(16384),
            requests_per_address: None,
            connections_per_address: None,
            per_key: None,
            per_address: None,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(120),
        }
    }
}

impl Rate {
    /// `600/m`; none where it is no rate, or one finer than a nanosecond.
    fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        let rate = Rate {
            count: count.trim().parse().ok()?,
            per: Duration::from_secs(seconds),
        };
        (!rate.interval().is_zero()).then_some(rate)
    }

    /// The time in which one more request may come.
    pub fn interval(self) -> Duration {
        self.per / self.count.get()
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let accepted = || {
            Phrase::new(
                "不是频率；请写如 \"10/s\"、\"600/m\"、\"5000/h\"",
                "is not a rate; write \"10/s\", \"600/m\" or \"5000/h\"",
            )
        };
        units::text(deserializer, accepted, Rate::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_a_count_and_a_unit() {
        let interval = |text| Rate::parse(text).map(|rate| rate.interval().as_millis());
        assert_eq!(interval("10/s"), Some(100));
        assert_eq!(interval("600 / m"), Some(100));
        assert_eq!(interval("3600/h"), Some(1000));
        for text in [
            "",
            "10",
            "/s",
            "0/s",
            "-1/s",
            "1/d",
            "1.5/s",
            "4294967295/s",
        ] {
            assert_eq!(Rate::parse(text), None, "{text}");
        }
    }
}
