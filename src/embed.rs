//! Text → vectors: on the CPU through the bundled model or one of the shop's choice, or through an embeddings API.
//!
//! The bundled model has two stages, each a session of ONNX Runtime on threads of its own behind a bounded
//! queue: the static stage looks token vectors up and averages them, the encoder runs the transformer over
//! them. Before another model the static stage stands as well: its vector is a part of each embedding, and what is
//! beyond doubt by it needs no other.

mod answer;
mod api;
mod batch;
mod bundled;
mod card;
mod checkpoint;
mod dispatch;
mod encoder;
mod error;
mod facts;
mod graph;
mod health;
mod local;
mod manifest;
mod pooling;
mod prescription;
mod queue;
mod remote;
mod runtime;
mod sparse;
mod static_stage;
pub mod store;
mod tokens;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

pub use error::{EmbedError, LoadError};
pub use facts::{Block, Facts, Layout};
pub use manifest::Manifest;
pub use static_stage::TokenVectors;
pub use tokens::{Tokenizer, Tokens};

use crate::catalogue::{self, Entry};
use crate::config::{Model, find_default};
use crate::hub::Hub;
use crate::metrics::Embeddings;
use crate::verdict::Stage;
use bundled::{EncoderQueue, StaticQueue};
use local::Local;
use queue::Queue;
use remote::Remote;

/// A text as vectors.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// Unit vectors one after the other, as [`Facts::layout`] says; behind the static stage the first alone.
    pub vectors: Box<[f32]>,
    /// How far it went.
    pub stage: Stage,
    /// Tokens that the model saw, prompt and marks included; 0 where an API does not say.
    pub tokens: usize,
    /// Whether the text was longer than the model reads.
    pub truncated: bool,
    /// Tokenising and the static stage.
    pub static_time: Duration,
    /// The encoder.
    pub encoder_time: Duration,
}

/// What a model of one stage makes of a text.
#[derive(Clone, Debug, PartialEq)]
struct Embedded {
    /// Unit vectors one after the other.
    vectors: Box<[f32]>,
    /// Tokens that the model saw; 0 where an API does not say.
    tokens: usize,
    /// Whether the text was longer than the model reads.
    truncated: bool,
}

/// The model, loaded.
#[derive(Debug)]
pub struct Embedder {
    facts: Facts,
    static_stage: Option<StaticQueue>,
    engine: Engine,
    threads: usize,
}

/// What embeds behind the static stage.
#[derive(Debug)]
enum Engine {
    Bundled(EncoderQueue),
    Local(Queue<Vec<String>, Vec<Embedded>>),
    Remote(Remote),
}

/// Texts that a local model embeds in one run, where they are examples: a question waits for one run at most.
const BATCH: usize = 8;

impl Embedder {
    /// Loads the model that the configuration names, and starts its threads. A model of the hub has been pulled
    /// before.
    ///
    /// # Errors
    /// What is missing or wrong, with the next step.
    pub fn load(config: &Model) -> Result<Self, LoadError> {
        let known = config.hub.as_ref().or(config.name.as_ref());
        let known = known.and_then(|name| catalogue::find(name));
        let threads = config.threads.get();
        let (engine, own) = if config.url.is_some() {
            let (remote, facts) = Remote::start(config, known)?;
            (Engine::Remote(remote), facts)
        } else {
            let folder = folder(config, known)?;
            let environment = runtime::load(config.runtime.as_deref())?;
            if bundled::is_laid_out(&folder) {
                let (static_stage, encoder, facts) = bundled::load(&environment, &folder, config)?;
                return Ok(Embedder {
                    facts,
                    static_stage: Some(static_stage),
                    engine: Engine::Bundled(encoder),
                    threads,
                });
            }
            let (mut local, facts) = Local::load(&environment, &folder, config, known)?;
            let work: queue::Work<_, _> = Box::new(move |texts: Vec<String>| local.embed(&texts));
            let queue = Queue::start("embed", config.queue.get(), vec![work])?;
            (Engine::Local(queue), facts)
        };
        let (static_stage, facts) = if config.static_stage {
            let folder = find_default(manifest::BUNDLED).ok_or(LoadError::NoStaticStage)?;
            let environment = runtime::load(config.runtime.as_deref())?;
            let (stage, facts) = bundled::beside(&environment, &folder, config, own)?;
            (Some(stage), facts)
        } else {
            (None, own)
        };
        Ok(Embedder {
            facts,
            static_stage,
            engine,
            threads,
        })
    }

    /// What is known of the model.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// How many questions are embedded at the same time.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Questions that wait for a stage.
    pub fn waiting(&self) -> usize {
        let before = self.static_stage.as_ref().map_or(0, Queue::waiting);
        before
            + match &self.engine {
                Engine::Bundled(queue) => queue.waiting(),
                Engine::Local(queue) => queue.waiting(),
                Engine::Remote(remote) => remote.waiting(),
            }
    }

