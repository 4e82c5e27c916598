//! Text → token ids → static token vectors and their mean: the model's layer 0, no transformer. It takes microseconds,
//! on the thread of whoever asks.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use half::f16;
use safetensors::tensor::Dtype;

use super::pooling::unit;
use super::tensors::{Tensor, Tensors};
use super::tokens::MARKS;
use super::{EmbedError, Embedding, LoadError, Manifest, Tokenizer, Tokens, ensure_finite};
use crate::verdict::Stage;

/// The stage's file.
pub(super) const EMBEDDINGS: &str = "embeddings.safetensors";

/// Weights of a word in one block, which share a scale.
const BLOCK: usize = 32;
/// What is added to a variance, so that it can be divided by.
const EPSILON: f32 = 1e-12;

/// A text's static vectors: their mean, and the tokens that the encoder makes them of again.
#[derive(Clone, Debug)]
pub struct TokenVectors {
    /// What the model sees of the text.
    pub tokens: Tokens,
    /// The unit mean of their vectors.
    pub mean: Vec<f32>,
    /// Tokenising and the static stage.
    pub time: Duration,
}

impl From<TokenVectors> for Embedding {
    fn from(text: TokenVectors) -> Self {
        Embedding {
            vectors: text.mean.into(),
            stage: Stage::Static,
            tokens: text.tokens.ids.len(),
            readable: text.tokens.readable(),
            truncated: text.tokens.truncated,
            static_time: text.time,
            encoder_time: Duration::ZERO,
        }
    }
}

/// The tokenizer, and what its tokens are embedded by.
#[derive(Debug)]
pub(super) struct StaticStage {
    tokenizer: Tokenizer,
    pub(super) words: Arc<Words>,
}

impl StaticStage {
    pub(super) fn load(folder: &Path, manifest: &Manifest) -> Result<Self, LoadError> {
        let tokenizer = Tokenizer::load(folder, &manifest.prefix, manifest.max_tokens)?;
        let words = Words::load(folder, tokenizer.pieces, manifest)?;
        Ok(StaticStage {
            tokenizer,
            words: Arc::new(words),
        })
    }

    /// What there is to a text without the encoder.
    pub(super) fn read(&self, text: &str) -> Result<TokenVectors, EmbedError> {
        let start = Instant::now();
        let tokens = self.tokenizer.encode(text);
        let mean = self.words.mean(&tokens.ids)?;
        ensure_finite(&mean)?;
        Ok(TokenVectors {
            tokens,
            mean,
            time: start.elapsed(),
        })
    }
}

/// What makes a vector of a token: its word's weights, in blocks of 4 bits, its position's, and a layer norm.
#[derive(Debug)]
pub(super) struct Words {
    width: usize,
    /// `[pieces, width / 2]`: byte `j` of a block's 16 holds weight `j` low and weight `j + 16` high.
    nibbles: Tensor,
    /// `[pieces, width / 32]`, f16: what a nibble less 8 is times.
    scales: Tensor,
    /// `[positions, width]`, f32.
    positions: Tensor,
    norm: Norm,
}

#[derive(Debug)]
struct Norm {
    scale: Vec<f32>,
    bias: Vec<f32>,
}

impl Words {
    fn load(folder: &Path, pieces: usize, manifest: &Manifest) -> Result<Self, LoadError> {
        let file = Tensors::open(folder, EMBEDDINGS)?;
        let width = manifest.dimension;
        let (nibbles, nibbles_shape) = file.tensor("word.nibbles", Dtype::U8)?;
        let (scales, scales_shape) = file.tensor("word.scales", Dtype::F16)?;
        let (positions, [places, positions_width]) = file.tensor("position", Dtype::F32)?;
        let (scale, [scale_width]) = file.tensor("norm.scale", Dtype::F32)?;
        let (bias, [bias_width]) = file.tensor("norm.bias", Dtype::F32)?;
        let fits = width > 0
            && width.is_multiple_of(BLOCK)
            && nibbles_shape == [pieces, width / 2]
            && scales_shape == [pieces, width / BLOCK]
            && [positions_width, scale_width, bias_width] == [width; 3]
            && places >= manifest.max_tokens.max(MARKS);
        if !fits {
            let most = manifest.max_tokens;
            let error = format!(
                "its tensors are not of {pieces} pieces, {most} positions and vectors of {width} numbers"
            );
            return Err(file.wrong(error));
        }
        Ok(Words {
            width,
            nibbles,
            scales,
            positions,
            norm: Norm {
                scale: floats(scale.rows()).collect(),
                bias: floats(bias.rows()).collect(),
            },
        })
    }

