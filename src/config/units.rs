//! Values with units: durations and sizes are strings that carry theirs.

use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer};

use crate::language::Phrase;

/// A duration such as `"250ms"`, `"30s"` or `"5m"`, above zero.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let accepted = || {
        Phrase::new(
            "不是时长；请写如 \"30s\"、\"5m\"、\"250ms\"",
            "is not a duration; write \"30s\", \"5m\" or \"250ms\"",
        )
    };
    text(deserializer, accepted, |text| {
        humantime::parse_duration(text)
            .ok()
            .filter(|d| !d.is_zero())
    })
}

/// A duration where there need not be one.
pub(super) fn some_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// A size such as `"512KiB"` or `"32MiB"`, above zero, in bytes.
pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let accepted = || {
        Phrase::new(
            "不是大小；请写如 \"512KiB\"、\"32MiB\"",
            "is not a size; write \"512KiB\" or \"32MiB\"",
        )
    };
    text(deserializer, accepted, |text| {
        let size = ByteSize::from_str(text).ok()?.as_u64();
        usize::try_from(size).ok().filter(|size| *size > 0)
    })
}

/// Any text that `parse` takes; else an error that says what `accepted` says.
pub(super) fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    accepted: impl Fn() -> Phrase,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| accepted().into_error())
}

/// A share between 0 and 1.
pub(super) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(Phrase::new(
        "不在 0 到 1 之间，如 0.02",
        "is not between 0 and 1, such as 0.02",
    )
    .into_error())
}

/// An address to listen on such as `127.0.0.1:8080`.
pub(super) fn address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<std::net::SocketAddr, D::Error> {
    let accepted = || {
        Phrase::new(
            "不是监听地址；请写 IP:端口，如 \"127.0.0.1:8080\"",
            "is not an address; write IP:PORT, such as \"127.0.0.1:8080\"",
        )
    };
    text(deserializer, accepted, |text| text.parse().ok())
}
