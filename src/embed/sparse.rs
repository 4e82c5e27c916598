//! Lexical weights: how much each token of a text counts, beside the dense vector, as BGE-M3 gives them.
//!
//! They are a vector over the vocabulary, nearly all of it zero. Feature hashing (Weinberger et al., Feature
//! hashing for large scale multitask learning, ICML 2009) makes it one of fixed length: each token adds its weight,
//! with a sign of its own, to one place, so that inner products are kept in expectation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::pooling::{Linear, linear, unit};
use super::{Block, LoadError, checkpoint};
use crate::language::Phrase;

/// The block that lexical weights become. The dense vector counts twice as much: it alone knows paraphrases.
pub(super) const BLOCK: Block = Block {
    length: 512,
    weight: 0.5,
};

/// The file of the layer that gives each token's weight; the makers' own is the second.
const HEADS: [&str; 2] = ["sparse_linear.safetensors", "sparse_linear.pt"];

/// Weights by token.
pub(super) type Lexical = BTreeMap<i64, f32>;

/// The layer that gives a token's weight.
#[derive(Debug)]
pub(super) struct Head {
    layer: Linear,
    /// Its file.
    pub(super) read: PathBuf,
}

impl Head {
    /// The layer in `folder` for tokens of `width` numbers, where there is one.
    pub(super) fn load(folder: &Path, width: Option<usize>) -> Result<Option<Self>, LoadError> {
        let mut paths = HEADS.map(|name| folder.join(name)).into_iter();
        let Some(path) = paths.find(|path| path.is_file()) else {
            return Ok(None);
        };
        let layer = match path.extension().is_some_and(|ending| ending == "pt") {
            true => checkpoint::layer(&path)?,
            false => Linear::load(&path)?,
        };
        if layer.gives != 1 || width.is_some_and(|width| width != layer.takes) {
            let (takes, gives) = (layer.takes, layer.gives);
            let width = width.map_or_else(|| "?".to_owned(), |width| width.to_string());
            return Err(LoadError::Unsupported {
                path,
                problem: Phrase::new(
                    format!("这一层是 {takes} → {gives}，应当是 {width} → 1"),
                    format!("the layer is {takes} → {gives}, {width} → 1 is expected"),
                ),
                remedy: Phrase::new(
                    "放上这个模型自己的文件，或删掉它（只用稠密向量）",
                    "put this model's own file there, or delete it (the dense vector alone is used)",
                ),
            });
        }
        Ok(Some(Head { layer, read: path }))
    }

    /// A weight a token.
    pub(super) fn weights(&self, tokens: &[f32]) -> Vec<f32> {
        let layer = &self.layer;
        let weight = |token| linear(&layer.weight, &layer.bias, token).first().copied();
        let tokens = tokens.chunks_exact(layer.takes);
        tokens.filter_map(weight).map(|w| w.max(0.0)).collect()
    }
}

/// The most that each token counts for; `special` ones count for nothing.
pub(super) fn lexical(ids: &[i64], weights: &[f32], special: &[i64]) -> Lexical {
    let mut lexical = Lexical::new();
    for (id, weight) in ids.iter().zip(weights) {
        if *weight > 0.0 && !special.contains(id) {
            let most = lexical.entry(*id).or_insert(0.0);
            *most = most.max(*weight);
        }
    }
    lexical
}

/// Lexical weights as a unit vector of [`BLOCK`]'s length.
pub(super) fn hashed(lexical: &Lexical) -> Vec<f32> {
    let mut vector = vec![0.0; BLOCK.length];
    for (id, weight) in lexical {
        let hash = mix(id.cast_unsigned());
        let place = usize::try_from(hash % BLOCK.length as u64).unwrap_or_default();
        // A bit that the place does not depend on.
        vector[place] += if hash >> 63 == 0 { *weight } else { -*weight };
    }
    unit(&mut vector);
    vector
}

/// The finaliser of `SplitMix64`: neighbouring ids come to lie anywhere. Vectors are kept between starts, so that it
/// has to stay what it is.
fn mix(id: u64) -> u64 {
    let mut z = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashing_keeps_inner_products() {
        let vector = |ids: std::ops::Range<i64>| -> Vec<f32> {
            hashed(&ids.map(|id| (id * 37, 1.0)).collect())
        };
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let (a, half, none) = (vector(0..20), vector(10..30), vector(100..120));
        assert!((product(&a, &a) - 1.0).abs() < 1e-6);
        assert!((product(&a, &half) - 0.5).abs() < 0.15);
        assert!(product(&a, &none).abs() < 0.15);
        assert_eq!(hashed(&Lexical::new()), vec![0.0; BLOCK.length]);
    }
}
