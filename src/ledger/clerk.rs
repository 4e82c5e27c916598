//! Works notes off, one after the other: what a request cost or saved, what its question follows, its row.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use prometheus::CounterVec;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::again::Rejections;
use super::entry::{Salt, entry, micros_since_epoch};
use super::expected::{Expected, Running, Unknown};
use super::repeats::Repeats;
use super::{Note, Terms};
use crate::chat::Usage;
use crate::embed::Embedder;
use crate::journal::{Entry, Journal};
use crate::metrics::Metrics;
use crate::panics;

/// Between two looks for notes while none comes.
const NAP: Duration = Duration::from_millis(25);
/// The same while notes come: what has gathered is soon done, and keeps the processor from requests no longer.
const SHORT_NAP: Duration = Duration::from_millis(2);
/// So many entries are written at once, be it early.
const BATCH: usize = 4_096;
/// A full disk is not tried again for each entry that comes.
const BETWEEN: Duration = Duration::from_millis(50);
/// What is kept is written this often: so much is lost at most where the process is killed.
const FLUSH: Duration = Duration::from_millis(500);
/// Reviews by people are counted this often.
const LOOK_AT_REVIEWS: Duration = Duration::from_secs(10);
/// What upstreams' replies were like so long ago still says how long a reply would have been.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Works notes off.
#[derive(Debug)]
pub struct Clerk {
    notes: mpsc::Receiver<Box<Note>>,
    bytes: Arc<AtomicUsize>,
    pub(super) metrics: Metrics,
    pub(super) embedder: Arc<Embedder>,
    /// Those of the last note.
    pub(super) terms: Arc<Terms>,
    pub(super) journal: Journal,
    pub(super) salt: Salt,
    pub(super) expected: Expected,
    /// Saved calls that wait for a first reply.
    pub(super) unknown: Unknown,
    /// Whether rows of the journal wait for what is known now.
    pub(super) owes: bool,
    pub(super) repeats: Repeats,
    pub(super) rejections: Rejections,
}

impl Clerk {
    /// A clerk for what comes through `waiting`: notes, and how many bytes of requests they hold.
    pub(super) fn new(
        waiting: (mpsc::Receiver<Box<Note>>, Arc<AtomicUsize>),
        terms: Arc<Terms>,
        embedder: Arc<Embedder>,
        metrics: &Metrics,
    ) -> Self {
        let journal = Journal::new(&terms.journal, metrics);
        let (notes, bytes) = waiting;
        Clerk {
            notes,
            bytes,
            metrics: metrics.clone(),
            embedder,
            salt: Salt(journal.salt()),
            terms,
            journal,
            expected: Expected::default(),
            unknown: Unknown::default(),
            owes: false,
            repeats: Repeats::default(),
            rejections: Rejections::default(),
        }
    }

