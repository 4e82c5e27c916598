//! Saved calls that are asked for once more within a minute: with the first they are one saved call.
//!
//! ```text
//! a named user, or the conversation that holds the question  + the same words           within a minute
//! an idempotency key, or an SDK's count of retries           + the same key, or body    within a minute
//! nothing of that, from one address                          + the same body, in turn   within seconds, and not often
//! ```
//!
//! Where it is not evident, two calls are two: behind one address there may be many customers, and many of them ask
//! the same. So an address counts only where the very same body comes right after the reply to it, as frameworks ask
//! once more; and as they do so a few times at most, what comes yet more often is other customers'.
//!
//! Words and bodies are compared by salted hashes.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::recent::Recent;

/// A saved call counts once within this time.
const WITHIN: Duration = Duration::from_secs(60);
/// A framework asks once more within this time after a reply.
const AT_ONCE: Duration = Duration::from_secs(5);
/// And so many times.
const MOST_AT_ONCE: u8 = 3;
/// What SDKs made by Stainless, OpenAI's and Anthropic's among them, say of a request: how often they sent it before.
const RETRIES: &str = "x-stainless-retry-count";
/// Names an operation, however often it is sent.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Bytes of a key; a longer one names nothing.
const LONGEST_KEY: usize = 256;

/// What a request's headers say of whether it was sent before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Whether its client says so.
    pub(super) is_retry: bool,
    /// The client's name for what is asked for.
    pub(super) key: Option<Box<[u8]>>,
}

/// By what a call can be known again: each a salted hash, together with its caller's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// The words.
    pub(super) words: Option<i64>,
    /// Whether whoever said them before is the same customer: a named user, or this conversation's.
    pub(super) is_one: bool,
    /// The words under the client's own name for the call.
    pub(super) key: Option<i64>,
    /// The body.
    pub(super) body: Option<i64>,
    /// Whether the client says that it was sent before.
    pub(super) is_retry: bool,
}

/// A saved call, from when it came to when its reply had ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'c> {
    pub(super) request_id: &'c str,
    pub(super) at: SystemTime,
    pub(super) ended: SystemTime,
    pub(super) marks: Marks,
    /// The request whose reply, made here, it goes on from.
    pub(super) replied: Option<&'c str>,
}

/// That a call is a repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repeat {
    /// The request that was counted.
    pub(super) of: String,
    /// Whether a program sent it once more, and no customer.
    pub(super) by_program: bool,
}

/// A saved call that is remembered.
#[derive(Clone, Debug)]
struct Seen {
    request_id: String,
    /// The one that was counted, and when it came.
    counted: (String, SystemTime),
    ended: SystemTime,
    /// How many have been taken for repeats since by nothing but their bodies.
    at_once: u8,
}

/// The saved calls of the last minute.
#[derive(Debug, Default)]
pub(super) struct Repeats(Recent<Seen>);

impl Attempt {
    /// What the headers say.
    pub fn of(headers: &HeaderMap) -> Self {
        let count = headers.get(RETRIES).and_then(|count| count.to_str().ok());
        let count = count.and_then(|count| count.trim().parse::<u32>().ok());
        let key = headers.get(IDEMPOTENCY_KEY).map(|key| key.as_bytes());
        let key = key.filter(|key| (1..=LONGEST_KEY).contains(&key.len()));
        Attempt {
            is_retry: count.is_some_and(|count| count > 0),
            key: key.map(Box::from),
        }
    }
}

impl Repeats {
    /// Whether a saved call is a repeat; and remembers it.
    pub(super) fn enter(&mut self, call: Call<'_>) -> Option<Repeat> {
        self.0.forget(call.at, WITHIN);
        let (found, by_program, at_once) = match self.sent_again(call) {
            Some((seen, at_once)) => (Some(seen), true, at_once),
            None => (self.asked_again(call), false, 0),
        };
        let counted = found.map(|seen| seen.counted.clone());
        let seen = Seen {
            request_id: call.request_id.to_owned(),
            counted: counted
                .clone()
                .unwrap_or_else(|| (call.request_id.to_owned(), call.at)),
            ended: call.ended,
            at_once,
        };
        let marks = call.marks;
        for mark in [marks.words, marks.key, marks.body].into_iter().flatten() {
            self.0.remember(call.at, mark, seen.clone());
        }
        counted.map(|(of, _)| Repeat { of, by_program })
    }

    /// The call that a program sent once more, and how many since were known by nothing but their bodies.
    fn sent_again(&self, call: Call<'_>) -> Option<(&Seen, u8)> {
        let marks = call.marks;
        let said = marks.body.filter(|_| marks.is_retry);
        if let Some(seen) = self.newest(marks.key, call).or(self.newest(said, call)) {
            return Some((seen, seen.at_once));
        }
        let seen = self.newest(marks.body, call)?;
        let pause = call.at.duration_since(seen.ended).ok()?;
        let evident = pause <= AT_ONCE && seen.at_once < MOST_AT_ONCE;
        evident.then_some((seen, seen.at_once + 1))
    }

    /// The call that one customer makes once more.
    fn asked_again(&self, call: Call<'_>) -> Option<&Seen> {
        let marks = call.marks;
        let seen = self.newest(marks.words, call)?;
        (marks.is_one || call.replied == Some(&*seen.request_id)).then_some(seen)
    }

