//! Models of the Hugging Face hub: into the ecosystem's own cache on this machine, resumed and verified.
//!
//! Own code over `reqwest`: the `hf-hub` crate neither resumes nor verifies, and brings 63 crates. What `hf download`
//! fetched is found here, and what is fetched here is found by it.

mod cache;
mod error;
mod fetch;
mod graph;
mod listing;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::HubError;

use crate::catalogue::Entry;
use crate::config::Model;
use crate::secret::Secret;
use cache::Repository;
use error::disk;
use fetch::Fetch;
use listing::{File, Listing, folder_of};

/// Where models are, where `HF_ENDPOINT` names no mirror.
const ENDPOINT: &str = "https://huggingface.co";
/// The branch that a repository begins with.
const REVISION: &str = "main";

/// The hub, as the ecosystem's usual variables say.
#[derive(Clone, Debug)]
pub struct Hub {
    /// Its address, or a mirror's.
    pub endpoint: String,
    /// Who asks; sent to the endpoint's host and to no other.
    pub token: Option<Secret>,
    /// Where models are kept; none where nothing says.
    pub cache: Option<PathBuf>,
    /// Whether it is never asked.
    pub offline: bool,
    /// How long a connection may be silent.
    pub patience: Duration,
    /// The time before the second try; doubled before each further one.
    pub pause: Duration,
}

/// What of which repository is pulled and found.
#[derive(Debug)]
struct Wanted {
    repository: String,
    revision: String,
    /// The graph; none: one of the usual names.
    file: Option<String>,
}

impl Wanted {
    /// Where the makers publish no graph, another repository's export of it stands for theirs, unless a `file` of
    /// theirs is asked for.
    fn of(config: &Model, known: Option<&Entry>) -> Option<Self> {
        let named = config.hub.as_ref()?;
        let mut wanted = Wanted {
            repository: named.clone(),
            revision: config.revision.as_deref().unwrap_or(REVISION).to_owned(),
            file: config.file.clone(),
        };
        let known = known.filter(|_| wanted.file.is_none());
        if let Some((known, export)) = known.and_then(|k| Some((k, k.export.as_ref()?))) {
            let makers = known.name.eq_ignore_ascii_case(named);
            if makers || known.is_exported_as(named) {
                wanted.repository.clone_from(&export.hub);
                wanted.file = Some(export.file.clone());
            }
        }
        Some(wanted)
    }
}

impl Hub {
    /// By `HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE` and their kin.
    pub fn of_environment() -> Self {
        Hub::of(|name| std::env::var(name).ok())
    }

    /// The same, of these variables.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let path = |name: &str| set(name).map(PathBuf::from);
        let user = || path("XDG_CACHE_HOME").or_else(|| Some(path("HOME")?.join(".cache")));
        let home = path("HF_HOME").or_else(|| Some(user()?.join("huggingface")));
        let token_file = path("HF_TOKEN_PATH").or_else(|| Some(home.as_ref()?.join("token")));
        let token = set("HF_TOKEN")
            .or_else(|| set("HUGGING_FACE_HUB_TOKEN"))
            .or_else(|| std::fs::read_to_string(token_file?).ok());
        let is_true = |value: String| {
            ["1", "on", "yes", "true"].contains(&value.to_ascii_lowercase().as_str())
        };
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        Hub {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: token.map(|t| Secret::new(&t)).filter(|t| !t.is_empty()),
            cache: path("HF_HUB_CACHE")
                .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
                .or_else(|| Some(home?.join("hub"))),
            offline: ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]
                .into_iter()
                .any(|name| set(name).is_some_and(is_true)),
            patience: Duration::from_secs(30),
            pause: Duration::from_secs(1),
        }
    }

    /// The folder of a model that is here, whole.
    pub fn found(&self, config: &Model, known: Option<&Entry>) -> Option<PathBuf> {
        let wanted = Wanted::of(config, known)?;
        let repository = Repository::new(self.cache.as_ref()?, &wanted.repository);
        let folder = repository.snapshot(&wanted.revision)?;
        cache::is_whole(&folder, &wanted).then_some(folder)
    }

    /// Fetches what is missing of a model, and says how far that is: bytes that are here, of how many. The revision
    /// names the new state only once all of it is here.
    ///
    /// # Errors
    /// What keeps the model from being here, with the next step; what has arrived is kept for another try.
    pub async fn pull(
        &self,
        config: &Model,
        known: Option<&Entry>,
        progress: impl Fn(u64, u64),
    ) -> Result<PathBuf, HubError> {
        let found = self.found(config, known);
        let wanted = Wanted::of(config, known).ok_or(HubError::NoCache)?;
        if self.offline {
            let repository = wanted.repository;
            return found.ok_or(HubError::Offline { repository });
        }
        let cache = self.cache.as_ref().ok_or(HubError::NoCache)?;
        let pull = Pull {
            fetch: Fetch::new(self)?,
            repository: Repository::new(cache, &wanted.repository),
            wanted,
            progress,
        };
        pull.run().await
    }
}

/// One pull.
struct Pull<P> {
    fetch: Fetch,
    repository: Repository,
    wanted: Wanted,
    progress: P,
}

