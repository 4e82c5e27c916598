//! Keys that cannot be printed by accident.

use std::fmt;

use serde::{Deserialize, Deserializer};
use sha2::Sha256;

/// A key. `Debug` hides it, `Display` and `Serialize` do not exist; [`Secret::reveal`] is the one way in.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a key; surrounding white space, which files end with, is not part of it.
    pub fn new(key: &str) -> Self {
        Secret(key.trim().to_owned())
    }

    /// The key itself, for the header that carries it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|key| Secret::new(&key))
    }
}

/// The SHA-256 of a key. Keys are compared by it: how long that takes says nothing about them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of a key as a client presents it.
    pub fn of(key: &[u8]) -> Self {
        Digest(<Sha256 as sha2::Digest>::digest(key).into())
    }

    /// Out of 64 hexadecimal characters.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut digest = [0; 32];
        for (index, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(Digest(digest))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_key() {
        assert_eq!(format!("{:?}", Secret::new(" sk-1\n")), "Secret(…)");
        assert_eq!(Secret::new(" sk-1\n").reveal(), "sk-1");
    }

    #[test]
    fn a_digest_is_what_sha256sum_prints() {
        let printed = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        assert_eq!(Digest::parse(printed), Some(Digest::of(b"foo")));
        let upper = printed.to_uppercase();
        assert_eq!(Digest::parse(&upper), Some(Digest::of(b"foo")));
        assert_ne!(Digest::parse(printed), Some(Digest::of(b"fo")));
        for wrong in [
            &printed[1..],
            &printed.replace('2', "+"),
            "",
            &"é".repeat(32),
        ] {
            assert_eq!(Digest::parse(wrong), None, "{wrong}");
        }
    }
}
