//! The one place that spawns: every task is waited for, and a panic in one is said.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
        let cut = self.cut.clone();
        self.tracker.spawn(async move {
            let run = AssertUnwindSafe(task).catch_unwind();
            if let Some(Err(_)) = cut.run_until_cancelled(run).await {
                tracing::error!(task = name, "a task ended by a panic");
            }
        });
    }

    /// Comes back once the tasks are told to stop.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Tells every task to stop and waits for them, no longer than `grace`. How many were cut.
    pub async fn finish(&self, grace: Duration) -> usize {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait())
            .await
            .is_ok()
        {
            return 0;
        }
        let left = self.tracker.len();
        self.cut.cancel();
        self.tracker.wait().await;
        left
    }
}

impl<F: Future + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.spawn("http2", async move {
            task.await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_stop_in_time_is_cut_and_counted() {
        let tasks = Tasks::default();
        let stopping = tasks.clone();
        tasks.spawn("willing", async move { stopping.stopped().await });
        tasks.spawn("unwilling", std::future::pending());
        tasks.spawn("panics", async { panic!("for the test") });
        assert_eq!(tasks.finish(Duration::from_millis(50)).await, 1);
    }
}
