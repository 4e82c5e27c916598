//! Keys that cannot be printed by accident.

use std::fmt;

use serde::{Deserialize, Deserializer};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_key() {
        assert_eq!(format!("{:?}", Secret::new(" sk-1\n")), "Secret(…)");
        assert_eq!(Secret::new(" sk-1\n").reveal(), "sk-1");
    }
}
