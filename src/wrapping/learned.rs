//! A wrapping that was learned: the pieces at the beginning or at the end that texts of one front end share.

use serde::{Deserialize, Serialize};

use super::cuts::{Piece, Side, is_framed, is_mark, masked, weight};
use super::{Part, Wrapping, has_words};
use crate::text::{Pattern, compiled, matches};

/// What all shared pieces weigh at least: fourteen Chinese characters or five English words, more than any opening.
pub(super) const LEAST: usize = 28;
/// What they weigh at least where each stands between marks.
pub(super) const LEAST_FRAMED: usize = 12;
/// Bytes of a wrapping that is kept.
const LONGEST: usize = 4 << 10;
/// Pieces of a wrapping that is kept.
const MOST_PIECES: usize = 48;

/// Whose words they are, where nobody else is named: what customers say of themselves, greet and ask with.
static CUSTOMER: Pattern = Pattern::new(|| {
    compiled(
        r"(?i)我(?:[^们司店方]|$)|你好|您好|请问|想问|咨询|在吗|[?？]|\b(?:i|i'm|im|i'd|i've|i'll|my|me|mine|hi|hello|hey|dear)\b",
    )
});
/// Whom a front end speaks of, and no customer does.
static NAMED: Pattern = Pattern::new(|| {
    compiled(r"(?i)顾客|访客|买家|客人|来访者|\b(?:customer|visitor|shopper|buyer|guest)(?:'s)?\b")
});

/// Where a wrapping stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Before the customer's words.
    Before,
    /// Behind them.
    Behind,
}

/// A wrapping that was learned. Digits, days and times in it stand for any, as `0`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learned {
    /// Where it stands.
    place: Place,
    /// Its pieces, the outermost first; none stands for one of any text.
    pieces: Vec<Option<String>>,
}

impl Place {
    pub(super) fn side(self) -> Side {
        match self {
            Place::Before => Side::Beginning,
            Place::Behind => Side::End,
        }
    }
}

impl Learned {
    /// A wrapping of such pieces; none where they may be a customer's own.
    pub(super) fn new(place: Place, pieces: Vec<Option<String>>) -> Option<Self> {
        let learned = Learned { place, pieces };
        let text = learned.text();
        let own = matches(&CUSTOMER, &text) && !matches(&NAMED, &text);
        (learned.is_sound() && !own).then_some(learned)
    }

    /// Whether it is one that could have been learned: a file may say anything.
    pub fn is_sound(&self) -> bool {
        let said = self.pieces.iter().flatten();
        let size: usize = said.clone().map(String::len).sum();
        let says: usize = said.map(|piece| weight(piece)).sum();
        let mut pieces = self.pieces.iter().flatten();
        (says >= LEAST || says >= LEAST_FRAMED && pieces.all(|piece| is_framed(piece)))
            && size <= LONGEST
            && self.pieces.len() <= MOST_PIECES
            && self.pieces.last().is_some_and(Option::is_some)
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Its text as it reads in a message, with `…` for what is different in each.
    pub fn text(&self) -> String {
        let mut pieces: Vec<_> = self
            .pieces
            .iter()
            .map(|p| p.as_deref().unwrap_or("…"))
            .collect();
        if self.place == Place::Behind {
            pieces.reverse();
        }
        pieces.join(" ")
    }

    /// Whether it could be a sentence of a customer's, so that it has to be judged before it is believed: where no
    /// mark, no value that each customer has of its own and no word for a customer shows that a front end has put it
    /// there.
    pub fn could_be_said(&self) -> bool {
        let ends = [self.pieces.first(), self.pieces.last()];
        let mut ends = ends.into_iter().flatten().flatten();
        let marked = ends.any(|piece| piece.starts_with(is_mark) || piece.ends_with(is_mark));
        let open = self.pieces.iter().any(Option::is_none);
        !marked && !open && !matches(&NAMED, &self.text())
    }

    /// What stands in it; none where it does not stand around the text, or where nothing does.
    fn words<'a>(&self, text: &'a str, pieces: &[Piece]) -> Option<&'a str> {
        let innermost = *pieces.get(self.pieces.len().checked_sub(1)?)?;
        let fits = self.pieces.iter().zip(pieces).all(|(own, piece)| {
            let own = own.as_deref();
            own.is_none_or(|own| own == masked(&text[piece.start..piece.end]))
        });
        let words = self.place.side().rest(text, innermost).trim();
        (fits && has_words(words)).then_some(words)
    }
}

/// Takes off the longest of the wrappings that stand around a text.
pub(super) fn unwrap<'a>(text: &'a str, learned: &[Learned]) -> Option<Part<'a>> {
    if learned.is_empty() {
        return None;
    }
    let places = [Place::Before, Place::Behind];
    let words = places.into_iter().find_map(|place| {
        let pieces = place.side().pieces(text);
        let of_place = learned.iter().filter(|learned| learned.place == place);
        let words = of_place.filter_map(|learned| learned.words(text, &pieces));
        words.min_by_key(|words| words.len())
    });
    words.map(|words| Part::new(Wrapping::Learned, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(place: Place, pieces: &[&str]) -> Option<Learned> {
        let pieces = pieces.iter().map(|p| (*p != "*").then(|| (*p).to_owned()));
        Learned::new(place, pieces.collect())
    }

    #[test]
    fn a_learned_wrapping_is_taken_off() {
        let before = learned(
            Place::Before,
            &[
                "Desk of the lamp shop",
                "*",
                "tier 0)",
                "typed into the form:",
            ],
        );
        let behind = learned(Place::Behind, &["[end of form, version 0, lamp shop desk]"]);
        let known = [before.unwrap(), behind.unwrap()];
        for (text, words) in [
            (
                "Desk of the lamp shop (Ann: tier 3) typed into the form: where is it? [x]",
                Some("where is it? [x]"),
            ),
            (
                "where is it? [end of form, version 12, lamp shop desk]",
                Some("where is it?"),
            ),
            ("[end of form, version 12, lamp shop desk]", None),
            (
                "where is it? [end of form, version x, lamp shop desk]",
                None,
            ),
        ] {
            let found = unwrap(text, &known);
            assert_eq!(
                found.map(|part| part.words.into_owned()).as_deref(),
                words,
                "{text}"
            );
        }
    }

    #[test]
    fn a_customers_own_words_are_no_wrapping() {
        for (pieces, is) in [
            (&["顾客在小程序的留言框里写下了这些内容："][..], true),
            (&["你好，我想咨询一下关于你们店铺的商品问题："], false),
            (
                &["Hello, I would like to ask something about my order:"],
                false,
            ),
            (&["The guest typed this into the form on the page:"], true),
            (&["店铺后台转来："], false),
            (&["[support desk of the lamp shop]", "*"], false),
        ] {
            assert_eq!(learned(Place::Before, pieces).is_some(), is, "{pieces:?}");
        }
    }
}
