//! The folder of intents → a snapshot.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Config, find_default};
use crate::embed::Embedder;
use crate::embed::store::{self, Outlook, Store};
use crate::intent::Intent;
use crate::intent::file::{self, Context, IntentFile};
use crate::language::{Phrase, say};
use crate::problem::Problems;
use crate::snapshot::{Preparation, PrepareError, Review, Snapshot};

/// The folder of intents, and what makes a snapshot of it.
#[derive(Debug)]
pub struct Intents {
    folder: PathBuf,
    config: Config,
    store: Arc<Store>,
}

impl Intents {
    /// The configured folder, else `intents` of the working directory or beside the executable.
    ///
    /// # Errors
    /// Only where not even memory can hold vectors.
    pub fn new(config: &Config, embedder: &Embedder) -> anyhow::Result<Self> {
        let store = open_store(config, embedder)?;
        Ok(Intents::with(config, Arc::new(store)))
    }

    /// The same by another configuration; the vectors that are known stay known.
    #[must_use]
    pub fn configured(&self, config: &Config) -> Self {
        Intents::with(config, self.store.clone())
    }

    fn with(config: &Config, store: Arc<Store>) -> Self {
        let folder = config.gate.intents.clone();
        let folder = folder
            .or_else(|| find_default("intents"))
            .unwrap_or_else(|| "intents".into());
        Intents {
            folder,
            config: config.clone(),
            store,
        }
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files as they stand.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn read(&self) -> Result<Vec<IntentFile>, Problems> {
        file::read_folder(&self.folder)
    }

    /// What `files` say, before anything is embedded.
    ///
    /// # Errors
    /// Every problem of the files.
    pub fn parse(&self, files: &[IntentFile]) -> Result<Vec<Intent>, Problems> {
        file::parse(&self.folder, files, self.context())
    }

    /// A snapshot of `files`, and what it was fitted to.
    ///
    /// # Errors
    /// Every problem of the files, or the model's failure.
    pub async fn prepare(
        &self,
        files: &[IntentFile],
        embedder: &Embedder,
        progress: impl Fn(usize, usize),
    ) -> Result<(Snapshot, Review), PrepareError> {
        self.preparation(embedder).run(files, progress).await
    }

    /// The snapshot to begin with: a static one where a full one would keep customers waiting.
    ///
    /// # Errors
    /// As [`Intents::prepare`].
    pub async fn prepare_first(
        &self,
        files: &[IntentFile],
        embedder: &Embedder,
        progress: impl Fn(usize, usize),
    ) -> Result<Snapshot, PrepareError> {
        self.preparation(embedder).run_first(files, progress).await
    }

    /// Writes down what is to be expected of a snapshot; for some days after the model was changed, says how that
    /// changed with it.
    pub fn switched(&self, snapshot: &Snapshot, embedder: &Embedder) -> Option<String> {
        let promise = &snapshot.judge.promise;
        let now = Outlook {
            model: embedder.facts().name.clone(),
            rejected: promise.rejected_share(),
            caught: promise.caught.value(),
        };
        match self.store.expect(&self.folder, &now) {
            Ok(before) => before.map(|before| difference(&before, &now)),
            Err(error) => {
                tracing::warn!(%error, "what is expected of the intents cannot be kept; see model.cache");
                None
            }
        }
    }

    fn preparation<'a>(&'a self, embedder: &'a Embedder) -> Preparation<'a> {
        Preparation {
            folder: &self.folder,
            context: self.context(),
            gate: &self.config.gate,
            embedder,
            store: &self.store,
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            shop: &self.config.shop,
            reject_reply: &self.config.gate.reject_reply,
        }
    }
}

fn difference(before: &Outlook, now: &Outlook) -> String {
    let percent = |share: Option<f64>| {
        share.map_or_else(|| "?".to_owned(), |share| format!("{:.1} %", 100.0 * share))
    };
    let change = |before, now| format!("{} → {}", percent(before), percent(now));
    let rejected = change(before.rejected, now.rejected);
    let caught = change(before.caught, now.caught);
    let (old, new) = (&before.model, &now.model);
    let what = match old == new {
        true => Phrase::new(
            format!("{new} 换了版本"),
            format!("{new} is another version"),
        ),
        false => Phrase::new(
            format!("模型由 {old} 换成 {new}"),
            format!("{new} took the place of {old}"),
        ),
    };
    say(
        format!("{}：预计误拒 {rejected}，预计拦下 {caught}。", what.zh),
        format!(
            "{}: expected to be rejected by mistake {rejected}, to be caught {caught}.",
            what.en
        ),
    )
}

fn open_store(config: &Config, embedder: &Embedder) -> anyhow::Result<Store> {
    let facts = embedder.facts();
    let (model, length) = (&facts.fingerprint, facts.layout.length());
    if let Some(folder) = config.model.cache.clone().or_else(store::default_folder) {
        match Store::open(&folder, model, length) {
            Ok(store) => return Ok(store),
            Err(error) => {
                let folder = folder.display().to_string();
                tracing::warn!(%error, folder, "vectors of examples cannot be kept here, so each start embeds them anew; see model.cache");
            }
        }
    }
    Ok(Store::in_memory(model, length)?)
}
