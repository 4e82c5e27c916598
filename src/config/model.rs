//! `[model]`: what embeds the questions, and with how much of the machine.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use url::Url;

use super::reach::Reach;
use super::upstream::base_url;
use super::{root, units};
use crate::catalogue::Pooling;
use crate::language::Phrase;
use crate::secret::Secret;

/// The embedding model. One of `path`, `hub` and `url` says which; none of them: the bundled one.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// A folder with a model: the bundled one's layout, or that of Hugging Face and sentence-transformers.
    pub path: Option<PathBuf>,
    /// A model of the hub, `owner/name`.
    pub hub: Option<String>,
    /// Its branch, tag or commit. None: `main`.
    pub revision: Option<String>,
    /// The ONNX graph in the folder or the hub's repository. None: the usual names.
    pub file: Option<String>,
    /// The base URL of an embeddings API as an OpenAI client takes it.
    #[serde(deserialize_with = "base_url")]
    pub url: Option<Url>,
    /// What the API calls the model; beside `path`, which of the known models the folder holds.
    pub name: Option<String>,
    /// The API's key.
    pub api_key: Option<Secret>,
    /// A file that holds the key, such as a mounted secret.
    pub api_key_file: Option<PathBuf>,
    /// A PEM file of authorities that are trusted besides the system's.
    pub tls_roots: Option<PathBuf>,
    /// The length that vectors are cut to, of a model that was trained for it. None: all of it.
    pub dimensions: Option<NonZeroUsize>,
    /// How tokens' vectors become one, where the model's files do not say.
    #[serde(deserialize_with = "pooling")]
    pub pooling: Option<Pooling>,
    /// What stands before every text. None: what the model's makers prescribe.
    pub prompt: Option<String>,
    /// The most tokens that are read. None: what the model's files say.
    pub max_tokens: Option<NonZeroUsize>,
    /// Whether the bundled model's static stage stands before another model.
    pub static_stage: bool,
    /// ONNX Runtime's shared library. None: looked for, see [`super::find_default`].
    pub runtime: Option<PathBuf>,
    /// Threads that run the encoder.
    pub threads: NonZeroUsize,
    /// Questions that may wait for the model; more are forwarded unjudged.
    pub queue: NonZeroUsize,
    /// How long an embeddings API may take for a batch of examples; questions have `gate.budget`.
    #[serde(deserialize_with = "units::duration")]
    pub timeout: Duration,
    /// Where vectors of examples are kept between starts. None: the user's cache folder.
    pub cache: Option<PathBuf>,
    /// What `tls_roots` holds.
    #[serde(skip)]
    pub roots_pem: Vec<u8>,
}

impl Model {
    pub(super) fn root_paths(&mut self, folder: &Path) {
        root(&mut self.path, folder);
        root(&mut self.runtime, folder);
        root(&mut self.cache, folder);
        root(&mut self.api_key_file, folder);
        root(&mut self.tls_roots, folder);
    }

    /// The bundled model, run as this one is.
    #[must_use]
    pub fn bundled(&self) -> Model {
        Model {
            runtime: self.runtime.clone(),
            threads: self.threads,
            queue: self.queue,
            cache: self.cache.clone(),
            ..Model::default()
        }
    }

    /// Reads the files that keys name, and says what is wrong.
    pub(super) fn check(&mut self) -> Vec<(String, Phrase)> {
        let mut problems = Reach {
            section: "model".to_owned(),
            url: self.url.as_ref(),
            api_key: &mut self.api_key,
            api_key_file: self.api_key_file.as_deref(),
            tls_roots: self.tls_roots.as_deref(),
            roots_pem: &mut self.roots_pem,
        }
        .check();
        let own = self.check_source().into_iter().chain(self.check_names());
        problems.extend(own.map(|(key, problem)| (format!("model.{key}"), problem)));
        problems
    }

