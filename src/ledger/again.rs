//! Rejected questions that a customer puts once more, or after which a person is asked for: what a rejection
//! may have cost.
//!
//! Both are said of one customer only: of a user whom the front end names, or of a conversation that holds the
//! rejected question. An address says nothing, however few questions come from it: a shop's own server asks for all
//! of its customers.

use std::time::{Duration, SystemTime};

use super::recent::Recent;

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

/// What a request says of its conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conversation {
    /// What the customer said before.
    pub(super) said: Option<String>,
    /// The request whose reply, made here, this one goes on from.
    pub(super) replied: Option<String>,
}

/// What can follow a rejection; each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Following {
    AskedAgain,
    HandedOver,
}

/// The rejections of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Rejections(Recent<Rejection>);

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

    /// Whether this has followed it already.
    pub(super) fn is_followed(&self, following: Following) -> bool {
        match following {
            Following::AskedAgain => self.asked_again,
            Following::HandedOver => self.handed_over,
        }
    }

    fn mark(&mut self, following: Following) -> &mut bool {
        match following {
            Following::AskedAgain => &mut self.asked_again,
            Following::HandedOver => &mut self.handed_over,
        }
    }
}

impl Conversation {
    /// Whether a question was put in it, as far as it is known of that.
    pub(super) fn holds(&self, request_id: &str, question: &str) -> bool {
        self.replied.as_deref() == Some(request_id) || self.has_said(question)
    }

    /// Whether its customer has said this before.
    pub(super) fn has_said(&self, question: &str) -> bool {
        let said = self.said.as_deref();
        said.is_some_and(|said| is_same(said, question))
    }
}

impl Rejections {
    /// Remembers a rejection.
    pub(super) fn remember(&mut self, caller: Caller, rejection: Rejection) {
        self.0.remember(rejection.at, caller.id, rejection);
    }

    /// Forgets what is older than `within`.
    pub(super) fn forget(&mut self, now: SystemTime, within: Duration) {
        self.0.forget(now, within);
    }

    /// The rejections that a question of `caller` may follow, the newest first: all of a user's, and of who has no
    /// name those of its conversation.
    pub(super) fn before(
        &self,
        caller: Caller,
        conversation: &Conversation,
    ) -> impl Iterator<Item = &Rejection> {
        let own = self.0.of(caller.id);
        let own = own.filter(move |rejection| {
            caller.named || conversation.holds(&rejection.request_id, &rejection.question)
        });
        own.take(NEWEST)
    }

    /// Notes what has followed a rejection. Whether it is the first of its kind.
    pub(super) fn follow(&mut self, caller: Caller, id: &str, following: Following) -> bool {
        let mut own = self.0.of_mut(caller.id);
        let found = own.find(|rejection| rejection.request_id == id);
        found.is_some_and(|found| !std::mem::replace(found.mark(following), true))
    }
}

/// Whether what was said before is the question; of a long text either may be the beginning only.
fn is_same(before: &str, question: &str) -> bool {
    let begins = |long: &str, short: &str| short.len() >= LONG && long.starts_with(short);
    before == question || begins(question, before) || begins(before, question)
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

    fn conversation(said: &str, replied: &str) -> Conversation {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Conversation {
            said: some(said),
            replied: some(replied),
        }
    }

    fn ids(rejections: &Rejections, caller: Caller, said: &str, replied: &str) -> Vec<String> {
        let conversation = conversation(said, replied);
        let found = rejections.before(caller, &conversation);
        found
            .map(|rejection| rejection.request_id.clone())
            .collect()
    }

    #[test]
    fn a_user_finds_his_own_rejections_within_the_time() {
        let mut rejections = Rejections::default();
        rejections.remember(ONE, rejection(0, "a"));
        rejections.remember(ADDRESS, rejection(10, "b"));
        rejections.remember(ONE, rejection(20, "c"));
        assert_eq!(ids(&rejections, ONE, "", ""), ["20", "0"]);
        rejections.forget(at(25), Duration::from_secs(20));
        assert_eq!(ids(&rejections, ONE, "", ""), ["20"]);
    }

    #[test]
    fn who_has_no_name_finds_those_of_the_conversation_only() {
        let mut rejections = Rejections::default();
        let long = "一".repeat(1_500);
        rejections.remember(ADDRESS, rejection(1, "write a poem"));
        rejections.remember(ADDRESS, rejection(2, &long[..4_095]));
        for (said, replied, found) in [
            // One rejection alone, and from the same address: still anybody's.
            ("", "", &[][..]),
            ("write a song", "", &[]),
            ("write a poem", "", &["1"]),
            ("", "1", &["1"]),
            ("", "7", &[]),
            (&long, "", &["2"]),
            (&long[..3_000], "1", &["2", "1"]),
            (&long[..300], "", &[]),
        ] {
            assert_eq!(ids(&rejections, ADDRESS, said, replied), found, "{said}");
            assert_eq!(ids(&rejections, ONE, said, replied), [""; 0], "{said}");
        }
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
}
