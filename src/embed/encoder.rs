//! Static token vectors → contextual vectors: the transformer.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ort::environment::Environment;
use ort::session::Session;
use ort::value::TensorRef;

use super::queue::Work;
use super::runtime::open_session;
use super::static_stage::{TokenVectors, Words};
use super::{EmbedError, Embedding, LoadError, require};
use crate::verdict::Stage;

/// An encoder's session.
#[derive(Debug)]
pub(super) struct Encoder {
    session: Session,
    words: Arc<Words>,
}

impl Encoder {
    pub(super) fn load(
        environment: &Environment,
        folder: &Path,
        words: Arc<Words>,
    ) -> Result<Self, LoadError> {
        // One thread: a question is too small to share out.
        let session = open_session(environment, &require(folder, "encoder.onnx")?, 1)?;
        Ok(Encoder { session, words })
    }

    pub(super) fn into_work(mut self) -> Work<TokenVectors, Embedding> {
        Box::new(move |text| self.run(&text))
    }

    fn run(&mut self, text: &TokenVectors) -> Result<Embedding, EmbedError> {
        let start = Instant::now();
        let width = text.mean.len();
        let count = text.tokens.ids.len();
        let tokens = self.words.embed(&text.tokens.ids);
        let mask = vec![1_i64; count];
        let outputs = self.session.run(ort::inputs![
            "token_embeddings" =>
                TensorRef::from_array_view(([1, count, width], tokens.as_slice()))?,
            "attention_mask" => TensorRef::from_array_view(([1, count], mask.as_slice()))?,
        ])?;
        let own = outputs["sentence_embedding"].try_extract_tensor::<f32>()?.1;
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
