//! A model in the layout of Hugging Face and sentence-transformers: text → vectors in one run of its graph.

use std::path::Path;

use ort::environment::Environment;

use super::{EmbedError, Embedded, Facts, LoadError};
use crate::catalogue::Entry;
use crate::config::Model;

/// The model's tokenizer and session.
#[derive(Debug)]
pub(super) struct Local;

impl Local {
    /// Loads the model in `folder`. What its files leave open `config` says, else `known`.
    pub(super) fn load(
        _environment: &Environment,
        folder: &Path,
        _config: &Model,
        _known: Option<&Entry>,
    ) -> Result<(Local, Facts), LoadError> {
        Err(LoadError::NoFile {
            path: folder.join("manifest.json"),
        })
    }

    /// The texts' vectors, in order; one run for all of them.
    pub(super) fn embed(&mut self, _texts: &[String]) -> Result<Vec<Embedded>, EmbedError> {
        Err(EmbedError::Failed("not yet".to_owned()))
    }
}
