//! Languages by their codes in ISO 639-1.

use std::fmt;

use isolang::Language as Known;
use serde::{Deserialize, Deserializer};

use super::Phrase;

/// A language that a customer may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

/// What is often written for a language, and is no code of one: mostly countries.
const SLIPS: [(&str, &str); 10] = [
    ("cn", "zh"),
    ("cz", "cs"),
    ("dk", "da"),
    ("gb", "en"),
    ("gr", "el"),
    ("jp", "ja"),
    ("ua", "uk"),
    ("us", "en"),
    ("vn", "vi"),
    ("iw", "he"),
];

impl Code {
    /// Chinese.
    pub const ZH: Code = Code("zh");
    /// English.
    pub const EN: Code = Code("en");

    /// The language of a code; none where ISO 639-1 has no such code.
    pub fn new(code: &str) -> Option<Self> {
        Known::from_639_1(code)?.to_639_1().map(Code)
    }

    /// The two letters.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Its code in ISO 639-3.
    pub(super) fn long(self) -> Option<&'static str> {
        Known::from_639_1(self.0).map(|known| known.to_639_3())
    }

    /// The code that was most likely meant: `pt-BR` is pt, `jpn` is ja, `jp` as well.
    fn meant(written: &str) -> Option<Self> {
        let written = written.to_lowercase();
        let language = written.split(['-', '_']).next().unwrap_or_default();
        let slip = SLIPS.iter().find(|(slip, _)| *slip == language);
        let long = || Known::from_639_3(language)?.to_639_1().map(Code);
        slip.map_or_else(|| Code::new(language), |(_, code)| Code::new(code))
            .or_else(long)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = String::deserialize(deserializer)?;
        Code::new(&written).ok_or_else(|| {
            let (zh, en) = match Code::meant(&written) {
                Some(code) => (
                    format!("；您是不是想写 {code}？"),
                    format!("; did you mean {code}? "),
                ),
                None => ("；".to_owned(), "; ".to_owned()),
            };
            Phrase::new(
                format!("不是语言代码{zh}可用：ISO 639-1 的两个小写字母，如 zh、en、ja、fr"),
                format!(
                    "is no language{en}accepted: the two letters of ISO 639-1, such as zh, en, ja, fr"
                ),
            )
            .into_error()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_one_of_iso_639_1() {
        for code in ["zh", "en", "ja", "fr", "pt", "sr", "eu"] {
            assert_eq!(Code::new(code).map(Code::as_str), Some(code));
        }
        for (written, meant) in [
            ("jp", Some("ja")),
            ("EN", Some("en")),
            ("pt-BR", Some("pt")),
            ("zh_CN", Some("zh")),
            ("jpn", Some("ja")),
            ("xx", None),
            ("", None),
            ("französisch", None),
        ] {
            assert_eq!(Code::new(written), None, "{written}");
            assert_eq!(Code::meant(written).map(Code::as_str), meant, "{written}");
        }
    }
}
