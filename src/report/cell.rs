//! Sums over requests: how many, what became of them, what they cost or saved.

use std::collections::BTreeMap;

use crate::journal::read::Seen;

/// Decisions this near to their threshold, in nats of log-odds, could easily have fallen the other way.
pub const NEAR: f64 = 1.0;

/// Amounts by currency.
pub type Money = BTreeMap<String, f64>;

/// Sums over requests of one intent in one part of the span, or over many of these.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// All of them.
    pub requests: u64,
    /// Those that went upstream.
    pub forwarded: u64,
    /// Those that were answered here.
    pub answered: u64,
    /// Those that were rejected.
    pub rejected: u64,
    /// Those answered or rejected that repeat another within a minute.
    pub repeats: u64,
    /// Those of them that were rejected.
    pub repeated_rejections: u64,
    /// Those that the gateway turned away.
    pub refused: u64,
    /// Those whose client left before there was a decision.
    pub left: u64,
    /// Those that would have been rejected, but were forwarded.
    pub would_reject: u64,
    /// Those that were judged.
    pub judged: u64,
    /// Those judged within [`NEAR`] of the threshold.
    pub near: u64,
    /// The sum of the log-odds of those that have any.
    pub log_odds: f64,
    /// How many have.
    pub with_log_odds: u64,
    /// Those that ended in an error, of the gateway's or of the upstream's.
    pub errors: u64,
    /// Those whose client left before the end.
    pub cut: u64,
    /// What upstreams billed.
    pub billed: Billed,
    /// What they would have.
    pub saved: Saved,
}

/// What upstreams billed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Billed {
    /// Replies whose tokens are known.
    pub replies: u64,
    /// Tokens of requests.
    pub prompt: u64,
    /// Those of them that came from a cache.
    pub cached: u64,
    /// Tokens of replies.
    pub completion: u64,
    /// What they cost.
    pub cost: Money,
    /// Replies for which there is no price.
    pub unpriced: u64,
}

/// What upstreams would have billed for requests that needed no LLM, as it was reckoned at that time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// Requests.
    pub calls: u64,
    /// Tokens of them.
    pub prompt: u64,
    /// Requests whose tokens were not counted.
    pub uncounted: u64,
    /// Tokens of their replies.
    pub completion: f64,
    /// What they would have cost.
    pub cost: Money,
    /// Requests for which there is no price.
    pub unpriced: u64,
}

impl Cell {
    /// All of them together.
    pub fn sum<'c>(cells: impl Iterator<Item = &'c Cell>) -> Cell {
        let mut sum = Cell::default();
        cells.for_each(|cell| sum.plus(cell));
        sum
    }

    /// The mean of the log-odds; none where there are none.
    pub fn mean_log_odds(&self) -> Option<f64> {
        let any = self.with_log_odds > 0;
        any.then(|| self.log_odds / self.with_log_odds as f64)
    }

    /// Rejections, each of which may be a customer's who is turned away: not what a program sends once more.
    pub fn turned_away(&self) -> u64 {
        self.rejected - self.repeated_rejections
    }

    /// Questions that passed, as the shop's business does.
    pub fn passed(&self) -> u64 {
        (self.forwarded + self.answered).saturating_sub(self.would_reject)
    }

    pub(super) fn add(&mut self, row: &Seen<'_>) {
        self.requests += 1;
        self.repeats += u64::from(row.is_repeat);
        self.repeated_rejections += u64::from(row.is_repeat && row.decision == "reject");
        match row.decision {
            "forward" => self.forwarded += 1,
            "answer" => self.answered += 1,
            "reject" => self.rejected += 1,
            "refused" => self.refused += 1,
            _ => self.left += 1,
        }
        let refused = row.upstream_status.is_some_and(|status| status >= 400);
        self.errors += u64::from(row.is_error() || refused);
        self.cut += u64::from(row.outcome == "cut");
        self.would_reject += u64::from(row.decision != "reject" && row.is_rejection());
        self.judged += u64::from(row.stage.is_some());
        if let Some(log_odds) = row.log_odds {
            self.with_log_odds += 1;
            self.log_odds += log_odds;
            let distance = row.threshold.map(|threshold| (log_odds - threshold).abs());
            self.near += u64::from(distance.is_some_and(|distance| distance < NEAR));
        }
        self.billed.add(row);
        if row.is_saved() {
            self.saved.add(row);
        }
    }

    /// Adds the sums of others.
    pub fn plus(&mut self, other: &Cell) {
        self.requests += other.requests;
        self.forwarded += other.forwarded;
        self.answered += other.answered;
        self.rejected += other.rejected;
        self.repeats += other.repeats;
        self.repeated_rejections += other.repeated_rejections;
        self.refused += other.refused;
        self.left += other.left;
        self.would_reject += other.would_reject;
        self.judged += other.judged;
        self.near += other.near;
        self.log_odds += other.log_odds;
        self.with_log_odds += other.with_log_odds;
        self.errors += other.errors;
        self.cut += other.cut;
        self.billed.replies += other.billed.replies;
        self.billed.prompt += other.billed.prompt;
        self.billed.cached += other.billed.cached;
        self.billed.completion += other.billed.completion;
        self.billed.unpriced += other.billed.unpriced;
        add_up(&mut self.billed.cost, &other.billed.cost);
        self.saved.calls += other.saved.calls;
        self.saved.prompt += other.saved.prompt;
        self.saved.uncounted += other.saved.uncounted;
        self.saved.completion += other.saved.completion;
        self.saved.unpriced += other.saved.unpriced;
        add_up(&mut self.saved.cost, &other.saved.cost);
    }
}

impl Billed {
    fn add(&mut self, row: &Seen<'_>) {
        if row.usage.is_none() {
            return;
        }
        self.replies += 1;
        self.prompt += whole(row.prompt_tokens);
        self.cached += whole(row.cached_tokens);
        self.completion += whole(row.completion_tokens);
        match row.cost {
            Some(cost) => put(&mut self.cost, row.currency, cost),
            None => self.unpriced += 1,
        }
    }
}

impl Saved {
    fn add(&mut self, row: &Seen<'_>) {
        self.calls += 1;
        self.prompt += whole(row.saved_prompt_tokens);
        self.uncounted += u64::from(row.saved_prompt_tokens.is_none());
        self.completion += row.saved_completion_tokens.unwrap_or_default();
        match row.saved_cost {
            Some(cost) => put(&mut self.cost, row.currency, cost),
            None => self.unpriced += 1,
        }
    }
}

fn whole(number: Option<i64>) -> u64 {
    number.unwrap_or_default().try_into().unwrap_or_default()
}

fn put(money: &mut Money, currency: Option<&str>, amount: f64) {
    let currency = currency.unwrap_or_default();
    match money.get_mut(currency) {
        Some(sum) => *sum += amount,
        None => drop(money.insert(currency.to_owned(), amount)),
    }
}

fn add_up(money: &mut Money, other: &Money) {
    for (currency, amount) in other {
        put(money, Some(currency), *amount);
    }
}
