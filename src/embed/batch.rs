//! Texts → token ids in rows of one length, by Hugging Face's own tokenizers.

use std::path::{Path, PathBuf};

use tokenizers::{Tokenizer, TruncationParams};

use super::card::Card;
use super::graph::Batch;
use super::tokens::LONGEST_TOKEN;
use super::{EmbedError, LoadError, require};
use crate::language::Phrase;

/// A model's tokenizer, and what it puts around texts.
#[derive(Debug)]
pub(super) struct Batcher {
    tokenizer: Tokenizer,
    prompt: String,
    max_tokens: usize,
    lower_case: bool,
    pads_left: bool,
    padding: i64,
    /// Tokens that are no part of a text.
    pub(super) special: Vec<i64>,
    /// Its file.
    pub(super) read: PathBuf,
}

/// What became of one text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// How many tokens the model sees.
    pub(super) tokens: usize,
    /// Whether the text was longer.
    pub(super) truncated: bool,
}

impl Batcher {
    pub(super) fn load(
        folder: &Path,
        card: &Card,
        prompt: &str,
        max_tokens: usize,
    ) -> Result<Self, LoadError> {
        let path = require(folder, "tokenizer.json")?;
        let wrong = |error: tokenizers::Error| LoadError::WrongFile {
            path: path.clone(),
            error: error.to_string(),
        };
        let mut tokenizer = Tokenizer::from_file(&path).map_err(wrong)?;
        let marks = tokenizer.encode_fast("", true).map_err(wrong)?.len();
        if max_tokens <= marks {
            return Err(LoadError::Unsupported {
                path,
                problem: Phrase::new(
                    format!("模型最多读 {max_tokens} 个 token，只够首尾的 {marks} 个标记"),
                    format!(
                        "the most tokens are {max_tokens}, and {marks} of them are marks around the text"
                    ),
                ),
                remedy: Phrase::new("调大 model.max_tokens", "raise model.max_tokens"),
            });
        }
        tokenizer.with_padding(None);
        let limit = TruncationParams {
            max_length: max_tokens,
            ..TruncationParams::default()
        };
        tokenizer.with_truncation(Some(limit)).map_err(wrong)?;
        let id = |token: &String| tokenizer.token_to_id(token).map(i64::from);
        let special: Vec<i64> = card.special.iter().filter_map(id).collect();
        let padding = card.padding.token.as_ref().and_then(id).or(card.padding.id);
        // Marks that a customer types are text like any other; those of the prompt are marks.
        let added = tokenizer.get_added_tokens_decoder();
        let marked = added
            .values()
            .any(|token| token.special && prompt.contains(&token.content));
        tokenizer.set_encode_special_tokens(!marked);
        Ok(Batcher {
            tokenizer,
            prompt: prompt.to_owned(),
            max_tokens,
            lower_case: card.lower_case,
            pads_left: card.padding.left,
            // Nothing looks at it. Graphs that count positions by it have it in config.json.
            padding: padding.unwrap_or_default(),
            special,
            read: path,
        })
    }

    /// The texts in rows, in order.
    pub(super) fn encode(&self, texts: &[String]) -> Result<(Batch, Vec<Row>), EmbedError> {
        let mut encoded = Vec::with_capacity(texts.len());
        for text in texts {
            encoded.push(self.encode_one(text)?);
        }
        let length = encoded.iter().map(|(ids, _)| ids.len()).max();
        let length = length.unwrap_or_default();
        let mut batch = Batch {
            ids: Vec::with_capacity(length * texts.len()),
            mask: Vec::with_capacity(length * texts.len()),
            rows: texts.len(),
            length,
        };
        for (ids, _) in &encoded {
            let missing = length - ids.len();
            let before = if self.pads_left { missing } else { 0 };
            let after = missing - before;
            batch.ids.extend(std::iter::repeat_n(self.padding, before));
            batch.mask.extend(std::iter::repeat_n(0, before));
            batch.ids.extend(ids);
            batch.mask.extend(std::iter::repeat_n(1, ids.len()));
            batch.ids.extend(std::iter::repeat_n(self.padding, after));
            batch.mask.extend(std::iter::repeat_n(0, after));
        }
        Ok((batch, encoded.into_iter().map(|(_, row)| row).collect()))
    }

    fn encode_one(&self, text: &str) -> Result<(Vec<i64>, Row), EmbedError> {
        // What lies behind the longest text that could fit cannot count, and need not be read.
        let bound = text.floor_char_boundary(self.max_tokens.saturating_mul(LONGEST_TOKEN));
        let mut input = format!("{}{}", self.prompt, &text[..bound]);
        if self.lower_case {
            input = input.to_lowercase();
        }
        let failed = |error: tokenizers::Error| EmbedError::Failed(error.to_string());
        let encoded = self.tokenizer.encode_fast(input, true).map_err(failed)?;
        let ids: Vec<i64> = encoded.get_ids().iter().copied().map(i64::from).collect();
        if ids.is_empty() {
            return Err(EmbedError::Failed("the text has no token".to_owned()));
        }
        let row = Row {
            tokens: ids.len(),
            truncated: bound < text.len() || !encoded.get_overflowing().is_empty(),
        };
        Ok((ids, row))
    }
}
