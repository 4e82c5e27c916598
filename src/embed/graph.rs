//! An ONNX graph: which file it is, what it wants to be given, what it gives.

use std::path::{Path, PathBuf};

use half::f16;
use ort::environment::Environment;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Outlet, Tensor, TensorElementType};

use super::runtime::open_session;
use super::{EmbedError, LoadError};
use crate::language::Phrase;

/// Texts as a graph takes them: a row a text, all of one length.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) ids: Vec<i64>,
    /// 0 where a row is filled up.
    pub(super) mask: Vec<i64>,
    pub(super) rows: usize,
    pub(super) length: usize,
}

/// A session and what stands at its ends.
#[derive(Debug)]
pub(super) struct Graph {
    session: Session,
    inputs: Vec<Input>,
    /// Outputs that are used.
    pub(super) outputs: Outputs,
}

#[derive(Debug)]
struct Input {
    name: String,
    kind: TensorElementType,
    feed: Feed,
}

#[derive(Debug)]
enum Feed {
    Ids,
    Mask,
    /// Segments: all text is in the first.
    Zeros,
    Positions,
    /// The number of an adapter, as a scalar or a list of one.
    Task {
        number: i64,
        rank: usize,
    },
    /// What was read before, of so many heads of so many numbers: nothing.
    Past {
        heads: usize,
        width: usize,
    },
}

/// The names of the outputs that are used.
#[derive(Debug)]
pub(super) struct Outputs {
    /// A vector a text.
    pub(super) pooled: Option<String>,
    /// A vector a token.
    pub(super) tokens: Option<String>,
    /// A weight a token, or a weight a word of the vocabulary.
    pub(super) lexical: Option<String>,
}

/// An output's numbers.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<f32>,
}

/// What a run gives.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) pooled: Option<Numbers>,
    pub(super) tokens: Option<Numbers>,
    pub(super) lexical: Option<Numbers>,
}

const POOLED: [&str; 7] = [
    "sentence_embedding",
    "sentence_embeddings",
    "dense_vecs",
    "dense_embeddings",
    "text_embeds",
    "embedding",
    "embeddings",
];
const TOKENS: [&str; 4] = [
    "last_hidden_state",
    "token_embeddings",
    "hidden_states",
    "text_embeds",
];
const LEXICAL: [&str; 3] = ["sparse_vecs", "sparse_embeddings", "sparse_weights"];

/// The graph's file: `named`, else the usual one, else the only one.
pub(super) fn find(folder: &Path, named: Option<&str>) -> Result<PathBuf, LoadError> {
    if let Some(named) = named {
        return super::require(folder, named);
    }
    for usual in ["onnx/model.onnx", "model.onnx"] {
        let path = folder.join(usual);
        if path.is_file() {
            return Ok(path);
        }
    }
    let mut found = Vec::new();
    for inside in ["onnx", ""] {
        let entries = std::fs::read_dir(folder.join(inside)).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let graphs = names.filter(|name| name.ends_with(".onnx"));
        found.extend(graphs.map(|name| Path::new(inside).join(name)));
    }
    found.sort();
    match found.as_slice() {
        [] => Err(LoadError::NoFile {
            path: folder.join("onnx/model.onnx"),
        }),
        [one] => Ok(folder.join(one)),
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            Err(LoadError::Unknown {
                fact: Phrase::new("用哪个 ONNX 图", "which ONNX graph to use"),
                remedy: Phrase::new(
                    format!("用 model.file 写明其中一个：{}", names.join("、")),
                    format!("name one of them in model.file: {}", names.join(", ")),
                ),
            })
        }
    }
}

impl Graph {
    /// Opens the graph at `path`. `adapters` are the tasks that the model knows; `tokens_wanted`: what the graph
    /// pools itself is not asked for.
    pub(super) fn open(
        environment: &Environment,
        path: &Path,
        threads: usize,
        adapters: &[String],
        tokens_wanted: bool,
    ) -> Result<Self, LoadError> {
        let session = open_session(environment, path, threads)?;
        let inputs = session.inputs().iter();
        let inputs = inputs
            .map(|outlet| Input::plan(outlet, path, adapters))
            .collect::<Result<_, _>>()?;
        let outputs = Outputs::choose(session.outputs(), path, tokens_wanted)?;
        Ok(Graph {
            session,
            inputs,
            outputs,
        })
    }

