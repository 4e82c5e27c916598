//! Text → token ids.

use std::path::Path;

use super::{LoadError, Manifest, require};

/// The model's tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    prefix: String,
    max_tokens: usize,
}

/// A text as the model reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Ids, prefix and markers included; at least the markers.
    pub ids: Vec<i64>,
    /// Whether the text was longer.
    pub truncated: bool,
}

impl Tokenizer {
    /// Reads `tokenizer.json` of a model's folder.
    ///
    /// # Errors
    /// A file that is not there or is no tokenizer.
    pub fn load(manifest: &Manifest, folder: &Path) -> Result<Self, LoadError> {
        let path = require(folder, "tokenizer.json")?;
        let inner =
            tokenizers::Tokenizer::from_file(&path).map_err(|error| LoadError::WrongFile {
                path,
                error: error.to_string(),
            })?;
        Ok(Tokenizer {
            inner,
            prefix: manifest.prefix.clone(),
            max_tokens: manifest.max_tokens,
        })
    }

    /// The ids of a text behind the model's prefix. What is beyond the model's limit is cut before the
    /// closing marker.
    ///
    /// # Errors
    /// The tokenizer's own message; no text is known that brings one about.
    pub fn encode(&self, text: &str) -> Result<Tokens, String> {
        // A token spans at least one byte: what lies far behind the limit cannot count, and need not be read.
        let bound = text.floor_char_boundary(self.max_tokens * LONGEST_TOKEN);
        let input = format!("{}{}", self.prefix, &text[..bound]);
        let encoding = self
            .inner
            .encode_fast(input, true)
            .map_err(|e| e.to_string())?;
        let mut ids: Vec<i64> = encoding.get_ids().iter().copied().map(i64::from).collect();
        let truncated = ids.len() > self.max_tokens || bound < text.len();
        if ids.len() > self.max_tokens {
            let end = ids.pop();
            ids.truncate(self.max_tokens - 1);
            ids.extend(end);
        }
        Ok(Tokens { ids, truncated })
    }
}

/// Bytes of the longest piece of a SentencePiece vocabulary, generously.
const LONGEST_TOKEN: usize = 64;
