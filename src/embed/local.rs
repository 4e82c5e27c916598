//! A model in the layout of Hugging Face and sentence-transformers: text → vectors in one run of its graph.

use std::path::{Path, PathBuf};

use ort::environment::Environment;
use sha2::{Digest, Sha256};

use super::batch::{Batcher, Row};
use super::card::Card;
use super::graph::{self, Batch, Graph, Numbers, Outcome};
use super::manifest::{checksum, hex};
use super::pooling::{Dense, pool, unit};
use super::prescription::{self, Prescription};
use super::sparse::{self, BLOCK, Head, Lexical};
use super::{EmbedError, Embedded, Facts, Layout, LoadError, ensure_finite};
use crate::catalogue::{Entry, Pooling};
use crate::config::Model;
use crate::language::{Phrase, say};

/// The model's tokenizer and session.
#[derive(Debug)]
pub(super) struct Local {
    batcher: Batcher,
    graph: Graph,
    /// Put one after the other; unused where the graph pools.
    pooling: Vec<Pooling>,
    dense: Vec<Dense>,
    /// What the dense vector is cut to.
    dimensions: usize,
    lexical: Option<Weigher>,
    vocabulary: Option<usize>,
}

/// Where lexical weights come from.
#[derive(Debug)]
enum Weigher {
    Graph,
    Head(Head),
}

/// A text's vectors before they are put together.
struct Read {
    /// Not cut, of any length.
    dense: Vec<f32>,
    lexical: Option<Lexical>,
    row: Row,
}

impl Local {
    /// Loads the model in `folder`. What its files leave open `config` says, else `known`.
    pub(super) fn load(
        environment: &Environment,
        folder: &Path,
        config: &Model,
        known: Option<&Entry>,
    ) -> Result<(Local, Facts), LoadError> {
        let path = graph::find(folder, config.file.as_deref())?;
        let card = Card::read(folder)?;
        let Prescription { prompt, max_tokens } = Prescription::of(config, &card, known)?;
        let batcher = Batcher::load(folder, &card, &prompt, max_tokens)?;
        let graph = Graph::open(
            environment,
            &path,
            config.threads.get(),
            &card.adapters,
            config.pooling.is_some(),
        )?;
        let mut pooling = Vec::new();
        let mut dense = Vec::new();
        if graph.outputs.pooled.is_none() {
            pooling = prescription::pooling(config, &card, known)?;
            if card.pools_without_prompt && !prompt.is_empty() {
                return Err(without_prompt(folder));
            }
            for folder in &card.dense {
                dense.push(Dense::load(folder)?);
            }
        }
        let lexical = weigher(folder, &graph, &card, known)?;
        let mut local = Local {
            batcher,
            graph,
            pooling,
            dense,
            dimensions: usize::MAX,
            lexical,
            vocabulary: card.vocabulary,
        };
        // The graph itself says how long its vectors are, and that it runs.
        let wrong = |error: EmbedError| LoadError::WrongFile {
            path: path.clone(),
            error: error.to_string(),
        };
        let tried = local.read(&["1".to_owned()]).map_err(wrong)?;
        let length = tried.first().map_or(0, |read| read.dense.len());
        if let Some(known) = known.filter(|known| known.dimension != length) {
            return Err(other_model(path, known, length));
        }
        local.dimensions = prescription::dimensions(config, length, known)?;
        let mut layout = Layout::dense(local.dimensions);
        layout.blocks.extend(local.lexical.as_ref().map(|_| BLOCK));
        let single = match local.pooling.as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        let facts = Facts {
            name: name(folder, config, known),
            fingerprint: local.fingerprint(folder, &path, card.read, (&prompt, max_tokens))?,
            layout,
            pooling: single,
            prompt,
            max_tokens: Some(max_tokens),
            languages: known.map_or_else(Vec::new, |known| known.languages.clone()),
        };
        Ok((local, facts))
    }

