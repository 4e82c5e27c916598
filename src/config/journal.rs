//! `[journal]`: what is kept of each request, where, and for how long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::{root, units};
use crate::language::Phrase;

/// The least that `max_size` may be, in bytes: a database and its write-ahead log of a useful length.
const LEAST_SIZE: usize = 16 << 20;

/// The record of requests.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// What it is kept in. `journal = "off"` at the top of the file sets this as well.
    pub store: Store,
    /// The database's file. None: `journal.sqlite` in the folder for state of the service or the user.
    pub path: Option<PathBuf>,
    /// Whether the customers' words are kept.
    pub questions: bool,
    /// How long records are kept.
    #[serde(deserialize_with = "units::duration")]
    pub keep: Duration,
    /// The most that the database's files take, in bytes; the oldest records go first.
    #[serde(deserialize_with = "units::size")]
    pub max_size: usize,
    /// The time after a rejection within which the same question, or one for a person, is counted as its
    /// consequence.
    #[serde(deserialize_with = "units::duration")]
    pub asked_again_within: Duration,
    /// The intents by which a customer asks for a person.
    pub handoff_intents: Vec<String>,
}

/// What the journal is kept in.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// An embedded database.
    #[default]
    Sqlite,
    /// Nothing: there is no journal.
    Off,
}

impl Journal {
    pub(super) fn root_paths(&mut self, folder: &Path) {
        root(&mut self.path, folder);
    }

    /// What serde cannot see: the key of the problem, and what is wrong.
    pub(super) fn check(&self) -> Option<(&'static str, Phrase)> {
        let size = self.max_size;
        (size < LEAST_SIZE).then(|| {
            let phrase = Phrase::new(
                format!("{size} 字节太小；至少 16MiB"),
                format!("{size} bytes are too few; 16MiB is the least"),
            );
            ("journal.max_size", phrase)
        })
    }
}

impl Default for Journal {
    fn default() -> Self {
        Journal {
            store: Store::default(),
            path: None,
            questions: false,
            keep: Duration::from_secs(90 * 24 * 3600),
            max_size: 1 << 30,
            asked_again_within: Duration::from_secs(600),
            handoff_intents: vec!["human".to_owned()],
        }
    }
}
