//! `[shop]`: what replies may say about the shop.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::language::{Language, Phrase};

/// Words that replies use as `{{key}}`. `name` (the shop's) and `human` (how a customer reaches a person, a
/// whole sentence) have defaults; other keys are the operator's.
#[derive(Clone, Debug, PartialEq)]
pub struct Shop {
    words: BTreeMap<String, Phrase>,
}

impl Shop {
    /// A reply with every `{{key}}` filled in, in both languages.
    ///
    /// # Errors
    /// The first key that the shop does not have.
    pub fn fill(&self, reply: &Phrase) -> Result<Phrase, UnknownWord> {
        Ok(Phrase::new(
            self.fill_one(&reply.zh, Language::Zh)?,
            self.fill_one(&reply.en, Language::En)?,
        ))
    }

    fn fill_one(&self, text: &str, language: Language) -> Result<String, UnknownWord> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((key, after)) = after.split_once("}}") else {
                break;
            };
            let word = self
                .words
                .get(key.trim())
                .ok_or_else(|| self.unknown(key))?;
            filled.push_str(before);
            filled.push_str(word.text(language));
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn unknown(&self, key: &str) -> UnknownWord {
        UnknownWord {
            word: key.trim().to_owned(),
            accepted: self.words.keys().cloned().collect(),
        }
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
        let name = Phrase::new("本店", "our shop");
        let human = Phrase::new(
            "您可以在“我的订单”页面点“联系客服”找到人工客服。",
            "You can reach a person from \"My orders\" > \"Contact us\".",
        );
        let words = [("name", name), ("human", human)];
        Shop {
            words: words.map(|(key, word)| (key.to_owned(), word)).into(),
        }
    }
}

impl<'de> Deserialize<'de> for Shop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut shop = Shop::default();
        shop.words
            .extend(BTreeMap::<String, Phrase>::deserialize(deserializer)?);
        Ok(shop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_filled_in_by_language() {
        let shop = Shop::default();
        let reply = Phrase::new("{{name}}的{{ name }}", "Hi from {{name}} {{");
        let filled = shop.fill(&reply).unwrap();
        assert_eq!(filled, Phrase::new("本店的本店", "Hi from our shop {{"));
    }

    #[test]
    fn an_unknown_word_is_named_with_the_known_ones() {
        let unknown = Shop::default().fill(&Phrase::same("{{nmae}}")).unwrap_err();
        assert_eq!(unknown.word, "nmae");
        assert_eq!(unknown.accepted, ["human", "name"]);
    }
}
