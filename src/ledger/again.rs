//! Rejected questions that a customer puts once more, or after which a person is asked for: what a rejection
//! may have cost.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

/// Rejections that are remembered; the oldest goes first.
const MOST: usize = 20_000;
/// An address that so many rejections came from within the time is no one customer's.
const SHARED: usize = 8;
/// Bytes of a text of which no more than the beginning may be known.
const LONG: usize = 2_000;
/// Of one caller's rejections the newest so many are looked at.
const NEWEST: usize = 64;
/// From this cosine of their static vectors on, centred, two questions are alike. One of two hundred pairs of
/// questions of different intents reaches it; "怎么退款" and "退款流程是什么" are at 0.68.
pub(super) const ALIKE: f64 = 0.35;

/// A rejection that may be followed by something.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rejection {
    /// When its question came.
    pub(super) at: SystemTime,
    pub(super) request_id: String,
    /// The label of what it was rejected for.
    pub(super) intent: String,
    /// The question, as the customer wrote it.
    pub(super) question: String,
    asked_again: bool,
    handed_over: bool,
}

/// Whose question it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) id: i64,
    /// Whether the front end names its users; an address may be many customers'.
    pub(super) named: bool,
}

/// What can follow a rejection; each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Following {
    AskedAgain,
    HandedOver,
}

/// The rejections of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    callers: HashMap<i64, VecDeque<Rejection>>,
    /// The callers of all rejections, the oldest first.
    order: VecDeque<(SystemTime, i64)>,
}

impl Rejection {
    pub(super) fn new(at: SystemTime, request_id: &str, intent: &str, question: String) -> Self {
        Rejection {
            at,
            request_id: request_id.to_owned(),
            intent: intent.to_owned(),
            question,
            asked_again: false,
            handed_over: false,
        }
    }

    fn mark(&mut self, following: Following) -> &mut bool {
        match following {
            Following::AskedAgain => &mut self.asked_again,
            Following::HandedOver => &mut self.handed_over,
        }
    }
}

impl Rejections {
    /// Remembers a rejection.
    pub(super) fn remember(&mut self, caller: Caller, rejection: Rejection) {
        self.order.push_back((rejection.at, caller.id));
        let own = self.callers.entry(caller.id).or_default();
        own.push_back(rejection);
        if self.order.len() > MOST {
            self.forget_oldest();
        }
    }

    /// Forgets what is older than `within`.
    pub(super) fn forget(&mut self, now: SystemTime, within: Duration) {
        let old = |at: &SystemTime| now.duration_since(*at).is_ok_and(|age| age > within);
        while self.order.front().is_some_and(|(at, _)| old(at)) {
            self.forget_oldest();
        }
    }

    /// The rejections that a question of `caller` may follow, the newest first. `before` is what the same
    /// conversation's customer said last: where it is the rejected question the two belong
    /// together, whoever calls.
    pub(super) fn before(
        &self,
        caller: Caller,
        before: Option<&str>,
    ) -> impl Iterator<Item = &Rejection> {
        let own = self.callers.get(&caller.id);
        let one_customer = caller.named || own.is_some_and(|own| own.len() <= SHARED);
        let own = own.into_iter().flatten().rev().take(NEWEST);
        own.filter(move |rejection| one_customer || is_same(before, &rejection.question))
    }

    /// Notes what has followed a rejection. Whether it is the first of its kind.
    pub(super) fn follow(&mut self, caller: Caller, id: &str, following: Following) -> bool {
        let own = self.callers.get_mut(&caller.id).into_iter().flatten();
        let mut rejections = own.filter(|rejection| rejection.request_id == id);
        let mark = rejections.next().map(|found| found.mark(following));
        mark.is_some_and(|mark| !std::mem::replace(mark, true))
    }

    fn forget_oldest(&mut self) {
        let Some((_, caller)) = self.order.pop_front() else {
            return;
        };
        if let Some(own) = self.callers.get_mut(&caller) {
            own.pop_front();
            if own.is_empty() {
                self.callers.remove(&caller);
            }
        }
    }
}

/// Whether what was said before is the question; of a long text either may be the beginning only.
fn is_same(before: Option<&str>, question: &str) -> bool {
    let begins = |long: &str, short: &str| short.len() >= LONG && long.starts_with(short);
    before.is_some_and(|before| {
        before == question || begins(question, before) || begins(before, question)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Caller = Caller { id: 1, named: true };
    const ADDRESS: Caller = Caller {
        id: 2,
        named: false,
    };

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn rejection(second: u64, question: &str) -> Rejection {
        Rejection::new(
            at(second),
            &second.to_string(),
            "background",
            question.to_owned(),
        )
    }

    fn ids(rejections: &Rejections, caller: Caller, before: Option<&str>) -> Vec<String> {
        let found = rejections.before(caller, before);
        found
            .map(|rejection| rejection.request_id.clone())
            .collect()
    }

    #[test]
    fn a_caller_finds_its_own_rejections_within_the_time() {
        let mut rejections = Rejections::default();
        rejections.remember(ONE, rejection(0, "a"));
        rejections.remember(ADDRESS, rejection(10, "b"));
        rejections.remember(ONE, rejection(20, "c"));
        assert_eq!(ids(&rejections, ONE, None), ["20", "0"]);
        assert_eq!(ids(&rejections, ADDRESS, None), ["10"]);
        rejections.forget(at(25), Duration::from_secs(20));
        assert_eq!(ids(&rejections, ONE, None), ["20"]);
        rejections.forget(at(99), Duration::from_secs(20));
        assert!(rejections.callers.is_empty() && rejections.order.is_empty());
    }

    #[test]
    fn many_behind_one_address_are_not_one_customer() {
        let mut rejections = Rejections::default();
        for second in 0..=SHARED as u64 {
            rejections.remember(ADDRESS, rejection(second, &format!("question {second}")));
            rejections.remember(ONE, rejection(100 + second, "x"));
        }
        assert_eq!(ids(&rejections, ADDRESS, None), [""; 0]);
        assert_eq!(ids(&rejections, ADDRESS, Some("question 3")), ["3"]);
        assert_eq!(ids(&rejections, ONE, None).len(), SHARED + 1);
    }

    #[test]
    fn each_thing_follows_a_rejection_once() {
        let mut rejections = Rejections::default();
        rejections.remember(ONE, rejection(0, "a"));
        assert!(rejections.follow(ONE, "0", Following::AskedAgain));
        assert!(!rejections.follow(ONE, "0", Following::AskedAgain));
        assert!(rejections.follow(ONE, "0", Following::HandedOver));
        assert!(!rejections.follow(ONE, "1", Following::AskedAgain));
        assert!(!rejections.follow(ADDRESS, "0", Following::AskedAgain));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut rejections = Rejections::default();
        for second in 0..2 * MOST as i64 {
            let caller = Caller {
                id: second,
                named: true,
            };
            rejections.remember(caller, rejection(second.unsigned_abs(), "a"));
        }
        assert_eq!(rejections.order.len(), MOST);
        assert_eq!(rejections.callers.len(), MOST);
    }
}
