//! What an operator may do better: findings about intents that are right as files. Pure.
//!
//! Every example has been judged by what was fitted without it, so that it says what becomes of the
//! customers who ask alike.

mod columns;
mod misjudged;

use std::cmp::Reverse;
use std::ops::Range;

use crate::intent::{Action, Example, Intent};
use crate::judge::{Judge, Reviewed};
use crate::language::Language;
use crate::snapshot::Review;
use crate::verdict::Topic;
use columns::Columns;
use misjudged::Search;

/// Examples say the same where their cosine is at least this: below 0.88 pairs begin to ask for different
/// things, such as "what is it made of" and "where is it made".
const SAME: f32 = 0.92;
/// With fewer examples nothing can be promised of an intent.
pub const TOO_FEW: usize = 5;
/// With fewer, little.
pub const FEW: usize = 10;
/// A shop speaks a language in which it has this share of its examples.
const SPOKEN: f64 = 0.2;

/// All findings, by kind; the most important first in each.
#[derive(Debug, Default)]
pub struct Findings<'a> {
    /// Examples of business that would be rejected.
    pub turned_away: Vec<Misjudged<'a>>,
    /// Examples of reject intents that would not be.
    pub let_through: Vec<Misjudged<'a>>,
    /// Other examples that are nearer to another intent.
    pub astray: Vec<Misjudged<'a>>,
    /// Intents that are taken for another.
    pub collisions: Vec<Collision<'a>>,
    /// Examples that say the same.
    pub same: Vec<[Cited<'a>; 2]>,
    /// Intents with fewer examples than [`TOO_FEW`].
    pub too_few: Vec<&'a Intent>,
    /// Other intents with fewer examples than [`FEW`].
    pub few: Vec<&'a Intent>,
    /// Intents without an example in a language that the shop speaks.
    pub silent: Vec<(&'a Intent, Language)>,
    /// Off-topic references that pass since the shop's own examples claim them, each with the example that is most
    /// like it.
    pub claimed: Vec<(&'a str, Cited<'a>)>,
}

/// An example, and the intent it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Cited<'a> {
    /// Its intent.
    pub intent: &'a Intent,
    /// The example.
    pub example: &'a Example,
}

/// An example that is judged as something else.
#[derive(Clone, Debug)]
pub struct Misjudged<'a> {
    /// The example.
    pub cited: Cited<'a>,
    /// What it is nearer to than to its own intent.
    pub nearer: Option<Nearer<'a>>,
}

/// What an example is nearer to than to its own intent.
#[derive(Clone, Debug)]
pub enum Nearer<'a> {
    /// Another intent, by the example there that is most like it.
    Intent(Cited<'a>),
    /// What no shop is asked.
    OffTopic,
}

/// An intent whose examples are likeliest in another.
#[derive(Clone, Debug)]
pub struct Collision<'a> {
    /// The intent.
    pub intent: &'a Intent,
    /// The other.
    pub taken_for: &'a Intent,
    /// How many of its examples.
    pub count: usize,
}

impl Collision<'_> {
    fn share(&self) -> f64 {
        self.count as f64 / self.intent.examples.len().max(1) as f64
    }
}

impl<'a> Findings<'a> {
    /// What is to be found in `intents`, as `judge` was fitted to them.
    pub fn of(intents: &'a [Intent], judge: &Judge, review: &'a Review) -> Self {
        let columns = Columns::new(intents, &review.vectors, judge);
        let search = Search {
            intents,
            own: review
                .examples
                .iter()
                .filter(|r| r.group < intents.len())
                .collect(),
            reject: judge.rejects().then_some(judge.thresholds.reject),
        };
        let told = |rows: Vec<&Reviewed>| {
            let rows = rows.into_iter();
            rows.map(|row| Misjudged {
                cited: cited(intents, (row.group, row.index)),
                nearer: nearer(intents, judge, &columns, row),
            })
            .collect()
        };
        let collisions = search.collisions();
        Findings {
            turned_away: told(search.turned_away()),
            let_through: told(search.let_through()),
            astray: told(search.astray(&collisions)),
            collisions,
            same: same(intents, columns.pairs(SAME)),
            too_few: with_examples(intents, 0..TOO_FEW),
            few: with_examples(intents, TOO_FEW..FEW),
            silent: silent(intents),
            claimed: claimed(intents, judge, &columns, review),
        }
    }
}

fn cited(intents: &[Intent], (intent, example): (usize, usize)) -> Cited<'_> {
    let intent = &intents[intent];
    let example = &intent.examples[example];
    Cited { intent, example }
}

fn nearer<'a>(
    intents: &'a [Intent],
    judge: &Judge,
    columns: &Columns,
    row: &Reviewed,
) -> Option<Nearer<'a>> {
    match judge.topic(row.likeliest)? {
        _ if row.likeliest == row.group => None,
        Topic::OffTopic => Some(Nearer::OffTopic),
        Topic::Intent(_) => {
            let nearest = columns.nearest_in(row.likeliest, (row.group, row.index))?;
            Some(Nearer::Intent(cited(intents, nearest)))
        }
    }
}

/// What the general evidence would reject, and the shop's business does not.
fn claimed<'a>(
    intents: &'a [Intent],
    judge: &Judge,
    columns: &Columns,
    review: &'a Review,
) -> Vec<(&'a str, Cited<'a>)> {
    let threshold = judge.thresholds.reject;
    let rows = review
        .examples
        .iter()
        .filter(|row| row.group == intents.len());
    let claimed = rows.filter(|row| row.log_odds >= threshold && row.general < threshold);
    claimed
        .filter_map(|row| {
            let (text, vectors) = review.references.get(row.index)?;
            let business = |intent: usize| intents[intent].action != Action::Reject;
            let nearest = columns.nearest(&judge.centred(vectors), business)?;
            Some((text.as_str(), cited(intents, nearest)))
        })
        .collect()
}

