//! Slips of the pen in English: words that nobody knows, by those that look like them.
//!
//! What is known are the words of the general evidence's rows, which `models/build/english.py` counts, and those of the
//! shop's own examples.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use symspell_rs::{Suggestion, SymSpell, Verbosity};

/// Words of a text that are looked at.
const MOST_WORDS: usize = 64;
/// Letters of the longest word that is mended.
const LONGEST_WORD: usize = 24;
/// Rows of the general evidence that a common word stands in.
const COMMON: usize = 3;
/// Letters from which on a word is mended, and from which on by two edits.
const LENGTHS: [usize; 2] = [4, 8];
/// Letters of a word that are looked up with some of them left out: the fewer, the less memory is taken.
const PREFIX: usize = 5;
/// A word that begins with another letter than what was typed has to be so much more common.
const FIRST_LETTER: usize = 8;
/// The right letters in another order, or one of them twice or once, are so much likelier than a wrong one.
const SAME_LETTERS: usize = 4;
/// Characters of the longest brand in another script.
const LONGEST_BRAND: usize = 4;

/// Slips too short to be looked up.
const SHORT: [(&str, &str); 9] = [
    ("hte", "the"),
    ("teh", "the"),
    ("adn", "and"),
    ("nad", "and"),
    ("yuo", "you"),
    ("hwo", "how"),
    ("ohw", "how"),
    ("cna", "can"),
    ("nto", "not"),
];

/// English words.
struct English {
    /// Each with the rows that it stands in, in order.
    words: Box<[(&'static str, usize)]>,
    /// Those that a slip may be one of.
    common: SymSpell,
}

static ENGLISH: LazyLock<English> = LazyLock::new(|| {
    let lines = include_str!("english.txt").lines();
    let lines = lines.filter_map(|line| line.split_once(' '));
    let words = lines.filter_map(|(word, count)| Some((word, count.parse().ok()?)));
    let words: Box<[_]> = words.collect();
    let common = words.iter().filter(|(_, count)| *count >= COMMON);
    let common = lookup(common.copied());
    English { words, common }
});

impl English {
    /// How common a word is, or what it is the plural of: there are more words than those that were met.
    fn count(&self, word: &str) -> Option<usize> {
        let count = |word: &str| {
            let place = self.words.binary_search_by_key(&word, |(known, _)| known);
            Some(self.words[place.ok()?].1)
        };
        count(word).or_else(|| count(word.strip_suffix('s')?))
    }

    fn is_common(&self, word: &str) -> bool {
        self.count(word).is_some_and(|count| count >= COMMON)
    }
}

/// What is made of a word.
enum Read {
    /// It is English or the shop's, and common.
    Common,
    /// It is English, or a name.
    Known,
    /// It is a slip.
    Meant(String),
    Unknown,
}

/// Words of a shop's examples that are not common in English, beside those that are.
pub struct Vocabulary {
    own: SymSpell,
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.own.get_dictionary_size();
        f.debug_struct("Vocabulary").field("words", &words).finish()
    }
}

impl Vocabulary {
    /// That of a shop, from its examples in their normal form.
    pub fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Vocabulary {
        let mut counts = HashMap::<_, usize>::new();
        for word in texts.flat_map(words).map(|word| word.text) {
            if is_latin(word) {
                *counts.entry(word).or_default() += 1;
            }
        }
        counts.retain(|word, _| !ENGLISH.is_common(word));
        // Of two that are as common, the first in order is meant.
        let own: BTreeMap<_, _> = counts.into_iter().collect();
        Vocabulary {
            own: lookup(own.into_iter()),
        }
    }

    /// A text in its normal form with its slips mended; none where there are none, or where it may be in another
    /// language. `typed` is the text before that, which shows what is a name.
    pub fn mended(&self, text: &str, typed: &str) -> Option<String> {
        if has_other_script(text) {
            return None;
        }
        let words: Vec<_> = words(text).take(MOST_WORDS).collect();
        let read: Vec<_> = words
            .iter()
            .map(|word| self.read(word.text, typed))
            .collect();
        if !is_in_english(&read) {
            return None;
        }
        let mut mended = text.to_owned();
        // From the end on, so that places before it stay.
        for (word, read) in words.into_iter().zip(read).rev() {
            if let Read::Meant(meant) = read {
                mended.replace_range(word.place, &meant);
            }
        }
        (mended != text).then_some(mended)
    }

