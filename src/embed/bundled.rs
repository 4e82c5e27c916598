//! The bundled model, and whatever has its layout: two stages, and a manifest that says what they are.

use std::path::Path;

use ort::environment::Environment;

use super::encoder::Encoder;
use super::manifest::FILE;
use super::queue::Queue;
use super::static_stage::StaticStage;
use super::{
    Block, EmbedError, Embedding, Facts, Layout, LoadError, Manifest, TokenVectors, Tokenizer,
};
use crate::catalogue::Pooling;
use crate::config::Model;
use crate::language::Phrase;
use crate::verdict::Stage;

/// How much each unit vector counts beside the others: static, layer 6, last layer.
pub(super) const WEIGHTS: [f32; 3] = [0.5, 0.7, 1.0];

/// Both stages, on their threads.
#[derive(Debug)]
pub(super) struct Bundled {
    static_stage: Queue<String, TokenVectors>,
    encoder: Queue<TokenVectors, Embedding>,
}

impl Bundled {
    pub(super) fn load(
        environment: &Environment,
        folder: &Path,
        config: &Model,
    ) -> Result<(Self, Facts), LoadError> {
        let manifest = Manifest::read(folder)?;
        let set = [
            ("name", config.name.is_some()),
            ("file", config.file.is_some()),
            ("pooling", config.pooling.is_some()),
            ("prompt", config.prompt.is_some()),
            ("dimensions", config.dimensions.is_some()),
            ("max_tokens", config.max_tokens.is_some()),
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
        let static_stage = StaticStage::load(environment, folder)?;
        // Last: its many small pieces fill the holes that opening the sessions left in the heap.
        let tokenizer = Tokenizer::load(folder, &manifest.prefix, manifest.max_tokens)?;
        let bound = config.queue.get();
        let bundled = Bundled {
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
        };
        Ok((bundled, facts(manifest)))
    }

    pub(super) fn waiting(&self) -> usize {
        self.static_stage.waiting() + self.encoder.waiting()
    }

    pub(super) async fn embed(&self, text: String, stage: Stage) -> Result<Embedding, EmbedError> {
        let read = self.read(text).await?;
        match stage {
            Stage::Encoder => self.encode(read).await,
            Stage::Cache | Stage::Static => Ok(read.into()),
        }
    }

    pub(super) async fn read(&self, text: String) -> Result<TokenVectors, EmbedError> {
        self.static_stage.run(text).await
    }

    pub(super) async fn encode(&self, read: TokenVectors) -> Result<Embedding, EmbedError> {
        self.encoder.run(read).await
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
