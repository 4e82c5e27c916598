//! What is held of a text that was seen: keyed hashes of its pieces, from both sides.

use std::hash::{BuildHasher, RandomState};

use super::cuts::{is_framed, masked, weight};
use super::has_words;
use super::learned::Place;

/// Who sent a text, as far as is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sender<'a> {
    /// The front end's name for its user.
    pub user: Option<&'a str>,
    /// The address that it came from, in any form.
    pub address: Option<&'a str>,
    /// What tells the conversation.
    pub talk: &'a str,
}

/// What is held of a text.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) whole: u64,
    pub(super) caller: Option<u64>,
    pub(super) talk: u64,
    pub(super) named: bool,
    before: Vec<Mark>,
    behind: Vec<Mark>,
}

/// A piece, and what lies behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) piece: u64,
    pub(super) weight: usize,
    pub(super) framed: bool,
    pub(super) rest: u64,
    pub(super) is_last: bool,
}

impl Seen {
    /// What is held of a text.
    pub(super) fn of(text: &str, sender: Sender<'_>, hasher: &RandomState) -> Self {
        let hash = |text: &str| hasher.hash_one(text);
        let before = marks(text, Place::Before, hasher);
        let whole = before.first().map(|first| (first.piece, first.rest));
        Seen {
            whole: hasher.hash_one(whole),
            caller: sender.user.or(sender.address).map(hash),
            talk: hash(sender.talk),
            named: sender.user.is_some(),
            before,
            behind: marks(text, Place::Behind, hasher),
        }
    }

    /// Its pieces from one side, the outermost first.
    pub(super) fn marks(&self, place: Place) -> &[Mark] {
        match place {
            Place::Before => &self.before,
            Place::Behind => &self.behind,
        }
    }

    /// Whether it has a piece at a place.
    pub(super) fn has(&self, place: Place, at: usize, piece: u64) -> bool {
        let mark = self.marks(place).get(at);
        mark.is_some_and(|mark| mark.piece == piece)
    }
}

fn marks(text: &str, place: Place, hash: &RandomState) -> Vec<Mark> {
    let side = place.side();
    let pieces = side.pieces(text);
    let Some(innermost) = pieces.last() else {
        return Vec::new();
    };
    let beyond = side.rest(text, *innermost);
    let mut rest = hash.hash_one(beyond);
    let mut is_last = !has_words(beyond);
    let mut marks = Vec::with_capacity(pieces.len());
    for piece in pieces.iter().rev() {
        let masked = masked(&text[piece.start..piece.end]);
        let mark = Mark {
            piece: hash.hash_one(&masked),
            weight: weight(&masked),
            framed: is_framed(&masked),
            rest,
            is_last,
        };
        marks.push(mark);
        rest = hash.hash_one((mark.piece, rest));
        is_last &= !has_words(&masked);
    }
    marks.reverse();
    marks
}
