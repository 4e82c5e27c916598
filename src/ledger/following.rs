//! What a question follows: a rejection that it puts once more, or after which it asks for a person.

use std::sync::Weak;

use super::again::{ALIKE, Caller, Following, Rejection};
use super::{Asked, Clerk, Terms};
use crate::embed::Embedder;
use crate::intent::Action;
use crate::record::{Decided, Record};
use crate::snapshot::Snapshot;
use crate::text::normalise;
use crate::verdict::Topic;

/// Of the rejections before a question, the newest so many are held against it.
const LOOKED_AT: usize = 8;

/// The rejections that a question follows, by their request's id.
#[derive(Debug, Default)]
pub(super) struct Followed {
    pub(super) asked_again: Option<String>,
    pub(super) handed_over: Option<String>,
}

impl Clerk {
    /// Notes which rejection a question follows, and remembers it where it is rejected itself.
    pub(super) fn followed(&mut self, caller: Caller, record: &Record, asked: &Asked) -> Followed {
        let (Some(decided), Some(words)) = (&record.decided, &asked.question) else {
            return Followed::default();
        };
        let within = self.terms.journal.asked_again_within;
        self.rejections.forget(record.at, within);
        let earlier = self.rejections.before(caller, &asked.conversation);
        let earlier: Vec<_> = earlier.cloned().collect();
        let followed = match earlier.is_empty() {
            true => Followed::default(),
            false => Followed {
                handed_over: self.handed_over(caller, decided, &earlier),
                asked_again: self.asked_again(caller, asked, words, &earlier),
            },
        };
        if decided.action == Action::Reject {
            let intent = record.intent();
            let rejection = Rejection::new(record.at, &record.request_id, intent, words.clone());
            self.rejections.remember(caller, rejection);
        }
        followed
    }

    fn handed_over(
        &mut self,
        caller: Caller,
        decided: &Decided,
        earlier: &[Rejection],
    ) -> Option<String> {
        let wanted = asks_for_a_person(decided, &self.terms);
        let last = open(caller, earlier, Following::HandedOver).find(|_| wanted)?;
        let followed = &self.metrics.handed_over;
        self.rejections
            .follow(caller, &last.request_id, Following::HandedOver)
            .then(|| {
                followed.with_label_values(&[&last.intent]).inc();
                last.request_id.clone()
            })
    }

    fn asked_again(
        &mut self,
        caller: Caller,
        asked: &Asked,
        words: &str,
        earlier: &[Rejection],
    ) -> Option<String> {
        let earlier = open(caller, earlier, Following::AskedAgain).take(LOOKED_AT);
        let same = alike(&self.embedder, &asked.snapshot, words, earlier)?;
        let followed = &self.metrics.asked_again;
        self.rejections
            .follow(caller, &same.request_id, Following::AskedAgain)
            .then(|| {
                followed.with_label_values(&[&same.intent]).inc();
                same.request_id.clone()
            })
    }
}

/// The rejections that a question may be the first to follow. Behind one address several customers may have been
/// rejected for the same words: each of them follows another one.
fn open(
    caller: Caller,
    earlier: &[Rejection],
    following: Following,
) -> impl Iterator<Item = &Rejection> {
    let is_open = move |rejection: &&Rejection| caller.named || !rejection.is_followed(following);
    earlier.iter().filter(is_open)
}

/// The newest rejection whose question is like this one.
fn alike<'r>(
    embedder: &Embedder,
    snapshot: &Weak<Snapshot>,
    question: &str,
    earlier: impl Iterator<Item = &'r Rejection>,
) -> Option<&'r Rejection> {
    let question = normalise(question).into_owned();
    let mut own = None;
    for rejection in earlier {
        let other = normalise(&rejection.question).into_owned();
        if other == question {
            return Some(rejection);
        }
        if own.is_none() {
            own = Some(embedder.read(&question).ok()??.mean);
        }
        // Where the model has no static vectors, the same words alone are alike.
        let other = embedder.read(&other).ok()??.mean;
        // One that has been replaced is gone; then the same words alone are alike.
        if snapshot.upgrade()?.judge.similarity(own.as_ref()?, &other) >= ALIKE {
            return Some(rejection);
        }
    }
    None
}

fn asks_for_a_person(decided: &Decided, terms: &Terms) -> bool {
    let intent = decided.topic.as_ref().and_then(Topic::intent);
    let handoff = &terms.journal.handoff_intents;
    intent.is_some_and(|intent| handoff.iter().any(|name| name == intent.as_str()))
}
