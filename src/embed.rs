//! Text → vectors: on the CPU through the bundled model or one of the shop's choice, or through an embeddings API.
//!
//! The bundled model has two stages. The static stage looks token vectors up in a file and averages them, on
//! the thread of whoever asks; the encoder runs the transformer over them, each session of ONNX Runtime on a thread of
//! its own behind a bounded queue. It stands before another model as well: what is known of any shop is known by its
//! vectors, which are a part of each embedding.

mod answer;
mod api;
mod batch;
mod bundled;
mod card;
mod charsmap;
mod checkpoint;
mod dispatch;
mod double_array;
mod encoder;
mod error;
mod examples;
mod facts;
mod general;
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
mod tensors;
mod tokens;
mod unigram;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::task::yield_now;

pub use error::{EmbedError, LoadError};
pub use facts::{Block, Facts, Layout};
pub use general::{General, Known, Opinion};
pub use manifest::Manifest;
pub use static_stage::TokenVectors;
pub use tokens::{Tokenizer, Tokens};

use crate::catalogue::{self, Entry};
use crate::config::{Model, find_default};
use crate::hub::Hub;
use crate::metrics::Embeddings;
use crate::verdict::Stage;
use bundled::Bundled;
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
    /// Whether it knows enough of them to tell what the text is about.
    pub readable: bool,
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
    /// None where the shop wants its own model alone.
    bundled: Option<Bundled>,
    /// A model of the shop's choice; none where the bundled one is all there is.
    own: Option<Own>,
    threads: usize,
}