    fn read(&self, word: &str, typed: &str) -> Read {
        if !is_latin(word) {
            return Read::Unknown;
        }
        if ENGLISH.is_common(word) || self.has(word) {
            return Read::Common;
        }
        if ENGLISH.count(word).is_some() || is_name(word, typed) {
            return Read::Known;
        }
        self.meant(word).map_or(Read::Unknown, Read::Meant)
    }

    fn has(&self, word: &str) -> bool {
        // By no edit at all, it is there or not.
        let found = self.own.lookup(word, Verbosity::Top, 0, &None, None, false);
        !found.is_empty()
    }

    /// The most common of the words that are nearest.
    fn meant(&self, word: &str) -> Option<String> {
        if let Some((_, meant)) = SHORT.iter().find(|(slip, _)| *slip == word) {
            return Some((*meant).to_owned());
        }
        if word.len() > LONGEST_WORD {
            return None;
        }
        let lengths = Some(LENGTHS.to_vec());
        let near =
            |words: &SymSpell| words.lookup(word, Verbosity::Closest, 1, &lengths, None, false);
        let near = near(&ENGLISH.common).into_iter().chain(near(&self.own));
        let best = near.min_by_key(|near| (near.distance, Reverse(likelihood(near, word))));
        best.map(|near| near.term)
    }
}

/// How common a word is, by how likely it is taken for another.
fn likelihood(near: &Suggestion, typed: &str) -> usize {
    let (meant, typed) = (near.term.as_bytes(), typed.as_bytes());
    let weight = |likely, by| if likely { by } else { 1 };
    let same_letters = weight(letters(meant) == letters(typed), SAME_LETTERS);
    near.count * same_letters * weight(meant.first() == typed.first(), FIRST_LETTER)
}

/// The letters of a word, a bit each.
fn letters(word: &[u8]) -> u32 {
    word.iter().fold(0, |letters, c| letters | 1 << (c & 31))
}

fn lookup<'w>(words: impl Iterator<Item = (&'w str, usize)>) -> SymSpell {
    let mut lookup = SymSpell::new(1, Some(LENGTHS.to_vec()), PREFIX, 1);
    for (word, count) in words {
        lookup.create_dictionary_entry(word, count);
    }
    lookup
}

fn is_latin(word: &str) -> bool {
    word.bytes().all(|c| c.is_ascii_lowercase())
}

/// Whether two thirds of the words are common English, or every one is a word or looks like one, and a third of the
/// others beside the first is.
fn is_in_english(words: &[Read]) -> bool {
    let common = words.iter().filter(|read| matches!(read, Read::Common));
    let common = common.count();
    let all_read = !words.iter().any(|read| matches!(read, Read::Unknown));
    common * 3 >= words.len() * 2 || all_read && common * 3 + 1 >= words.len()
}

/// Letters that stand together.
struct Word<'t> {
    text: &'t str,
    place: Range<usize>,
}

/// The words of a text, without those in numbers, links and addresses. What is between an apostrophe and a blank is
/// one as well.
fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let start = move |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    let chunks = text.split(' ').filter(|chunk| !is_code(chunk));
    chunks.flat_map(move |chunk| {
        let parts = chunk.split(|c: char| !c.is_alphabetic());
        parts.filter(|part| !part.is_empty()).map(move |part| Word {
            text: part,
            place: start(part)..start(part) + part.len(),
        })
    })
}

fn is_code(chunk: &str) -> bool {
    let inner = chunk.trim_matches(|c: char| !c.is_alphanumeric());
    inner.contains(|c: char| c.is_numeric() || "@.:/\\_#=&%+".contains(c))
}

/// Whether more than a brand is written in another script than the Latin one.
fn has_other_script(text: &str) -> bool {
    let runs = text.split(|c| !is_of_other_script(c));
    let mut runs = runs.filter(|run| !run.is_empty());
    let first = runs.next();
    first.is_some_and(|run| run.chars().count() > LONGEST_BRAND) || runs.next().is_some()
}

