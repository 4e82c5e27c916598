//! What a period comes to in four figures: the share of cost and of time that was saved, and beside them the
//! customers that it cost.

use super::cell::Cell;
use super::rejections::Rejections;
use super::savings::Savings;
use super::tally::Tally;

/// The figures that a report begins with.
#[derive(Clone, Debug)]
pub struct Headline {
    /// What was saved of the cost, by currency.
    pub costs: Vec<Cost>,
    /// How much sooner customers have their replies; none where nothing was forwarded, or nothing saved.
    pub replies: Option<Replies>,
    /// Customers who were turned away; none where nobody was rejected.
    pub customers: Option<Customers>,
    /// The share of rejections after which the same customer asked again; none where nobody was rejected.
    pub asked_again: Option<f64>,
}

/// What was saved and spent in one currency.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// The currency.
    pub currency: String,
    /// What saved calls would have cost.
    pub saved: f64,
    /// How far that is unknown, where it is known how far.
    pub doubt: Option<f64>,
    /// What forwarded ones cost.
    pub spent: f64,
}

/// Mean times to a whole reply, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replies {
    /// As it was: what was replied here, and what was forwarded.
    pub with: f64,
    /// As it would have been, had what was replied here taken as long as forwarded ones did on average.
    pub without: f64,
}

/// Customers who were turned away though their questions were the shop's business.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Customers {
    /// How that is known.
    pub known_by: KnownBy,
    /// How many.
    pub number: Range,
    /// The share of all questions that were the shop's business.
    pub share: Range,
}

/// How it is known how many customers were turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// By what people say of a random sample of rejections.
    Reviews,
    /// By `gate.false_reject_target` alone, since nobody has reviewed any.
    Promise,
}

/// An estimate, where there is one, and its ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The likeliest.
    pub estimate: Option<f64>,
    /// The lower end.
    pub low: f64,
    /// The upper one.
    pub high: f64,
}

impl Headline {
    /// Of the sums of a period; `target` is the share of real questions that may be rejected.
    pub(super) fn of(
        tally: &Tally,
        savings: &Savings,
        rejections: &Rejections,
        target: f64,
    ) -> Headline {
        let total = tally.total();
        let again = rejections.again.count.min(total.turned_away());
        Headline {
            costs: costs(&total, savings),
            replies: replies(tally, savings.saved.calls),
            customers: by_reviews(&total, rejections).or_else(|| by_promise(&total, target)),
            asked_again: (total.turned_away() > 0)
                .then(|| again as f64 / total.turned_away() as f64),
        }
    }
}

impl Cost {
    /// What was saved of what it would have cost.
    pub fn share(&self) -> f64 {
        self.share_of(self.saved)
    }

    /// The ends of that, where it is known how far it is unknown.
    pub fn interval(&self) -> Option<[f64; 2]> {
        let doubt = self.doubt?;
        Some([-doubt, doubt].map(|by| self.share_of((self.saved + by).max(0.0))))
    }

    fn share_of(&self, saved: f64) -> f64 {
        saved / (saved + self.spent)
    }
}

impl Replies {
    /// How many times as fast the mean reply is.
    pub fn times(&self) -> f64 {
        self.without / self.with
    }
}

impl KnownBy {
    /// As documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            KnownBy::Reviews => "reviews",
            KnownBy::Promise => "promise",
        }
    }
}

/// The currencies in which anything was saved or spent.
fn costs(total: &Cell, savings: &Savings) -> Vec<Cost> {
    let (saved, spent) = (&total.saved.cost, &total.billed.cost);
    let mut currencies: Vec<_> = saved.keys().chain(spent.keys()).collect();
    currencies.sort();
    currencies.dedup();
    let of = |currency: &String| {
        let amount = saved.get(currency).copied().unwrap_or_default();
        Cost {
            currency: currency.clone(),
            saved: amount,
            doubt: savings.doubt_of(amount),
            spent: spent.get(currency).copied().unwrap_or_default(),
        }
    };
    let costs = currencies.into_iter().map(of);
    costs.filter(|cost| cost.saved + cost.spent > 0.0).collect()
}

/// A repeat is no reply of its own: without the gateway its first call would have had one.
fn replies(tally: &Tally, calls: u64) -> Option<Replies> {
    let forwarded = tally.total_of("forward");
    let (without, here) = (forwarded.mean()?, tally.total_here().mean()?);
    let (many, calls) = (forwarded.count as f64, calls as f64);
    let with = (many * without + calls * here) / (many + calls);
    (calls > 0.0 && with > 0.0).then_some(Replies { with, without })
}

fn by_reviews(total: &Cell, rejections: &Rejections) -> Option<Customers> {
    let [estimate, low, high] = rejections.wrong(total)?;
    let share = |number: f64| match number + total.passed() as f64 {
        business if business > 0.0 => number / business,
        _ => 0.0,
    };
    let range = |of: &dyn Fn(f64) -> f64| Range {
        estimate: Some(of(estimate)),
        low: of(low),
        high: of(high),
    };
    Some(Customers {
        known_by: KnownBy::Reviews,
        number: range(&|number| number),
        share: range(&share),
    })
}

/// Of what passed, so many more were rejected that they are the target's share of both together.
fn by_promise(total: &Cell, target: f64) -> Option<Customers> {
    let rejections = Rejections::all(total) as f64;
    let promised = total.passed() as f64 * target / (1.0 - target).max(f64::EPSILON);
    let up_to = |high: f64| Range {
        estimate: None,
        low: 0.0,
        high,
    };
    (rejections > 0.0).then(|| Customers {
        known_by: KnownBy::Promise,
        number: up_to(promised.min(rejections)),
        share: up_to(target),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_what_it_would_have_cost() {
        for (saved, doubt, spent, share, interval) in [
            (
                73.0,
                Some(3.0),
                27.0,
                0.73,
                Some([70.0 / 97.0, 76.0 / 103.0]),
            ),
            (0.0, None, 5.0, 0.0, None),
            (1.0, Some(2.0), 1.0, 0.5, Some([0.0, 0.75])),
            (5.0, None, 0.0, 1.0, None),
        ] {
            let cost = Cost {
                currency: "CNY".to_owned(),
                saved,
                doubt,
                spent,
            };
            assert!((cost.share() - share).abs() < 1e-12, "{cost:?}");
            assert_eq!(cost.interval(), interval, "{cost:?}");
        }
    }

    #[test]
    fn without_reviews_the_promise_says_how_many_at_most() {
        let total = |rejected, forwarded| Cell {
            rejected,
            forwarded,
            repeated_rejections: 2,
            ..Cell::default()
        };
        for (rejected, forwarded, target, most) in [
            (1_002, 980, 0.02, Some(20.0)),
            // No more than were rejected.
            (7, 98_000, 0.02, Some(5.0)),
            (2, 98_000, 0.02, None),
            (1_002, 980, 1.0, Some(1_000.0)),
        ] {
            let found = by_promise(&total(rejected, forwarded), target);
            let high = found.map(|customers| customers.number.high.round());
            assert_eq!(high, most, "{rejected} {forwarded} {target}");
        }
    }
}
