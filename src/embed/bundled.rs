//! The bundled model, and whatever has its layout: two stages, a manifest that says what they are, and what is known
//! of any shop by their vectors. It stands before other models as well.

use std::path::Path;
use std::sync::Arc;

use ort::environment::Environment;
use sha2::{Digest, Sha256};

use super::encoder::Encoder;
use super::examples::Examples;
use super::general::General;
use super::manifest::{FILE, hex};
use super::queue::Queue;
use super::static_stage::{EMBEDDINGS, StaticStage};
use super::{Block, EmbedError, Embedding, Facts, Layout, LoadError, Manifest, TokenVectors};
use crate::catalogue::Pooling;
use crate::config::Model;
use crate::language::Phrase;

/// How much each unit vector counts beside the others: static, contextual.
const WEIGHTS: [f32; 2] = [0.5, 1.0];
/// The same where another model's vectors stand behind them.
const WEIGHTS_BESIDE: [f32; 2] = [0.5, 0.7];

/// The model, loaded.
#[derive(Debug)]
pub(super) struct Bundled {
    static_stage: StaticStage,
    /// The transformer, on its threads.
    encoder: Queue<TokenVectors, Embedding>,
    pub(super) general: Arc<General>,
    examples: Option<Examples>,
}

/// Whether a folder has the bundled model's layout, whole or not.
pub(super) fn is_laid_out(folder: &Path) -> bool {
    [FILE, EMBEDDINGS]
        .into_iter()
        .any(|file| folder.join(file).is_file())
}

/// That the configuration says nothing of the model in `folder` that its manifest says.
pub(super) fn ensure_unconfigured(folder: &Path, config: &Model) -> Result<(), LoadError> {
    let set = [
        ("name", config.name.is_some()),
        ("file", config.file.is_some()),
        ("pooling", config.pooling.is_some()),
        ("prompt", config.prompt.is_some()),
        ("dimensions", config.dimensions.is_some()),
        ("max_tokens", config.max_tokens.is_some()),
        ("static_stage", !config.static_stage),
    ];
    let Some((key, _)) = set.into_iter().find(|(_, set)| *set) else {
        return Ok(());
    };
    let says = folder.join(FILE).display().to_string();
    Err(LoadError::Unfit {
        key,
        problem: Phrase::new(
            format!("{says} 里已经定好了"),
            format!("{says} says it already"),
        ),
        remedy: Phrase::new("去掉这个键", "leave the key out"),
    })
}

impl Bundled {
    /// The model in `folder`, and what is known of it.
    pub(super) fn load(
        environment: &Environment,
        folder: &Path,
        config: &Model,
    ) -> Result<(Self, Facts), LoadError> {
        let manifest = Manifest::read(folder)?;
        let static_stage = StaticStage::load(folder, &manifest)?;
        let encoders = (0..config.threads.get())
            .map(|_| Encoder::load(environment, folder, static_stage.words.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let encoders = encoders.into_iter().map(Encoder::into_work).collect();
        let bundled = Bundled {
            static_stage,
            encoder: Queue::start("embed-encoder", config.queue.get(), encoders)?,
            general: Arc::new(General::load(folder)?),
            examples: Examples::load(folder, &manifest)?,
        };
        Ok((bundled, facts(manifest)))
    }

    /// What there is to a text without the transformer.
    pub(super) fn read(&self, text: &str) -> Result<TokenVectors, EmbedError> {
        self.static_stage.read(text)
    }

    /// The whole of it.
    pub(super) async fn encode(&self, read: TokenVectors) -> Result<Embedding, EmbedError> {
        self.encoder.run(read).await
    }

    /// The vectors of an example of the shipped intents, which come with the model.
    pub(super) fn example(&self, text: &str) -> Option<Box<[f32]>> {
        let contextual = self.examples.as_ref()?.vector(text)?;
        let read = self.read(text).ok()?;
        Some([read.mean, contextual].concat().into())
    }

    pub(super) fn waiting(&self) -> usize {
        self.encoder.waiting()
    }
}

/// What the vectors are where another model's stand behind the bundled one's.
pub(super) fn beside(bundled: Facts, own: Facts) -> Facts {
    let fingerprints = [bundled.fingerprint.as_str(), own.fingerprint.as_str()].concat();
    let blocks = bundled.layout.blocks.iter().zip(WEIGHTS_BESIDE);
    let before = blocks.map(|(block, weight)| Block {
        length: block.length,
        weight,
    });
    Facts {
        fingerprint: hex(&Sha256::digest(fingerprints)),
        layout: Layout {
            blocks: before.chain(own.layout.blocks).collect(),
            has_static_stage: true,
        },
        ..own
    }
}

fn facts(manifest: Manifest) -> Facts {
    let length = manifest.dimension;
    let blocks = WEIGHTS.map(|weight| Block { length, weight });
    Facts {
        name: manifest.name,
        fingerprint: manifest.fingerprint,
        layout: Layout {
            blocks: blocks.to_vec(),
            has_static_stage: true,
        },
        pooling: Some(Pooling::Mean),
        prompt: manifest.prefix,
        max_tokens: Some(manifest.max_tokens),
        languages: manifest.languages,
    }
}
