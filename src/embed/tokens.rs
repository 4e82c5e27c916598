//! Text → token ids, as Hugging Face's `tokenizers` makes them of XLM-R's vocabulary.
//!
//! Characters are brought to their usual form, spaces in a row to one, and each word, with the space before it as
//! `▁`, is cut into the pieces it is likeliest made of. The vocabulary stays in its file.

use std::path::Path;

use safetensors::tensor::Dtype;
use unicode_segmentation::UnicodeSegmentation;

use super::LoadError;
use super::charsmap::Charsmap;
use super::tensors::Tensors;
use super::unigram::{self, Unigram};

/// The tokenizer's file.
const FILE: &str = "tokenizer.safetensors";

/// The model's tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    charsmap: Charsmap,
    unigram: Unigram,
    /// How many pieces there are; every id is below.
    pub(super) pieces: usize,
    /// Ids of the marks around every text.
    begin: u32,
    end: u32,
    prefix: String,
    max_tokens: usize,
}

/// A text as the model reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Ids, prefix and marks included; at least the marks.
    pub ids: Vec<u32>,
    /// How many of them stand for what no piece is made of.
    pub unknown: usize,
    /// Whether the text was longer.
    pub truncated: bool,
}

/// The share of unknown tokens, marks aside, from which nothing can be told of a text.
const UNREADABLE: f64 = 0.3;

impl Tokens {
    /// Whether enough is known of the text to tell what it is about.
    pub fn readable(&self) -> bool {
        let words = self.ids.len().saturating_sub(MARKS);
        (self.unknown as f64) < UNREADABLE * words.max(1) as f64
    }
}

/// Bytes of the longest piece of a SentencePiece vocabulary, generously.
pub(super) const LONGEST_TOKEN: usize = 64;

/// Tokens around every text, of which the first stands before it.
pub(super) const MARKS: usize = 2;

/// What stands for the space before a word.
const SPACE: char = '▁';

impl Tokenizer {
    /// Maps the tokenizer of a model's folder. What it makes begins with `prompt` and has at most `max_tokens`.
    ///
    /// # Errors
    /// A file that is not there or is no tokenizer.
    pub fn load(folder: &Path, prompt: &str, max_tokens: usize) -> Result<Self, LoadError> {
        let file = Tensors::open(folder, FILE)?;
        let (trie, [_]) = file.tensor("trie", Dtype::U32)?;
        let (scores, [pieces]) = file.tensor("scores", Dtype::F32)?;
        let (rules, [_]) = file.tensor("charsmap", Dtype::U8)?;
        let charsmap = Charsmap::new(rules).ok_or_else(|| file.wrong("its charsmap is none"))?;
        let id = |name| match file.fact(name)? {
            id if (id as usize) < pieces => Ok(id),
            id => Err(file.wrong(format!("{name} is {id}, and there are {pieces} pieces"))),
        };
        let unknown_score: f64 = file.fact("unknown_score")?;
        if !unknown_score.is_finite() {
            return Err(file.wrong(format!("unknown_score is {unknown_score}")));
        }
        Ok(Tokenizer {
            charsmap,
            pieces,
            begin: id("begin")?,
            end: id("end")?,
            unigram: Unigram {
                trie,
                scores,
                unknown: id("unknown")?,
                unknown_score,
            },
            prefix: prompt.to_owned(),
            max_tokens,
        })
    }

    /// The ids of a text behind the model's prefix. What is beyond the model's limit is cut before the
    /// closing mark; marks that a customer types are text like any other.
    pub fn encode(&self, text: &str) -> Tokens {
        // What lies behind the longest text that could fit cannot count, and need not be read.
        let longest = self.max_tokens * LONGEST_TOKEN;
        let bound = text.floor_char_boundary(longest);
        let input = [&self.prefix, &text[..bound]].concat();
        let most = self.max_tokens.saturating_sub(MARKS);
        let mut words = Words::of(&self.unigram, self.begin);
        let mut truncated = bound < text.len();
        for grapheme in input.graphemes(true) {
            self.charsmap.normalise(grapheme, |c| words.push(c));
            if words.ids.len() > 1 + most || words.word.len() > longest {
                truncated = true;
                break;
            }
        }
        let mut ids = words.finish();
        truncated |= ids.len() > 1 + most;
        ids.truncate(1 + most);
        let unknown = ids.iter().filter(|id| **id == self.unigram.unknown);
        let unknown = unknown.count();
        ids.push(self.end);
        Tokens {
            ids,
            unknown,
            truncated,
        }
    }
}

/// Characters in their usual form → ids, a word at a time.
struct Words<'t> {
    unigram: &'t Unigram,
    ids: Vec<u32>,
    /// The word so far, the space before it included; empty before the first character.
    word: String,
    /// Whether the last character was a space.
    spaced: bool,
    paths: Vec<unigram::Path>,
}

