//! The folder of intents → the published snapshot, at the start and at every edit.
//!
//! A watcher wakes the loop; what is published depends only on what the folder holds. So a watcher that
//! misses something, or dies, costs two seconds and nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};

use crate::config::{Config, find_default};
use crate::embed::store::{self, Store};
use crate::embed::{BLOCKS, Embedder};
use crate::gate::Gate;
use crate::intent::file::{self, Context, IntentFile};
use crate::intent::{Action, Intent};
use crate::language::say;
use crate::metrics::Metrics;
use crate::problem::Problems;
use crate::server::Tasks;
use crate::snapshot::{Live, Preparation, PrepareError, Review, Snapshot};

/// An editor's save is several events; this long without one, it is over.
const QUIET: Duration = Duration::from_millis(100);
/// The folder is looked at this often whether or not anything was heard.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// The folder of intents, and what makes a snapshot of it.
#[derive(Debug)]
pub struct Intents {
    folder: PathBuf,
    config: Config,
    store: Store,
}

impl Intents {
    /// The configured folder, else `intents` of the working directory or beside the executable.
    ///
    /// # Errors
    /// Only where not even memory can hold vectors.
    pub fn new(config: &Config, embedder: &Embedder) -> anyhow::Result<Self> {
        let folder = config.gate.intents.clone();
        let folder = folder
            .or_else(|| find_default("intents"))
            .unwrap_or_else(|| "intents".into());
        Ok(Intents {
            folder,
            config: config.clone(),
            store: open_store(config, embedder)?,
        })
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files as they stand.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn read(&self) -> Result<Vec<IntentFile>, Problems> {
        file::read_folder(&self.folder)
    }

    /// What `files` say, before anything is embedded.
    ///
    /// # Errors
    /// Every problem of the files.
    pub fn parse(&self, files: &[IntentFile]) -> Result<Vec<Intent>, Problems> {
        file::parse(&self.folder, files, self.context())
    }

    /// A snapshot of `files`, and what it was fitted to.
    ///
    /// # Errors
    /// Every problem of the files, or the model's failure.
    pub async fn prepare(
        &self,
        files: &[IntentFile],
        embedder: &Embedder,
        progress: impl Fn(usize, usize),
    ) -> Result<(Snapshot, Review), PrepareError> {
        self.preparation(embedder).run(files, progress).await
    }

    /// The snapshot to begin with: a static one where a full one would keep customers waiting.
    ///
    /// # Errors
    /// As [`Intents::prepare`].
    pub async fn prepare_first(
        &self,
        files: &[IntentFile],
        embedder: &Embedder,
        progress: impl Fn(usize, usize),
    ) -> Result<Snapshot, PrepareError> {
        self.preparation(embedder).run_first(files, progress).await
    }

    fn preparation<'a>(&'a self, embedder: &'a Embedder) -> Preparation<'a> {
        Preparation {
            folder: &self.folder,
            context: self.context(),
            gate: &self.config.gate,
            embedder,
            store: &self.store,
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            shop: &self.config.shop,
            reject_reply: &self.config.gate.reject_reply,
        }
    }
}

fn open_store(config: &Config, embedder: &Embedder) -> anyhow::Result<Store> {
    let manifest = embedder.manifest();
    let (model, length) = (&manifest.fingerprint, BLOCKS * manifest.dimension);
    if let Some(folder) = config.model.cache.clone().or_else(store::default_folder) {
        match Store::open(&folder, model, length) {
            Ok(store) => return Ok(store),
            Err(error) => {
                let folder = folder.display().to_string();
                tracing::warn!(%error, folder, "vectors of examples cannot be kept here, so each start embeds them anew; see model.cache");
            }
        }
    }
    Ok(Store::in_memory(model, length)?)
}

/// Publishes what the folder holds whenever it changes.
#[derive(Debug)]
pub struct Reload {
    /// The folder.
    pub intents: Intents,
    /// What was published, or refused, last; nothing where a first, static snapshot is to be replaced.
    pub seen: Vec<IntentFile>,
    /// The model.
    pub gate: Arc<Gate>,
    /// Where to publish.
    pub live: Arc<Live>,
    /// Where to say so.
    pub metrics: Metrics,
}

impl Reload {
    /// Runs until the tasks are told to stop.
    pub async fn run(mut self, tasks: Tasks) {
        count_intents(&self.metrics, &self.live.current());
        let (woken, mut wakes) = mpsc::channel(1);
        let _watcher = watch(&self.intents.folder, woken);
        self.look().await;
        loop {
            tokio::select! {
                () = tasks.stopped() => return,
                Some(()) = wakes.recv() => quiet(&mut wakes).await,
                () = sleep(LOOK_AGAIN) => {}
            }
            // Telling a task to stop may not leave an edit half prepared, so this is not raced.
            self.look().await;
        }
    }

