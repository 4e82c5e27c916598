//! Words of a shop that other characters of the same sound stand for.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use pinyin::ToPinyin;

use super::shop_words::{BEFORE, BEHIND, EVERYDAY, EVERYDAY_SLIPS, HEARD, OTHER_WORDS};

/// Characters of a word that is listened for.
const LENGTHS: RangeInclusive<usize> = 2..=4;

/// A syllable without tone: its letters, five bits each.
type Syllable = u32;

/// The words by their syllables.
static WORDS: LazyLock<HashMap<Vec<Syllable>, Vec<&str>>> = LazyLock::new(|| {
    let mut words: HashMap<_, Vec<_>> = HashMap::new();
    for word in HEARD.split(' ') {
        let syllables = word.chars().map(syllable).collect();
        words.entry(syllables).or_default().push(word);
    }
    words
});

/// The text with its shop words set right.
pub(super) fn set_right(text: &str) -> String {
    let typed = Typed::new(text);
    let mut right = String::with_capacity(text.len());
    let mut at = 0;
    let mut behind_word = true;
    while at < typed.chars.len() {
        let found = LENGTHS
            .rev()
            .find_map(|length| typed.heard(at, length, behind_word));
        behind_word = found.is_some();
        let word = found.unwrap_or_else(|| typed.chars[at].to_string());
        at += word.chars().count();
        right.push_str(&word);
    }
    right
}

/// The letters of a character's usual reading, without tone.
pub(super) fn letters(c: char) -> &'static str {
    c.to_pinyin().map_or("", |reading| reading.plain())
}

/// Sounds that many speakers do not tell apart are one: zh and z, ch and c, sh and s, n and l in front, ng and
/// n behind.
fn syllable(c: char) -> Syllable {
    let letters = letters(c);
    let (first, rest) = letters.split_at_checked(1).unwrap_or((letters, ""));
    let (first, rest) = match first {
        "z" | "c" | "s" => (first, rest.strip_prefix('h').unwrap_or(rest)),
        "n" => ("l", rest),
        _ => (first, rest),
    };
    let rest = rest.strip_suffix('g').unwrap_or(rest);
    let letters = first.chars().chain(rest.chars());
    letters.fold(0, |packed, c| packed << 5 | u32::from(c) & 31)
}

/// A text as it was typed, and how it sounds.
struct Typed {
    chars: Vec<char>,
    syllables: Vec<Syllable>,
}

impl Typed {
    fn new(text: &str) -> Self {
        Typed {
            chars: text.chars().collect(),
            syllables: text.chars().map(syllable).collect(),
        }
    }

    /// The words that sound like what stands there.
    fn words(&self, at: usize, length: usize) -> Option<(&[char], &'static [&'static str])> {
        let words = WORDS.get(self.syllables.get(at..at + length)?)?;
        Some((&self.chars[at..at + length], words))
    }

    /// The shop's word that is heard there, be it written right or wrong, or another word that is meant.
    fn heard(&self, at: usize, length: usize, behind_word: bool) -> Option<String> {
        let (there, words) = self.words(at, length)?;
        let written: String = there.iter().collect();
        if words.contains(&written.as_str()) || OTHER_WORDS.split(' ').any(|word| word == written) {
            return Some(written);
        }
        let slips = words
            .iter()
            .filter(|word| self.is_slip(at, word, behind_word));
        // Of two that sound nearly alike, the one that is spelt as what is there; else the first.
        let far = |word: &&&str| {
            word.chars()
                .zip(there)
                .filter(|(c, typed)| letters(*c) != letters(**typed))
                .count()
        };
        slips.min_by_key(far).map(|word| (*word).to_owned())
    }

    /// Whether half of the word is there, what is not is no everyday character, and nothing beside it could
    /// form a word with a part of it.
    fn is_slip(&self, at: usize, word: &str, behind_word: bool) -> bool {
        let end = at + word.chars().count();
        let there = &self.chars[at..end];
        let wrong = || {
            there
                .iter()
                .zip(word.chars())
                .filter(|(typed, c)| *typed != c)
                .map(|(typed, _)| *typed)
        };
        let means_itself = wrong().any(|c| EVERYDAY.contains(c))
            && !EVERYDAY_SLIPS
                .iter()
                .any(|slip| slip.chars().eq(there.iter().copied()));
        let begins = behind_word || at > 0 && is_end(self.chars[at - 1], BEFORE);
        let ends = self.chars.get(end).is_none_or(|c| is_end(*c, BEHIND)) || self.is_word(end);
        wrong().count() * 2 <= there.len() && !means_itself && begins && ends
    }

    /// Whether a shop's word is written there.
    fn is_word(&self, at: usize) -> bool {
        LENGTHS
            .filter_map(|length| self.words(at, length))
            .any(|(there, words)| {
                words
                    .iter()
                    .any(|word| word.chars().eq(there.iter().copied()))
            })
    }
}

/// Whether a word ends at a character that stands beside it.
fn is_end(c: char, ends: &str) -> bool {
    c.is_ascii_alphanumeric() || ends.contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sounds_that_are_not_told_apart_are_one() {
        for (a, b) in [
            ('之', '资'),
            ('吃', '词'),
            ('是', '四'),
            ('你', '里'),
            ('今', '京'),
            ('宽', '筐'),
        ] {
            assert_eq!(syllable(a), syllable(b), "{a} {b}");
        }
        for (a, b) in [('之', '吃'), ('发', '花'), ('退', '对'), ('有', '由')] {
            assert_eq!(
                syllable(a) == syllable(b),
                letters(a) == letters(b),
                "{a} {b}"
            );
        }
    }

    #[test]
    fn other_words_would_else_be_taken_for_a_shop_word() {
        let needless = OTHER_WORDS.split(' ').filter(|word| {
            let sound: Vec<_> = word.chars().map(syllable).collect();
            let alike = WORDS.get(&sound).map_or(&[][..], Vec::as_slice);
            alike.contains(word)
                || !alike
                    .iter()
                    .any(|other| other.contains(|c| word.contains(c)))
        });
        assert_eq!(needless.collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn words_are_as_long_as_is_listened_for() {
        for word in HEARD.split(' ') {
            assert!(LENGTHS.contains(&word.chars().count()), "{word}");
        }
    }
}