impl<'t> Words<'t> {
    fn of(unigram: &'t Unigram, begin: u32) -> Self {
        Words {
            unigram,
            ids: vec![begin],
            word: String::new(),
            spaced: false,
            paths: Vec::new(),
        }
    }

    fn push(&mut self, c: char) {
        let is_space = c == ' ';
        if is_space && self.spaced {
            return;
        }
        self.spaced = is_space;
        if is_space || c == SPACE {
            self.cut();
            self.word.push(SPACE);
            return;
        }
        if self.word.is_empty() {
            self.word.push(SPACE);
        }
        self.word.push(c);
    }

    fn cut(&mut self) {
        if !self.word.is_empty() {
            self.unigram.cut(&self.word, &mut self.paths, &mut self.ids);
            self.word.clear();
        }
    }

    fn finish(mut self) -> Vec<u32> {
        self.cut();
        self.ids
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use safetensors::tensor::TensorView;

    use super::*;

    const TEXTS: [&str; 5] = [
        "",
        "query: 我要退款",
        "e\u{301}  ▁\0",
        "สวัสดี 👩\u{200d}🚀",
        "aaaaaaaa",
    ];

    /// A folder with a file of these tensors.
    fn folder(trie: &[u8], scores: &[u8], charsmap: &[u8], unknown: &str) -> tempfile::TempDir {
        let tensors = [
            ("trie", trie, Dtype::U32, 4),
            ("scores", scores, Dtype::F32, 4),
            ("charsmap", charsmap, Dtype::U8, 1),
        ];
        let tensors = tensors.map(|(name, bytes, kind, size)| {
            let shape = vec![bytes.len() / size];
            (name, TensorView::new(kind, shape, bytes).unwrap())
        });
        let facts = [
            ("begin", "0"),
            ("end", "2"),
            ("unknown", unknown),
            ("unknown_score", "-9"),
        ];
        let facts: HashMap<_, _> = facts
            .map(|(key, fact)| (key.to_owned(), fact.to_owned()))
            .into();
        let folder = tempfile::tempdir().unwrap();
        let bytes = safetensors::serialize(tensors, Some(facts)).unwrap();
        std::fs::write(folder.path().join(FILE), bytes).unwrap();
        folder
    }

    fn error(folder: &Path) -> String {
        let error = Tokenizer::load(folder, "", 512).unwrap_err();
        error.explain().en
    }

    #[test]
    fn a_file_that_is_no_tokenizer_is_an_error() {
        let some = [0; 16];
        let cases = [
            (folder(&some, &some, &some, "3"), None),
            (
                folder(&some, &some, &some, "4"),
                Some("unknown is 4, and there are 4 pieces"),
            ),
            (
                folder(&some, &some, &some, "-1"),
                Some("its header does not say unknown"),
            ),
            (folder(&some, &some, &[], "3"), Some("its charsmap is none")),
            (
                folder(&some, &some, &[9, 0, 0, 0, 0], "3"),
                Some("its charsmap is none"),
            ),
        ];
        for (folder, said) in cases {
            match said {
                None => drop(Tokenizer::load(folder.path(), "", 512).unwrap()),
                Some(said) => assert!(error(folder.path()).contains(said), "{said}"),
            }
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(error(empty.path()).contains("lacks"));
        for bytes in [
            &b""[..],
            b"\0",
            b"\xff\xff\xff\xff\xff\xff\xff\xff{}",
            b"\x02\0\0\0\0\0\0\0{}",
        ] {
            std::fs::write(empty.path().join(FILE), bytes).unwrap();
            assert!(error(empty.path()).contains("is wrong"), "{bytes:?}");
        }
    }

    proptest! {
        /// Whoever makes a folder of files makes the manifest with their checksums as well.
        #[test]
        fn a_broken_vocabulary_gives_ids_that_there_are(
            trie in vec(any::<u32>().prop_map(|unit| unit & 0x7fff_3fff), 1..600),
            scores in vec(any::<u32>(), 4..9),
            mut charsmap in vec(any::<u8>(), 8..600),
        ) {
            let bytes = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>();
            let length = u32::try_from(charsmap.len() / 2).unwrap() - 1;
            charsmap[..4].copy_from_slice(&length.to_le_bytes());
            let folder = folder(&bytes(&trie), &bytes(&scores), &charsmap, "3");
            let tokenizer = Tokenizer::load(folder.path(), "query: ", 16).unwrap();
            for text in TEXTS {
                let tokens = tokenizer.encode(text);
                prop_assert!(tokens.ids.len() <= 16);
                prop_assert!(tokens.ids.iter().all(|id| (*id as usize) < scores.len()));
            }
        }
    }
}
