//! The other side of the ledger: rejections that may have been wrong.

use std::ops::Range;

use rusqlite::Connection;

use super::cell::Cell;
use crate::journal::read::{self, Follows, Told};
use crate::journal::{Reviews, reviews};

/// Pairs that are listed.
const PAIRS: u32 = 20;

/// What is known of rejections that may have been wrong.
#[derive(Clone, Debug)]
pub struct Rejections {
    /// What people say of those that were let through by chance, or in shadow mode.
    pub reviews: Reviews,
    /// How many of those nobody has reviewed.
    pub awaiting: u64,
    /// Rejections after which the same was asked again, and the newest of them.
    pub again: Followed,
    /// Rejections after which the customer asked for a person, and the newest of them.
    pub handed_over: Followed,
}

/// Rejections that something followed.
#[derive(Clone, Debug)]
pub struct Followed {
    /// How many.
    pub count: u64,
    /// The newest: the rejection, where the journal still has it, and what followed.
    pub pairs: Vec<(Option<Told>, Told)>,
}

impl Rejections {
    /// Reads them out of the journal.
    ///
    /// # Errors
    /// The database's own.
    pub fn read(db: &Connection, span: &Range<i64>) -> rusqlite::Result<Self> {
        let followed = |what| -> rusqlite::Result<Followed> {
            Ok(Followed {
                count: read::followed(db, span, what)?,
                pairs: read::pairs(db, span, what, PAIRS)?,
            })
        };
        Ok(Rejections {
            reviews: reviews(db, span.clone())?,
            awaiting: read::awaiting(db, span, 0)?.1,
            again: followed(Follows::Again)?,
            handed_over: followed(Follows::HandedOver)?,
        })
    }

    /// How many of the rejections were wrong by the reviews, and the ends of the 95 % interval; in shadow mode, how
    /// many would have been. None without reviews.
    pub fn wrong(&self, total: &Cell) -> Option<[f64; 3]> {
        let (share, (low, high)) = self.reviews.share().zip(self.reviews.interval())?;
        let rejections = Rejections::all(total);
        Some([share, low, high].map(|share| share * rejections as f64))
    }

    /// How many rejections there were; in shadow mode, how many there would have been.
    pub fn all(total: &Cell) -> u64 {
        match total.turned_away() {
            0 => total.would_reject,
            rejected => rejected,
        }
    }
}