    /// The newest call with this mark, where it counts for this one.
    fn newest(&self, mark: Option<i64>, call: Call<'_>) -> Option<&Seen> {
        let seen = self.0.of(mark?).next()?;
        let since = call.at.duration_since(seen.counted.1).unwrap_or_default();
        (since <= WITHIN).then_some(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: i64 = 1;
    const POEM: i64 = 2;
    const BODY: i64 = 3;
    const KEY: i64 = 4;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000 + millis)
    }

    /// The same words and the same body from one address.
    fn plain() -> Marks {
        Marks {
            words: Some(POEM),
            body: Some(BODY),
            ..Marks::default()
        }
    }

    fn named() -> Marks {
        Marks {
            words: Some(ANN),
            is_one: true,
            body: Some(BODY),
            ..Marks::default()
        }
    }

    /// Of calls, each with when it came, what is counted: `.`, a repeat by a customer `r`, by a program `p`.
    fn told(calls: &[(u64, Marks)]) -> String {
        let mut repeats = Repeats::default();
        let calls = calls.iter().enumerate();
        let told = calls.map(|(number, (millis, marks))| {
            let repeat = repeats.enter(Call {
                request_id: &number.to_string(),
                at: at(*millis),
                ended: at(millis + 10),
                marks: *marks,
                replied: None,
            });
            match repeat {
                None => '.',
                Some(repeat) if repeat.by_program => 'p',
                Some(_) => 'r',
            }
        });
        told.collect()
    }

    #[test]
    fn what_is_evidently_the_same_call_counts_once() {
        let other = |marks: Marks, body| Marks {
            body: Some(body),
            ..marks
        };
        let retried = |marks: Marks| Marks {
            is_retry: true,
            ..marks
        };
        let keyed = |marks: Marks| Marks {
            key: Some(KEY),
            ..marks
        };
        for (calls, expected) in [
            // A user with a name says the same again, whatever stands around it.
            (&[(0, named()), (40_000, other(named(), 9))][..], ".r"),
            (&[(0, named()), (60_001, named())], ".."),
            // Once a minute, counted from the first.
            (&[(0, named()), (40_000, named()), (70_000, named())], ".r."),
            (&[(0, named()), (3_000, named())], ".p"),
            // Strangers behind one address who ask the same.
            (&[(0, plain()), (20_000, plain())], ".."),
            (&[(0, plain()), (500, other(plain(), 9))], ".."),
            // At the same time: no program sends once more before there is a reply.
            (&[(0, plain()), (5, plain())], ".."),
            // The very same body right after the reply, a few times.
            (
                &[
                    (0, plain()),
                    (100, plain()),
                    (4_000, plain()),
                    (9_500, plain()),
                ],
                ".pp.",
            ),
            (
                &[0, 20, 40, 60, 80, 100, 120, 140].map(|at| (at, plain())),
                ".ppp.ppp",
            ),
            // An SDK that says so.
            (&[(0, plain()), (8_000, retried(plain()))], ".p"),
            (&[(0, plain()), (8_000, retried(other(plain(), 9)))], ".."),
            (&[(0, plain()), (61_000, retried(plain()))], ".."),
            (&[(0, retried(plain()))], "."),
            // A key of the client's own.
            (
                &[(0, keyed(plain())), (30_000, keyed(other(plain(), 9)))],
                ".p",
            ),
            (&[(0, keyed(plain())), (30_000, plain())], ".."),
        ] {
            assert_eq!(told(calls), expected, "{calls:?}");
        }
    }

    #[test]
    fn the_one_that_was_counted_is_named() {
        let mut repeats = Repeats::default();
        let mut enter = |request_id, millis, replied| {
            let call = Call {
                request_id,
                at: at(millis),
                ended: at(millis + 10),
                marks: plain(),
                replied,
            };
            repeats.enter(call).map(|repeat| repeat.of)
        };
        assert_eq!(enter("a", 0, None), None);
        assert_eq!(enter("b", 100, None).as_deref(), Some("a"));
        assert_eq!(enter("c", 200, None).as_deref(), Some("a"));
        // Whoever goes on from a reply made here to the same words, however much later within the minute.
        assert_eq!(enter("d", 30_000, Some("c")).as_deref(), Some("a"));
        assert_eq!(enter("e", 50_000, Some("x")), None);
    }

    #[test]
    fn headers_say_whether_a_request_was_sent_before() {
        let long = "k".repeat(LONGEST_KEY + 1);
        for (name, value, is_retry, key) in [
            ("x-stainless-retry-count", "0", false, None),
            ("x-stainless-retry-count", "2", true, None),
            ("X-Stainless-Retry-Count", " 1 ", true, None),
            ("x-stainless-retry-count", "many", false, None),
            ("x-stainless-retry-count", "-1", false, None),
            ("Idempotency-Key", "7f-a", false, Some("7f-a")),
            ("idempotency-key", "", false, None),
            ("idempotency-key", &long, false, None),
            ("x-other", "1", false, None),
        ] {
            let name: http::HeaderName = name.parse().unwrap();
            let headers = HeaderMap::from_iter([(name, value.parse().unwrap())]);
            let attempt = Attempt::of(&headers);
            let key = key.map(|key| Box::from(key.as_bytes()));
            assert_eq!(attempt, Attempt { is_retry, key }, "{value}");
        }
    }
}
