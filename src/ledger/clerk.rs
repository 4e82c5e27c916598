//! Works notes off, one after the other: what a request cost or saved, what its question follows, its row.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use prometheus::CounterVec;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::again::{ALIKE, Caller, Following, Rejection, Rejections};
use super::entry::{Salt, entry, micros_since_epoch};
use super::expected::{Expected, Running};
use super::{Asked, Note, Terms};
use crate::chat::Usage;
use crate::embed::Embedder;
use crate::intent::Action;
use crate::journal::{Entry, Journal};
use crate::metrics::Metrics;
use crate::panics;
use crate::record::{Decided, Record};
use crate::snapshot::Snapshot;
use crate::text::normalise;
use crate::verdict::Topic;

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
/// Of the rejections before a question, the newest so many are held against it.
const LOOKED_AT: usize = 8;
/// What upstreams' replies were like so long ago still says how long a reply would have been.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Works notes off.
#[derive(Debug)]
pub struct Clerk {
    notes: mpsc::Receiver<Box<Note>>,
    bytes: Arc<AtomicUsize>,
    metrics: Metrics,
    embedder: Arc<Embedder>,
    /// Those of the last note.
    terms: Arc<Terms>,
    journal: Journal,
    salt: Salt,
    expected: Expected,
    rejections: Rejections,
}

/// The rejections that a question follows, by their request's id.
#[derive(Debug, Default)]
struct Followed {
    asked_again: Option<String>,
    handed_over: Option<String>,
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
                    panics::caught("journal", || self.journal.flush());
                    flushed = Instant::now();
                }
            }
            if stopped || flushed.elapsed() >= FLUSH {
                panics::caught("journal", || self.journal.flush());
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
            self.begin_sums();
        }
        // Another one where the journal has been opened since.
        self.salt = Salt(self.journal.salt());
        let asked = note.asked.as_ref();
        let caller = asked.and_then(|asked| self.salt.caller(&note.record, asked));
        let mut entry = entry(&note, self.salt, caller);
        self.saved(&note, &mut entry);
        let usage = self.billed(&mut note, &mut entry);
        if let (Some(caller), Some(asked)) = (caller, &note.asked) {
            let followed = self.followed(caller, &note.record, asked);
            entry.again_of = followed.asked_again;
            entry.handed_over_of = followed.handed_over;
        }
        self.journal.put(entry);
        note.end_trace(usage.as_ref());
    }

    /// The tokens and the money that a request without an LLM saved.
    fn saved(&self, note: &Note, entry: &mut Entry) {
        let (record, terms) = (&note.record, &note.terms);
        let Some(body) = note.request.as_ref().filter(|_| record.is_saved()) else {
            return;
        };
        let prompt = prompt_tokens(note, body);
        let completion = self.expected.of(&record.model);
        let saved = &self.metrics.tokens_saved;
        saved.with_label_values(&["prompt"]).inc_by(prompt as f64);
        saved.with_label_values(&["completion"]).inc_by(completion);
        entry.saved_prompt_tokens = Some(prompt.cast_signed());
        entry.saved_completion_tokens = Some(completion);
        entry.saved_cost = terms.expected_cost(&record.model, prompt, completion);
        self.price(entry.saved_cost, &self.metrics.cost_saved, terms, entry);
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
        }
        entry.usage = Some(source.to_owned());
        entry.prompt_tokens = Some(usage.prompt.cast_signed());
        entry.cached_tokens = Some(usage.cached.cast_signed());
        entry.completion_tokens = Some(usage.completion.cast_signed());
        entry.cost = terms.cost(&record.model, &usage);
        self.price(entry.cost, &self.metrics.upstream_cost, terms, entry);
        Some(usage)
    }

    fn price(&self, cost: Option<f64>, sum: &CounterVec, terms: &Terms, entry: &mut Entry) {
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

    /// Notes which rejection a question follows, and remembers it where it is rejected itself.
    fn followed(&mut self, caller: Caller, record: &Record, asked: &Asked) -> Followed {
        let (Some(decided), Some(words)) = (&record.decided, &asked.question) else {
            return Followed::default();
        };
        let within = self.terms.journal.asked_again_within;
        self.rejections.forget(record.at, within);
        let before = asked.before.as_deref();
        let earlier: Vec<_> = self.rejections.before(caller, before).cloned().collect();
        let rejected = decided.action == Action::Reject;
        let mut followed = Followed::default();
        if earlier.is_empty() && !rejected {
            return followed;
        }
        if let Some(last) = earlier.first()
            && asks_for_a_person(decided, &self.terms)
            && self
                .rejections
                .follow(caller, &last.request_id, Following::HandedOver)
        {
            self.metrics
                .handed_over
                .with_label_values(&[&last.intent])
                .inc();
            followed.handed_over = Some(last.request_id.clone());
        }
        if let Some(same) = alike(&self.embedder, &asked.snapshot, words, &earlier)
            && self
                .rejections
                .follow(caller, &same.request_id, Following::AskedAgain)
        {
            self.metrics
                .asked_again
                .with_label_values(&[&same.intent])
                .inc();
            followed.asked_again = Some(same.request_id.clone());
        }
        if rejected {
            let rejection = Rejection::new(
                record.at,
                &record.request_id,
                record.intent(),
                words.clone(),
            );
            self.rejections.remember(caller, rejection);
        }
        followed
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

/// The newest rejection whose question is like this one.
fn alike<'r>(
    embedder: &Embedder,
    snapshot: &Weak<Snapshot>,
    question: &str,
    earlier: &'r [Rejection],
) -> Option<&'r Rejection> {
    if earlier.is_empty() {
        return None;
    }
    let question = normalise(question).into_owned();
    let mut own = None;
    for rejection in earlier.iter().take(LOOKED_AT) {
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

/// The tokens that an upstream bills for a whole request.
fn prompt_tokens(note: &Note, body: &[u8]) -> u64 {
    let record = &note.record;
    let Some(protocol) = record.protocol else {
        return 0;
    };
    let count = |text: &str| note.terms.count(&record.model, text);
    protocol.billed(body, &count).tokens
}
