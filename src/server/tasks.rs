//! The one place that spawns: every task is waited for, and a panic in one is said.

use std::panic::AssertUnwindSafe;
use std::time::Duration;
use std::{io, thread};

use futures_util::FutureExt;
use tokio::runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::panics;

/// The tasks of one gateway, and the word to stop.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Tasks {
    /// Runs `task` beside the others; [`Tasks::finish`] waits for it.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        // Each future that holds another by value has room for it twice, before it runs and while it does.
        let task = Box::pin(task);
        // Its own: every poll of a task would lock the one of all.
        let cut = self.cut.child_token();
        self.tracker.spawn(async move {
            let run = AssertUnwindSafe(task).catch_unwind();
            if let Some(Err(_)) = cut.run_until_cancelled(run).await {
                panics::note(name);
            }
        });
    }

    /// Runs `task` on a thread of its own, where it may block. What is said of [`Tasks::spawn`] holds for it.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn spawn_thread(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let (cut, waited_for) = (self.cut.child_token(), self.tracker.token());
        let run = move || {
            let run = AssertUnwindSafe(task).catch_unwind();
            if let Some(Err(_)) = runtime.block_on(cut.run_until_cancelled(run)) {
                panics::note(name);
            }
            drop(waited_for);
        };
        thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(())
    }

    /// Comes back once the tasks are told to stop.
    pub async fn stopped(&self) {
        self.stop.child_token().cancelled().await;
    }

    /// Tells every task to stop and waits for them, no longer than `grace`. Whether all have ended.
    pub async fn finish(&self, grace: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        let ended = tokio::time::timeout(grace, self.tracker.wait());
        ended.await.is_ok()
    }

    /// Ends every task where it stands.
    pub async fn cut(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.cut.cancel();
        self.tracker.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_stop_in_time_is_cut() {
        let tasks = Tasks::default();
        let stopping = tasks.clone();
        tasks.spawn("willing", async move { stopping.stopped().await });
        tasks.spawn("panics", async { panic!("for the test") });
        assert!(tasks.finish(Duration::from_secs(20)).await);
        tasks.spawn("unwilling", std::future::pending());
        assert!(!tasks.finish(Duration::from_millis(50)).await);
        tasks.cut().await;
    }
}
