//! Facts of known embedding models, as their makers state them: `models/catalogue.toml`, built into the program.
//!
//! What a model's own files say goes over this table; the table says what they leave open, such as the prompt
//! that suits questions, and what servers call a model that is reached over the network.

use std::sync::LazyLock;

use serde::Deserialize;

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The vector of the first token.
    Cls,
    /// The mean of the text's tokens.
    Mean,
    /// The largest value of each dimension.
    Max,
    /// The vector of the last token, whichever side is padded.
    Last,
}

impl Pooling {
    /// All of them.
    pub const ALL: [Pooling; 4] = [Pooling::Cls, Pooling::Mean, Pooling::Max, Pooling::Last];

    /// The word for it in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Pooling::Cls => "cls",
            Pooling::Mean => "mean",
            Pooling::Max => "max",
            Pooling::Last => "last",
        }
    }
}

/// What a model is run as.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A bidirectional transformer.
    Encoder,
    /// A causal language model.
    Decoder,
    /// Behind its maker's interface only.
    Api,
}

/// Where a model's ONNX files are, where that is not the maker's own repository.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// `owner/name` on the hub.
    pub hub: String,
    /// The graph in it.
    pub file: String,
}

/// One model.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// `owner/name` on the hub; the maker's name where it is not there.
    pub name: String,
    /// What servers call it: Ollama, clouds.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What it is run as.
    pub kind: Kind,
    /// Where its ONNX files are. None: `onnx/model.onnx` or `model.onnx` of `name`, or nobody exports it.
    pub export: Option<Export>,
    /// The length of its vectors.
    pub dimension: usize,
    /// Whether the beginning of a vector is a vector too (Matryoshka representation learning).
    #[serde(default)]
    pub matryoshka: bool,
    /// None: not published.
    pub pooling: Option<Pooling>,
    /// What stands before a question that is compared with questions; empty where the makers prescribe nothing.
    pub prompt: String,
    /// Whether it gives lexical weights beside the dense vector.
    #[serde(default)]
    pub sparse: bool,
    /// The most tokens it reads.
    pub max_tokens: usize,
    /// ISO 639-1 codes of those that matter here, `zh` and `en`; `multilingual` stands for about a hundred.
    pub languages: Vec<String>,
    /// SPDX where there is one.
    pub licence: String,
    /// Millions of parameters; none where not published.
    pub parameters: Option<u32>,
}

impl Entry {
    /// Whether it knows a language, by its ISO 639-1 code.
    pub fn knows(&self, language: &str) -> bool {
        let mut known = self.languages.iter();
        known.any(|known| known == language || known == "multilingual")
    }

    /// Whether the repository holds another's export of it.
    pub fn is_exported_as(&self, repository: &str) -> bool {
        let export = self.export.as_ref();
        export.is_some_and(|export| export.hub.eq_ignore_ascii_case(repository))
    }
}

/// All of them, in the order of the file.
pub fn entries() -> &'static [Entry] {
    #[derive(Deserialize)]
    struct Catalogue {
        model: Vec<Entry>,
    }
    static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        let parsed = toml::from_str::<Catalogue>(include_str!("../models/catalogue.toml"));
        // A test reads it, so what is built in is well-formed.
        parsed.map(|catalogue| catalogue.model).unwrap_or_default()
    });
    &ENTRIES
}

/// The model of a name, an alias or an export's repository, whatever the case; the maker's `owner/` may be left out.
pub fn find(name: &str) -> Option<&'static Entry> {
    let same = |known: &str| known.eq_ignore_ascii_case(name);
    let without_owner = |known: &str| known.rsplit('/').next().is_some_and(same);
    entries().iter().find(|entry| {
        same(&entry.name)
            || without_owner(&entry.name)
            || entry.aliases.iter().any(|alias| same(alias))
            || entry.is_exported_as(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_well_formed_and_names_are_unique() {
        let text = include_str!("../models/catalogue.toml");
        let table: toml::Table = toml::from_str(text).unwrap();
        assert_eq!(
            entries().len(),
            table["model"].as_array().unwrap().len(),
            "an entry is not read"
        );
        for entry in entries() {
            for name in entry.aliases.iter().chain([&entry.name]) {
                assert_eq!(find(name), Some(entry), "{name}");
            }
            if let Some(export) = &entry.export {
                assert_eq!(find(&export.hub), Some(entry), "{}", export.hub);
                assert!(export.file.ends_with(".onnx"), "{}", export.file);
            }
        }
    }

    #[test]
    fn an_entry_says_what_can_be_run_and_what_cannot() {
        for entry in entries() {
            let (name, api) = (&entry.name, entry.kind == Kind::Api);
            assert!(entry.dimension >= 128 && entry.max_tokens >= 128, "{name}");
            assert!(entry.knows("zh") || entry.knows("en"), "{name}");
            assert_eq!(api, !name.contains('/'), "{name}");
            assert_eq!(api, entry.parameters.is_none(), "{name}");
            // Only a pooling that is none of the usual ones may be left out, and then no graph is pulled.
            assert!(entry.pooling.is_some() || entry.export.is_none(), "{name}");
        }
    }

    #[test]
    fn what_servers_call_a_model_finds_it() {
        for (name, found) in [
            ("bge-m3", "BAAI/bge-m3"),
            ("BAAI/BGE-M3", "BAAI/bge-m3"),
            ("qwen3-embedding:0.6b", "Qwen/Qwen3-Embedding-0.6B"),
            ("qwen3-embedding-4b", "Qwen/Qwen3-Embedding-4B"),
            ("openai/text-embedding-3-small", "text-embedding-3-small"),
            ("Xenova/bge-large-zh-v1.5", "BAAI/bge-large-zh-v1.5"),
            ("all-minilm", "sentence-transformers/all-MiniLM-L6-v2"),
        ] {
            assert_eq!(find(name).map(|entry| entry.name.as_str()), Some(found));
        }
        assert_eq!(find("somebody/bge-m3"), None);
    }
}
