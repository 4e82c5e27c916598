//! `[shop]`: what replies may say about the shop.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};

use super::wording;
use crate::language::{Code, Localized, Phrase};

/// Words that replies use as `{{key}}`. `name` (the shop's) and `human` (how a customer reaches a person, a
/// whole sentence) have defaults; other keys are the operator's.
#[derive(Clone, Debug, PartialEq)]
pub struct Shop {
    words: BTreeMap<String, Localized>,
}

impl Shop {
    /// A reply with every `{{key}}` filled in, in each language. One text for everyone becomes one for each language
    /// that its words are written in.
    ///
    /// # Errors
    /// The first key that the shop does not have.
    pub fn fill(&self, reply: &Localized) -> Result<Localized, UnknownWord> {
        let mut codes = BTreeSet::new();
        for text in reply.texts() {
            for part in Parts(text) {
                if let Part::Word(key) = part {
                    codes.extend(self.word(key)?.codes());
                }
            }
        }
        reply.try_map(codes, |text, code| self.fill_one(text, code))
    }

    fn fill_one(&self, text: &str, code: Code) -> Result<String, UnknownWord> {
        let filled = Parts(text).map(|part| match part {
            Part::Text(text) => Ok(text),
            Part::Word(key) => Ok(self.word(key)?.text(code)),
        });
        filled.collect()
    }

    fn word(&self, key: &str) -> Result<&Localized, UnknownWord> {
        self.words.get(key).ok_or_else(|| self.unknown(key))
    }

    fn unknown(&self, key: &str) -> UnknownWord {
        UnknownWord {
            word: key.to_owned(),
            accepted: self.words.keys().cloned().collect(),
        }
    }
}

/// A reply's parts, in order.
struct Parts<'t>(&'t str);

enum Part<'t> {
    /// As it stands.
    Text(&'t str),
    /// The key between braces.
    Word(&'t str),
}

impl<'t> Iterator for Parts<'t> {
    type Item = Part<'t>;

    fn next(&mut self) -> Option<Part<'t>> {
        if let Some((key, rest)) = self
            .0
            .strip_prefix("{{")
            .and_then(|rest| rest.split_once("}}"))
        {
            self.0 = rest;
            return Some(Part::Word(key.trim()));
        }
        // Braces that nothing closes are text.
        let first = self.0.chars().next()?.len_utf8();
        let length = self.0[first..]
            .find("{{")
            .map_or(self.0.len(), |at| first + at);
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(Part::Text(text))
    }
}

impl UnknownWord {
    /// For operators.
    pub fn explain(&self) -> Phrase {
        let (word, accepted) = (&self.word, self.accepted.join(", "));
        Phrase::new(
            format!("用到 {{{{{word}}}}}，但配置的 [shop] 里没有 {word}；已有：{accepted}"),
            format!(
                "uses {{{{{word}}}}}, but [shop] of the configuration has no {word}; it has: {accepted}"
            ),
        )
    }
}

/// A reply names a word that `[shop]` does not have.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownWord {
    /// What stood between the braces.
    pub word: String,
    /// What may stand there.
    pub accepted: Vec<String>,
}

impl Default for Shop {
    fn default() -> Self {
        let words = [("name", wording::name()), ("human", wording::human())];
        Shop {
            words: words.map(|(key, word)| (key.to_owned(), word)).into(),
        }
    }
}

impl<'de> Deserialize<'de> for Shop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut shop = Shop::default();
        shop.words
            .extend(BTreeMap::<String, Localized>::deserialize(deserializer)?);
        Ok(shop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_filled_in_by_language() {
        let text = r#"name = { zh = "茅台店", en = "Moutai", fr = "Chez Moutai" }
            hours = "9-21""#;
        let shop: Shop = toml::from_str(text).unwrap();
        for (reply, expected) in [
            (
                Localized::from([
                    ("zh", "{{name}}的{{ name }}"),
                    ("en", "Hi from {{name}} {{"),
                ]),
                Localized::from([("zh", "茅台店的茅台店"), ("en", "Hi from Moutai {{")]),
            ),
            // Where the word is not written in the language, English.
            (
                Localized::from([("ja", "{{name}}へ"), ("fr", "{{name}}, {{hours}}")]),
                Localized::from([("ja", "Moutaiへ"), ("fr", "Chez Moutai, 9-21")]),
            ),
            (
                Localized::same("{{name}}: {{hours}}"),
                Localized::from([
                    ("zh", "茅台店: 9-21"),
                    ("en", "Moutai: 9-21"),
                    ("fr", "Chez Moutai: 9-21"),
                ]),
            ),
            (Localized::same("{{hours}}"), Localized::same("9-21")),
        ] {
            assert_eq!(shop.fill(&reply).unwrap(), expected);
        }
    }

    #[test]
    fn an_unknown_word_is_named_with_the_known_ones() {
        let unknown = Shop::default()
            .fill(&Localized::same("{{nmae}}"))
            .unwrap_err();
        assert_eq!(unknown.word, "nmae");
        assert_eq!(unknown.accepted, ["human", "name"]);
    }
}
