//! Static token vectors → contextual vectors: the transformer.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ort::environment::Environment;
use ort::session::{RunOptions, Session};
use ort::value::TensorRef;

use super::queue::Work;
use super::runtime::open_session;
use super::static_stage::{TokenVectors, Words};
use super::{EmbedError, Embedding, LoadError, ensure_finite, require};
use crate::verdict::Stage;

const FILE: &str = "encoder.onnx";
/// Tokens of a question that is no longer than most.
const LONG: usize = 64;

/// An encoder's session.
pub(super) struct Encoder {
    session: Session,
    /// For a text of more tokens than most: what the runtime has taken for it is given back.
    long: RunOptions,
    words: Arc<Words>,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}

impl Encoder {
    pub(super) fn load(
        environment: &Environment,
        folder: &Path,
        words: Arc<Words>,
    ) -> Result<Self, LoadError> {
        // One thread: a question is too small to share out.
        let session = open_session(environment, &require(folder, FILE)?, 1)?;
        let long = shrinking().map_err(|error| LoadError::WrongRuntime {
            path: folder.join(FILE),
            error: error.to_string(),
        })?;
        Ok(Encoder {
            session,
            long,
            words,
        })
    }

    pub(super) fn into_work(mut self) -> Work<TokenVectors, Embedding> {
        Box::new(move |text| self.run(&text))
    }

    fn run(&mut self, text: &TokenVectors) -> Result<Embedding, EmbedError> {
        let start = Instant::now();
        let width = text.mean.len();
        let count = text.tokens.ids.len();
        let tokens = self.words.embed(&text.tokens.ids)?;
        let mask = vec![1_i64; count];
        let inputs = ort::inputs![
            "token_embeddings" =>
                TensorRef::from_array_view(([1, count, width], tokens.as_slice()))?,
            "attention_mask" => TensorRef::from_array_view(([1, count], mask.as_slice()))?,
        ];
        let outputs = match count > LONG {
            true => self.session.run_with_options(inputs, &self.long)?,
            false => self.session.run(inputs)?,
        };
        let own = outputs["sentence_embedding"].try_extract_tensor::<f32>()?.1;
        ensure_finite(own)?;
        Ok(Embedding {
            vectors: [&text.mean, own].concat().into(),
            stage: Stage::Encoder,
            tokens: count,
            readable: text.tokens.readable(),
            truncated: text.tokens.truncated,
            static_time: text.time,
            encoder_time: start.elapsed(),
        })
    }
}

/// A run after which the runtime keeps no more memory than it had before.
fn shrinking() -> ort::Result<RunOptions> {
    let mut options = RunOptions::new()?;
    options.set("memory.enable_memory_arena_shrinkage", "cpu:0")?;
    Ok(options)
}