    /// The tokens' vectors, one after the other.
    pub(super) fn embed(&self, ids: &[u32]) -> Result<Vec<f32>, EmbedError> {
        let mut vectors = vec![0.0; ids.len() * self.width];
        let rows = vectors.chunks_exact_mut(self.width);
        let mut packed = self.packed();
        for ((position, id), row) in ids.iter().enumerate().zip(rows) {
            self.write(position, *id, row, &mut packed)?;
        }
        Ok(vectors)
    }

    /// Room for a word's weights as the file has them.
    fn packed(&self) -> (Vec<u8>, Vec<u8>) {
        (vec![0; self.width / 2], vec![0; self.width / BLOCK * 2])
    }

    /// The unit mean of the tokens' vectors.
    fn mean(&self, ids: &[u32]) -> Result<Vec<f32>, EmbedError> {
        let mut mean = vec![0.0; self.width];
        let mut row = vec![0.0; self.width];
        let mut packed = self.packed();
        for (position, id) in ids.iter().enumerate() {
            self.write(position, *id, &mut row, &mut packed)?;
            for (sum, x) in mean.iter_mut().zip(&row) {
                *sum += x;
            }
        }
        unit(&mut mean);
        Ok(mean)
    }

    /// Writes the vector of a token at a position; the tokenizer makes no id and no position that is not there.
    fn write(
        &self,
        position: usize,
        id: u32,
        row: &mut [f32],
        (nibbles, scales): &mut (Vec<u8>, Vec<u8>),
    ) -> Result<(), EmbedError> {
        let id = id as usize;
        let failed = |error| EmbedError::Failed(format!("{EMBEDDINGS}: {error}"));
        self.nibbles.copy_row(id, nibbles).map_err(failed)?;
        self.scales.copy_row(id, scales).map_err(failed)?;
        let nibbles = nibbles.as_chunks::<{ BLOCK / 2 }>().0;
        let scales = scales.as_chunks::<2>().0;
        let blocks = row.as_chunks_mut::<BLOCK>().0.iter_mut();
        for ((block, nibbles), scale) in blocks.zip(nibbles).zip(scales) {
            let scale = f16::from_le_bytes(*scale).to_f32();
            let (low, high) = block.split_at_mut(BLOCK / 2);
            for ((low, high), byte) in low.iter_mut().zip(high).zip(nibbles) {
                *low = (f32::from(byte & 15) - 8.0) * scale;
                *high = (f32::from(byte >> 4) - 8.0) * scale;
            }
        }
        let positions = self.positions.row(position).as_chunks().0;
        for (x, position) in row.iter_mut().zip(floats(positions)) {
            *x += position;
        }
        self.norm.apply(row);
        Ok(())
    }
}

impl Norm {
    /// Layer norm.
    fn apply(&self, row: &mut [f32]) {
        let length = row.len() as f32;
        let mean = sum(row, |x| x) / length;
        let variance = sum(row, |x| (x - mean) * (x - mean)) / length;
        let factor = 1.0 / (variance + EPSILON).sqrt();
        for ((x, scale), bias) in row.iter_mut().zip(&self.scale).zip(&self.bias) {
            *x = (*x - mean) * factor * scale + bias;
        }
    }
}

/// The sum of what `of` makes of numbers, of which there are whole blocks. Sixteen sums go side by side, which fit
/// into vector registers; the order is the same on every machine.
fn sum(numbers: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; BLOCK / 2];
    for numbers in numbers.as_chunks::<{ BLOCK / 2 }>().0 {
        for (sum, x) in sums.iter_mut().zip(numbers) {
            *sum += of(*x);
        }
    }
    sums.iter().sum()
}

