//! What people say of would-be rejections → the share of rejections that are wrong. The figures are pure.

use std::ops::Range;

use rusqlite::Connection;

use crate::share;

/// Would-be rejections that were let through, with what a person says of them. Nothing is let through but by chance
/// (`gate.audit_share`) or all of it (shadow), so they stand for all rejections: one that had the chance `p` for
/// 1/`p` of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reviews {
    /// How many were rightly rejected.
    pub right: usize,
    /// How many were customers.
    pub wrong: usize,
    /// The sum of what they stand for, and of its squares.
    weight: f64,
    squares: f64,
    /// The part of `weight` that is wrong.
    wrong_weight: f64,
}

impl Reviews {
    /// Of pairs: the chance that a rejection had to be let through, above 0, and whether it was wrong.
    pub fn of(reviewed: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let mut reviews = Reviews::default();
        for (chance, wrong) in reviewed {
            let weight = 1.0 / chance;
            reviews.right += usize::from(!wrong);
            reviews.wrong += usize::from(wrong);
            reviews.weight += weight;
            reviews.squares += weight * weight;
            reviews.wrong_weight += if wrong { weight } else { 0.0 };
        }
        reviews
    }

    /// The share of rejections that are wrong (Hájek's ratio of weighted sums); none without reviews.
    pub fn share(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.wrong_weight / self.weight)
    }

    /// Where the true share lies with 95 % confidence; none without reviews. The number of reviews that counts is
    /// Kish's effective one, (Σw)²/Σw²: with equal chances exactly how many there are, else fewer.
    pub fn interval(&self) -> Option<(f64, f64)> {
        let effective = self.weight * self.weight / self.squares;
        share::interval(self.share()? * effective, effective)
    }
}

/// The reviews of requests that came in `period`, in microseconds of Unix time.
///
/// # Errors
/// The database's own.
pub fn reviews(database: &Connection, period: Range<i64>) -> rusqlite::Result<Reviews> {
    // Few requests are reviewed: each is looked for, not the other way round. A client may give an id twice.
    let mut read = database.prepare_cached(
        "SELECT CASE waived WHEN 'audit' THEN audit_share ELSE 1.0 END AS chance, wrong
         FROM review CROSS JOIN request INDEXED BY request_waived USING (request_id)
         WHERE waived IS NOT NULL AND would_be = 'reject' AND chance > 0
           AND request.at >= ?1 AND request.at < ?2
         GROUP BY request_id",
    )?;
    let period = [period.start, period.end];
    let rows = read.query_map(period, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Reviews::of(rows.collect::<rusqlite::Result<Vec<_>>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::Share;

    #[test]
    fn equal_chances_give_the_plain_share() {
        for (count, of, chance) in [(0, 7, 1.0), (3, 40, 0.05), (7, 7, 0.3), (1, 1, 1.0)] {
            let reviews = Reviews::of((0..of).map(|index| (chance, index < count)));
            assert_eq!((reviews.wrong, reviews.right), (count, of - count));
            let plain = Share { count, of };
            assert!((reviews.share().unwrap() - plain.value().unwrap()).abs() < 1e-12);
            let ends = (reviews.interval().unwrap(), plain.interval().unwrap());
            assert!((ends.0.0 - ends.1.0).abs() < 1e-6, "{ends:?}");
            assert!((ends.0.1 - ends.1.1).abs() < 1e-6, "{ends:?}");
        }
    }

    #[test]
    fn a_review_counts_for_those_that_were_not_let_through() {
        // Ten of a tenth stand for a hundred, ten of a shadow for themselves.
        let audit = (0..10).map(|index| (0.1, index < 2));
        let shadow = (0..10).map(|index| (1.0, index < 10));
        let reviews = Reviews::of(audit.chain(shadow));
        assert_eq!((reviews.right, reviews.wrong), (8, 12));
        assert!((reviews.share().unwrap() - 30.0 / 110.0).abs() < 1e-12);
        // As much is known as by 110²/1010 = 11.98 of one weight.
        let (low, high) = reviews.interval().unwrap();
        let twelve = Share { count: 3, of: 12 }.interval().unwrap();
        assert!((low - twelve.0).abs() < 0.03, "{low} {twelve:?}");
        assert!((high - twelve.1).abs() < 0.03, "{high} {twelve:?}");
    }

    // Where chances differ, the interval still holds the truth as often as it says.
    #[test]
    fn the_interval_holds_the_true_share() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut held, trials) = (0, 2000);
        for _ in 0..trials {
            let chances = (0..120).map(|index| if index < 60 { 0.05 } else { 0.2 });
            let draws: Vec<_> = chances
                .map(|chance| (chance, random.f64() < 0.08))
                .collect();
            let (low, high) = Reviews::of(draws).interval().unwrap();
            held += usize::from(low <= 0.08 && 0.08 <= high);
        }
        assert!(held * 100 >= trials * 95, "{held} of {trials}");
    }

    #[test]
    fn without_reviews_there_is_no_share() {
        let none = Reviews::of([]);
        assert_eq!((none.share(), none.interval()), (None, None));
    }
}
