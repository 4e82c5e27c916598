//! Everything a verdict depends on, in one immutable value.
//!
//! [`prepare`] makes one off the request path and may fail; [`Live::publish`] swaps it in and cannot. A
//! request takes the current one once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::try_join_all;
use tokio::task::block_in_place;

use crate::embed::store::Store;
use crate::embed::{BLOCKS, EmbedError, Embedder};
use crate::intent::file::{self, IntentFile};
use crate::intent::fit::{Group, Judge};
use crate::intent::{Intent, IntentName};
use crate::problem::Problems;

/// Intents, embedded and fitted.
#[derive(Debug)]
pub struct Snapshot {
    /// The intents, by name.
    pub intents: Vec<Intent>,
    /// What judges.
    pub judge: Judge,
    /// The examples' vectors, by text: the next snapshot does not embed them again.
    pub vectors: HashMap<String, Arc<[f32]>>,
}

impl Snapshot {
    /// The intent of a name.
    pub fn intent(&self, name: &IntentName) -> Option<&Intent> {
        self.intents.iter().find(|intent| intent.name == *name)
    }

    /// How many examples the intents have together.
    pub fn examples(&self) -> usize {
        self.intents
            .iter()
            .map(|intent| intent.examples.len())
            .sum()
    }
}

/// The current snapshot.
#[derive(Debug)]
pub struct Live(ArcSwap<Snapshot>);

impl Live {
    /// The first one.
    pub fn new(snapshot: Snapshot) -> Self {
        Live(ArcSwap::from_pointee(snapshot))
    }

    /// What judges from now on.
    pub fn publish(&self, snapshot: Snapshot) {
        self.0.store(Arc::new(snapshot));
    }

    /// What judges now.
    pub fn current(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The files are wrong.
    #[error(transparent)]
    Files(#[from] Problems),
    /// An example could not be embedded.
    #[error("an example could not be embedded: {0}")]
    Model(#[from] EmbedError),
}

/// What a snapshot is made from and with.
#[derive(Clone, Copy, Debug)]
pub struct Preparation<'a> {
    /// The folder of the files.
    pub folder: &'a Path,
    /// What the files need from the configuration.
    pub context: file::Context<'a>,
    /// The share of real questions that may be rejected.
    pub false_reject_target: f64,
    /// Embeds the examples.
    pub embedder: &'a Embedder,
    /// Knows the vectors of earlier starts; none where it cannot be used.
    pub store: Option<&'a Store>,
    /// Its vectors are not made again.
    pub previous: Option<&'a Snapshot>,
}

impl Preparation<'_> {
    /// Parses, embeds what is new, fits. `progress` is told of each embedded example: done, of how many.
    ///
    /// # Errors
    /// Every problem of the files; or the model's failure.
    pub async fn run(
        self,
        files: &[IntentFile],
        progress: impl Fn(usize, usize),
    ) -> Result<Snapshot, PrepareError> {
        let intents = file::parse(self.folder, files, self.context)?;
        let vectors = self.vectors(&intents, progress).await?;
        let groups: Vec<_> = intents
            .iter()
            .map(|intent| group(intent, &vectors))
            .collect();
        let judge = block_in_place(|| Judge::fit(&groups, self.false_reject_target));
        Ok(Snapshot {
            intents,
            judge,
            vectors,
        })
    }

    async fn vectors(
        self,
        intents: &[Intent],
        progress: impl Fn(usize, usize),
    ) -> Result<HashMap<String, Arc<[f32]>>, EmbedError> {
        let texts: Vec<&str> = intents
            .iter()
            .flat_map(|intent| intent.examples.iter().map(|example| example.text.as_str()))
            .collect();
        let mut vectors: HashMap<String, Arc<[f32]>> = HashMap::with_capacity(texts.len());
        for text in &texts {
            if let Some(known) = self.previous.and_then(|p| p.vectors.get(*text)) {
                vectors.insert((*text).to_owned(), known.clone());
            }
        }
        vectors.extend(
            self.stored(
                texts
                    .iter()
                    .copied()
                    .filter(|text| !vectors.contains_key(*text)),
            ),
        );
        let new: Vec<&str> = texts
            .into_iter()
            .filter(|text| !vectors.contains_key(*text))
            .collect();
        let embedded = self.embed(&new, progress).await?;
        self.keep(&embedded);
        vectors.extend(
            embedded
                .into_iter()
                .map(|(text, vector)| (text.to_owned(), vector)),
        );
        Ok(vectors)
    }

    /// No more at a time than there are threads, so that a customer's question waits for at most one example.
    async fn embed<'t>(
        self,
        texts: &[&'t str],
        progress: impl Fn(usize, usize),
    ) -> Result<Vec<(&'t str, Arc<[f32]>)>, EmbedError> {
        let mut embedded = Vec::with_capacity(texts.len());
        for some in texts.chunks(self.embedder.threads()) {
            let vectors = try_join_all(some.iter().map(|text| self.embed_one(text))).await?;
            embedded.extend(some.iter().copied().zip(vectors));
            progress(embedded.len(), texts.len());
        }
        Ok(embedded)
    }

    /// Examples can wait where questions cannot.
    async fn embed_one(self, text: &str) -> Result<Arc<[f32]>, EmbedError> {
        loop {
            match self.embedder.embed(text.to_owned()).await {
                Ok(embedding) => return Ok(embedding.vectors.into()),
                Err(EmbedError::QueueFull) => {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn stored<'t>(self, texts: impl Iterator<Item = &'t str>) -> Vec<(String, Arc<[f32]>)> {
        let Some(store) = self.store else {
            return Vec::new();
        };
        match store.load(texts) {
            Ok(known) => known
                .into_iter()
                .map(|(text, vectors)| (text.to_owned(), vectors.into()))
                .collect(),
            Err(error) => {
                tracing::warn!(%error, "vectors of earlier starts cannot be read; examples are embedded anew");
                Vec::new()
            }
        }
    }

    fn keep(self, embedded: &[(&str, Arc<[f32]>)]) {
        if let Some(store) = self.store
            && !embedded.is_empty()
            && let Err(error) = store.save(embedded.iter().map(|(text, vector)| (*text, &**vector)))
        {
            tracing::warn!(%error, "vectors of examples cannot be kept for the next start");
        }
    }
}

fn group<'a>(intent: &Intent, vectors: &'a HashMap<String, Arc<[f32]>>) -> Group<'a> {
    let examples = intent.examples.iter();
    Group {
        name: intent.name.clone(),
        action: intent.action,
        examples: examples
            .filter_map(|example| vectors.get(&example.text).map(|vector| &**vector))
            .filter(|vector| vector.len() >= BLOCKS)
            .collect(),
    }
}
