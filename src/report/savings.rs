//! What requests that needed no LLM would have come to, and how far that is known.

use super::cell::Saved;
use super::tally::Tally;

/// What was saved, beside what was added up when it was saved.
#[derive(Clone, Debug)]
pub struct Savings {
    /// Calls, prompt tokens and money, as they were added up.
    pub saved: Saved,
    /// How many questions were judged, repeats left out.
    pub judged: u64,
    /// Completion tokens; none where no reply of the span has told or been counted.
    pub completion: Option<Expected>,
    /// The time that customers waited less.
    pub time: Option<Sooner>,
}

/// A sum that is expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// The sum.
    pub total: f64,
    /// Half of the interval that holds it with 95 % confidence; none where it rests on one reply.
    pub doubt: Option<f64>,
}

/// How much sooner replies come that are made here. Microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sooner {
    /// The median of forwarded replies.
    pub forwarded: f64,
    /// The median of those made here.
    pub here: f64,
    /// The difference, times the calls.
    pub total: f64,
}

impl Savings {
    /// Of the sums of a span.
    pub fn of(tally: &Tally) -> Savings {
        let total = tally.total();
        let calls = total.saved.calls;
        let completion = tally.completions.mean().map(|mean| Expected {
            total: mean * calls as f64,
            doubt: tally.completions.doubt_of_sum(calls),
        });
        let medians = tally.total_of("forward").quantile(0.5);
        let medians = medians.zip(tally.total_here().quantile(0.5));
        Savings {
            judged: total.judged.saturating_sub(total.repeats),
            completion,
            time: medians.map(|(forwarded, here)| Sooner {
                forwarded,
                here,
                total: (forwarded - here) * calls as f64,
            }),
            saved: total.saved,
        }
    }

    /// The share of judged questions that needed no LLM; none of none.
    pub fn share(&self) -> Option<f64> {
        (self.judged > 0).then(|| self.saved.calls as f64 / self.judged as f64)
    }

    /// How far an amount is unknown since the completions are, at most.
    pub fn doubt_of(&self, amount: f64) -> Option<f64> {
        let completion = self.completion?;
        let part = completion.doubt? / completion.total;
        part.is_finite().then_some(part * amount)
    }
}
