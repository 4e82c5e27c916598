//! Spellings of the same words: what the model is shown in place of what was typed.
//!
//! [`normalise`] takes away what says nothing: width, traditional characters, case, repeated marks and
//! letters, spaces between Chinese characters, emoji. Examples and questions go through it alike, so that
//! only the words decide.
//!
//! [`second_reading`] is for a question about to be rejected: what its writer may have meant, where the input
//! method put other characters of the same sound, or none. [`Vocabulary::mended`] is the same for slips of spelling in
//! English.

use std::borrow::Cow;

mod characters;
mod excerpt;
mod faces;
mod layout;
mod pattern;
mod reading;
mod shop_words;
mod sound;
mod spelling;

pub use excerpt::excerpt;
pub use pattern::{Pattern, compiled, matches};
pub use reading::second_reading;
pub use spelling::Vocabulary;

/// One pass settles nearly every text; taking something out may bring together what a second pass sees.
const MOST_PASSES: usize = 4;

/// The text in the one spelling that the model is shown: NFKC, simplified, lower case, runs shortened, emoji
/// and spaces between Chinese characters gone. A text without letters and digits stays as it is, so nothing
/// becomes empty. A normalised text is its own normal form, but for faces drawn inside faces some twenty deep, since
/// time grows with the length, not faster.
///
/// Marks between clauses stay, as `,` `.` `!` `?`; a text may still be cut at them.
pub fn normalise(text: &str) -> Cow<'_, str> {
    let mut normal = pass(text);
    for _ in 1..MOST_PASSES {
        let next = pass(&normal);
        if next == normal {
            break;
        }
        normal = next;
    }
    let says_nothing = !normal.chars().any(char::is_alphanumeric);
    if says_nothing || normal == text {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(normal)
    }
}

/// Whether a text holds nothing but marks, emoji and faces, however they are written.
pub fn says_nothing(text: &str) -> bool {
    !pass(text).chars().any(char::is_alphanumeric)
}

fn pass(text: &str) -> String {
    let text = characters::plain(text);
    let text = faces::without(&text);
    let text = layout::without_runs(&text);
    layout::tidy(&text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_spelling_is_left() {
        for (text, expected) in [
            (
                "ＡＰＰ里找不到開發票的入口！！！",
                "app里找不到开发票的入口",
            ),
            ("退\n款 怎 么 办😭😭", "退款怎么办"),
            ("WHERE is my package???", "where is my package"),
            ("蛋糕能写字吗🎂，明天生日用🎉", "蛋糕能写字吗,明天生日用"),
            ("快递小哥电话打不通(╯°□°）╯︵ ┻━┻", "快递小哥电话打不通"),
            ("need a refund 💔😤 now", "need a refund now"),
            ("【怎么查我积分】", "怎么查我积分"),
            ("Nike™ 鞋 ¥199.00", "nike鞋¥199.00"),
            ("订单 20240918 0001 到哪了", "订单20240918 0001到哪了"),
        ] {
            assert_eq!(normalise(text), expected);
        }
    }

    #[test]
    fn what_says_nothing_in_letters_stays_as_it_is() {
        for text in [
            "",
            " ",
            "😭😭😭",
            "？？？",
            "T_T",
            "[流泪]",
            "\u{200b}",
            "(╯°□°）╯",
        ] {
            assert_eq!(normalise(text), text);
        }
    }

    #[test]
    fn every_character_settles() {
        for c in '\0'..='\u{1ffff}' {
            let text = format!("退{c}款a{c}b({c})1{c}{c}");
            let normal = normalise(&text);
            assert_eq!(normalise(&normal), normal, "{:x}", u32::from(c));
        }
    }

    #[test]
    fn the_time_grows_with_the_length() {
        let hostile = [
            "a",
            "(",
            "[",
            "退.",
            "退 款 ",
            "a b ",
            "e\u{301}",
            "😭",
            "tuikuan",
            "th ",
            "ab退款cd",
            ":-",
        ];
        for part in hostile {
            let text = part.repeat(100_000 / part.len());
            let start = Instant::now();
            let normal = normalise(&text);
            second_reading(&text);
            Vocabulary::of([&*text].into_iter()).mended(&text, &text);
            assert!(!normal.is_empty());
            // Milliseconds in a release; a test build on a busy machine is far slower, a square far slower yet.
            assert!(start.elapsed() < Duration::from_secs(10), "{part}");
        }
    }

    /// The pairs of a kind: the kind, a question, and the same question as others type it.
    fn variants() -> Vec<[String; 3]> {
        let file = std::fs::read_to_string("tests/pairs/variants.tsv").unwrap();
        let rows = file
            .lines()
            .map(|line| line.split('\t').map(|field| field.replace("\\n", "\n")));
        rows.map(|row| row.collect::<Vec<_>>().try_into().unwrap())
            .collect()
    }

    #[test]
    #[expect(clippy::print_stdout, reason = "the shares, with --nocapture")]
    fn variants_become_the_same_text() {
        let mut shares: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for [kind, question, variant] in variants() {
            let (same, all) = shares.entry(kind).or_default();
            *same += usize::from(normalise(&question) == normalise(&variant));
            *all += 1;
        }
        println!("{shares:#?}");
        for (kind, least) in [
            ("width", 100),
            ("traditional", 100),
            ("emoji", 100),
            ("case", 100),
            ("spacing", 95),
            ("brand", 75),
            ("repeats", 70),
            ("punctuation", 65),
        ] {
            let (same, all) = shares[kind];
            assert!(same * 100 >= least * all, "{kind}: {same} of {all}");
        }
    }

    #[test]
    fn a_reversed_meaning_stays_reversed() {
        let file = std::fs::read_to_string("tests/pairs/reversed.tsv").unwrap();
        for (text, reversed) in file.lines().filter_map(|line| line.split_once('\t')) {
            assert_ne!(normalise(text), normalise(reversed));
        }
    }

    proptest! {
        #[test]
        fn a_normal_text_is_normal(text in r"[\PC\n]{0,40}") {
            let normal = normalise(&text);
            prop_assert_eq!(normalise(&normal), normal.clone());
        }

        #[test]
        fn so_is_one_of_what_the_steps_look_for(text in "[退款货不能谢啊乾隆著a-cotTq_0-2 .,!?？！。·~()（）\\[\\]#e^>=流泪😭•́ﾉo\u{200d}\u{301}-]{0,48}") {
            let normal = normalise(&text);
            prop_assert_eq!(normalise(&normal), normal.clone());
            prop_assert_eq!(normal.is_empty(), text.is_empty());
            if let Some(meant) = second_reading(&text) {
                prop_assert_eq!(normalise(&meant), meant.as_str());
            }
        }
    }
}