/// The Latin letters are those before the Greek ones, and a block of their own.
fn is_of_other_script(c: char) -> bool {
    c.is_alphabetic() && c >= '\u{370}' && !('\u{1e00}'..'\u{1f00}').contains(&c)
}

/// Whether a word was typed with a capital inside a sentence in small letters.
fn is_name(word: &str, typed: &str) -> bool {
    let mut before = "";
    typed.split_whitespace().any(|chunk| {
        let small =
            before.ends_with(|c: char| c.is_lowercase()) && before.starts_with(char::is_lowercase);
        before = chunk;
        let chunk = chunk.trim_matches(|c: char| !c.is_alphanumeric());
        small && chunk.starts_with(char::is_uppercase) && chunk.eq_ignore_ascii_case(word)
    })
}

#[cfg(test)]
mod tests {
    use super::super::normalise;
    use super::*;

    fn shop() -> Vocabulary {
        Vocabulary::of(["do you sell lantian speakers", "is the lantian in stock"].into_iter())
    }

    #[test]
    fn slips_are_mended() {
        for (typed, meant) in [
            ("where is my pacakge", "where is my package"),
            ("waht is the dilivery tiem", "what is the delivery time"),
            ("can i retrun it, pls", "can i return it, pls"),
            ("whre's my refudn?", "where's my refund?"),
            ("i didnt recieve teh order", "i didnt receive the order"),
            ("my elivery is late", "my delivery is late"),
            ("the confrimtaion never came", "the confirmation never came"),
            (
                "is the lantain speaker in stock",
                "is the lantian speaker in stock",
            ),
            (
                "does the 华为 phnoe ship today",
                "does the 华为 phone ship today",
            ),
            ("helo", "hello"),
            ("thnaks", "thanks"),
            ("hi ther", "hi there"),
        ] {
            assert_eq!(
                shop().mended(typed, typed).as_deref(),
                Some(meant),
                "{typed}"
            );
        }
    }

    #[test]
    fn what_may_be_meant_stays() {
        for text in [
            "",
            "where is my package",
            "is lantian any good",
            "my order is ordr77-pacakge",
            "i wrote to helo@pacakge.com about it",
            "see https://pacakge.com/retrun for it",
            "wo ist mein paket geblieben",
            "donde esta mi pedido por favor",
            "où est ma commande s'il vous plaît",
            "kuaidi daole ma",
            "退款 pacakge 怎么 办",
            "where is my мой заказ pacakge",
            "danke für die schnelle lieferung",
            "qzxk vbnm the of",
            "is it fro me",
            "which stocks do well",
            "the climber and the courts",
        ] {
            assert_eq!(shop().mended(text, text), None, "{text}");
        }
    }

    #[test]
    fn a_capital_within_a_sentence_is_a_name() {
        let (text, typed) = ("is the pacakge from oppoe", "Is the pacakge from Oppoe");
        let meant = shop().mended(text, typed);
        assert_eq!(meant.as_deref(), Some("is the package from oppoe"));
        let meant = shop().mended("pacakge is late", "Pacakge is late");
        assert_eq!(meant.as_deref(), Some("package is late"));
        let meant = shop().mended("my pacakge is late", "MY PACAKGE IS LATE");
        assert_eq!(meant.as_deref(), Some("my package is late"));
    }

    /// Of the rows in other languages that are written in Latin letters.
    #[test]
    fn other_languages_are_not_bent_into_english() {
        let (shop, mut bent, mut all) = (shop(), Vec::new(), 0);
        for language in [
            "de", "es", "fr", "id", "it", "ms", "nl", "pl", "pt", "tr", "vi",
        ] {
            for side in ["business", "off_topic"] {
                let path = format!("models/build/rows/{language}.{side}.txt");
                let rows = std::fs::read_to_string(path).unwrap();
                for row in rows.lines().filter(|row| !row.starts_with('#')) {
                    all += 1;
                    bent.extend(shop.mended(&normalise(row), row));
                }
            }
        }
        assert!(
            bent.len() * 100 <= all,
            "{} of {all}: {bent:#?}",
            bent.len()
        );
    }
}
