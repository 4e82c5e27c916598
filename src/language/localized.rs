//! What customers read, in as many languages as it is written in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Code, Phrase};

/// A text for customers, by language; clones share it. A file may give one string for everyone, or
/// `{ zh = "…", en = "…", ja = "…" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Localized(Arc<Texts>);

#[derive(Debug, PartialEq, Eq)]
enum Texts {
    /// For everyone.
    Same(String),
    /// One at least.
    Of(BTreeMap<Code, String>),
}

impl Localized {
    /// One text for everyone.
    pub fn same(text: impl Into<String>) -> Self {
        Localized(Arc::new(Texts::Same(text.into())))
    }

    /// The languages that it is written in; none where one text serves everyone.
    pub fn codes(&self) -> impl Iterator<Item = Code> {
        self.by_language()
            .into_iter()
            .flat_map(BTreeMap::keys)
            .copied()
    }

    /// Each text of it.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let same = match &*self.0 {
            Texts::Same(text) => Some(text),
            Texts::Of(_) => None,
        };
        let of = self.by_language().into_iter().flat_map(BTreeMap::values);
        same.into_iter().chain(of).map(String::as_str)
    }

    /// The language that customers of a language read: theirs, else English, Chinese, what there is. None where one
    /// text serves everyone.
    pub fn spoken(&self, code: Code) -> Option<Code> {
        let texts = self.by_language()?;
        let known = [code, Code::EN, Code::ZH].into_iter();
        known
            .chain(texts.keys().copied())
            .find(|code| texts.contains_key(code))
    }

    /// What customers of a language read.
    pub fn text(&self, code: Code) -> &str {
        match &*self.0 {
            Texts::Same(text) => text,
            Texts::Of(texts) => {
                let spoken = self.spoken(code).and_then(|code| texts.get(&code));
                spoken.map_or("", String::as_str)
            }
        }
    }

    /// The first language in which nothing is written; of one text for everyone, none in particular.
    pub fn empty(&self) -> Option<Option<Code>> {
        let said = |text: &str| !text.trim().is_empty();
        match &*self.0 {
            Texts::Same(text) => (!said(text)).then_some(None),
            Texts::Of(texts) => {
                let empty = texts.iter().find(|(_, text)| !said(text));
                empty.map(|(code, _)| Some(*code))
            }
        }
    }

    /// Whether it is written in another language than Chinese and English.
    pub fn goes_further(&self) -> bool {
        self.codes()
            .any(|code| code != Code::ZH && code != Code::EN)
    }

    /// The same with every text changed, each for customers of its language. One text for everyone may become one for
    /// each of `codes`.
    ///
    /// # Errors
    /// The first that cannot be changed.
    pub fn try_map<E>(
        &self,
        codes: BTreeSet<Code>,
        change: impl Fn(&str, Code) -> Result<String, E>,
    ) -> Result<Self, E> {
        let own: BTreeSet<Code> = self.codes().collect();
        let codes = if own.is_empty() { codes } else { own };
        if codes.is_empty() {
            return change(self.text(Code::EN), Code::EN).map(Localized::same);
        }
        let changed = codes
            .into_iter()
            .map(|code| Ok((code, change(self.text(code), code)?)));
        let texts = changed.collect::<Result<_, E>>()?;
        Ok(Localized(Arc::new(Texts::Of(texts))))
    }

    fn by_language(&self) -> Option<&BTreeMap<Code, String>> {
        match &*self.0 {
            Texts::Same(_) => None,
            Texts::Of(texts) => Some(texts),
        }
    }
}

impl Default for Localized {
    fn default() -> Self {
        Localized::same("")
    }
}

impl From<Phrase> for Localized {
    fn from(Phrase { zh, en }: Phrase) -> Self {
        Localized(Arc::new(Texts::Of([(Code::ZH, zh), (Code::EN, en)].into())))
    }
}

/// Texts behind their codes; what is no code is left out.
impl<const N: usize> From<[(&str, &str); N]> for Localized {
    fn from(texts: [(&str, &str); N]) -> Self {
        let texts = texts.into_iter();
        let texts = texts.filter_map(|(code, text)| Some((Code::new(code)?, text.to_owned())));
        Localized(Arc::new(Texts::Of(texts.collect())))
    }
}

impl<'de> Deserialize<'de> for Localized {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LocalizedVisitor)
    }
}

struct LocalizedVisitor;

impl<'de> Visitor<'de> for LocalizedVisitor {
    type Value = Localized;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = Phrase::new(
            "文字，或按语言分开写：{ zh = \"…\", en = \"…\", ja = \"…\" }",
            "a text, or one a language: { zh = \"…\", en = \"…\", ja = \"…\" }",
        );
        f.write_str(&expected.joined())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Localized, E> {
        Ok(Localized::same(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Localized, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some(code) = map.next_key::<Code>()? {
            texts.insert(code, map.next_value::<String>()?);
        }
        if texts.is_empty() {
            let empty = Phrase::new(
                "是空的；请写上一种语言，如 zh 或 en",
                "is empty; give a language, such as zh or en",
            );
            return Err(empty.into_error());
        }
        Ok(Localized(Arc::new(Texts::Of(texts))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_reads_their_language_else_english_else_what_there_is() {
        let spoken = |reply: &Localized, code: &str| {
            let code = Code::new(code).unwrap();
            (
                reply.spoken(code).map(Code::as_str),
                reply.text(code).to_owned(),
            )
        };
        let all = Localized::from([("zh", "中"), ("en", "e"), ("ja", "日")]);
        let asian = Localized::from([("ja", "日"), ("zh", "中")]);
        let one = Localized::from([("th", "ท"), ("fr", "f")]);
        for (reply, code, chosen, text) in [
            (&all, "ja", "ja", "日"),
            (&all, "zh", "zh", "中"),
            (&all, "fr", "en", "e"),
            (&asian, "fr", "zh", "中"),
            (&one, "zh", "fr", "f"),
            (&one, "th", "th", "ท"),
        ] {
            assert_eq!(spoken(reply, code), (Some(chosen), text.to_owned()));
        }
        assert_eq!(spoken(&Localized::same("x"), "ja"), (None, "x".to_owned()));
    }
}
