//! Text → token ids.

use std::path::Path;

use kitoken::Kitoken;

use super::{LoadError, require};

/// The model's tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    inner: Kitoken,
    /// Ids of the marks around every text.
    begin: i64,
    end: i64,
    prefix: String,
    max_tokens: usize,
}

/// A text as the model reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Ids, prefix and marks included; at least the marks.
    pub ids: Vec<i64>,
    /// Whether the text was longer.
    pub truncated: bool,
}

/// Bytes of the longest piece of a SentencePiece vocabulary, generously.
pub(super) const LONGEST_TOKEN: usize = 64;

impl Tokenizer {
    /// Reads `tokenizer.json` of a model's folder. What it makes begins with `prompt` and has at most `max_tokens`.
    ///
    /// # Errors
    /// A file that is not there or is no tokenizer.
    pub fn load(folder: &Path, prompt: &str, max_tokens: usize) -> Result<Self, LoadError> {
        let path = require(folder, "tokenizer.json")?;
        let wrong = |error: String| LoadError::WrongFile {
            path: path.clone(),
            error,
        };
        let inner = Kitoken::from_tokenizers_file(&path).map_err(|e| wrong(e.to_string()))?;
        let mark = |text: &str| match inner.encode(text, true).as_deref() {
            Ok([id]) => Ok(i64::from(*id)),
            _ => Err(wrong(format!("it has no token {text}"))),
        };
        Ok(Tokenizer {
            begin: mark("<s>")?,
            end: mark("</s>")?,
            inner,
            prefix: prompt.to_owned(),
            max_tokens,
        })
    }

    /// The ids of a text behind the model's prefix. What is beyond the model's limit is cut before the
    /// closing mark; marks that a customer types are text like any other.
    ///
    /// # Errors
    /// The tokenizer's own message; no text is known that brings one about.
    pub fn encode(&self, text: &str) -> Result<Tokens, String> {
        // What lies behind the longest text that could fit cannot count, and need not be read.
        let bound = text.floor_char_boundary(self.max_tokens * LONGEST_TOKEN);
        let input = format!("{}{}", self.prefix, &text[..bound]);
        let pieces = self
            .inner
            .encode(&input, false)
            .map_err(|e| e.to_string())?;
        let most = self.max_tokens - 2;
        let kept = pieces.iter().take(most).copied().map(i64::from);
        Ok(Tokens {
            ids: std::iter::once(self.begin)
                .chain(kept)
                .chain([self.end])
                .collect(),
            truncated: pieces.len() > most || bound < text.len(),
        })
    }
}