    /// Runs until `stop`, then works off what waits and writes it down. It blocks, on the disk above all, so that it
    /// wants a thread of its own.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        self.remember();
        self.begin_sums();
        let mut stop = pin!(stop);
        let (mut flushed, mut looked) = (Instant::now(), None);
        let mut nap = NAP;
        loop {
            // Nobody is woken for one note.
            let stopped = tokio::select! {
                () = &mut stop => true,
                () = sleep(nap) => false,
            };
            if stopped {
                self.notes.close();
            }
            nap = NAP;
            while let Ok(note) = self.notes.try_recv() {
                nap = SHORT_NAP;
                panics::caught("ledger", || self.enter(note));
                if self.journal.waiting() >= BATCH && flushed.elapsed() >= BETWEEN {
                    panics::caught("journal", || self.write_down());
                    flushed = Instant::now();
                }
            }
            if stopped || flushed.elapsed() >= FLUSH {
                panics::caught("journal", || self.write_down());
                flushed = Instant::now();
            }
            if looked.is_none_or(|at: Instant| at.elapsed() >= LOOK_AT_REVIEWS) {
                panics::caught("journal", || self.look_at_reviews());
                looked = Some(Instant::now());
            }
            if stopped {
                return;
            }
        }
    }

    /// What the journal still knows of replies.
    fn remember(&mut self) {
        let since = micros_since_epoch(SystemTime::now() - REMEMBERED);
        for replies in self.journal.completions(since) {
            let running = Running::new(replies.count, replies.mean, replies.variance);
            self.expected.join(&replies.model, running);
        }
        // Those of a gateway that ended before it knew any.
        self.owes = self.expected.is_known();
        self.show_expected();
    }

    /// Sums of money are there before the first call.
    fn begin_sums(&self) {
        let currency = [self.terms.prices.currency.as_str()];
        self.metrics.cost_saved.with_label_values(&currency);
        self.metrics.upstream_cost.with_label_values(&currency);
    }

    fn enter(&mut self, mut note: Box<Note>) {
        self.bytes.fetch_sub(note.size(), Ordering::Relaxed);
        // A long stream ends under the terms that it began under; the journal goes by the newest.
        if note.terms.since > self.terms.since {
            self.terms = note.terms.clone();
            self.journal.configure(&self.terms.journal);
            self.owes = self.expected.is_known();
            self.begin_sums();
        }
        // Another one where the journal has been opened since.
        self.salt = Salt(self.journal.salt());
        let asked = note.asked.as_ref();
        let caller = asked.and_then(|asked| self.salt.caller(&note.record, asked));
        let mut entry = entry(&note, self.salt, caller);
        let repeat = self.counted(caller, &note);
        if repeat.is_none() {
            self.saved(&note, &mut entry);
        }
        let usage = self.billed(&mut note, &mut entry);
        // What a program sends once more, no customer asks again.
        let by_customer = !repeat.as_ref().is_some_and(|repeat| repeat.by_program);
        if let (Some(caller), Some(asked), true) = (caller, &note.asked, by_customer) {
            let followed = self.followed(caller, &note.record, asked);
            entry.again_of = followed.asked_again;
            entry.handed_over_of = followed.handed_over;
        }
        entry.repeat_of = repeat.map(|repeat| repeat.of);
        self.journal.put(entry);
        note.end_trace(usage.as_ref());
    }

    /// What the upstream billed for a request.
    fn billed(&mut self, note: &mut Note, entry: &mut Entry) -> Option<Usage> {
        // Without one there was no reply that could be billed.
        let heard = note.heard.take()?;
        let (record, terms) = (&note.record, &note.terms);
        let count = |text: &str| terms.count(&record.model, text);
        let prompt = || {
            let body = note.request.as_ref();
            body.map_or(0, |body| prompt_tokens(note, body))
        };
        let usage = heard.usage(prompt, &count);
        let source = usage.map_or("unknown", |usage| usage.source.as_str());
        self.metrics
            .upstream_usage
            .with_label_values(&[source])
            .inc();
        let usage = usage?;
        let tokens = &self.metrics.upstream_tokens;
        let kinds = [
            ("prompt", usage.prompt),
            ("cached_prompt", usage.cached),
            ("completion", usage.completion),
        ];
        for (kind, number) in kinds {
            tokens.with_label_values(&[kind]).inc_by(number);
        }
        if record.outcome == "complete" {
            self.expected
                .observe(&record.model, usage.completion as f64);
            self.show_expected();
            self.make_up();
        }
        entry.usage = Some(source.to_owned());
        entry.prompt_tokens = Some(usage.prompt.cast_signed());
        entry.cached_tokens = Some(usage.cached.cast_signed());
        entry.completion_tokens = Some(usage.completion.cast_signed());
        entry.cost = terms.cost(&record.model, &usage);
        self.price(entry.cost, &self.metrics.upstream_cost, terms, entry);
        Some(usage)
    }

    pub(super) fn price(
        &self,
        cost: Option<f64>,
        sum: &CounterVec,
        terms: &Terms,
        entry: &mut Entry,
    ) {
        let Some(cost) = cost else {
            return self.metrics.unpriced.inc();
        };
        let currency = terms.prices.currency.as_str();
        sum.with_label_values(&[currency]).inc_by(cost);
        entry.currency = Some(currency.to_owned());
    }

    fn show_expected(&self) {
        let all = self.expected.all();
        self.metrics.completion_tokens_mean.set(all.mean);
        self.metrics.completion_tokens_stddev.set(all.deviation());
    }

    fn look_at_reviews(&mut self) {
        let reviews = self.journal.reviews().unwrap_or_default();
        let reviewed = &self.metrics.reviewed;
        for (verdict, count) in [("right", reviews.right), ("wrong", reviews.wrong)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            reviewed.with_label_values(&[verdict]).set(count);
        }
        // Without reviews nothing is known: anything from none to all.
        let (low, high) = reviews.interval().unwrap_or((0.0, 1.0));
        let share = &self.metrics.false_rejections;
        share.with_label_values(&["low"]).set(low);
        share.with_label_values(&["high"]).set(high);
        if let Some(estimate) = reviews.share() {
            share.with_label_values(&["estimate"]).set(estimate);
        }
    }
}

/// The tokens that an upstream bills for a whole request.
pub(super) fn prompt_tokens(note: &Note, body: &[u8]) -> u64 {
    let record = &note.record;
    let Some(protocol) = record.protocol else {
        return 0;
    };
    let count = |text: &str| note.terms.count(&record.model, text);
    protocol.billed(body, &count).tokens
}