    /// One run.
    pub(super) fn run(&mut self, batch: &Batch) -> Result<Outcome, EmbedError> {
        let mut given: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            given.push((&input.name, input.value(batch)?));
        }
        let values = self.session.run(given)?;
        let numbers = |name: &Option<String>| {
            let value = name.as_ref().and_then(|name| values.get(name));
            value.map(numbers).transpose()
        };
        Ok(Outcome {
            pooled: numbers(&self.outputs.pooled)?,
            tokens: numbers(&self.outputs.tokens)?,
            lexical: numbers(&self.outputs.lexical)?,
        })
    }
}

impl Input {
    fn plan(outlet: &Outlet, path: &Path, adapters: &[String]) -> Result<Self, LoadError> {
        let name = outlet.name().to_owned();
        let shape = outlet.dtype().tensor_shape();
        let size = |at: usize| shape.and_then(|shape| usize::try_from(*shape.get(at)?).ok());
        let feed = match name.as_str() {
            "input_ids" => Some(Feed::Ids),
            "attention_mask" => Some(Feed::Mask),
            "token_type_ids" => Some(Feed::Zeros),
            "position_ids" => Some(Feed::Positions),
            "task_id" => {
                // What judges questions tells kinds of questions apart.
                let known = adapters.iter().position(|task| task == "classification");
                let number = known.and_then(|number| i64::try_from(number).ok());
                let rank = shape.map_or(0, |shape| shape.len());
                let Some(number) = number else {
                    return Err(LoadError::Unknown {
                        fact: Phrase::new(
                            "它的图要的 task_id 里，classification 是几号",
                            "which number of task_id, an input of its graph, is classification",
                        ),
                        remedy: Phrase::new(
                            "在 config.json 里用 lora_adaptations 按序列出任务",
                            "list the tasks in their order as lora_adaptations in config.json",
                        ),
                    });
                };
                Some(Feed::Task { number, rank })
            }
            // Batch, heads, tokens, numbers a head.
            name if name.starts_with("past_key_values") => {
                let sizes = size(1).zip(size(3));
                sizes.map(|(heads, width)| Feed::Past { heads, width })
            }
            _ => None,
        };
        let kind = outlet.dtype().tensor_type();
        let fits = |feed: &Feed, kind: TensorElementType| match feed {
            Feed::Past { .. } => {
                matches!(
                    kind,
                    TensorElementType::Float32 | TensorElementType::Float16
                )
            }
            _ => matches!(kind, TensorElementType::Int64 | TensorElementType::Int32),
        };
        match feed.zip(kind) {
            Some((feed, kind)) if fits(&feed, kind) => Ok(Input { name, kind, feed }),
            _ => Err(LoadError::Unsupported {
                path: path.to_path_buf(),
                problem: Phrase::new(
                    format!(
                        "图要一个输入 {name}（{}），不知道该给它什么",
                        outlet.dtype()
                    ),
                    format!(
                        "the graph wants an input {name} ({}), which is not known",
                        outlet.dtype()
                    ),
                ),
                remedy: Phrase::new(
                    "换一个只要 input_ids、attention_mask、token_type_ids、position_ids、past_key_values、task_id 的图（model.file），或用 model.url 接它的服务",
                    "take a graph (model.file) of input_ids, attention_mask, token_type_ids, position_ids, past_key_values and task_id, or reach the model by model.url",
                ),
            }),
        }
    }

    fn value(&self, batch: &Batch) -> ort::Result<SessionInputValue<'static>> {
        let shape = vec![batch.rows, batch.length];
        match &self.feed {
            Feed::Ids => self.integers(shape, batch.ids.clone()),
            Feed::Mask => self.integers(shape, batch.mask.clone()),
            Feed::Zeros => self.integers(shape, vec![0; batch.ids.len()]),
            Feed::Positions => self.integers(shape, positions(batch)),
            Feed::Task { number, rank } => self.integers(vec![1; *rank], vec![*number]),
            Feed::Past { heads, width } => {
                let shape = vec![batch.rows, *heads, 0, *width];
                Ok(match self.kind {
                    TensorElementType::Float16 => {
                        Tensor::from_array((shape, Vec::<f16>::new()))?.into()
                    }
                    _ => Tensor::from_array((shape, Vec::<f32>::new()))?.into(),
                })
            }
        }
    }

    fn integers(
        &self,
        shape: Vec<usize>,
        data: Vec<i64>,
    ) -> ort::Result<SessionInputValue<'static>> {
        if self.kind == TensorElementType::Int32 {
            let narrow = |n| i32::try_from(n).unwrap_or_default();
            let data: Vec<i32> = data.into_iter().map(narrow).collect();
            return Ok(Tensor::from_array((shape, data))?.into());
        }
        Ok(Tensor::from_array((shape, data))?.into())
    }
}

