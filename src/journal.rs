//! One row a judged request, in an embedded SQLite database.
//!
//! ```text
//! Entry → buffer → rows, many in a transaction → the oldest go
//! ```
//!
//! A journal that cannot be written costs records, which are counted, and never a request: the buffer is bounded,
//! and the next flush tries again.

mod completions;
mod error;
mod file;
mod find;
mod forget;
mod open;
pub mod read;
mod retention;
mod reviews;
mod rows;
mod trouble;

use std::collections::VecDeque;

use crate::config::{self, Store};
use crate::metrics::Metrics;
use open::Open;
use trouble::Trouble;

pub use completions::{Completions, Owed};
pub use error::Error;
pub use file::{open_for_reading, open_for_writing, path};
pub use find::find;
pub use forget::{forget, rewrite};
pub use reviews::{Reviews, reviews};

/// The most entries that wait to be written; more are dropped.
pub const BUFFER: usize = 16_384;
/// Entries that are written in one transaction.
const BATCH: usize = 1000;
/// The longest question and the longest name of a model that are kept, in bytes.
const LONGEST: (usize, usize) = (4096, 256);

/// The journal, as the one who writes it has it.
#[derive(Debug)]
pub struct Journal {
    config: config::Journal,
    metrics: Metrics,
    buffer: VecDeque<Entry>,
    open: Option<Open>,
    salt: [u8; 32],
    trouble: Trouble,
}

/// A row of `request` in `journal/1.sql` and `2.sql`, which say what the fields mean. Durations are whole
/// microseconds.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields are the columns of journal/*.sql")]
pub struct Entry {
    pub at: i64,
    pub request_id: String,
    pub conversation: Option<i64>,
    pub caller: Option<i64>,
    pub client: Option<String>,
    pub protocol: String,
    pub model: Option<String>,
    pub decision: String,
    pub would_be: Option<String>,
    pub waived: Option<String>,
    pub audit_share: Option<f64>,
    pub intent: String,
    pub topic: Option<String>,
    pub nearest: Option<String>,
    pub reason: Option<String>,
    pub log_odds: Option<f64>,
    pub threshold: Option<f64>,
    pub mixed: bool,
    pub stage: Option<String>,
    pub gate_us: Option<i64>,
    pub first_byte_us: Option<i64>,
    pub total_us: i64,
    pub status: u16,
    pub upstream_status: Option<u16>,
    pub outcome: String,
    pub usage: Option<String>,
    pub prompt_tokens: Option<i64>,
    pub cached_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    pub cost: Option<f64>,
    pub saved_prompt_tokens: Option<i64>,
    pub saved_completion_tokens: Option<f64>,
    pub saved_cost: Option<f64>,
    pub currency: Option<String>,
    pub again_of: Option<String>,
    pub handed_over_of: Option<String>,
    pub question: Option<String>,
    pub gate_id: Option<String>,
    pub upstream_id: Option<String>,
    pub repeat_of: Option<String>,
}

impl Journal {
    /// Opens the journal. One that cannot be opened is tried again at each flush.
    pub fn new(config: &config::Journal, metrics: &Metrics) -> Self {
        // Overwritten but where the system has no randomness to give.
        let mut salt = std::array::from_fn(|_| fastrand::u8(..));
        getrandom::fill(&mut salt).ok();
        let mut journal = Journal {
            config: config.clone(),
            metrics: metrics.clone(),
            buffer: VecDeque::new(),
            open: None,
            salt,
            trouble: Trouble::default(),
        };
        journal.flush();
        journal
    }

    /// What hashes of conversations and callers begin with: the journal's own, so that they are the same after
    /// a restart; one of this process while it is not open.
    pub fn salt(&self) -> [u8; 32] {
        self.salt
    }

