//! Everything a verdict depends on, in one immutable value.
//!
//! [`Preparation`] makes one off the request path and may fail; [`Live::publish`] swaps it in and cannot. A
//! request takes the current one once.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::try_join_all;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::embed::store::Store;
use crate::embed::{EmbedError, Embedder};
use crate::intent::file::{self, IntentFile};
use crate::intent::{Intent, IntentName};
use crate::judge::{Group, Judge};
use crate::memory;
use crate::problem::Problems;
use crate::verdict::Stage;

/// Intents, embedded and fitted.
#[derive(Debug)]
pub struct Snapshot {
    /// The intents, by name.
    pub intents: Vec<Intent>,
    /// What judges.
    pub judge: Judge,
    /// How far questions are embedded: as far as the examples were.
    pub stage: Stage,
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
        memory::give_back();
        Live(ArcSwap::from_pointee(snapshot))
    }

    /// What judges from now on.
    pub fn publish(&self, snapshot: Snapshot) {
        self.0.store(Arc::new(snapshot));
        memory::give_back();
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

/// The examples' vectors, by text.
pub type Vectors = HashMap<String, Box<[f32]>>;

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
    /// Knows the vectors of examples that were embedded before.
    pub store: &'a Store,
}

/// An example waits this long where the queue is full of questions.
const WAIT_FOR_QUESTIONS: Duration = Duration::from_millis(20);

impl Preparation<'_> {
    /// Parses, embeds what is new, fits. `progress` is told of each embedded example: done, of how many.
    ///
    /// # Errors
    /// Every problem of the files; or the model's failure.
    pub async fn run(
        self,
        files: &[IntentFile],
        progress: impl Fn(usize, usize),
    ) -> Result<(Snapshot, Vectors), PrepareError> {
        let intents = file::parse(self.folder, files, self.context)?;
        let vectors = self.stored(&intents);
        self.complete(intents, vectors, progress).await
    }

    /// The snapshot to begin with. Where more than `few` examples are new, and embedding them fully would keep
    /// customers waiting, it judges by static vectors alone; it serves until the full one is there.
    ///
    /// # Errors
    /// As [`Preparation::run`].
    pub async fn run_first(
        self,
        files: &[IntentFile],
        few: usize,
        progress: impl Fn(usize, usize),
    ) -> Result<Snapshot, PrepareError> {
        let intents = file::parse(self.folder, files, self.context)?;
        let vectors = self.stored(&intents);
        if unknown(&intents, &vectors).len() <= few {
            let (snapshot, _) = self.complete(intents, vectors, progress).await?;
            return Ok(snapshot);
        }
        let all = unknown(&intents, &Vectors::new());
        let vectors = self
            .embed(&all, Stage::Static, |_, _| {})
            .await?
            .into_iter()
            .collect();
        Ok(self.fit(intents, &vectors, Stage::Static))
    }

    /// Embeds what `vectors` lack, keeps it, and fits.
    async fn complete(
        self,
        intents: Vec<Intent>,
        mut vectors: Vectors,
        progress: impl Fn(usize, usize),
    ) -> Result<(Snapshot, Vectors), PrepareError> {
        let new = unknown(&intents, &vectors);
        let embedded = self.embed(&new, Stage::Encoder, progress).await?;
        self.keep(&embedded);
        vectors.extend(embedded);
        Ok((self.fit(intents, &vectors, Stage::Encoder), vectors))
    }

    fn fit(self, intents: Vec<Intent>, vectors: &Vectors, stage: Stage) -> Snapshot {
        let groups: Vec<_> = intents
            .iter()
            .map(|intent| group(intent, vectors))
            .collect();
        let dimension = self.embedder.manifest().dimension;
        let judge = block_in_place(|| Judge::fit(&groups, dimension, self.false_reject_target));
        Snapshot {
            intents,
            judge,
            stage,
        }
    }

    /// No more at a time than there are threads, so that a customer's question waits for at most one example.
    async fn embed(
        self,
        texts: &[String],
        stage: Stage,
        progress: impl Fn(usize, usize),
    ) -> Result<Vec<(String, Box<[f32]>)>, EmbedError> {
        let mut embedded = Vec::with_capacity(texts.len());
        for some in texts.chunks(self.embedder.threads()) {
            let vectors = try_join_all(some.iter().map(|text| self.embed_one(text, stage))).await?;
            embedded.extend(some.iter().cloned().zip(vectors));
            progress(embedded.len(), texts.len());
        }
        Ok(embedded)
    }

    /// Examples can wait where questions cannot.
    async fn embed_one(self, text: &str, stage: Stage) -> Result<Box<[f32]>, EmbedError> {
        loop {
            match self.embedder.embed(text.to_owned(), stage).await {
                Ok(embedding) => return Ok(embedding.vectors),
                Err(EmbedError::QueueFull) => sleep(WAIT_FOR_QUESTIONS).await,
                Err(error) => return Err(error),
            }
        }
    }

    fn stored(self, intents: &[Intent]) -> Vectors {
        let texts = examples(intents);
        self.store.load(texts).unwrap_or_else(|error| {
            tracing::warn!(%error, "vectors of earlier starts cannot be read; examples are embedded anew");
            Vectors::new()
        })
    }

    fn keep(self, embedded: &[(String, Box<[f32]>)]) {
        if !embedded.is_empty()
            && let Err(error) = self.store.save(embedded)
        {
            tracing::warn!(%error, "vectors of examples cannot be kept for the next start");
        }
    }
}

fn examples(intents: &[Intent]) -> impl Iterator<Item = &str> {
    let examples = intents.iter().flat_map(|intent| &intent.examples);
    examples.map(|example| example.text.as_str())
}

fn unknown(intents: &[Intent], known: &Vectors) -> Vec<String> {
    let new = examples(intents).filter(|text| !known.contains_key(*text));
    new.map(str::to_owned).collect()
}

fn group<'a>(intent: &Intent, vectors: &'a Vectors) -> Group<'a> {
    let examples = intent.examples.iter();
    Group {
        name: intent.name.clone(),
        action: intent.action,
        examples: examples
            .filter_map(|e| vectors.get(&e.text).map(|v| &**v))
            .collect(),
    }
}
