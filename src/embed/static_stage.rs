//! Token ids → static token vectors and their mean: the model's layer 0, no transformer.

use std::path::Path;
use std::time::{Duration, Instant};

use ort::environment::Environment;
use ort::session::Session;
use ort::value::TensorRef;

use super::queue::Work;
use super::{EmbedError, Embedding, LoadError, Tokenizer, require};
use crate::verdict::Stage;

/// The stage's graph.
pub(super) const STATIC_GRAPH: &str = "static.onnx";

/// A text's static vectors, what the encoder reads.
#[derive(Clone, Debug)]
pub struct TokenVectors {
    /// One vector a token, in order.
    pub(super) tokens: Vec<f32>,
    /// Their unit mean.
    pub mean: Vec<f32>,
    /// How many tokens the model saw, prefix and markers included.
    pub count: usize,
    /// Whether the text was longer than the model reads.
    pub truncated: bool,
    /// Tokenising and the static stage.
    pub time: Duration,
}

impl From<TokenVectors> for Embedding {
    fn from(text: TokenVectors) -> Self {
        Embedding {
            vectors: text.mean.into(),
            stage: Stage::Static,
            tokens: text.count,
            truncated: text.truncated,
            static_time: text.time,
            encoder_time: Duration::ZERO,
        }
    }
}

/// The static stage's session.
#[derive(Debug)]
pub(super) struct StaticStage {
    session: Session,
}

impl StaticStage {
    pub(super) fn load(environment: &Environment, folder: &Path) -> Result<Self, LoadError> {
        let session = open_session(environment, &require(folder, STATIC_GRAPH)?, 1)?;
        Ok(StaticStage { session })
    }

    pub(super) fn into_work(mut self, tokenizer: Tokenizer) -> Work<String, TokenVectors> {
        Box::new(move |text| self.run(&tokenizer, &text))
    }

    fn run(&mut self, tokenizer: &Tokenizer, text: &str) -> Result<TokenVectors, EmbedError> {
        let start = Instant::now();
        let tokens = tokenizer.encode(text).map_err(EmbedError::Failed)?;
        let count = tokens.ids.len();
        let shape = [1, count];
        let mask = vec![1_i64; count];
        let outputs = self.session.run(ort::inputs![
            "input_ids" => TensorRef::from_array_view((shape, tokens.ids.as_slice()))?,
            "attention_mask" => TensorRef::from_array_view((shape, mask.as_slice()))?,
        ])?;
        Ok(TokenVectors {
            tokens: outputs["token_embeddings"]
                .try_extract_tensor::<f32>()?
                .1
                .to_vec(),
            mean: outputs["static_embedding"]
                .try_extract_tensor::<f32>()?
                .1
                .to_vec(),
            count,
            truncated: tokens.truncated,
            time: start.elapsed(),
        })
    }
}

/// A session that does not spin: that costs a tenth of a core while nothing is asked.
pub(super) fn open_session(
    environment: &Environment,
    path: &Path,
    threads: usize,
) -> Result<Session, LoadError> {
    let open = || -> ort::Result<Session> {
        Session::builder(environment)?
            .with_intra_threads(threads)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?
            .commit_from_file(path)
    };
    open().map_err(|error| LoadError::WrongFile {
        path: path.to_path_buf(),
        error: error.to_string(),
    })
}

impl<T> From<ort::Error<T>> for EmbedError {
    fn from(error: ort::Error<T>) -> Self {
        EmbedError::Failed(error.to_string())
    }
}