    /// The texts' vectors, in order; one run for all of them.
    pub(super) fn embed(&mut self, texts: &[String]) -> Result<Vec<Embedded>, EmbedError> {
        let read = self.read(texts)?;
        let embedded = read.into_iter().map(|read| {
            ensure_finite(&read.dense)?;
            let mut vectors = read.dense;
            vectors.truncate(self.dimensions);
            unit(&mut vectors);
            vectors.extend(read.lexical.iter().flat_map(sparse::hashed));
            Ok(Embedded {
                vectors: vectors.into(),
                tokens: read.row.tokens,
                truncated: read.row.truncated,
            })
        });
        embedded.collect()
    }

    fn read(&mut self, texts: &[String]) -> Result<Vec<Read>, EmbedError> {
        let (batch, rows) = self.batcher.encode(texts)?;
        let outcome = self.graph.run(&batch)?;
        let rows = rows.into_iter().enumerate();
        rows.map(|(index, row)| {
            let part = index * batch.length..(index + 1) * batch.length;
            let (ids, mask) = (&batch.ids[part.clone()], &batch.mask[part]);
            Ok(Read {
                dense: self.dense(&outcome, &batch, index, mask)?,
                lexical: self.weights(&outcome, &batch, index, ids, mask)?,
                row,
            })
        })
        .collect()
    }

    /// A text's dense vector.
    fn dense(
        &self,
        outcome: &Outcome,
        batch: &Batch,
        index: usize,
        mask: &[i64],
    ) -> Result<Vec<f32>, EmbedError> {
        if let Some(pooled) = &outcome.pooled {
            return Ok(row(pooled, batch, index)?.to_vec());
        }
        let (tokens, width) = tokens(outcome, batch, index)?;
        let modes = self.pooling.iter();
        let mut vector: Vec<f32> = modes
            .flat_map(|mode| pool(*mode, tokens, mask, width))
            .collect();
        for dense in &self.dense {
            if vector.len() != dense.takes {
                let (found, takes) = (vector.len(), dense.takes);
                let error = format!("a dense layer takes {takes} numbers and is given {found}");
                return Err(EmbedError::Failed(error));
            }
            vector = dense.apply(&vector);
        }
        Ok(vector)
    }

    /// A text's lexical weights.
    fn weights(
        &self,
        outcome: &Outcome,
        batch: &Batch,
        index: usize,
        ids: &[i64],
        mask: &[i64],
    ) -> Result<Option<Lexical>, EmbedError> {
        let mut weights = match &self.lexical {
            None => return Ok(None),
            Some(Weigher::Head(head)) => head.weights(tokens(outcome, batch, index)?.0),
            Some(Weigher::Graph) => match &outcome.lexical {
                Some(numbers) => row(numbers, batch, index)?.to_vec(),
                None => Vec::new(),
            },
        };
        let words = self.vocabulary.filter(|words| *words == weights.len());
        if let Some(words) = words.filter(|words| *words != batch.length) {
            let every: Vec<i64> = (0..words).filter_map(|id| id.try_into().ok()).collect();
            return Ok(Some(sparse::lexical(
                &every,
                &weights,
                &self.batcher.special,
            )));
        }
        if weights.len() != batch.length {
            let found = weights.len();
            let error = format!("{found} lexical weights for {} tokens", batch.length);
            return Err(EmbedError::Failed(error));
        }
        for (weight, mask) in weights.iter_mut().zip(mask) {
            if *mask == 0 {
                *weight = 0.0;
            }
        }
        Ok(Some(sparse::lexical(ids, &weights, &self.batcher.special)))
    }