fn floats(bytes: &[[u8; 4]]) -> impl Iterator<Item = f32> {
    bytes.iter().map(|bytes| f32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;

    use super::*;

    const WIDTH: usize = 64;
    const PIECES: usize = 3;

    fn manifest(dimension: usize, max_tokens: usize) -> Manifest {
        let manifest = format!(
            r#"{{"name": "x", "dimension": {dimension}, "prefix": "", "max_tokens": {max_tokens}, "files": {{}}}}"#
        );
        serde_json::from_str(&manifest).unwrap()
    }

    /// Numbers that differ, none of them large.
    fn number(index: usize) -> f32 {
        (index * 7 % 13) as f32 / 8.0 - 0.5
    }

    fn numbers(count: usize) -> Vec<u8> {
        (0..count).flat_map(|n| number(n).to_le_bytes()).collect()
    }

    /// A folder with embeddings of three pieces and two positions.
    fn folder() -> tempfile::TempDir {
        let nibbles: Vec<_> = (0..PIECES * WIDTH / 2).map(|n| (n * 37) as u8).collect();
        let scales: Vec<_> = (0..PIECES * WIDTH / BLOCK)
            .flat_map(|n| f16::from_f32(number(n)).to_le_bytes())
            .collect();
        let (positions, norm) = (numbers(2 * WIDTH), numbers(WIDTH));
        let view =
            |kind, shape: &[usize], bytes| TensorView::new(kind, shape.to_vec(), bytes).unwrap();
        let tensors = [
            (
                "word.nibbles",
                view(Dtype::U8, &[PIECES, WIDTH / 2], &nibbles),
            ),
            (
                "word.scales",
                view(Dtype::F16, &[PIECES, WIDTH / BLOCK], &scales),
            ),
            ("position", view(Dtype::F32, &[2, WIDTH], &positions)),
            ("norm.scale", view(Dtype::F32, &[WIDTH], &norm)),
            ("norm.bias", view(Dtype::F32, &[WIDTH], &norm)),
        ];
        let folder = tempfile::tempdir().unwrap();
        let bytes = safetensors::serialize(tensors, None).unwrap();
        std::fs::write(folder.path().join(EMBEDDINGS), bytes).unwrap();
        folder
    }

    #[test]
    fn a_vector_is_the_layer_norm_of_word_and_position() {
        let folder = folder();
        let words = Words::load(folder.path(), PIECES, &manifest(WIDTH, 2)).unwrap();
        let vectors = words.embed(&[2, 1]).unwrap();
        for (position, id) in [2, 1].into_iter().enumerate() {
            let sums: Vec<_> = (0..WIDTH)
                .map(|n| {
                    let (block, within) = (n / BLOCK, n % BLOCK);
                    let byte = ((id * WIDTH + block * BLOCK) / 2 + within % 16) * 37 % 256;
                    let nibble = if within < 16 { byte % 16 } else { byte / 16 };
                    let scale = f16::from_f32(number(id * WIDTH / BLOCK + block)).to_f64();
                    (nibble as f64 - 8.0) * scale + f64::from(number(position * WIDTH + n))
                })
                .collect();
            let mean = sums.iter().sum::<f64>() / WIDTH as f64;
            let variance = sums.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / WIDTH as f64;
            for (n, x) in sums.iter().enumerate() {
                let norm = f64::from(number(n));
                let expected = (x - mean) / variance.sqrt() * norm + norm;
                let found = f64::from(vectors[position * WIDTH + n]);
                assert!((found - expected).abs() < 1e-5, "{n}: {found} {expected}");
            }
        }
        let mut mean: Vec<_> = (0..WIDTH)
            .map(|n| vectors[n] + vectors[WIDTH + n])
            .collect();
        unit(&mut mean);
        assert_eq!(words.mean(&[2, 1]).unwrap(), mean);
    }

    #[test]
    fn embeddings_of_another_size_are_an_error() {
        let folder = folder();
        for (pieces, dimension, max_tokens, fits) in [
            (PIECES, WIDTH, 2, true),
            (PIECES + 1, WIDTH, 2, false),
            (PIECES, WIDTH / 2, 2, false),
            (PIECES, WIDTH + 1, 2, false),
            (PIECES, 0, 2, false),
            (PIECES, WIDTH, 3, false),
        ] {
            let loaded = Words::load(folder.path(), pieces, &manifest(dimension, max_tokens));
            assert_eq!(loaded.is_ok(), fits, "{pieces} {dimension} {max_tokens}");
        }
    }
}
