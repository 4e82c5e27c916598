//! Vectors of the shipped intents' examples, which come with the model, so that a first start embeds nothing.

use std::path::Path;

use safetensors::tensor::Dtype;
use sha2::{Digest, Sha256};

use super::tensors::{Tensor, Tensors};
use super::{LoadError, Manifest};

/// The file in the model's folder. It is no part of the manifest: it changes with the intents, not with the model.
const EXAMPLES: &str = "examples.safetensors";
/// Bytes of a text's SHA-256 that tell it from the others.
const KEY: usize = 16;

/// Contextual vectors by text.
#[derive(Debug)]
pub(super) struct Examples {
    /// `[examples, KEY]`, in order.
    keys: Tensor,
    /// `[examples, numbers]`, f16.
    vectors: Tensor,
}

impl Examples {
    /// None where the folder has none, or those of another model.
    pub(super) fn load(folder: &Path, manifest: &Manifest) -> Result<Option<Self>, LoadError> {
        if !folder.join(EXAMPLES).is_file() {
            return Ok(None);
        }
        let file = Tensors::open(folder, EXAMPLES)?;
        if file.fact::<String>("manifest")? != manifest.fingerprint {
            return Ok(None);
        }
        let (keys, [count, key]) = file.tensor("keys", Dtype::U8)?;
        let (vectors, [rows, numbers]) = file.tensor("vectors", Dtype::F16)?;
        if count != rows || key != KEY || numbers != manifest.dimension {
            return Err(file.wrong("its tensors do not fit together"));
        }
        Ok(Some(Examples { keys, vectors }))
    }

    /// The vector of a text in its normal form.
    pub(super) fn vector(&self, text: &str) -> Option<Vec<f32>> {
        let digest = Sha256::digest(text);
        let (key, _) = digest.split_first_chunk::<KEY>()?;
        let place = self.keys.rows::<KEY>().binary_search(key).ok()?;
        let vector: Vec<_> = self.vectors.halves(place).collect();
        // What is no unit vector is no vector of ours.
        let length: f32 = vector.iter().map(|x| x * x).sum();
        ((0.99..1.01).contains(&length)).then_some(vector)
    }
}
