//! The model's named threads: work behind a bounded queue, or one future.

use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::oneshot;

use super::{EmbedError, LoadError};
use crate::panics;

/// What one thread does with each input; it owns its session.
pub(super) type Work<I, O> = Box<dyn FnMut(I) -> Result<O, EmbedError> + Send>;

/// Threads that turn `I` into `O`, and the queue before them. Dropping it ends the threads and waits.
#[derive(Debug)]
pub(super) struct Queue<I, O> {
    jobs: Option<Sender<Job<I, O>>>,
    threads: Vec<JoinHandle<()>>,
}

struct Job<I, O> {
    input: I,
    reply: oneshot::Sender<Result<O, EmbedError>>,
}

impl<I: Send + 'static, O: Send + 'static> Queue<I, O> {
    /// Starts a thread for each piece of `work`; `bound` inputs may wait.
    pub(super) fn start(
        name: &str,
        bound: usize,
        work: Vec<Work<I, O>>,
    ) -> Result<Self, LoadError> {
        let (jobs, waiting) = bounded(bound);
        let mut queue = Queue {
            jobs: Some(jobs),
            threads: Vec::with_capacity(work.len()),
        };
        for (index, work) in work.into_iter().enumerate() {
            let waiting = waiting.clone();
            let thread = Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(move || serve(&waiting, work))
                .map_err(|error| LoadError::NoThread {
                    error: error.to_string(),
                })?;
            queue.threads.push(thread);
        }
        Ok(queue)
    }

    /// Inputs that wait.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.as_ref().map_or(0, Sender::len)
    }

    /// Has one input worked on; refused at once when the queue is full.
    pub(super) async fn run(&self, input: I) -> Result<O, EmbedError> {
        let gone = || EmbedError::Failed("the model's thread has ended".to_owned());
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.try_send(Job { input, reply })
            .map_err(|error| match error {
                TrySendError::Full(_) => EmbedError::QueueFull,
                TrySendError::Disconnected(_) => gone(),
            })?;
        answer.await.map_err(|_| gone())?
    }
}

fn serve<I, O>(waiting: &Receiver<Job<I, O>>, mut work: Work<I, O>) {
    for job in waiting {
        // Those who left need no answer.
        if !job.reply.is_closed() {
            let output = panics::caught("model", || work(job.input));
            let failed = || Err(EmbedError::Failed("the model panicked".to_owned()));
            job.reply.send(output.unwrap_or_else(failed)).ok();
        }
    }
}

impl<I, O> Drop for Queue<I, O> {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

/// A thread of its own for a future and all that it waits for. Dropping it waits for the future's end.
#[derive(Debug)]
pub(super) struct Lane(Option<JoinHandle<()>>);

impl Lane {
    /// Starts a thread that makes the future and runs it to its end.
    pub(super) fn start<F: Future<Output = ()>>(
        name: &str,
        future: impl FnOnce() -> F + Send + 'static,
    ) -> Result<Self, LoadError> {
        let no_thread = |error: std::io::Error| LoadError::NoThread {
            error: error.to_string(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(no_thread)?;
        let run = move || {
            runtime.block_on(future());
            // A host's name that is still looked up keeps nobody waiting.
            runtime.shutdown_background();
        };
        let thread = Builder::new().name(name.to_owned()).spawn(run);
        Ok(Lane(Some(thread.map_err(no_thread)?)))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if self.0.take().is_some_and(|thread| thread.join().is_err()) {
            panics::note("embeddings API");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A queue whose one thread takes an input and then waits to be let go.
    fn held() -> (Queue<u32, u32>, mpsc::Receiver<u32>, mpsc::Sender<()>) {
        let (taken, takes) = mpsc::channel();
        let (go, gate) = mpsc::channel();
        let work: Work<u32, u32> = Box::new(move |n| {
            taken.send(n).unwrap();
            gate.recv().ok();
            Ok(n * 2)
        });
        (Queue::start("test", 1, vec![work]).unwrap(), takes, go)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_queue_refuses_at_once_and_those_who_left_are_skipped() {
        let (queue, takes, go) = held();
        let queue = std::sync::Arc::new(queue);
        let run = |n| {
            let queue = queue.clone();
            async move { queue.run(n).await }
        };
        let mut tasks = tokio::task::JoinSet::new();
        let first = tasks.spawn(run(1));
        assert_eq!(takes.recv().unwrap(), 1);
        let second = tasks.spawn(run(2));
        while queue.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(queue.run(3).await, Err(EmbedError::QueueFull)));

        second.abort();
        assert!(tasks.join_next().await.unwrap().unwrap_err().is_cancelled());
        go.send(()).unwrap();
        assert_eq!(
            tasks.join_next_with_id().await.unwrap().unwrap().0,
            first.id()
        );
        // Until the skipped one is taken out there is no place.
        while queue.waiting() > 0 {
            tokio::task::yield_now().await;
        }
        let fourth = tasks.spawn(run(4));
        assert_eq!(takes.recv().unwrap(), 4, "the second left and was skipped");
        go.send(()).unwrap();
        let (id, answer) = tasks.join_next_with_id().await.unwrap().unwrap();
        assert_eq!((id, answer.unwrap()), (fourth.id(), 8));
    }
}
