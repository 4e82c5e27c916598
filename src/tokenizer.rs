//! Counts text as upstreams bill it.
//!
//! The families that are built in are loaded when the first text is counted, once for all of their users, and
//! stay: 22 MiB for `o200k_base`. A file is read where it is asked for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use kitoken::Kitoken;
use serde::{Deserialize, Deserializer};

use crate::language::Phrase;

/// Bytes that are counted as one text. A text without a boundary costs its length times the logarithm of this.
/// What is longer is cut before a space where there is one, which changes nothing; elsewhere a cut may add a token.
const LONGEST: usize = 64 << 10;

/// Which tokenizer: one of [`Choice::FAMILIES`], or else a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// A family that is built in.
    Family(&'static str),
    /// A Hugging Face `tokenizer.json`.
    File(PathBuf),
}

/// A tokenizer; copies share what it holds.
#[derive(Clone, Debug)]
pub struct Tokenizer(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Family(&'static str),
    File(Arc<Kitoken>),
}

impl Choice {
    /// What is built in: OpenAI's present family, the one before it, and Qwen's since its second version.
    pub const FAMILIES: [&str; 3] = ["o200k_base", "cl100k_base", "qwen2"];
}

impl Default for Choice {
    fn default() -> Self {
        Choice::Family(Choice::FAMILIES[0])
    }
}

impl From<String> for Choice {
    fn from(text: String) -> Self {
        let family = Choice::FAMILIES.into_iter().find(|name| *name == text);
        family.map_or_else(|| Choice::File(text.into()), Choice::Family)
    }
}

impl Default for Tokenizer {
    fn default() -> Self {
        Tokenizer(Kind::Family(Choice::FAMILIES[0]))
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Choice::from)
    }
}

impl Tokenizer {
    /// The tokenizer that was chosen.
    ///
    /// # Errors
    /// What is wrong with the file, and what would be accepted.
    pub fn load(choice: &Choice) -> Result<Self, Phrase> {
        match choice {
            Choice::Family(name) => Ok(Tokenizer(Kind::Family(name))),
            Choice::File(path) => match Kitoken::from_tokenizers_file(path) {
                Ok(tokenizer) => Ok(Tokenizer(Kind::File(Arc::new(tokenizer)))),
                Err(error) => Err(unusable(&error.to_string())),
            },
        }
    }

    /// The tokens of a text. Marks such as `<|endoftext|>` are text like any other.
    pub fn count(&self, text: &str) -> u64 {
        let (mut tokens, mut rest) = (0, text);
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(cut(rest));
            tokens += self.count_piece(piece);
            rest = behind;
        }
        tokens
    }

    fn count_piece(&self, text: &str) -> u64 {
        let tokens = match &self.0 {
            Kind::Family(name) => {
                tiktoken::get_encoding(name).map_or(0, |family| family.count(text))
            }
            // No text is known that a tokenizer does not read. But a file is the operator's, and the reader takes
            // some mistakes in it for its own.
            Kind::File(tokenizer) => {
                let encode = || tokenizer.encode(text, false).map_or(0, |ids| ids.len());
                catch_unwind(AssertUnwindSafe(encode)).unwrap_or(0)
            }
        };
        u64::try_from(tokens).unwrap_or(u64::MAX)
    }
}

/// Where the first piece of a text ends.
fn cut(text: &str) -> usize {
    if text.len() <= LONGEST {
        return text.len();
    }
    let end = text.floor_char_boundary(LONGEST);
    let space = text[..end].rfind(' ').filter(|at| *at > 0);
    space.unwrap_or(end)
}

fn unusable(error: &str) -> Phrase {
    let families = Choice::FAMILIES.join(", ");
    Phrase::new(
        format!(
            "不能用作分词器：{error}；请写 {families} 之一，或 Hugging Face 的 tokenizer.json 的路径"
        ),
        format!(
            "is no tokenizer that can be used: {error}; write one of {families}, or the path of a Hugging Face tokenizer.json"
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    fn family(name: &str) -> Tokenizer {
        Tokenizer::load(&Choice::from(name.to_owned())).unwrap()
    }

    #[test]
    fn each_family_has_its_own_tokens() {
        let text = "我要退款 where is my refund? 12345";
        let counts = Choice::FAMILIES.map(|name| family(name).count(text));
        // What OpenAI's own program says, with Qwen's vocabulary for the last.
        assert_eq!(counts, [10, 12, 13]);
        assert_eq!(family("o200k_base").count(""), 0);
        assert_eq!(family("o200k_base").count("<|endoftext|>"), 7);
    }

    #[test]
    fn a_long_text_is_the_sum_of_its_sentences() {
        let tokenizer = family("o200k_base");
        for sentence in [" Where is my order?", "我要退款，东西不想要了。"] {
            let times = 3 * LONGEST / sentence.len();
            let expected = tokenizer.count(sentence) * u64::try_from(times).unwrap();
            let found = tokenizer.count(&sentence.repeat(times));
            assert!(found.abs_diff(expected) <= 3, "{found}, {expected}");
        }
    }

    /// One text without a boundary would cost many times as much as its pieces.
    #[test]
    fn whatever_is_sent_is_counted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, tokenizer_json().to_string()).unwrap();
        let file = Tokenizer::load(&Choice::File(file.path().to_owned())).unwrap();
        let family = family("o200k_base");
        for (unit, bytes_a_token) in [
            ("a", 8.0),
            ("啊", 3.0),
            (" ", 128.0),
            ("😀", 4.0),
            ("\n", 16.0),
        ] {
            let text = unit.repeat((8 << 20) / unit.len());
            let tokens = family.count(&text) as f64;
            let expected = text.len() as f64 / bytes_a_token;
            assert!((tokens / expected - 1.0).abs() < 0.01, "{unit:?}: {tokens}");
            let beginning = &text[..text.floor_char_boundary(1 << 20)];
            let tokens = file.count(beginning);
            assert!(tokens.abs_diff(1 << 20) < 4, "{unit:?}: {tokens}");
        }
    }

    #[test]
    fn a_file_counts_as_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let mut json = tokenizer_json();
        let vocabulary = json["model"]["vocab"].as_object_mut().unwrap();
        vocabulary.insert("he".to_owned(), 256.into());
        json["model"]["merges"] = json!(["h e"]);
        fs::write(&path, json.to_string()).unwrap();
        let tokenizer = Tokenizer::load(&Choice::File(path)).unwrap();
        assert_eq!(tokenizer.count("hehey 啊"), 7);
    }

    /// A tokenizer of bytes, which splits texts as most families of today do.
    fn tokenizer_json() -> serde_json::Value {
        let split =
            r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        let vocabulary: serde_json::Map<_, _> =
            (0_u8..=255).map(|b| (letter(b), b.into())).collect();
        let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
        json!({
            "version": "1.0",
            "added_tokens": [],
            "normalizer": null,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": split}, "behavior": "Isolated", "invert": false},
                level,
            ]},
            "post_processor": null,
            "decoder": level,
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
                "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": []},
        })
    }

    /// The letter that stands for a byte in such a vocabulary.
    fn letter(byte: u8) -> String {
        let own = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
        let others = (0..byte).filter(|b| !own(*b)).count();
        let code = if own(byte) {
            u32::from(byte)
        } else {
            256 + u32::try_from(others).unwrap()
        };
        char::from_u32(code).unwrap().to_string()
    }
}
