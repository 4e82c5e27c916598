//! Static token vectors → contextual vectors: the transformer.

use std::path::Path;
use std::time::Instant;

use ort::environment::Environment;
use ort::session::Session;
use ort::value::TensorRef;

use super::bundled::WEIGHTS;
use super::queue::Work;
use super::static_stage::{TokenVectors, open_session};
use super::{EmbedError, Embedding, LoadError, require};
use crate::verdict::Stage;

/// An encoder's session.
#[derive(Debug)]
pub(super) struct Encoder {
    session: Session,
    dimension: usize,
}

impl Encoder {
    pub(super) fn load(
        environment: &Environment,
        folder: &Path,
        dimension: usize,
    ) -> Result<Self, LoadError> {
        // One thread: a question is too small to share out.
        let session = open_session(environment, &require(folder, "encoder.onnx")?, 1)?;
        Ok(Encoder { session, dimension })
    }

    pub(super) fn into_work(mut self) -> Work<TokenVectors, Embedding> {
        Box::new(move |text| self.run(&text))
    }

    fn run(&mut self, text: &TokenVectors) -> Result<Embedding, EmbedError> {
        let start = Instant::now();
        let mask = vec![1_i64; text.count];
        let outputs = self.session.run(ort::inputs![
            "token_embeddings" =>
                TensorRef::from_array_view(([1, text.count, self.dimension], text.tokens.as_slice()))?,
            "attention_mask" => TensorRef::from_array_view(([1, text.count], mask.as_slice()))?,
        ])?;
        let mut vectors = Vec::with_capacity(WEIGHTS.len() * self.dimension);
        vectors.extend_from_slice(&text.mean);
        for name in ["layer_6_embedding", "sentence_embedding"] {
            vectors.extend_from_slice(outputs[name].try_extract_tensor::<f32>()?.1);
        }
        Ok(Embedding {
            vectors: vectors.into(),
            stage: Stage::Encoder,
            tokens: text.count,
            truncated: text.truncated,
            static_time: text.time,
            encoder_time: start.elapsed(),
        })
    }
}