impl<P: Fn(u64, u64)> Pull<P> {
    async fn run(self) -> Result<PathBuf, HubError> {
        let wanted = &self.wanted;
        let listing = self.fetch.listing(wanted).await?;
        let names: Vec<_> = listing.files.iter().map(|f| f.name.as_str()).collect();
        let graph = listing::graph(&wanted.repository, &names, wanted.file.as_deref())?;
        let beside = folder_of(&graph);
        let tokenizers = [
            "tokenizer.json".to_owned(),
            format!("{beside}tokenizer.json"),
        ];
        if !tokenizers.iter().any(|name| listing.find(name).is_some()) {
            return Err(self.lacks("tokenizer.json"));
        }
        let mut files = listing.chosen(&graph);
        let folder = self.repository.files(&listing.commit);
        let (mut here, mut next) = (0, 0);
        while let Some(file) = files.get(next).copied() {
            let all = files.iter().map(|file| file.size).sum();
            self.get(&listing.commit, file, here, all).await?;
            here += file.size;
            next += 1;
            if file.name == graph {
                files.extend(self.unlisted(&listing, &folder, &graph, &files)?);
            }
        }
        self.repository.point(&wanted.revision, &listing.commit)?;
        Ok(folder)
    }

    /// Brings one file into the snapshot.
    async fn get(&self, commit: &str, file: &File, here: u64, all: u64) -> Result<(), HubError> {
        let _lock = self.repository.lock(file).await?;
        let blob = self.repository.blob(file);
        if cache::length(&blob) != Some(file.size) {
            let url = self
                .fetch
                .url_of(&self.wanted.repository, commit, &file.name)?;
            let progress = |of_this| (self.progress)(here + of_this, all);
            self.fetch
                .file(&url, &self.wanted, file, &blob, progress)
                .await?;
        }
        (self.progress)(here + file.size, all);
        self.repository.link(commit, file)
    }

    /// What the graph keeps in files that their names do not give away.
    fn unlisted<'a>(
        &self,
        listing: &'a Listing,
        folder: &Path,
        graph: &str,
        files: &[&File],
    ) -> Result<Vec<&'a File>, HubError> {
        let path = folder.join(graph);
        let data: BTreeSet<String> = graph::external_data(&path).map_err(disk(&path))?;
        let named = data
            .iter()
            .map(|name| format!("{}{name}", folder_of(graph)));
        let missing = named.filter(|name| files.iter().all(|file| file.name != *name));
        missing
            .map(|name| listing.find(&name).ok_or_else(|| self.lacks(&name)))
            .collect()
    }

    fn lacks(&self, file: &str) -> HubError {
        HubError::NoFile {
            repository: self.wanted.repository.clone(),
            file: file.to_owned(),
            graphs: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Export, entries};

    fn hub(variables: &[(&str, &str)]) -> Hub {
        Hub::of(|name| {
            let mut all = variables.iter();
            all.find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn the_cache_is_where_the_ecosystem_has_it() {
        let home = ("HOME", "/home/a");
        for (variables, cache) in [
            (vec![home], Some("/home/a/.cache/huggingface/hub")),
            (
                vec![home, ("XDG_CACHE_HOME", "/c")],
                Some("/c/huggingface/hub"),
            ),
            (vec![home, ("HF_HOME", "/hf")], Some("/hf/hub")),
            (vec![home, ("HUGGINGFACE_HUB_CACHE", "/old")], Some("/old")),
            (
                vec![("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/new")],
                Some("/new"),
            ),
            (
                vec![home, ("HF_HUB_CACHE", "")],
                Some("/home/a/.cache/huggingface/hub"),
            ),
            (vec![], None),
        ] {
            let found = hub(&variables).cache;
            assert_eq!(found, cache.map(PathBuf::from), "{variables:?}");
        }
    }

    #[test]
    fn the_token_is_a_variable_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        let home = ("HF_HOME", folder.path().to_str().unwrap());
        for (variables, token) in [
            (vec![home], Some("hf_file")),
            (vec![home, ("HF_TOKEN", "hf_new")], Some("hf_new")),
            (
                vec![home, ("HUGGING_FACE_HUB_TOKEN", "hf_old")],
                Some("hf_old"),
            ),
            (vec![home, ("HF_TOKEN_PATH", "/nowhere")], None),
        ] {
            let found = hub(&variables).token;
            assert_eq!(found.as_ref().map(Secret::reveal), token, "{variables:?}");
        }
    }

    #[test]
    fn the_hub_is_left_alone_when_that_is_asked_for() {
        for (name, value, offline) in [
            ("HF_HUB_OFFLINE", "1", true),
            ("HF_HUB_OFFLINE", "0", false),
            ("TRANSFORMERS_OFFLINE", "True", true),
            ("OFFLINE", "1", false),
        ] {
            assert_eq!(hub(&[(name, value)]).offline, offline, "{name}={value}");
        }
        assert_eq!(hub(&[("HF_ENDPOINT", "https://m/")]).endpoint, "https://m");
    }

    #[test]
    fn an_export_stands_for_the_makers_repository_unless_a_file_is_named() {
        let mut known = entries()[0].clone();
        known.name = "maker/model".to_owned();
        known.export = Some(Export {
            hub: "other/model".to_owned(),
            file: "onnx/model.onnx".to_owned(),
        });
        for (named, file, repository, graph) in [
            ("maker/model", None, "other/model", Some("onnx/model.onnx")),
            ("Maker/Model", None, "other/model", Some("onnx/model.onnx")),
            ("other/model", None, "other/model", Some("onnx/model.onnx")),
            ("maker/model", Some("a.onnx"), "maker/model", Some("a.onnx")),
            ("third/model", None, "third/model", None),
        ] {
            let config = Model {
                hub: Some(named.to_owned()),
                file: file.map(str::to_owned),
                ..Model::default()
            };
            let wanted = Wanted::of(&config, Some(&known)).unwrap();
            assert_eq!(wanted.repository, repository);
            assert_eq!(wanted.file.as_deref(), graph);
        }
    }
}
