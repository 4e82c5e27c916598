//! Record → what the request cost or saved → metrics and journal, beside the requests.
//!
//! A request that has ended leaves a [`Note`] and goes; [`Ledger::note`] never waits. The [`Clerk`] works the
//! notes off: it tells saved calls from their repeats, counts the tokens of what needed no LLM, reads what upstreams
//! billed, puts prices to both, looks whether a rejection is followed by something, and hands an entry to the journal.

mod again;
mod clerk;
mod entry;
mod expected;
mod following;
mod recent;
mod repeats;
mod saving;
mod terms;

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::chat::{Asker, Heard, Previous, Prompt, Text, Usage};
use crate::embed::Embedder;
use crate::metrics::Metrics;
use crate::record::Record;
use crate::snapshot::Snapshot;
use crate::traces;
use again::Conversation;
pub use clerk::Clerk;
pub use entry::caller;
pub use repeats::Attempt;
pub use terms::Terms;

/// Notes that may wait; what comes on top is counted and lost.
const MOST_NOTES: usize = 16_384;
/// Bytes of requests that may wait with them.
const MOST_BYTES: usize = 64 << 20;
/// Bytes of a question that are kept.
const MOST_WORDS: usize = 4 << 10;

/// A request that has ended, and what its figures are made from.
#[derive(Debug)]
pub struct Note {
    /// What it came to.
    pub record: Record,
    /// The prices and wishes that it saw.
    pub terms: Arc<Terms>,
    /// What was judged.
    pub asked: Option<Asked>,
    /// The request's body, where its tokens may have to be counted.
    pub request: Option<Bytes>,
    /// What was heard of tokens in the upstream's reply.
    pub heard: Option<Heard>,
    /// Its part of its trace, which ends once its tokens are known.
    pub trace: Option<Box<traces::Request>>,
}

/// A question that was judged, and who asked it. It may have to wait for the end of a long reply, so that it holds
/// little, and no snapshot that has been replaced.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The customer's words: their first 4 KiB. None where there are none.
    question: Option<String>,
    /// Bytes of all of them.
    length: usize,
    conversation: Conversation,
    asker: Asker,
    attempt: Attempt,
    /// Where it came from.
    address: Option<IpAddr>,
    /// What it was judged by.
    snapshot: Weak<Snapshot>,
}

/// Where requests leave their notes. Clones lead to the same clerk.
#[derive(Clone, Debug)]
pub struct Ledger {
    notes: mpsc::Sender<Box<Note>>,
    bytes: Arc<AtomicUsize>,
    metrics: Metrics,
}

impl Ledger {
    /// A ledger and its clerk, who has to [run](Clerk::run).
    pub fn new(terms: Arc<Terms>, embedder: Arc<Embedder>, metrics: &Metrics) -> (Ledger, Clerk) {
        let (sender, notes) = mpsc::channel(MOST_NOTES);
        let bytes = Arc::new(AtomicUsize::new(0));
        let clerk = Clerk::new((notes, bytes.clone()), terms, embedder, metrics);
        let ledger = Ledger {
            notes: sender,
            bytes,
            metrics: metrics.clone(),
        };
        (ledger, clerk)
    }

    /// Leaves a note. Where too much waits it is lost, and counted.
    pub fn note(&self, note: Box<Note>) {
        let size = note.size();
        let before = self.bytes.fetch_add(size, Ordering::Relaxed);
        let left = match before + size > MOST_BYTES {
            true => Some(note),
            false => self
                .notes
                .try_send(note)
                .err()
                .map(|full| full.into_inner()),
        };
        if let Some(lost) = left {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
            self.metrics.ledger_dropped.inc();
            lost.end_trace(None);
        }
    }
}

impl Asked {
    /// What is kept of a prompt.
    pub fn new(
        prompt: &Prompt,
        attempt: Attempt,
        address: Option<IpAddr>,
        snapshot: &Arc<Snapshot>,
    ) -> Self {
        let kept = |words: &String| words[..words.floor_char_boundary(MOST_WORDS)].to_owned();
        let question = match &prompt.text {
            Text::Question(words) => Some(words),
            Text::None | Text::Task | Text::UnknownShape => None,
        };
        let replied = match &prompt.previous {
            Some(Previous::Local { request, .. }) => Some(request.clone()),
            Some(Previous::Upstream(_)) | None => None,
        };
        Asked {
            question: question.map(kept),
            length: question.map_or(0, String::len),
            conversation: Conversation {
                said: prompt.context.user.as_ref().map(kept),
                replied,
            },
            asker: prompt.asker.clone(),
            attempt,
            address,
            snapshot: Arc::downgrade(snapshot),
        }
    }
}

impl Note {
    fn size(&self) -> usize {
        self.request.as_ref().map_or(0, Bytes::len)
    }

    fn end_trace(self, usage: Option<&Usage>) {
        if let Some(trace) = self.trace {
            trace.end(&self.record, usage);
        }
    }
}
