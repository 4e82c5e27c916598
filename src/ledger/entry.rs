//! Note → the journal's row, as far as it is known without counting.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::again::Caller;
use super::repeats::Marks;
use super::{Asked, Note};
use crate::chat::Protocol;
use crate::journal::Entry;
use crate::record::{Decided, Record};
use crate::verdict::Waiver;

/// Keeps what is hashed from being guessed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Salt(pub(super) [u8; 32]);

impl Salt {
    /// The same number for the same parts; the parts cannot be found from it.
    fn hash(self, parts: &[&[u8]]) -> i64 {
        let mut hash = Sha256::new_with_prefix(self.0);
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut first = [0; 8];
        first.copy_from_slice(&hash.finalize()[..8]);
        i64::from_le_bytes(first)
    }

    /// Whose question it is: the front end's name for its user where it gives one, else the address.
    pub(super) fn caller(self, record: &Record, asked: &Asked) -> Option<Caller> {
        let client = record.client.as_deref().unwrap_or_default();
        if let Some(user) = &asked.asker.user {
            return Some(Caller {
                id: self.user(client, user),
                named: true,
            });
        }
        let address = match asked.address? {
            IpAddr::V4(address) => address.octets().to_vec(),
            // A household's addresses differ behind the first 64 bits.
            IpAddr::V6(address) => address.octets()[..8].to_vec(),
        };
        Some(Caller {
            id: self.hash(&[b"address", client.as_bytes(), &address]),
            named: false,
        })
    }

    /// The user whom a front end names; each client's users are its own.
    fn user(self, client: &str, user: &str) -> i64 {
        self.hash(&[b"user", client.as_bytes(), user.as_bytes()])
    }

    /// By what a saved call can be known again.
    pub(super) fn marks(self, caller: Caller, note: &Note, asked: &Asked) -> Marks {
        let of = |kind: &str, own: &[u8]| {
            let caller = caller.id.to_le_bytes();
            self.hash(&[kind.as_bytes(), &caller, own])
        };
        let words = asked.question.as_deref();
        // Of long ones the beginning alone is kept.
        let long = asked.length.to_le_bytes();
        let words = words.map(|words| of("words", &[words.as_bytes(), &long].concat()));
        let key = asked.attempt.key.as_deref().zip(words);
        let said_again = |question| asked.conversation.has_said(question);
        Marks {
            words,
            is_one: caller.named || asked.question.as_deref().is_some_and(said_again),
            key: key.map(|(key, words)| of("key", &[&words.to_le_bytes(), key].concat())),
            body: note.request.as_deref().map(|body| of("body", body)),
            is_retry: asked.attempt.is_retry,
        }
    }

    /// The caller's conversation, known by its first message.
    fn conversation(self, caller: Caller, asked: &Asked) -> Option<i64> {
        let opening = &asked.asker.opening;
        let parts: [&[u8]; 3] = [b"opening", &caller.id.to_le_bytes(), opening.as_bytes()];
        (!opening.is_empty()).then(|| self.hash(&parts))
    }
}

/// The number by which a journal with this salt knows the user whom a front end names, where that comes with the key
/// of `client` or with none.
pub fn caller(salt: [u8; 32], client: Option<&str>, user: &str) -> i64 {
    Salt(salt).user(client.unwrap_or_default(), user)
}

/// Everything but tokens, money and what the question follows.
pub(super) fn entry(note: &Note, salt: Salt, caller: Option<Caller>) -> Entry {
    let record = &note.record;
    let asked = note.asked.as_ref();
    let conversation = caller
        .zip(asked)
        .and_then(|(caller, asked)| salt.conversation(caller, asked));
    let question = asked.filter(|_| note.terms.journal.questions);
    let mut entry = Entry {
        at: micros_since_epoch(record.at),
        request_id: record.request_id.clone(),
        gate_id: (!record.gate_id.is_empty()).then(|| record.gate_id.clone()),
        upstream_id: record.upstream_id.clone(),
        conversation,
        caller: caller.map(|caller| caller.id),
        client: record.client.as_deref().map(str::to_owned),
        protocol: record.protocol.map_or("none", Protocol::as_str).to_owned(),
        model: (!record.model.is_empty()).then(|| record.model.clone()),
        decision: record.decision().to_owned(),
        intent: record.intent().to_owned(),
        first_byte_us: record.first_byte.map(micros),
        total_us: micros(record.took),
        status: record.status,
        upstream_status: record.upstream_status,
        outcome: record.outcome.to_owned(),
        question: question.and_then(|asked| asked.question.clone()),
        ..Entry::default()
    };
    if let Some(decided) = &record.decided {
        decide(&mut entry, decided, note.terms.audit_share);
    }
    entry
}

fn decide(entry: &mut Entry, decided: &Decided, audit_share: f64) {
    if let Some((action, waiver)) = decided.waived {
        entry.would_be = Some(action.as_str().to_owned());
        entry.waived = Some(waiver.as_str().to_owned());
        entry.audit_share = (waiver == Waiver::Audit).then_some(audit_share);
    }
    let topic = decided.topic.as_ref();
    entry.topic = topic.map(|topic| topic.label().to_owned());
    entry.nearest.clone_from(&decided.nearest);
    entry.reason = Some(decided.reason.as_str().to_owned());
    entry.log_odds = decided.log_odds;
    entry.threshold = decided.reason.threshold();
    entry.mixed = decided.mixed;
    entry.stage = decided.stage.map(|stage| stage.as_str().to_owned());
    entry.gate_us = Some(micros(decided.time));
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// Microseconds of Unix time.
pub(super) fn micros_since_epoch(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart_and_depend_on_the_salt() {
        let (salt, other) = (Salt([1; 32]), Salt([2; 32]));
        let hash = |salt: Salt, parts: &[&str]| {
            salt.hash(&parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>())
        };
        assert_eq!(hash(salt, &["a", "b"]), hash(salt, &["a", "b"]));
        assert_ne!(hash(salt, &["ab", ""]), hash(salt, &["a", "b"]));
        assert_ne!(hash(salt, &["a", "b"]), hash(other, &["a", "b"]));
    }
}
