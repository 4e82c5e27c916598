//! The language of what a customer wrote, by its script where that tells.
//!
//! Scripts are weighed against each other, since a text is full of names: `I bought the 茅台 gift box` is English,
//! `iPhone 有货吗` is Chinese.

use unicode_normalization::UnicodeNormalization;
use unicode_script::{Script, UnicodeScript};

use super::code::Code;
use super::guess::guess;
use super::is_han;
use super::script::writes;

/// Characters of a text that are looked at.
const MOST_CHARS: usize = 1_000;

/// Chinese characters that make sentences: no name of a thing has them.
const PARTICLES: &str = "吗呢吧啊呀啦哦嘛么的了着怎什哪谁我你您他她们這个這那有沒没不是在要能可会請请给給帮幫就都还還也和跟把被让讓吧亲親";

/// Of these, the ones that Japanese does not have.
const CHINESE_ONLY: &str = "吗呢吧啊呀啦哦嘛么怎哪谁您她们這沒没這给還还";

/// How a field is called rather than a person: 订单号, 地址.
const FIELDS: &str = "号號码碼名址话話色式型单單人品牌量间間";

/// Characters of the longest name that stands before what somebody says.
const LONGEST_NAME: usize = 8;

/// The script that most of a text is written in; none where it has no letters.
pub fn script_of(text: &str) -> Option<Script> {
    Weights::of(text).heaviest()
}

/// The language of a text among those that a reply is written in; English where it is none of them, and none where
/// the text does not tell: it has no words, or its words could be of several.
pub fn tell(text: &str, offered: &[Code]) -> Option<Code> {
    let text: String = text.nfkc().take(MOST_CHARS).collect();
    let said = without_name(&text);
    let script = Weights::of(said).heaviest()?;
    let candidates: Vec<Code> = offered
        .iter()
        .copied()
        .filter(|code| writes(*code, script))
        .collect();
    match script {
        // A text without kana is Chinese, unless no Chinese is there to reply in.
        Script::Han => {
            let zh = candidates.iter().find(|code| **code == Code::ZH);
            Some(*zh.or(candidates.first()).unwrap_or(&Code::EN))
        }
        _ if candidates.is_empty() => Some(Code::EN),
        _ => guess(said, script, &candidates),
    }
}

/// What is said behind a name and a colon, where it is said in other letters.
fn without_name(text: &str) -> &str {
    let Some((name, said)) = text.split_once(':') else {
        return text;
    };
    let name = name.trim();
    let is_name = name.chars().any(is_han)
        && name.chars().count() <= LONGEST_NAME
        && !name.chars().any(|c| PARTICLES.contains(c))
        && !name.ends_with(|c| FIELDS.contains(c));
    let in_words = said.chars().any(|c| c.is_lowercase()) && !said.chars().any(is_han);
    if is_name && in_words { said } else { text }
}

/// How much of a text is in which script.
#[derive(Debug, Default)]
struct Weights {
    /// A script each, in the order of their first letters.
    of: Vec<(Script, u32)>,
    /// Whether there is kana besides の, which Chinese shops write as well.
    kana: bool,
    no: bool,
    chinese: bool,
}

impl Weights {
    fn of(text: &str) -> Self {
        let mut weights = Weights::default();
        let shouted = !text.chars().any(char::is_lowercase);
        let ascii = |c: char| c.is_ascii_graphic();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = rest
                .find(|c| ascii(c) != ascii(first))
                .unwrap_or(rest.len());
            let (run, behind) = rest.split_at(length);
            rest = behind;
            if !is_address(run) {
                weights.add(run, shouted);
            }
        }
        weights
    }

    fn add(&mut self, run: &str, shouted: bool) {
        let words = run.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’');
        for word in words {
            let latin = word.chars().filter(|c| c.script() == Script::Latin).count();
            if latin > 0 {
                self.put(Script::Latin, latin_weight(word, latin, shouted));
            }
            for c in word.chars().filter(|c| c.script() != Script::Latin) {
                self.letter(c);
            }
        }
    }

    fn letter(&mut self, c: char) {
        match c.script() {
            Script::Common | Script::Inherited | Script::Unknown => {}
            Script::Han => {
                self.chinese |= CHINESE_ONLY.contains(c);
                self.put(Script::Han, if PARTICLES.contains(c) { 6 } else { 2 });
            }
            Script::Hiragana if c == 'の' => self.no = true,
            Script::Hiragana => {
                self.kana = true;
                self.put(Script::Hiragana, 4);
            }
            Script::Katakana => {
                self.kana = true;
                self.put(Script::Hiragana, 2);
            }
            Script::Hangul => self.put(Script::Hangul, 3),
            script => self.put(script, 1),
        }
    }

    fn put(&mut self, script: Script, weight: u32) {
        match self.of.iter_mut().find(|(of, _)| *of == script) {
            Some((_, sum)) => *sum += weight,
            None => self.of.push((script, weight)),
        }
    }

    fn weight(&self, script: Script) -> u32 {
        let found = self.of.iter().find(|(of, _)| *of == script);
        found.map_or(0, |(_, weight)| *weight)
    }

    /// The script that most of the text is in, a name or two aside; of two that are even, the one that is not Latin.
    fn heaviest(mut self) -> Option<Script> {
        let han = self.weight(Script::Han);
        // Japanese and Korean have Chinese characters, too.
        let japanese = self.kana || self.no && !self.chinese;
        if japanese && han > 0 {
            self.put(Script::Hiragana, han);
        }
        if self.weight(Script::Hangul) > 0 && !self.chinese {
            self.put(Script::Hangul, han);
        }
        let key = |(script, weight): &(Script, u32)| {
            (*weight, *script != Script::Latin, *script != Script::Han)
        };
        let heaviest = self
            .of
            .iter()
            .filter(|(_, weight)| *weight > 0)
            .max_by_key(|of| key(of));
        heaviest.map(|(script, _)| *script)
    }
}

/// A word in lower case says more of a text than a name does, a code says nothing. Where all is in capitals, they are
/// words.
fn latin_weight(word: &str, letters: usize, shouted: bool) -> u32 {
    let code = word.chars().any(char::is_numeric);
    let mut letter = word.chars();
    let capital = letter.next().is_some_and(char::is_uppercase);
    let capitals = letter.any(char::is_uppercase);
    match letters {
        _ if code => 0,
        _ if shouted || word == "I" => 3,
        1 => 1,
        _ if capitals => u32::from(!capital),
        _ if capital => 1,
        _ => 3,
    }
}

/// A link, an address of e-mail.
fn is_address(run: &str) -> bool {
    run.contains("://") || run.starts_with("www.") || run.contains('@') || run.contains(".com")
}