    async fn look(&mut self) {
        let files = match block_in_place(|| self.intents.read()) {
            Ok(files) if files == self.seen => return,
            Ok(files) => files,
            // A file may go while the folder is read; the next look tells.
            Err(problems) if !self.seen.is_empty() => {
                self.seen = Vec::new();
                return self.refuse(&problems.into());
            }
            Err(_) => return,
        };
        let prepared = self
            .intents
            .prepare(&files, self.gate.embedder(), |_, _| {})
            .await;
        self.seen = files;
        // The vectors go first, so that publishing can give their memory back.
        match prepared.map(|(snapshot, _)| snapshot) {
            Ok(snapshot) => self.publish(snapshot),
            Err(error) => self.refuse(&error),
        }
    }

    fn publish(&self, snapshot: Snapshot) {
        count_intents(&self.metrics, &snapshot);
        let (intents, examples) = (snapshot.intents.len(), snapshot.examples());
        self.live.publish(snapshot);
        self.metrics
            .intents_reloads
            .with_label_values(&["ok"])
            .inc();
        tracing::info!(
            intents,
            examples,
            "{}",
            say("意图已生效", "intents published")
        );
    }

    fn refuse(&self, error: &PrepareError) {
        self.metrics.intents_in_sync.set(0);
        self.metrics
            .intents_reloads
            .with_label_values(&["refused"])
            .inc();
        match error {
            PrepareError::Files(problems) => {
                let head = say(
                    "意图的修改有问题，未生效，继续用之前的",
                    "the edit of the intents is refused, the published ones go on",
                );
                tracing::error!("{head}:\n{problems}");
            }
            PrepareError::Model(error) => {
                tracing::error!(%error, "the edit of the intents could not be embedded, the published ones go on");
            }
        }
    }
}

fn count_intents(metrics: &Metrics, snapshot: &Snapshot) {
    for action in Action::ALL {
        let count = snapshot
            .intents
            .iter()
            .filter(|intent| intent.action == action)
            .count();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        metrics
            .intents
            .with_label_values(&[action.as_str()])
            .set(count);
    }
    metrics.intents_in_sync.set(1);
}

/// Wakes the loop at every event in the folder. None where the system cannot watch: then looking is all.
fn watch(folder: &Path, woken: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let started = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if !event.is_ok_and(|event| is_reading(event.kind)) {
            // A wake that waits already is enough.
            woken.try_send(()).ok();
        }
    })
    .and_then(|mut watcher| {
        watcher
            .watch(folder, RecursiveMode::NonRecursive)
            .map(|()| watcher)
    });
    match started {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "the folder of intents cannot be watched; it is looked at every {LOOK_AGAIN:?}");
            None
        }
    }
}

/// Files are opened and closed by looking at them, too; that must not wake whoever looks.
fn is_reading(event: EventKind) -> bool {
    let written = AccessKind::Close(AccessMode::Write);
    matches!(event, EventKind::Access(kind) if kind != written)
}

/// Waits until the events have ended, or have gone on for so long that they may never.
async fn quiet(wakes: &mut mpsc::Receiver<()>) {
    let events = async { while let Ok(Some(())) = timeout(QUIET, wakes.recv()).await {} };
    timeout(LOOK_AGAIN, events).await.ok();
}
