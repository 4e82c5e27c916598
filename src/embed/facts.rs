//! What is known of a loaded model: from its own files, from the catalogue, from the configuration.

use crate::catalogue::Pooling;
use crate::language::Language;

/// A model's facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The model's name.
    pub name: String,
    /// Tells models apart, revisions of one model, and ways to use it: vectors of different fingerprints are
    /// never compared.
    pub fingerprint: String,
    /// What an [`Embedding`](super::Embedding)'s vectors are.
    pub layout: Layout,
    /// How tokens' vectors became one; none where that happens elsewhere.
    pub pooling: Option<Pooling>,
    /// What stands before every text.
    pub prompt: String,
    /// The most tokens it reads, prompt and marks included; none where nobody says.
    pub max_tokens: Option<usize>,
    /// ISO 639-1 codes, or `multilingual`; empty where nobody says.
    pub languages: Vec<String>,
}

impl Facts {
    /// Whether the model knows a language, as far as anybody says.
    pub fn knows(&self, language: Language) -> bool {
        let mut known = self.languages.iter();
        self.languages.is_empty()
            || known.any(|known| known == "multilingual" || known == language.code())
    }
}

/// Which unit vectors stand one after the other in an embedding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// In this order.
    pub blocks: Vec<Block>,
    /// Whether the first block comes from a static stage of its own, before the encoder.
    pub has_static_stage: bool,
}

/// One unit vector of an embedding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// How many numbers.
    pub length: usize,
    /// How much it counts beside the others.
    pub weight: f32,
}

impl Layout {
    /// One vector alone.
    pub fn dense(length: usize) -> Self {
        Layout {
            blocks: vec![Block {
                length,
                weight: 1.0,
            }],
            has_static_stage: false,
        }
    }

    /// How many numbers an embedding has.
    pub fn length(&self) -> usize {
        self.blocks.iter().map(|block| block.length).sum()
    }

    /// Those of the blocks that come from the static stage.
    pub fn static_blocks(&self) -> Option<&[Block]> {
        let first = self.blocks.get(..1);
        first.filter(|_| self.has_static_stage)
    }

    /// How many numbers come from the static stage.
    pub fn static_length(&self) -> Option<usize> {
        let blocks = self.static_blocks()?.iter();
        Some(blocks.map(|block| block.length).sum())
    }
}
