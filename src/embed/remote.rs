//! A model behind an embeddings API as OpenAI's.

use super::{EmbedError, Embedded, Facts, LoadError};
use crate::catalogue::Entry;
use crate::config::Model;

/// Examples in one request.
pub(super) const BATCH: usize = 64;

/// The API's client, and the thread that asks it.
#[derive(Debug)]
pub(super) struct Remote;

/// What the API has been asked since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that failed, each try counted.
    pub failed: u64,
    /// Texts that were embedded.
    pub texts: u64,
    /// Tokens that the API says it read.
    pub tokens: u64,
}

impl Remote {
    /// Starts the thread. Asks the API only where nobody says how long its vectors are.
    pub(super) fn start(
        config: &Model,
        _known: Option<&Entry>,
    ) -> Result<(Remote, Facts), LoadError> {
        let name = config.name.clone().unwrap_or_default();
        Err(LoadError::Unreachable {
            url: config
                .url
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            error: name,
        })
    }

    /// A customer's question: at once where nothing is under way, else together with others that wait.
    pub(super) async fn question(&self, _text: String) -> Result<Embedded, EmbedError> {
        Err(EmbedError::Failed("not yet".to_owned()))
    }

    /// Examples, in batches; waits patiently where the API is busy or down.
    pub(super) async fn examples(&self, _texts: Vec<String>) -> Result<Vec<Embedded>, EmbedError> {
        Err(EmbedError::Failed("not yet".to_owned()))
    }

    /// Questions that wait.
    pub(super) fn waiting(&self) -> usize {
        0
    }

    /// Since the start.
    pub(super) fn usage(&self) -> Usage {
        Usage::default()
    }
}