    /// Of every file that was read, and of what else changes vectors.
    fn fingerprint(
        &self,
        folder: &Path,
        graph: &Path,
        mut files: Vec<PathBuf>,
        (prompt, max_tokens): (&str, usize),
    ) -> Result<String, LoadError> {
        files.push(self.batcher.read.clone());
        files.extend(self.dense.iter().flat_map(|dense| dense.read.clone()));
        if let Some(Weigher::Head(head)) = &self.lexical {
            files.push(head.read.clone());
        }
        files.extend(weights_of(graph));
        files.sort();
        let mut hash = Sha256::new();
        for path in files {
            let found = checksum(&path).map_err(|error| LoadError::WrongFile {
                path: path.clone(),
                error: error.to_string(),
            })?;
            // The name inside the folder, so that a model may be moved.
            let name = path.strip_prefix(folder).unwrap_or(&path);
            hash.update(format!("{} {found}\n", name.display()));
        }
        let settings = (&self.pooling, self.dimensions, prompt, max_tokens);
        hash.update(format!("{settings:?}"));
        Ok(hex(&hash.finalize()))
    }
}

/// A text's part of an output.
fn row<'n>(numbers: &'n Numbers, batch: &Batch, index: usize) -> Result<&'n [f32], EmbedError> {
    let length = numbers.data.len() / batch.rows.max(1);
    if numbers.shape.first() != Some(&batch.rows) || length == 0 {
        let (rows, shape) = (batch.rows, &numbers.shape);
        let error = format!("an output of shape {shape:?} for {rows} texts");
        return Err(EmbedError::Failed(error));
    }
    Ok(&numbers.data[index * length..(index + 1) * length])
}

/// The vectors of a text's tokens, and how long each is.
fn tokens<'o>(
    outcome: &'o Outcome,
    batch: &Batch,
    index: usize,
) -> Result<(&'o [f32], usize), EmbedError> {
    let Some(numbers) = &outcome.tokens else {
        let error = "the graph gives no vectors of tokens".to_owned();
        return Err(EmbedError::Failed(error));
    };
    let part = row(numbers, batch, index)?;
    if numbers.shape.get(1) != Some(&batch.length) {
        let (length, shape) = (batch.length, &numbers.shape);
        let error = format!("an output of shape {shape:?} for {length} tokens");
        return Err(EmbedError::Failed(error));
    }
    Ok((part, part.len() / batch.length))
}

/// The graph's file, and those beside it that hold its weights.
fn weights_of(graph: &Path) -> Vec<PathBuf> {
    let mut files = vec![graph.to_path_buf()];
    let name = graph.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.trim_end_matches(".onnx");
    let belongs = |file: &str| {
        let rest = file.strip_prefix(stem).unwrap_or_default();
        rest.starts_with(".onnx_") || rest.starts_with(".onnx.") || rest.starts_with(".data")
    };
    let entries = graph.parent().map(std::fs::read_dir);
    let entries = entries.into_iter().flatten().flatten().flatten();
    let beside = entries.filter(|entry| belongs(&entry.file_name().to_string_lossy()));
    files.extend(beside.map(|entry| entry.path()));
    files
}

fn weigher(
    folder: &Path,
    graph: &Graph,
    card: &Card,
    known: Option<&Entry>,
) -> Result<Option<Weigher>, LoadError> {
    if graph.outputs.lexical.is_some() {
        return Ok(Some(Weigher::Graph));
    }
    if graph.outputs.tokens.is_some()
        && let Some(head) = Head::load(folder, card.hidden_size)?
    {
        return Ok(Some(Weigher::Head(head)));
    }
    if let Some(known) = known.filter(|known| known.sparse) {
        tracing::warn!(
            model = known.name,
            "{}",
            say(
                "没有找到词权重（sparse_linear，或图的输出 sparse_vecs），只用稠密向量",
                "no lexical weights were found (sparse_linear, or the graph's output sparse_vecs); the dense vector is used alone",
            )
        );
    }
    Ok(None)
}

fn name(folder: &Path, config: &Model, known: Option<&Entry>) -> String {
    let configured = config.name.as_ref().or(config.hub.as_ref());
    let said = configured.or(known.map(|known| &known.name)).cloned();
    let whole = folder.canonicalize();
    let whole = whole.as_deref().unwrap_or(folder);
    let own = || whole.file_name().unwrap_or_default().to_string_lossy();
    said.unwrap_or_else(|| own().into_owned())
}

