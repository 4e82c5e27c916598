//! JSON as clients really send it.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// Reads JSON, and reads it once more with what is no Unicode replaced: a front end that cuts a text inside an
/// emoji sends half of it, which upstreams take.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(body).or_else(|error| {
        let mended = mend_surrogates(&String::from_utf8_lossy(body));
        serde_json::from_str(&mended).map_err(|_| error)
    })
}

/// Escaped halves of surrogate pairs without their other half become U+FFFD.
fn mend_surrogates(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let (escape, length): (Cow<'_, str>, usize) =
            match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
                (Some(Half::High), Some(Half::Low)) => (rest[..12].into(), 12),
                (Some(_), _) => ("\\ufffd".into(), 6),
                // The character behind a backslash belongs to it, be it another backslash.
                (None, _) => {
                    let length = rest.chars().take(2).map(char::len_utf8).sum();
                    (rest[..length].into(), length)
                }
            };
        mended.push_str(&escape);
        rest = &rest[length..];
    }
    mended.push_str(rest);
    mended
}

#[derive(Clone, Copy)]
enum Half {
    High,
    Low,
}

/// Which half of a pair the escape at the beginning of `text` is.
fn surrogate(text: &str) -> Option<Half> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    match u32::from_str_radix(digits, 16).ok()? {
        0xd800..0xdc00 => Some(Half::High),
        0xdc00..0xe000 => Some(Half::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_emoji_is_no_reason_to_refuse() {
        for (json, expected) in [
            (r#""a\ud83d\ude00b""#, "a😀b"),
            (r#""a\ud83d""#, "a\u{fffd}"),
            (r#""\ude00\ud83d\ud83d\ude00""#, "\u{fffd}\u{fffd}😀"),
            (r#""\\ud83d\ud83d\n""#, "\\ud83d\u{fffd}\n"),
            (r#""中\ud83d文""#, "中\u{fffd}文"),
        ] {
            assert_eq!(read::<String>(json.as_bytes()).unwrap(), expected, "{json}");
        }
        assert_eq!(read::<String>(b"\"a\xff\"").unwrap(), "a\u{fffd}");
        assert!(read::<String>(br#""\ud8"#).is_err());
    }
}