    /// What an embeddings API has been asked; none where the model is here.
    pub fn counts(&self) -> Option<&Embeddings> {
        match &self.engine {
            Engine::Remote(remote) => Some(remote.counts()),
            Engine::Bundled(_) | Engine::Local(_) => None,
        }
    }

    /// Embeds one text, as far as `stage`, or as far as the model goes where there is no static stage. Dropping the
    /// future takes the question out of the queue.
    ///
    /// # Errors
    /// [`EmbedError::QueueFull`] at once when too many wait; [`EmbedError::Failed`] when the model fails.
    pub async fn embed(&self, text: String, stage: Stage) -> Result<Embedding, EmbedError> {
        match (self.read(text.clone()).await?, stage) {
            (Some(read), Stage::Cache | Stage::Static) => Ok(read.into()),
            (read, _) => self.encode(text, read).await,
        }
    }

    /// The static stage alone, where there is one; [`Embedder::encode`] goes on from there.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub async fn read(&self, text: String) -> Result<Option<TokenVectors>, EmbedError> {
        match &self.static_stage {
            Some(queue) => queue.run(text).await.map(Some),
            None => Ok(None),
        }
    }

    /// What is left to an [`Embedding`] of a text behind the static stage.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub async fn encode(
        &self,
        text: String,
        read: Option<TokenVectors>,
    ) -> Result<Embedding, EmbedError> {
        let start = Instant::now();
        let embedded = match &self.engine {
            Engine::Bundled(queue) => return queue.run(read.ok_or_else(no_vector)?).await,
            Engine::Local(queue) => queue.run(vec![text]).await?.pop(),
            Engine::Remote(remote) => Some(remote.question(text).await?),
        };
        let embedded = embedded.ok_or_else(no_vector)?;
        Ok(Embedding {
            vectors: side_by_side(read.as_ref(), &embedded),
            stage: Stage::Encoder,
            tokens: embedded.tokens,
            truncated: embedded.truncated,
            static_time: read.map_or(Duration::ZERO, |read| read.time),
            encoder_time: start.elapsed(),
        })
    }

    /// So many examples are best given to [`Embedder::examples`] at a time: they keep the model busy, and a
    /// customer's question waits for no more than these.
    pub fn batch(&self) -> usize {
        match &self.engine {
            Engine::Bundled(_) => self.threads,
            Engine::Local(_) => BATCH,
            Engine::Remote(_) => remote::BATCH,
        }
    }

    /// Embeds examples, as far as `stage`; they come back in order.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub async fn examples(
        &self,
        texts: Vec<String>,
        stage: Stage,
    ) -> Result<Vec<Box<[f32]>>, EmbedError> {
        if let Engine::Bundled(_) = &self.engine {
            let each = texts.into_iter().map(|text| self.embed(text, stage));
            let embedded = try_join_all(each).await?;
            return Ok(embedded.into_iter().map(|one| one.vectors).collect());
        }
        let mut read = Vec::with_capacity(texts.len());
        for text in &texts {
            read.push(self.read(text.clone()).await?);
        }
        if stage != Stage::Encoder && self.static_stage.is_some() {
            let read = read.into_iter().flatten();
            return Ok(read.map(|read| read.mean.into()).collect());
        }
        let embedded = match &self.engine {
            Engine::Bundled(_) => Vec::new(),
            Engine::Local(queue) => queue.run(texts).await?,
            Engine::Remote(remote) => remote.examples(texts).await?,
        };
        let both = read.iter().zip(&embedded);
        Ok(both
            .map(|(read, own)| side_by_side(read.as_ref(), own))
            .collect())
    }
}

/// The static vector, where there is one, then the model's own.
fn side_by_side(read: Option<&TokenVectors>, own: &Embedded) -> Box<[f32]> {
    let first = read.map_or(&[][..], |read| &read.mean);
    [first, &own.vectors].concat().into()
}

fn no_vector() -> EmbedError {
    EmbedError::Failed("no vector".to_owned())
}

/// Where the model's files are.
fn folder(config: &Model, known: Option<&Entry>) -> Result<PathBuf, LoadError> {
    if let Some(path) = &config.path {
        return Ok(path.clone());
    }
    let Some(name) = &config.hub else {
        return find_default(manifest::BUNDLED).ok_or(LoadError::NoModel);
    };
    Hub::of_environment()
        .found(config, known)
        .ok_or_else(|| LoadError::NotPulled { name: name.clone() })
}

/// The bundled model's or another model's folder holds these.
fn require(folder: &Path, name: &str) -> Result<PathBuf, LoadError> {
    let path = folder.join(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(LoadError::NoFile { path })
    }
}
