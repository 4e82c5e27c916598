//! A text → what is judged of it. Reading costs more than a verdict that is known, so that of a text that is
//! asked again it is kept, too; it depends on nothing but the text.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use moka::sync::Cache;

use crate::bare::is_bare;
use crate::clause::clauses;
use crate::language::is_han;
use crate::text::{Vocabulary, excerpt, normalise, says_nothing, second_reading};

/// What is read of a text, in bytes, to be cut into clauses; what the model is shown of it as a whole, some 300
/// tokens; and what of each clause.
const LONGEST: usize = 16 << 10;
const LONGEST_WHOLE: usize = 1_024;
const LONGEST_CLAUSE: usize = 256;

/// Fewer words in Latin letters may be a brand and a number.
const FEWEST_WORDS: usize = 4;

/// What the kept readings may take, in bytes: about ten thousand of them.
const READINGS: u64 = 4 << 20;

/// A text as the judge is shown it.
#[derive(Debug)]
pub(super) struct Reading {
    /// In its normal form.
    pub(super) normal: String,
    /// Whether that is nothing but marks, emoji and faces.
    pub(super) says_nothing: bool,
    /// Whether that is of parts of it.
    pub(super) cut: bool,
    /// The bytes of the text that are read, as a whole or as clauses.
    pub(super) seen: usize,
    /// Whether it has clauses, those included that say nothing by themselves.
    pub(super) parted: bool,
    /// The normal forms of its clauses that say something by themselves.
    pub(super) clauses: Vec<String>,
    second: OnceLock<Option<String>>,
    latin: OnceLock<Option<String>>,
}

impl Reading {
    fn of(text: &str) -> Self {
        let parts = clauses(text);
        let spoken = parts.iter().filter(|part| !is_bare(part));
        let normal_form = normal(text, LONGEST_WHOLE);
        let normal_form = said_once(&normal_form).to_owned();
        let of_clauses = parts
            .iter()
            .map(|part| part.len().min(LONGEST_CLAUSE))
            .sum();
        Reading {
            says_nothing: says_nothing(&normal_form),
            normal: normal_form,
            cut: text.len() > LONGEST_WHOLE,
            seen: text.len().min(LONGEST_WHOLE).max(of_clauses),
            parted: !parts.is_empty(),
            clauses: spoken.map(|part| normal(part, LONGEST_CLAUSE)).collect(),
            second: OnceLock::new(),
            latin: OnceLock::new(),
        }
    }

    /// What may have been meant by it, `typed` as it was: by its sound, looked for when it is first asked, else by its
    /// spelling, which depends on a shop's words.
    pub(super) fn second(&self, typed: &str, words: &Vocabulary) -> Option<Cow<'_, str>> {
        let sound = self.second.get_or_init(|| second_reading(&self.normal));
        let sound = sound.as_deref().map(Cow::Borrowed);
        sound.or_else(|| {
            let mended = words.mended(&self.normal, &excerpt(typed, LONGEST_WHOLE))?;
            Some(normalise(&mended).into_owned().into())
        })
    }

    /// Its words in Latin letters, where there are enough to say something: what stands among characters that the
    /// model does not know is read without them.
    pub(super) fn latin(&self) -> Option<&str> {
        let latin = self.latin.get_or_init(|| {
            let words = self.normal.split(|c: char| !c.is_ascii_alphabetic());
            let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
            (words.len() >= FEWEST_WORDS).then(|| words.join(" "))
        });
        latin.as_deref()
    }

    /// The bytes that it takes beside its text, a second reading as long as the first included.
    fn size(&self) -> usize {
        let clauses = self.clauses.iter().map(|c| c.len() + size_of::<String>());
        size_of::<Self>() + 2 * self.normal.len() + clauses.sum::<usize>()
    }
}

/// The readings of texts that have been asked before; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Readings(Cache<Box<str>, Arc<Reading>>);

impl Readings {
    pub(super) fn new() -> Self {
        let readings = Cache::<Box<str>, Arc<Reading>>::builder()
            .max_capacity(READINGS)
            .weigher(|text, reading| u32::try_from(text.len() + reading.size()).unwrap_or(u32::MAX))
            .build();
        Readings(readings)
    }

    pub(super) fn of(&self, text: &str) -> Arc<Reading> {
        let text = &*excerpt(text, LONGEST);
        self.0.get(text).unwrap_or_else(|| {
            let reading = Arc::new(Reading::of(text));
            self.0.insert(text.into(), reading.clone());
            reading
        })
    }
}

/// A text without saying the same again: 你好 你好, hello hello, 在吗在吗.
fn said_once(text: &str) -> &str {
    let parts = text.split(|c: char| !c.is_alphanumeric());
    let mut parts = parts.filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or(text);
    let said = match parts.next() {
        Some(second) if second == first && parts.all(|part| part == first) => first,
        _ => text,
    };
    // Without a space between them, where no word of one syllable is said twice: 谢谢.
    let (one, other) = said.split_at(said.floor_char_boundary(said.len() / 2));
    let is_twice = one == other && one.chars().count() > 1 && one.chars().all(is_han);
    if is_twice { one } else { said }
}

/// The normal form of what is judged of a text. There are characters whose normal form is eighteen.
fn normal(text: &str, most: usize) -> String {
    let normal = normalise(&excerpt(text, most)).into_owned();
    match excerpt(&normal, most) {
        Cow::Borrowed(_) => normal,
        Cow::Owned(kept) => normalise(&kept).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_again_is_said_once() {
        for (text, expected) in [
            ("你好 你好", "你好"),
            ("你好，你好！", "你好"),
            ("hello hello hello", "hello"),
            ("在吗在吗", "在吗"),
            ("谢谢", "谢谢"),
            ("couscous", "couscous"),
            ("1212", "1212"),
            ("12 12", "12"),
            ("你好 在吗", "你好 在吗"),
            ("bye bye now", "bye bye now"),
            ("？？", "？？"),
            ("", ""),
        ] {
            assert_eq!(said_once(text), expected, "{text}");
        }
    }

    #[test]
    fn a_kept_reading_is_that_of_the_text() {
        let readings = Readings::new();
        let words = Vocabulary::of(std::iter::empty());
        for text in [
            "退\n款 怎 么 办😭",
            "KF在吗",
            "退款怎么办？顺便写一首关于春天的诗",
            "好的。谢谢",
            "",
        ] {
            for _ in 0..2 {
                let reading = readings.of(text);
                assert_eq!(reading.normal, normalise(text));
                assert_eq!(
                    reading.second(text, &words).as_deref(),
                    second_reading(&normalise(text)).as_deref()
                );
                assert_eq!(reading.parted, !clauses(text).is_empty());
            }
        }
    }
}
