//! The bundled model, and whatever has its layout: two stages, and a manifest that says what they are. Its static
//! stage stands before other models as well.

use std::path::Path;

use ort::environment::Environment;
use sha2::{Digest, Sha256};

use super::encoder::Encoder;
use super::manifest::{FILE, hex};
use super::queue::Queue;
use super::static_stage::{STATIC_GRAPH, StaticStage};
use super::{Block, Embedding, Facts, Layout, LoadError, Manifest, TokenVectors, Tokenizer};
use crate::catalogue::Pooling;
use crate::config::Model;
use crate::language::Phrase;

/// How much each unit vector counts beside the others: static, layer 6, last layer.
pub(super) const WEIGHTS: [f32; 3] = [0.5, 0.7, 1.0];

/// The stage that looks words up, on its thread.
pub(super) type StaticQueue = Queue<String, TokenVectors>;
/// The transformer, on its threads.
pub(super) type EncoderQueue = Queue<TokenVectors, Embedding>;

/// Whether a folder has the bundled model's layout, whole or not.
pub(super) fn is_laid_out(folder: &Path) -> bool {
    [FILE, STATIC_GRAPH]
        .into_iter()
        .any(|file| folder.join(file).is_file())
}

/// Both stages of the model in `folder`.
pub(super) fn load(
    environment: &Environment,
    folder: &Path,
    config: &Model,
) -> Result<(StaticQueue, EncoderQueue, Facts), LoadError> {
    let manifest = Manifest::read(folder)?;
    let set = [
        ("name", config.name.is_some()),
        ("file", config.file.is_some()),
        ("pooling", config.pooling.is_some()),
        ("prompt", config.prompt.is_some()),
        ("dimensions", config.dimensions.is_some()),
        ("max_tokens", config.max_tokens.is_some()),
        ("static_stage", !config.static_stage),
    ];
    if let Some((key, _)) = set.into_iter().find(|(_, set)| *set) {
        let says = folder.join(FILE).display().to_string();
        return Err(LoadError::Unfit {
            key,
            problem: Phrase::new(
                format!("{says} 里已经定好了"),
                format!("{says} says it already"),
            ),
            remedy: Phrase::new("去掉这个键", "leave the key out"),
        });
    }
    let encoders = (0..config.threads.get())
        .map(|_| Encoder::load(environment, folder, manifest.dimension))
        .collect::<Result<Vec<_>, _>>()?;
    let encoders = encoders.into_iter().map(Encoder::into_work).collect();
    let encoder = Queue::start("embed-encoder", config.queue.get(), encoders)?;
    let static_stage = static_stage(environment, folder, &manifest, config)?;
    Ok((static_stage, encoder, facts(manifest)))
}

/// The static stage alone, to stand before another model, and what the vectors of both are.
pub(super) fn beside(
    environment: &Environment,
    folder: &Path,
    config: &Model,
    own: Facts,
) -> Result<(StaticQueue, Facts), LoadError> {
    let manifest = Manifest::read(folder)?;
    let first = Block {
        length: manifest.dimension,
        weight: WEIGHTS[0],
    };
    let fingerprints = [manifest.fingerprint.as_str(), own.fingerprint.as_str()].concat();
    let facts = Facts {
        fingerprint: hex(&Sha256::digest(fingerprints)),
        layout: Layout {
            blocks: std::iter::once(first).chain(own.layout.blocks).collect(),
            has_static_stage: true,
        },
        ..own
    };
    let static_stage = static_stage(environment, folder, &manifest, config)?;
    Ok((static_stage, facts))
}

fn static_stage(
    environment: &Environment,
    folder: &Path,
    manifest: &Manifest,
    config: &Model,
) -> Result<StaticQueue, LoadError> {
    let stage = StaticStage::load(environment, folder)?;
    // Last: its many small pieces fill the holes that opening the sessions left in the heap.
    let tokenizer = Tokenizer::load(folder, &manifest.prefix, manifest.max_tokens)?;
    Queue::start(
        "embed-static",
        config.queue.get(),
        vec![stage.into_work(tokenizer)],
    )
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