fn without_prompt(folder: &Path) -> LoadError {
    LoadError::Unsupported {
        path: folder.join("1_Pooling/config.json"),
        problem: Phrase::new(
            "池化时不算提示语（include_prompt = false），不支持",
            "the prompt is left out of the pooling (include_prompt = false), which is not known",
        ),
        remedy: Phrase::new(
            "写 model.prompt = \"\"，换一个模型，或用 model.url 接它的服务",
            "set model.prompt = \"\", take another model, or reach this one by model.url",
        ),
    }
}

fn other_model(path: PathBuf, known: &Entry, length: usize) -> LoadError {
    let (name, dimension) = (&known.name, known.dimension);
    LoadError::Unsupported {
        path,
        problem: Phrase::new(
            format!("它的向量有 {length} 个数，{name} 的应有 {dimension} 个"),
            format!("its vectors have {length} numbers, those of {name} have {dimension}"),
        ),
        remedy: Phrase::new(
            "检查 model.path、model.name 和 model.file",
            "check model.path, model.name and model.file",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::runtime;

    fn load(folder: &Path, known: Option<&Entry>) -> Result<(Local, Facts), LoadError> {
        let environment = runtime::load(None).unwrap();
        Local::load(&environment, folder, &Model::default(), known)
    }

    fn entry() -> Entry {
        Entry {
            dimension: 32,
            prompt: "known: ".to_owned(),
            sparse: true,
            pooling: Some(Pooling::Max),
            max_tokens: 16,
            ..crate::catalogue::entries()[0].clone()
        }
    }

    #[test]
    fn the_catalogue_says_what_the_files_leave_open() {
        let models = Path::new("tests/reference/models");
        // A lexical head is missed, and done without.
        let (_, facts) = load(&models.join("e5"), Some(&entry())).unwrap();
        assert_eq!(facts.prompt, "known: ", "it is chosen for questions");
        assert_eq!(facts.pooling, Some(Pooling::Mean), "the files say so");
        assert_eq!(facts.max_tokens, Some(96));
        assert_eq!(facts.languages, entry().languages);
        assert_eq!(facts.name, entry().name);
        assert_eq!(facts.layout, Layout::dense(32));

        let bare = tempfile::tempdir().unwrap();
        for file in ["tokenizer.json", "onnx/model.onnx"] {
            let to = bare.path().join(Path::new(file).file_name().unwrap());
            std::fs::copy(models.join("e5").join(file), to).unwrap();
        }
        let (_, facts) = load(bare.path(), Some(&entry())).unwrap();
        assert_eq!(facts.pooling, Some(Pooling::Max));
        assert_eq!(facts.max_tokens, Some(16));

        let mut other = entry();
        other.dimension = 384;
        let said = load(bare.path(), Some(&other)).unwrap_err().explain();
        assert!(said.en.contains("have 32 numbers"), "{}", said.en);
    }

    #[test]
    fn lexical_weights_are_those_of_the_makers_code() {
        let folder = Path::new("tests/reference/models/bge-m3");
        let expected = std::fs::read(folder.join("expected.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
        let texts: Vec<String> = serde_json::from_value(expected["texts"].clone()).unwrap();
        let expected: Vec<Lexical> =
            serde_json::from_value(expected["lexical_weights"].clone()).unwrap();
        assert!(expected.iter().all(|weights| !weights.is_empty()));

        let (mut local, facts) = load(folder, None).unwrap();
        assert_eq!(facts.layout.blocks, [facts.layout.blocks[0], BLOCK]);
        let mut all = local.read(&texts).unwrap();
        for text in &texts {
            all.extend(local.read(std::slice::from_ref(text)).unwrap());
        }
        for (index, read) in all.into_iter().enumerate() {
            let (found, expected) = (read.lexical.unwrap(), &expected[index % texts.len()]);
            assert!(found.keys().eq(expected.keys()), "{found:?} {expected:?}");
            for (token, weight) in found {
                let expected = expected[&token];
                assert!((weight - expected).abs() < 1e-4, "{weight} {expected}");
            }
        }
    }
}
