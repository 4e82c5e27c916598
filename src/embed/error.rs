//! What can go wrong with the model: at start, with the next step; later, in one word.

use std::fmt;
use std::path::PathBuf;

use crate::language::{Language, Phrase};

/// A question could not be embedded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EmbedError {
    /// Too many questions wait.
    #[error("too many questions wait for the model")]
    QueueFull,
    /// The model failed on this text.
    #[error("the model failed: {0}")]
    Failed(String),
}

/// The model cannot be used.
#[derive(Debug)]
pub enum LoadError {
    /// No ONNX Runtime was found.
    NoRuntime {
        /// Where it was looked for.
        tried: Vec<String>,
    },
    /// A library was found that is no usable ONNX Runtime.
    WrongRuntime {
        /// The library.
        path: PathBuf,
        /// What the loader said.
        error: String,
    },
    /// The bundled model was not found.
    NoModel,
    /// The bundled model, whose static stage was to stand before another, was not found.
    NoStaticStage,
    /// The model's folder lacks a file.
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// A file is not what the manifest says, or cannot be read as what it should be.
    WrongFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
    /// A model of the hub is not on this machine.
    NotPulled {
        /// `owner/name`.
        name: String,
    },
    /// A fact that is needed stands in none of the model's files.
    Unknown {
        /// Which fact.
        fact: Phrase,
        /// How to give it: the key and what it takes.
        remedy: Phrase,
    },
    /// A file asks for what is not known here.
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        problem: Phrase,
        /// What would be accepted.
        remedy: Phrase,
    },
    /// A key asks for what the model does not give.
    Unfit {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        problem: Phrase,
        /// What would be accepted.
        remedy: Phrase,
    },
    /// An embeddings API cannot be asked, or does not answer as one.
    Unreachable {
        /// Its base URL.
        url: String,
        /// What happened.
        error: String,
    },
    /// A thread could not be started.
    NoThread {
        /// What the system said.
        error: String,
    },
}

impl LoadError {
    /// For operators: what is wrong and what to do.
    pub fn explain(&self) -> Phrase {
        match self {
            LoadError::NoRuntime { tried } => Phrase::new(
                format!(
                    "找不到 ONNX Runtime 动态库。已找过：{}。\n下一步：在项目目录运行 `make build`（它会取来运行库），或用 model.runtime 或环境变量 ORT_DYLIB_PATH 指向已有的库文件。",
                    tried.join("、")
                ),
                format!(
                    "ONNX Runtime's shared library was not found. Looked at: {}.\nNext: run `make build` in the project's folder, which fetches it, or point model.runtime or ORT_DYLIB_PATH at a library you have.",
                    tried.join(", ")
                ),
            ),
            LoadError::WrongRuntime { path, error } => Phrase::new(
                format!(
                    "{} 不是可用的 ONNX Runtime：{error}。\n下一步：删掉 runtime 文件夹后运行 `make build`，或把 model.runtime 或 ORT_DYLIB_PATH 指向另一个库文件。",
                    path.display()
                ),
                format!(
                    "{} is no usable ONNX Runtime: {error}.\nNext: delete the folder runtime and run `make build`, or point model.runtime or ORT_DYLIB_PATH at another library.",
                    path.display()
                ),
            ),
            LoadError::NoModel => Phrase::new(
                "找不到自带的模型 models/multilingual-e5-small。\n下一步：在项目目录里运行，或用 model.path 指定模型文件夹。",
                "the bundled model models/multilingual-e5-small was not found.\nNext: run in the project's folder, or name the model's folder with model.path.",
            ),
            LoadError::NoStaticStage => Phrase::new(
                "找不到自带的模型 models/multilingual-e5-small，它的静态向量要和所选的模型并用。\n下一步：在项目目录里运行，或写上 model.static_stage = false。",
                "the bundled model models/multilingual-e5-small, whose static vectors stand beside the chosen model's, was not found.\nNext: run in the project's folder, or set model.static_stage = false.",
            ),
            LoadError::NoFile { path } => Phrase::new(
                format!(
                    "模型缺少文件 {}。\n下一步：补上它，或检查 model.path。",
                    path.display()
                ),
                format!(
                    "the model lacks {}.\nNext: put it there, or check model.path.",
                    path.display()
                ),
            ),
            LoadError::WrongFile { path, error } => Phrase::new(
                format!(
                    "模型文件 {} 不对：{error}。\n下一步：重新取得该文件（git checkout），或检查 model.path。",
                    path.display()
                ),
                format!(
                    "the model's file {} is wrong: {error}.\nNext: fetch the file again (git checkout), or check model.path.",
                    path.display()
                ),
            ),
            LoadError::NotPulled { name } => Phrase::new(
                format!("模型 {name} 还没有下载。\n下一步：运行 `intentgate model pull {name}`。"),
                format!(
                    "the model {name} is not on this machine.\nNext: run `intentgate model pull {name}`."
                ),
            ),
            LoadError::Unknown { fact, remedy } => Phrase::new(
                format!("模型的文件没有说明{}。\n下一步：{}。", fact.zh, remedy.zh),
                format!(
                    "the model's files do not say {}.\nNext: {}.",
                    fact.en, remedy.en
                ),
            ),
            LoadError::Unsupported {
                path,
                problem,
                remedy,
            } => Phrase::new(
                format!(
                    "模型文件 {}：{}。\n下一步：{}。",
                    path.display(),
                    problem.zh,
                    remedy.zh
                ),
                format!(
                    "the model's file {}: {}.\nNext: {}.",
                    path.display(),
                    problem.en,
                    remedy.en
                ),
            ),
            LoadError::Unfit {
                key,
                problem,
                remedy,
            } => Phrase::new(
                format!("{key} {}。\n下一步：{}。", problem.zh, remedy.zh),
                format!("{key} {}.\nNext: {}.", problem.en, remedy.en),
            ),
            LoadError::Unreachable { url, error } => Phrase::new(
                format!(
                    "问不到 {url} 的向量接口：{error}。\n下一步：检查 model.url、model.name 和 model.api_key；写上 model.dimensions，则它没起来时也能启动。"
                ),
                format!(
                    "the embeddings API at {url} gives no vectors: {error}.\nNext: check model.url, model.name and model.api_key; with model.dimensions set, a start does not need it."
                ),
            ),
            LoadError::NoThread { error } => Phrase::new(
                format!(
                    "无法启动模型线程：{error}。下一步：调小 model.threads，或放宽系统的线程数限制。"
                ),
                format!(
                    "a thread for the model could not be started: {error}. Next: lower model.threads, or raise the system's limit of threads."
                ),
            ),
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.explain().text(Language::of_environment()))
    }
}

impl std::error::Error for LoadError {}