    /// At most one key says where the model is, and the keys beside it belong to that one.
    fn check_source(&self) -> Vec<(&'static str, Phrase)> {
        let (path, hub, url) = (self.path.is_some(), self.hub.is_some(), self.url.is_some());
        let mut problems = Vec::new();
        if usize::from(path) + usize::from(hub) + usize::from(url) > 1 {
            let key = if url { "url" } else { "hub" };
            let message = Phrase::new(
                "path、hub、url 只能写一个：模型只有一个",
                "write one of path, hub and url: there is one model",
            );
            problems.push((key, message));
        }
        let beside: [(_, _, _, &[&str]); 10] = [
            ("revision", self.revision.is_some(), hub, &["hub"]),
            ("file", self.file.is_some(), hub || path, &["hub", "path"]),
            ("name", self.name.is_some(), url || path, &["url", "path"]),
            (
                "static_stage",
                !self.static_stage,
                hub || path || url,
                &["hub", "path", "url"],
            ),
            ("api_key", self.api_key.is_some(), url, &["url"]),
            ("tls_roots", self.tls_roots.is_some(), url, &["url"]),
            (
                "pooling",
                self.pooling.is_some(),
                hub || path,
                &["hub", "path"],
            ),
            (
                "dimensions",
                self.dimensions.is_some(),
                hub || path || url,
                &["hub", "path", "url"],
            ),
            (
                "prompt",
                self.prompt.is_some(),
                hub || path || url,
                &["hub", "path", "url"],
            ),
            (
                "max_tokens",
                self.max_tokens.is_some(),
                hub || path,
                &["hub", "path"],
            ),
        ];
        for (key, _, _, with) in beside.into_iter().filter(|(_, set, fits, _)| *set && !fits) {
            let message = Phrase::new(
                format!(
                    "只能和 {} 一起用；请写上它，或去掉这个键",
                    with.join(" 或 ")
                ),
                format!(
                    "belongs to {}; write that as well, or leave this key out",
                    with.join(" or ")
                ),
            );
            problems.push((key, message));
        }
        if url && self.name.as_ref().is_none_or(|name| name.trim().is_empty()) {
            let message = Phrase::new(
                "没有写；url 要和模型的名字一起用，如 \"text-embedding-3-small\"",
                "is missing; url needs the model's name beside it, such as \"text-embedding-3-small\"",
            );
            problems.push(("name", message));
        }
        problems
    }

    pub(crate) fn check_names(&self) -> Vec<(&'static str, Phrase)> {
        let mut problems = Vec::new();
        if let Some(hub) = self.hub.as_ref().filter(|hub| !is_repository(hub)) {
            let message = Phrase::new(
                format!("\"{hub}\" 不是模型仓库名；请写 owner/name，如 \"BAAI/bge-large-zh-v1.5\""),
                format!(
                    "\"{hub}\" is no repository; write owner/name, such as \"BAAI/bge-large-zh-v1.5\""
                ),
            );
            problems.push(("hub", message));
        }
        let inside = |file: &str| {
            let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
            file.ends_with(".onnx") && file.split('/').all(plain) && !file.contains('\\')
        };
        if let Some(file) = self.file.as_ref().filter(|file| !inside(file)) {
            let message = Phrase::new(
                format!("\"{file}\" 不是模型里的 ONNX 文件；请写如 \"onnx/model.onnx\""),
                format!(
                    "\"{file}\" is no ONNX file of a model; write \"onnx/model.onnx\" or the like"
                ),
            );
            problems.push(("file", message));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        let usable = |r: &str| !r.is_empty() && r.chars().all(plain) && !r.contains("..");
        if let Some(revision) = self.revision.as_ref().filter(|r| !usable(r)) {
            let message = Phrase::new(
                format!("\"{revision}\" 不是分支、标签或提交号；请写如 \"main\""),
                format!("\"{revision}\" is no branch, tag or commit; write \"main\" or the like"),
            );
            problems.push(("revision", message));
        }
        problems
    }
}

fn pooling<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Pooling>, D::Error> {
    let accepted = || {
        Phrase::new(
            "不是合成向量的方法；请写 \"cls\"、\"mean\"、\"max\" 或 \"last\"",
            "is no pooling; write \"cls\", \"mean\", \"max\" or \"last\"",
        )
    };
    units::text(deserializer, accepted, |text| {
        let pooling = Pooling::ALL.into_iter().find(|p| p.as_str() == text);
        pooling.map(Some)
    })
}

/// `owner/name`, both of characters that the hub allows.
fn is_repository(name: &str) -> bool {
    let part = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        (1..=96).contains(&part.len()) && part.chars().all(plain) && !part.starts_with('.')
    };
    let mut parts = name.split('/');
    matches!((parts.next(), parts.next(), parts.next()), (Some(o), Some(n), None) if part(o) && part(n))
}

impl Default for Model {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let at_least_one = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Model {
            path: None,
            hub: None,
            revision: None,
            file: None,
            url: None,
            name: None,
            api_key: None,
            api_key_file: None,
            tls_roots: None,
            dimensions: None,
            pooling: None,
            prompt: None,
            max_tokens: None,
            static_stage: true,
            runtime: None,
            threads: at_least_one(cores.min(2)),
            queue: at_least_one(256),
            timeout: Duration::from_secs(30),
            cache: None,
            roots_pem: Vec::new(),
        }
    }
}