/// As transformers makes them: tokens are counted, and padding, which nothing looks at, is at 1.
fn positions(batch: &Batch) -> Vec<i64> {
    let mut positions = Vec::with_capacity(batch.mask.len());
    for row in batch.mask.chunks_exact(batch.length.max(1)) {
        let mut next = 0;
        for mask in row {
            positions.push(if *mask == 0 { 1 } else { next });
            next += mask;
        }
    }
    positions
}

impl Outputs {
    fn choose(outlets: &[Outlet], path: &Path, tokens_wanted: bool) -> Result<Self, LoadError> {
        let of_rank = |rank: usize| {
            outlets.iter().filter(move |outlet| {
                let shape = outlet.dtype().tensor_shape();
                shape.is_some_and(|shape| shape.len() == rank)
            })
        };
        // The name decides, and in a graph of one output there is nothing to decide.
        let one = |rank: usize, names: &[&str]| {
            let mut named = of_rank(rank)
                .map(Outlet::name)
                .filter(|name| names.contains(name) || outlets.len() == 1);
            match (named.next(), named.next()) {
                (Some(_), Some(_)) => Err(()),
                (found, _) => Ok(found.map(str::to_owned)),
            }
        };
        let lexical = outlets.iter().map(Outlet::name);
        let lexical = lexical
            .filter(|name| LEXICAL.contains(name))
            .map(str::to_owned)
            .next();
        let mut pooled = one(2, &POOLED);
        if tokens_wanted {
            pooled = Ok(None);
        }
        match (pooled, one(3, &TOKENS)) {
            (Ok(pooled), Ok(tokens)) if pooled.is_some() || tokens.is_some() => Ok(Outputs {
                pooled,
                tokens,
                lexical,
            }),
            _ => Err(unclear(outlets, path, tokens_wanted)),
        }
    }
}

fn unclear(outlets: &[Outlet], path: &Path, tokens_wanted: bool) -> LoadError {
    let outputs = outlets
        .iter()
        .map(|outlet| format!("{}: {}", outlet.name(), outlet.dtype()));
    let outputs = outputs.collect::<Vec<_>>().join("; ");
    let remedy = if tokens_wanted {
        Phrase::new(
            "去掉 model.pooling（图自己池化），或用 model.file 换一个输出 last_hidden_state 的图",
            "leave model.pooling out (the graph pools itself), or name a graph with an output last_hidden_state in model.file",
        )
    } else {
        Phrase::new(
            "用 model.file 换一个图，它应有 last_hidden_state、token_embeddings、sentence_embedding 或 dense_vecs 其中之一",
            "name a graph in model.file that has one of last_hidden_state, token_embeddings, sentence_embedding and dense_vecs",
        )
    };
    LoadError::Unsupported {
        path: path.to_path_buf(),
        problem: Phrase::new(
            format!("看不出图的哪个输出是向量：{outputs}"),
            format!("it is not clear which of the graph's outputs is the vector: {outputs}"),
        ),
        remedy,
    }
}

fn numbers(value: &DynValue) -> Result<Numbers, EmbedError> {
    let (shape, data) = match value.dtype().tensor_type() {
        Some(TensorElementType::Float16) => {
            let (shape, data) = value.try_extract_tensor::<f16>()?;
            (shape, data.iter().map(|x| x.to_f32()).collect())
        }
        _ => {
            let (shape, data) = value.try_extract_tensor::<f32>()?;
            (shape, data.to_vec())
        }
    };
    let shape = shape
        .iter()
        .map(|n| usize::try_from(*n).unwrap_or_default());
    Ok(Numbers {
        shape: shape.collect(),
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_counted_from_the_first_token() {
        let batch = Batch {
            ids: vec![0; 8],
            mask: vec![0, 0, 1, 1, 1, 1, 1, 0],
            rows: 2,
            length: 4,
        };
        assert_eq!(positions(&batch), [1, 1, 0, 1, 0, 1, 2, 1]);
    }
}
