//! A word → the pieces it is likeliest made of, by a Unigram language model.
//!
//! Kudo (2018), "Subword Regularization: Improving Neural Network Translation Models with Multiple Subword
//! Candidates"; the likeliest path by Viterbi's algorithm. Sums and ties come out as in Hugging Face's `tokenizers`,
//! which keeps the same pieces in nested hash maps, 290 MiB for this model.

use super::double_array::DoubleArray;
use super::tensors::Tensor;

/// The pieces, and how likely each is.
#[derive(Debug)]
pub(super) struct Unigram {
    /// From a piece's bytes to its id.
    pub(super) trie: Tensor,
    /// The logarithm of each piece's probability, f32.
    pub(super) scores: Tensor,
    /// What stands for characters of no piece.
    pub(super) unknown: u32,
    /// The logarithm of such a character's probability.
    pub(super) unknown_score: f64,
}

/// The likeliest way to the end of some bytes of a word: its last piece, and where that begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    score: f64,
    begin: usize,
    id: u32,
}

const NO_PATH: Path = Path {
    score: f64::NEG_INFINITY,
    begin: 0,
    id: 0,
};

impl Unigram {
    /// Appends the ids of a word's pieces; characters in a row that are unknown share one. `paths` is room to work
    /// in, of any content.
    pub(super) fn cut(&self, word: &str, paths: &mut Vec<Path>, ids: &mut Vec<u32>) {
        paths.clear();
        paths.resize(word.len() + 1, NO_PATH);
        paths[0].score = 0.0;
        let trie = DoubleArray(self.trie.rows());
        for (begin, c) in word.char_indices() {
            let before = paths[begin].score;
            let mut reach = |length: usize, id: u32, score: f64| {
                let path = &mut paths[begin + length];
                let score = before + score;
                if score > path.score {
                    *path = Path { score, begin, id };
                }
            };
            let mut is_known = false;
            for (length, id) in trie.prefixes(&word.as_bytes()[begin..]) {
                if let Some(score) = self.score(id) {
                    reach(length, id, score);
                    is_known |= length == c.len_utf8();
                }
            }
            if !is_known {
                reach(c.len_utf8(), self.unknown, self.unknown_score);
            }
        }
        let first = ids.len();
        let mut end = word.len();
        while end > 0 {
            let Path { begin, id, .. } = paths[end];
            if id != self.unknown || ids[first..].last() != Some(&id) {
                ids.push(id);
            }
            end = begin;
        }
        ids[first..].reverse();
    }

    /// None of an id that there is not, and of a score that would lead nowhere.
    fn score(&self, id: u32) -> Option<f64> {
        let scores = self.scores.rows();
        let score = scores.get(usize::try_from(id).ok()?)?;
        let score = f32::from_le_bytes(*score);
        score.is_finite().then_some(f64::from(score))
    }
}