    /// Keeps an entry for the next flush; drops it where too many wait.
    pub fn put(&mut self, mut entry: Entry) {
        if self.config.store == Store::Off {
            return;
        }
        if self.buffer.len() >= BUFFER {
            return self.drop_entries(1);
        }
        entry.question = entry.question.filter(|_| self.config.questions);
        let (question, model) = (&mut entry.question, &mut entry.model);
        for (text, longest) in [(question, LONGEST.0), (model, LONGEST.1)] {
            if let Some(text) = text.as_mut().filter(|text| text.len() > longest) {
                text.truncate(text.floor_char_boundary(longest));
                text.shrink_to_fit();
            }
        }
        self.buffer.push_back(entry);
    }

    /// How many entries wait for the next flush.
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// Writes what waits, and lets go what is too old or too much. It blocks: on the disk, and on another process
    /// for 50 ms a try.
    pub fn flush(&mut self) {
        if self.config.store == Store::Off {
            return;
        }
        let done = self.write();
        if let Err(error) = &done
            && !error.is_passing()
        {
            self.close();
        }
        let size = self.open.as_ref().map_or(0, Open::size);
        self.metrics.journal_size.set(size.cast_signed());
        let waiting = self.buffer.len();
        // Another process may be in the way when there is nothing to write.
        let error = done.err().filter(|e| waiting > 0 || !e.is_passing());
        self.trouble.tell(error, waiting);
    }

    /// Takes another configuration. What waits is written to where it was to go.
    pub fn configure(&mut self, config: &config::Journal) {
        let moves = path(config) != path(&self.config);
        if moves {
            self.flush();
            self.open = None;
        }
        if config.store == Store::Off {
            self.close();
        }
        self.config = config.clone();
        if moves {
            // Callers are known by the salt of the file that they are written to.
            self.flush();
        }
    }

    /// What people have said of would-be rejections; none while the journal is not open.
    pub fn reviews(&self) -> Option<Reviews> {
        let open = self.open.as_ref()?;
        reviews(&open.database, i64::MIN..i64::MAX).ok()
    }

    /// How long the whole replies to requests since a time in microseconds of Unix time were; none while the
    /// journal is not open.
    pub fn completions(&self, since: i64) -> Vec<Completions> {
        let open = self.open.as_ref();
        let found = open.and_then(|open| completions::completions(&open.database, since).ok());
        found.unwrap_or_default()
    }

    /// Completes the rows of calls that were saved before any reply was known: `owed` says what a reply of a model
    /// is expected to come to. Each row gets it once. Whether that is done: not while entries wait or the journal is
    /// not open.
    pub fn make_up(&mut self, owed: impl Fn(&str) -> Owed) -> bool {
        let open = self.open.as_ref().filter(|_| self.buffer.is_empty());
        match open {
            Some(open) => completions::make_up(&open.database, owed).is_ok(),
            None => self.config.store == Store::Off,
        }
    }

    fn write(&mut self) -> Result<(), Error> {
        let path = path(&self.config).ok_or(Error::NoFolder)?;
        if self.open.as_ref().is_some_and(|open| !open.is_in_place()) {
            self.open = None;
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open::new(path, &mut self.salt)?),
        };
        let max_size = self.config.max_size as u64;
        while !self.buffer.is_empty() {
            open.check_log(retention::log_room(max_size))?;
            let batch = self.buffer.len().min(BATCH);
            open.failing(|database| rows::insert(database, self.buffer.iter().take(batch)))?;
            self.buffer.drain(..batch);
            let written = self.metrics.journal_records.with_label_values(&["written"]);
            written.inc_by(batch as u64);
        }
        open.tidy(self.config.keep, max_size)
    }

    /// Gives up what waits.
    fn close(&mut self) {
        self.open = None;
        let waiting = self.buffer.len();
        self.buffer.clear();
        self.drop_entries(waiting);
    }

    fn drop_entries(&mut self, count: usize) {
        self.trouble.dropped += count;
        let dropped = self.metrics.journal_records.with_label_values(&["dropped"]);
        dropped.inc_by(count as u64);
    }
}
