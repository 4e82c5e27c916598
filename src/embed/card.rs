//! What a model's folder says of the model: the files of transformers and sentence-transformers, read and not judged.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::LoadError;
use crate::catalogue::Pooling;
use crate::language::Phrase;

/// A model's own word, each fact absent where its files are silent.
#[derive(Debug, Default)]
pub(super) struct Card {
    /// The length of a token's vector.
    pub(super) hidden_size: Option<usize>,
    /// How many tokens have a position.
    pub(super) positions: Option<usize>,
    /// The smallest of the numbers of tokens that the files state as the most.
    pub(super) max_tokens: Option<usize>,
    /// How many tokens there are.
    pub(super) vocabulary: Option<usize>,
    /// Tasks that the model has an adapter for, in the order of their numbers.
    pub(super) adapters: Vec<String>,
    /// Whether texts are read in lower case.
    pub(super) lower_case: bool,
    /// How tokens' vectors become one; several are put one after the other.
    pub(super) pooling: Option<Vec<Pooling>>,
    /// Whether the prompt's tokens are left out of the pooling.
    pub(super) pools_without_prompt: bool,
    /// Folders of dense layers behind the pooling, in order.
    pub(super) dense: Vec<PathBuf>,
    /// Prompts by name.
    pub(super) prompts: Vec<(String, String)>,
    /// The name of the prompt that is used where none is asked for.
    pub(super) default_prompt: Option<String>,
    /// What fills short texts up.
    pub(super) padding: Padding,
    /// Tokens that are no part of a text: marks at its ends, padding, what is unknown.
    pub(super) special: Vec<String>,
    /// The files that this was read from.
    pub(super) read: Vec<PathBuf>,
}

