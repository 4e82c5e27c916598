//! Text → vectors, on the CPU, through the bundled model.
//!
//! Two stages, each a session of ONNX Runtime on threads of its own behind a bounded queue: the static
//! stage looks token vectors up and averages them, the encoder runs the transformer over them.

mod encoder;
mod error;
mod manifest;
mod queue;
mod runtime;
mod static_stage;
pub mod store;
mod tokens;

use std::path::Path;
use std::time::Duration;

pub use error::{EmbedError, LoadError};
pub use manifest::Manifest;
pub use tokens::{Tokenizer, Tokens};

use crate::config::{Model, find_default};
use crate::verdict::Stage;
use encoder::Encoder;
use queue::Queue;
use static_stage::StaticStage;
pub use static_stage::TokenVectors;

/// A text as vectors.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// Unit vectors one after the other, each of the model's dimension: the mean of the static token vectors;
    /// behind the encoder also that of the hidden states after layer 6, and of the last layer's.
    pub vectors: Box<[f32]>,
    /// How far it went.
    pub stage: Stage,
    /// Tokens that the model saw, prefix and markers included.
    pub tokens: usize,
    /// Whether the text was longer than the model reads.
    pub truncated: bool,
    /// Tokenising and the static stage.
    pub static_time: Duration,
    /// The encoder.
    pub encoder_time: Duration,
}

/// How many unit vectors an [`Embedding`] holds behind the encoder.
pub const BLOCKS: usize = 3;

/// The model, loaded.
#[derive(Debug)]
pub struct Embedder {
    manifest: Manifest,
    static_stage: Queue<String, TokenVectors>,
    encoder: Queue<TokenVectors, Embedding>,
    threads: usize,
}

impl Embedder {
    /// Loads ONNX Runtime and the model that the configuration names, and starts the threads.
    ///
    /// # Errors
    /// What is missing or wrong, with the next step.
    pub fn load(config: &Model) -> Result<Self, LoadError> {
        let environment = runtime::load(config.runtime.as_deref())?;
        let folder = match &config.path {
            Some(path) => path.clone(),
            None => find_default(manifest::BUNDLED).ok_or(LoadError::NoModel)?,
        };
        let manifest = Manifest::read(&folder)?;
        let threads = config.threads.get();
        let encoders = (0..threads)
            .map(|_| Encoder::load(&environment, &folder, manifest.dimension))
            .collect::<Result<Vec<_>, _>>()?;
        let static_stage = StaticStage::load(&environment, &folder)?;
        // Last: its many small pieces fill the holes that opening the sessions left in the heap.
        let tokenizer = Tokenizer::load(&manifest, &folder)?;
        let bound = config.queue.get();
        Ok(Embedder {
            manifest,
            static_stage: Queue::start(
                "embed-static",
                bound,
                vec![static_stage.into_work(tokenizer)],
            )?,
            encoder: Queue::start(
                "embed-encoder",
                bound,
                encoders.into_iter().map(Encoder::into_work).collect(),
            )?,
            threads,
        })
    }

    /// What the model says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How many questions are embedded at the same time.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Questions that wait for a stage.
    pub fn waiting(&self) -> usize {
        self.static_stage.waiting() + self.encoder.waiting()
    }

    /// Embeds one text, as far as `stage`. Dropping the future takes the question out of the queue.
    ///
    /// # Errors
    /// [`EmbedError::QueueFull`] at once when too many wait; [`EmbedError::Failed`] when the model fails.
    pub async fn embed(&self, text: String, stage: Stage) -> Result<Embedding, EmbedError> {
        let read = self.read(text).await?;
        match stage {
            Stage::Encoder => self.encode(read).await,
            Stage::Cache | Stage::Static => Ok(read.into()),
        }
    }

    /// The static stage alone; [`Embedder::encode`] goes on from there.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub async fn read(&self, text: String) -> Result<TokenVectors, EmbedError> {
        self.static_stage.run(text).await
    }

    /// What is left to an [`Embedding`] behind the encoder.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub async fn encode(&self, read: TokenVectors) -> Result<Embedding, EmbedError> {
        self.encoder.run(read).await
    }
}

/// The bundled model's or another model's folder holds these.
fn require(folder: &Path, name: &str) -> Result<std::path::PathBuf, LoadError> {
    let path = folder.join(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(LoadError::NoFile { path })
    }
}
