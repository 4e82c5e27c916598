//! What wakes the loop before its time.

use std::path::PathBuf;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::LOOK_AGAIN;

/// An editor's save is several events; this long without one, it is over.
const QUIET: Duration = Duration::from_millis(100);

/// Wakes at every event in the folders, for as long as it lives.
#[derive(Debug)]
pub(super) struct Watch {
    folders: Vec<PathBuf>,
    woken: mpsc::Sender<()>,
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    pub(super) fn new(folders: Vec<PathBuf>, woken: mpsc::Sender<()>) -> Self {
        let started = start(&folders, woken.clone());
        if let Err(error) = &started {
            tracing::warn!(%error, ?folders, "changes cannot be watched for; files are looked at every {LOOK_AGAIN:?}");
        }
        Watch {
            folders,
            woken,
            _watcher: started.ok(),
        }
    }

    /// The same for other folders.
    pub(super) fn moved(self, folders: Vec<PathBuf>) -> Self {
        match folders == self.folders {
            true => self,
            false => Watch::new(folders, self.woken),
        }
    }
}

fn start(folders: &[PathBuf], woken: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if !event.is_ok_and(|event| is_reading(event.kind)) {
            // A wake that waits already is enough.
            woken.try_send(()).ok();
        }
    })?;
    for folder in folders {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// Files are opened and closed by looking at them, too; that must not wake whoever looks.
fn is_reading(event: EventKind) -> bool {
    let written = AccessKind::Close(AccessMode::Write);
    matches!(event, EventKind::Access(kind) if kind != written)
}

/// Waits until the events have ended, or have gone on for so long that they may never.
pub(super) async fn quiet(wakes: &mut mpsc::Receiver<()>) {
    let events = async { while let Ok(Some(())) = timeout(QUIET, wakes.recv()).await {} };
    timeout(LOOK_AGAIN, events).await.ok();
}