/// What fills the shorter texts of a run up.
#[derive(Debug, Default)]
pub(super) struct Padding {
    pub(super) left: bool,
    pub(super) token: Option<String>,
    pub(super) id: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Transformer {
    model_type: Option<String>,
    #[serde(alias = "n_embd", alias = "d_model", alias = "dim")]
    hidden_size: Option<usize>,
    #[serde(alias = "n_positions")]
    max_position_embeddings: Option<i64>,
    pad_token_id: Option<i64>,
    vocab_size: Option<usize>,
    lora_adaptations: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SentenceBert {
    max_seq_length: Option<usize>,
    do_lower_case: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SentenceTransformers {
    prompts: Option<Map<String, Value>>,
    default_prompt_name: Option<String>,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Model types whose first position is behind the padding token's id, as RoBERTa's is.
const SHIFTED: [&str; 8] = [
    "camembert",
    "data2vec-text",
    "longformer",
    "mpnet",
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
];

/// Above this, a number of tokens means that there is no limit.
const NO_LIMIT: f64 = 1e9;

impl Card {
    /// Reads what there is in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self, LoadError> {
        let mut card = Card::default();
        card.read_transformer(folder)?;
        card.read_tokenizer(folder)?;
        card.read_modules(folder)?;
        let file = card.json::<SentenceBert>(&folder.join("sentence_bert_config.json"))?;
        let file = file.unwrap_or_default();
        card.state_tokens(file.max_seq_length);
        card.lower_case = file.do_lower_case.unwrap_or_default();
        let path = folder.join("config_sentence_transformers.json");
        let file = card
            .json::<SentenceTransformers>(&path)?
            .unwrap_or_default();
        let prompts = file.prompts.unwrap_or_default().into_iter();
        card.prompts = prompts
            .filter_map(|(name, prompt)| Some((name, prompt.as_str()?.to_owned())))
            .collect();
        card.default_prompt = file.default_prompt_name;
        Ok(card)
    }

    fn read_transformer(&mut self, folder: &Path) -> Result<(), LoadError> {
        let file = self.json::<Transformer>(&folder.join("config.json"))?;
        let file = file.unwrap_or_default();
        let kind = file.model_type.unwrap_or_default();
        let shift = if SHIFTED.contains(&kind.as_str()) {
            file.pad_token_id.unwrap_or(1) + 1
        } else {
            0
        };
        let positions = file.max_position_embeddings.unwrap_or_default() - shift;
        self.positions = usize::try_from(positions).ok().filter(|n| *n > 0);
        self.hidden_size = file.hidden_size;
        self.vocabulary = file.vocab_size;
        self.adapters = file.lora_adaptations.unwrap_or_default();
        self.padding.id = file.pad_token_id;
        Ok(())
    }

    fn read_tokenizer(&mut self, folder: &Path) -> Result<(), LoadError> {
        // The names of the marks may stand in either file.
        let marks = self.json::<Map<String, Value>>(&folder.join("special_tokens_map.json"))?;
        let mut file = marks.unwrap_or_default();
        let config = self.json::<Map<String, Value>>(&folder.join("tokenizer_config.json"))?;
        file.extend(config.unwrap_or_default());
        let limit = file.get("model_max_length").and_then(Value::as_f64);
        let limit = limit.filter(|n| (1.0..NO_LIMIT).contains(n));
        self.state_tokens(limit.and_then(|n| format!("{n:.0}").parse().ok()));
        self.padding.left = file.get("padding_side").and_then(Value::as_str) == Some("left");
        self.padding.token = mark(&file, "pad_token");
        let marks = ["cls_token", "eos_token", "pad_token", "unk_token"];
        let marks = marks.into_iter().filter_map(|name| mark(&file, name));
        self.special = marks.collect();
        Ok(())
    }

    fn read_modules(&mut self, folder: &Path) -> Result<(), LoadError> {
        let path = folder.join("modules.json");
        let usual = "1_Pooling/config.json";
        let Some(modules) = self.json::<Vec<Module>>(&path)? else {
            return self.read_pooling(&folder.join(usual));
        };
        for module in modules {
            let inside = folder.join(&module.path);
            match module.kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" | "Normalize" => {}
                "Pooling" => self.read_pooling(&inside.join("config.json"))?,
                "Dense" => self.dense.push(inside),
                _ => {
                    return Err(LoadError::Unsupported {
                        path,
                        problem: Phrase::new(
                            format!("模型有一步 {}，本程序没有这一步", module.kind),
                            format!("the model has a step {}, which is not known", module.kind),
                        ),
                        remedy: Phrase::new(
                            "换一个由 Transformer、Pooling、Dense、Normalize 组成的模型，或用 model.url 接它的服务",
                            "take a model of Transformer, Pooling, Dense and Normalize, or reach this one by model.url",
                        ),
                    });
                }
            }
        }
        Ok(())
    }

    fn read_pooling(&mut self, path: &Path) -> Result<(), LoadError> {
        let Some(file) = self.json::<Map<String, Value>>(path)? else {
            return Ok(());
        };
        let names: Vec<&str> = match file.get("pooling_mode") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => flags(&file),
        };
        let mut modes = Vec::new();
        for name in names {
            modes.push(match name {
                "cls" => Pooling::Cls,
                "max" => Pooling::Max,
                "mean" => Pooling::Mean,
                "lasttoken" => Pooling::Last,
                _ => {
                    return Err(LoadError::Unsupported {
                        path: path.to_path_buf(),
                        problem: Phrase::new(
                            format!("池化方式 {name} 不支持"),
                            format!("the pooling {name} is not known"),
                        ),
                        remedy: Phrase::new(
                            "支持 cls、mean、max、lasttoken；换一个模型，或用 model.url 接它的服务",
                            "cls, mean, max and lasttoken are; take another model, or reach this one by model.url",
                        ),
                    });
                }
            });
        }
        self.pools_without_prompt = file.get("include_prompt") == Some(&Value::Bool(false));
        self.pooling = Some(modes).filter(|modes| !modes.is_empty());
        Ok(())
    }

    fn state_tokens(&mut self, stated: Option<usize>) {
        self.max_tokens = self.max_tokens.into_iter().chain(stated).min();
    }

    /// A file's content; none where there is no file.
    fn json<T: DeserializeOwned>(&mut self, path: &Path) -> Result<Option<T>, LoadError> {
        let found = json(path)?;
        if found.is_some() {
            self.read.push(path.to_path_buf());
        }
        Ok(found)
    }
}

/// A mark of the tokenizer, written as it is or with its settings.
fn mark(file: &Map<String, Value>, name: &str) -> Option<String> {
    let mark = file.get(name)?;
    let text = mark.as_str().or_else(|| mark.get("content")?.as_str());
    text.map(str::to_owned)
}

/// The content of a JSON file; none where there is no file.
pub(super) fn json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LoadError> {
    if !path.is_file() {
        return Ok(None);
    }
    let wrong = |error: String| LoadError::WrongFile {
        path: path.to_path_buf(),
        error,
    };
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let parsed = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(Some(parsed))
}

/// What sentence-transformers before 5.2 writes: a flag a way, in the order in which they are put together.
fn flags(file: &Map<String, Value>) -> Vec<&'static str> {
    let ways = [
        ("pooling_mode_cls_token", "cls"),
        ("pooling_mode_max_tokens", "max"),
        ("pooling_mode_mean_tokens", "mean"),
        ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"),
        ("pooling_mode_weightedmean_tokens", "weightedmean"),
        ("pooling_mode_lasttoken", "lasttoken"),
    ];
    let set = |key| file.get(key) == Some(&Value::Bool(true));
    let set = ways.into_iter().filter(|(key, _)| set(*key));
    set.map(|(_, name)| name).collect()
}