/// Pairs of intents for which different things are done first, then those of different intents.
fn same(intents: &[Intent], pairs: Vec<[(usize, usize); 2]>) -> Vec<[Cited<'_>; 2]> {
    let mut same: Vec<_> = pairs
        .into_iter()
        .map(|pair| pair.map(|at| cited(intents, at)))
        .collect();
    same.sort_by_key(|[a, b]| {
        let actions = a.intent.action != b.intent.action;
        Reverse((actions, a.intent.name != b.intent.name))
    });
    same
}

/// The fewest first.
fn with_examples(intents: &[Intent], counts: Range<usize>) -> Vec<&Intent> {
    let intents = intents.iter();
    let mut found: Vec<_> = intents
        .filter(|intent| counts.contains(&intent.examples.len()))
        .collect();
    found.sort_by_key(|intent| intent.examples.len());
    found
}

/// The languages that the shop speaks.
pub fn spoken(intents: &[Intent]) -> Vec<Language> {
    let examples = intents.iter().flat_map(|intent| &intent.examples);
    let all: Vec<_> = examples
        .map(|example| Language::of_text(&example.text))
        .collect();
    let spoken = |language: &Language| {
        let of_language = all.iter().filter(|of| *of == language).count();
        of_language as f64 >= SPOKEN * all.len() as f64
    };
    let both = [Language::Zh, Language::En].into_iter();
    both.filter(spoken).collect()
}

/// By name.
fn silent(intents: &[Intent]) -> Vec<(&Intent, Language)> {
    let languages = |intent: &Intent| -> Vec<_> {
        let examples = intent.examples.iter();
        examples
            .map(|example| Language::of_text(&example.text))
            .collect()
    };
    if spoken(intents).len() < 2 {
        return Vec::new();
    }
    let lacks = |intent: &'_ Intent, language| !languages(intent).contains(&language);
    let many = intents.iter().filter(|intent| intent.examples.len() >= FEW);
    many.flat_map(|intent| [(intent, Language::Zh), (intent, Language::En)])
        .filter(|(intent, language)| lacks(intent, *language))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::IntentName;
    use crate::language::Phrase;
    use crate::text;

    fn intent(name: &str, action: Action, texts: &[&str]) -> Intent {
        let examples = texts.iter().enumerate().map(|(index, text)| Example {
            text: (*text).to_owned(),
            read: text::normalise(text).into_owned(),
            line: index + 1,
        });
        Intent {
            name: IntentName::new(name).unwrap(),
            title: Phrase::same(name),
            action,
            reply: None,
            first_turn_only: false,
            examples: examples.collect(),
        }
    }

    /// Two intents that are forwarded, one answered, one rejected, with so many examples; the next group is the
    /// references'.
    pub(super) fn shop(examples: usize) -> Vec<Intent> {
        let texts = vec!["text"; examples];
        [
            ("refund", Action::Forward),
            ("delivery", Action::Forward),
            ("greeting", Action::Answer),
            ("poem", Action::Reject),
        ]
        .map(|(name, action)| intent(name, action, &texts))
        .into()
    }

    #[test]
    fn pairs_that_matter_most_come_first() {
        let intents = shop(2);
        let pairs = vec![
            [(0, 0), (0, 1)],
            [(0, 0), (1, 0)],
            [(1, 0), (1, 1)],
            [(1, 1), (3, 0)],
        ];
        let found = same(&intents, pairs);
        let found: Vec<_> = found
            .iter()
            .map(|pair| pair.map(|cited| (cited.intent.name.as_str(), cited.example.line)))
            .collect();
        let expected = [
            [("delivery", 2), ("poem", 1)],
            [("refund", 1), ("delivery", 1)],
            [("refund", 1), ("refund", 2)],
            [("delivery", 1), ("delivery", 2)],
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn intents_of_few_examples_are_told_the_fewest_first() {
        let intents =
            [4, 12, 1, 5, 10, 9].map(|count| intent("some", Action::Forward, &vec!["text"; count]));
        let counts = |range| -> Vec<_> {
            let found = with_examples(&intents, range).into_iter();
            found.map(|intent| intent.examples.len()).collect()
        };
        assert_eq!(counts(0..TOO_FEW), [1, 4]);
        assert_eq!(counts(TOO_FEW..FEW), [5, 9]);
    }

    #[test]
    fn a_language_is_missed_only_where_the_shop_speaks_it() {
        let of = |chinese: usize, english: usize| {
            intent(
                "some",
                Action::Forward,
                &[vec!["退款"; chinese], vec!["refund"; english]].concat(),
            )
        };
        for (counts, expected) in [
            ([(10, 10), (10, 0)], vec![Language::En]),
            ([(10, 10), (0, 10)], vec![Language::Zh]),
            ([(10, 10), (11, 1)], vec![]),
            // Too few to say so.
            ([(10, 10), (9, 0)], vec![]),
            // Eight of forty are a fifth, seven are not.
            ([(22, 8), (10, 0)], vec![Language::En]),
            ([(23, 7), (10, 0)], vec![]),
            ([(10, 0), (10, 0)], vec![]),
        ] {
            let intents = counts.map(|(chinese, english)| of(chinese, english));
            let found: Vec<_> = silent(&intents)
                .into_iter()
                .map(|(_, language)| language)
                .collect();
            assert_eq!(found, expected, "{counts:?}");
        }
    }
}