/// A model of the shop's choice.
#[derive(Debug)]
enum Own {
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
        let environment = || runtime::load(config.runtime.as_deref());
        let (own, facts) = if config.url.is_some() {
            let (remote, facts) = Remote::start(config, known)?;
            (Own::Remote(remote), facts)
        } else {
            let folder = folder(config, known)?;
            let environment = environment()?;
            if bundled::is_laid_out(&folder) {
                bundled::ensure_unconfigured(&folder, config)?;
                let (bundled, facts) = Bundled::load(&environment, &folder, config)?;
                return Ok(Embedder {
                    facts,
                    bundled: Some(bundled),
                    own: None,
                    threads,
                });
            }
            let (mut local, facts) = Local::load(&environment, &folder, config, known)?;
            let work: queue::Work<_, _> = Box::new(move |texts: Vec<String>| local.embed(&texts));
            let queue = Queue::start("embed", config.queue.get(), vec![work])?;
            (Own::Local(queue), facts)
        };
        let (bundled, facts) = if config.static_stage {
            let folder = find_default(manifest::BUNDLED).ok_or(LoadError::NoStaticStage)?;
            let (bundled, first) = Bundled::load(&environment()?, &folder, config)?;
            (Some(bundled), bundled::beside(first, facts))
        } else {
            (None, facts)
        };
        Ok(Embedder {
            facts,
            bundled,
            own: Some(own),
            threads,
        })
    }

    /// What is known of the model.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What is known of any shop; none where the shop's model stands alone.
    pub fn general(&self) -> Option<&Arc<General>> {
        self.bundled.as_ref().map(|bundled| &bundled.general)
    }

    /// Whether the bundled model is all there is.
    pub fn is_bundled(&self) -> bool {
        self.own.is_none()
    }

    /// How many questions are embedded at the same time.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Questions that wait for the model.
    pub fn waiting(&self) -> usize {
        let before = self.bundled.as_ref().map_or(0, Bundled::waiting);
        before
            + match &self.own {
                Some(Own::Local(queue)) => queue.waiting(),
                Some(Own::Remote(remote)) => remote.waiting(),
                None => 0,
            }
    }

    /// What an embeddings API has been asked; none where the model is here.
    pub fn counts(&self) -> Option<&Embeddings> {
        match &self.own {
            Some(Own::Remote(remote)) => Some(remote.counts()),
            Some(Own::Local(_)) | None => None,
        }
    }

    /// Embeds one text, as far as `stage`, or as far as the model goes where there is no static stage. Dropping the
    /// future takes the question out of the queue.
    ///
    /// # Errors
    /// [`EmbedError::QueueFull`] at once when too many wait; [`EmbedError::Failed`] when the model fails.
    pub async fn embed(&self, text: String, stage: Stage) -> Result<Embedding, EmbedError> {
        match (self.read(&text)?, stage) {
            (Some(read), Stage::Cache | Stage::Static) => Ok(read.into()),
            (read, _) => self.encode(text, read).await,
        }
    }

    /// The static stage alone, where there is one; [`Embedder::encode`] goes on from there. It takes some ten
    /// microseconds, and a millisecond for the longest text.
    ///
    /// # Errors
    /// [`EmbedError::Failed`] when the model fails.
    pub fn read(&self, text: &str) -> Result<Option<TokenVectors>, EmbedError> {
        let bundled = self.bundled.as_ref();
        bundled.map(|bundled| bundled.read(text)).transpose()
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
        let first = match (&self.bundled, read) {
            (Some(bundled), Some(read)) => Some(bundled.encode(read).await?),
            _ => None,
        };
        let start = Instant::now();
        let own = match &self.own {
            Some(Own::Local(queue)) => queue.run(vec![text]).await?.pop(),
            Some(Own::Remote(remote)) => Some(remote.question(text).await?),
            None => return first.ok_or_else(no_vector),
        };
        let own = own.ok_or_else(no_vector)?;
        let (static_time, before) = first.as_ref().map_or_else(Default::default, |first| {
            (first.static_time, first.encoder_time)
        });
        Ok(Embedding {
            vectors: side_by_side(first.as_ref(), &own),
            stage: Stage::Encoder,
            tokens: own.tokens,
            // A model of the shop's choice may read what the bundled one does not.
            readable: true,
            truncated: own.truncated,
            static_time,
            encoder_time: before + start.elapsed(),
        })
    }

    /// So many examples are best given to [`Embedder::examples`] at a time: they keep the model busy, and a
    /// customer's question waits for no more than these.
    pub fn batch(&self) -> usize {
        match &self.own {
            Some(Own::Local(_)) => BATCH,
            Some(Own::Remote(_)) => remote::BATCH,
            None => self.threads,
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
        let mut first = Vec::with_capacity(texts.len());
        if let Some(bundled) = &self.bundled {
            let read = texts.iter().map(|text| bundled.read(text));
            let read = read.collect::<Result<Vec<_>, _>>()?;
            if stage != Stage::Encoder {
                // Thousands of them take a while, and none waits for anything.
                yield_now().await;
                return Ok(read.into_iter().map(|read| read.mean.into()).collect());
            }
            first = try_join_all(read.into_iter().map(|read| bundled.encode(read))).await?;
        }
        let own = match &self.own {
            Some(Own::Local(queue)) => queue.run(texts).await?,
            Some(Own::Remote(remote)) => remote.examples(texts).await?,
            None => return Ok(first.into_iter().map(|first| first.vectors).collect()),
        };
        let own = own.iter().enumerate();
        Ok(own
            .map(|(index, own)| side_by_side(first.get(index), own))
            .collect())
    }

    /// The vectors of a text that is an example of the shipped intents, where these come with the model.
    pub fn example(&self, text: &str) -> Option<Box<[f32]>> {
        let bundled = self.bundled.as_ref().filter(|_| self.is_bundled());
        bundled?.example(text)
    }
}

/// The bundled model's vectors, where there are any, then the model's own.
fn side_by_side(first: Option<&Embedding>, own: &Embedded) -> Box<[f32]> {
    let first = first.map_or(&[][..], |first| &first.vectors);
    [first, &own.vectors].concat().into()
}

/// That a model's numbers are numbers: files may not be what they were, a graph may divide by zero, and the verdict
/// would be one of chance, or that of every question where an example is such.
fn ensure_finite(vector: &[f32]) -> Result<(), EmbedError> {
    let finite = vector.iter().all(|x| x.is_finite());
    let none = || EmbedError::Failed("a vector with numbers that are none".to_owned());
    finite.then_some(()).ok_or_else(none)
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
