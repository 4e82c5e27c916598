//! The two languages of what operators read, and the many of what customers do.
//!
//! [`Phrase`] is for operators. [`Localized`] is for customers: [`tell`] says which of its languages one speaks.

mod code;
mod guess;
mod localized;
mod script;
#[cfg(test)]
mod tests;
mod told;

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

pub use code::Code;
pub use localized::Localized;
pub use told::{script_of, tell};
pub use unicode_script::Script;

/// A language that intentgate speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Chinese.
    Zh,
    /// English, and every language that is not Chinese.
    En,
}

impl Language {
    /// The one of the two that a customer's text is written in: English where it is neither.
    pub fn of_text(text: &str) -> Self {
        match tell(text, &[Code::ZH, Code::EN]) {
            Some(Code::ZH) => Language::Zh,
            _ => Language::En,
        }
    }

    /// Its ISO 639-1 code.
    pub fn code(self) -> &'static str {
        match self {
            Language::Zh => "zh",
            Language::En => "en",
        }
    }

    /// The language of the operator's terminal: `INTENTGATE_LANG`, else the locale variables in the
    /// order that POSIX gives them.
    pub fn of_environment() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        ["INTENTGATE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(set)
            .filter(|locale| locale.to_ascii_lowercase().starts_with("zh"))
            .map_or(Language::En, |_| Language::Zh)
    }
}

/// Whether a character is a Chinese one, wherever it is used.
pub fn is_han(c: char) -> bool {
    matches!(u32::from(c), 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x323af)
}

/// A text in both languages. A file may give one string for both, or `{ zh = "…", en = "…" }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phrase {
    /// The Chinese text.
    pub zh: String,
    /// The English text.
    pub en: String,
}

/// The text for the operator's terminal and log.
pub fn say(zh: impl Into<String>, en: impl Into<String>) -> String {
    let Phrase { zh, en } = Phrase::new(zh, en);
    match Language::of_environment() {
        Language::Zh => zh,
        Language::En => en,
    }
}

/// Stands between the two halves where a [`Phrase`] has to travel through an error that holds one string.
const SEAM: char = '\u{1f}';

impl Phrase {
    /// Both texts.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Phrase {
            zh: zh.into(),
            en: en.into(),
        }
    }

    /// One text for both languages.
    pub fn same(text: impl Into<String>) -> Self {
        let text = text.into();
        Phrase::new(text.clone(), text)
    }

    /// The text for the operator's terminal and log.
    pub fn here(&self) -> &str {
        self.text(Language::of_environment())
    }

    /// The text in one language.
    pub fn text(&self, language: Language) -> &str {
        match language {
            Language::Zh => &self.zh,
            Language::En => &self.en,
        }
    }

    /// Both texts changed alike.
    pub fn map(&self, change: impl Fn(&str) -> String) -> Self {
        Phrase::new(change(&self.zh), change(&self.en))
    }

    /// An error of a deserializer that carries both texts; [`Phrase::from_message`] takes them out again.
    pub fn into_error<E: de::Error>(self) -> E {
        E::custom(self.joined())
    }

    /// Both texts in one string, as an error's message holds them.
    pub fn joined(&self) -> String {
        format!("{}{SEAM}{}", self.zh, self.en)
    }

    /// The phrase in an error's message; a message of one language serves for both.
    pub fn from_message(message: &str) -> Self {
        match message.split_once(SEAM) {
            Some((zh, en)) => Phrase::new(zh, en),
            None => Phrase::same(message),
        }
    }
}

impl<'de> Deserialize<'de> for Phrase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PhraseVisitor)
    }
}

struct PhraseVisitor;

impl<'de> Visitor<'de> for PhraseVisitor {
    type Value = Phrase;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = Phrase::new(
            "文字，或 { zh = \"…\", en = \"…\" }",
            "a text, or { zh = \"…\", en = \"…\" }",
        );
        f.write_str(&expected.joined())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Phrase, E> {
        Ok(Phrase::same(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Phrase, A::Error> {
        let (mut zh, mut en) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "zh" => zh = Some(map.next_value::<String>()?),
                "en" => en = Some(map.next_value::<String>()?),
                other => return Err(de::Error::unknown_field(other, &["zh", "en"])),
            }
        }
        match (zh, en) {
            (Some(zh), Some(en)) => Ok(Phrase::new(zh, en)),
            (Some(one), None) | (None, Some(one)) => Ok(Phrase::same(one)),
            (None, None) => Err(Phrase::new(
                "是空的；请写 zh、en 或两者都写",
                "is empty; give zh, en or both",
            )
            .into_error()),
        }
    }
}
