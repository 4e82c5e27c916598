//! Which texts go to an embeddings API when: questions at once, those that have to wait gathered into one request,
//! examples behind them.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures_util::future::{FutureExt, LocalBoxFuture, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt, iter};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::answer::Answer;
use super::api::{Api, Fault};
use super::health::Health;
use super::{EmbedError, Embedded};

/// Requests with questions that are under way at the same time.
pub(super) const LANES: usize = 4;
/// Questions in one request.
const GATHERED: usize = 64;
/// Requests with examples that are under way at the same time.
const EXAMPLES: usize = 2;

/// A question goes out so often once more, while its customer waits.
const QUESTION_RETRIES: usize = 2;
/// The first pause before a question goes out once more.
const QUESTION_PAUSE: Duration = Duration::from_millis(50);
/// A question waits for no longer `Retry-After` than this.
const QUESTION_WAIT: Duration = Duration::from_secs(2);

/// The first pause before examples go out once more, and the longest.
const EXAMPLES_PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// Examples wait for no longer `Retry-After` than this.
const EXAMPLES_WAIT: Duration = Duration::from_secs(60);
/// Examples go out once more until then.
const PATIENCE: Duration = Duration::from_secs(120);

/// A text that is refused is cut to no more bytes than this: about the tokens that the largest models read.
const LONGEST: usize = 32 << 10;
/// A text that is refused is not too long where it has no more bytes than this.
const SHORTEST: usize = 512;

/// What becomes of texts.
pub(super) type Outcome = Result<Vec<Embedded>, EmbedError>;

/// Texts that somebody waits for, while `reply` is open.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) texts: Vec<String>,
    /// Whether the texts are no longer whole.
    pub(super) shortened: bool,
    pub(super) reply: oneshot::Sender<Outcome>,
}

impl Job {
    /// Leaves the first half, where that is still a text to judge.
    fn shorten(&mut self) -> bool {
        self.texts.iter_mut().all(|text| {
            let kept = (text.len() / 2).min(LONGEST);
            self.shortened = true;
            text.truncate(text.floor_char_boundary(kept));
            kept >= SHORTEST
        })
    }
}

/// The API and those who wait for it.
#[derive(Debug)]
pub(super) struct Dispatch {
    pub(super) api: Api,
    pub(super) health: Health,
    /// Of one text each.
    pub(super) questions: mpsc::Receiver<Job>,
    pub(super) examples: mpsc::Receiver<Job>,
}

/// What a request held.
enum Held {
    Questions,
    Examples,
}

impl Dispatch {
    /// Until nobody can ask any more.
    pub(super) async fn run(mut self) {
        let asking = Asking {
            api: &self.api,
            health: &self.health,
        };
        let mut under_way: FuturesUnordered<LocalBoxFuture<'_, Held>> = FuturesUnordered::new();
        let (mut questions, mut examples) = (0, 0);
        let mut taken = Vec::new();
        loop {
            tokio::select! {
                biased;
                Some(held) = under_way.next() => match held {
                    Held::Questions => questions -= 1,
                    Held::Examples => examples -= 1,
                },
                count = self.questions.recv_many(&mut taken, GATHERED), if questions < LANES => {
                    if count == 0 {
                        return;
                    }
                    // Those who left are not asked for.
                    taken.retain(|job: &Job| !job.reply.is_closed());
                    for jobs in share_out(&mut taken, LANES - questions) {
                        questions += 1;
                        let asked = async move {
                            asking.questions(jobs).await;
                            Held::Questions
                        };
                        under_way.push(asked.boxed_local());
                    }
                }
                Some(job) = self.examples.recv(), if examples < EXAMPLES => {
                    examples += 1;
                    let asked = async move {
                        asking.examples(job).await;
                        Held::Examples
                    };
                    under_way.push(asked.boxed_local());
                }
            }
        }
    }
}

/// A request each where there are enough of them, else as many in each.
fn share_out(jobs: &mut Vec<Job>, lanes: usize) -> Vec<Vec<Job>> {
    let each = jobs.len().div_ceil(lanes).max(1);
    let mut shares = Vec::new();
    while !jobs.is_empty() {
        shares.push(jobs.drain(..each.min(jobs.len())).collect());
    }
    shares
}

#[derive(Clone, Copy)]
struct Asking<'a> {
    api: &'a Api,
    health: &'a Health,
}

impl Asking<'_> {
    async fn questions(self, mut jobs: Vec<Job>) {
        let texts: Vec<_> = jobs.iter().flat_map(|job| job.texts.clone()).collect();
        let policy = ExponentialBuilder::default()
            .with_min_delay(QUESTION_PAUSE)
            .with_max_times(QUESTION_RETRIES)
            .with_jitter();
        let trying = (|| self.try_once(&texts))
            .retry(policy)
            .when(Fault::passes)
            .adjust(|fault, pause| pause_after(fault, pause, QUESTION_WAIT));
        let all_left = join_all(jobs.iter_mut().map(|job| job.reply.closed()));
        let outcome = tokio::select! {
            outcome = trying => outcome,
            _ = all_left => return,
        };
        match outcome {
            Ok(answer) => {
                for (job, mut embedded) in jobs.into_iter().zip(embedded(answer)) {
                    embedded.truncated = job.shortened;
                    job.reply.send(Ok(vec![embedded])).ok();
                }
            }
            // One of them may be what it does not like.
            Err(fault) if fault.is_of_request() && jobs.len() > 1 => {
                let alone = |job| self.questions(vec![job]).boxed_local();
                iter(jobs).for_each_concurrent(LANES, alone).await;
            }
            // Servers that do not cut texts themselves refuse long ones.
            Err(fault) if fault.is_of_request() && jobs.iter_mut().all(Job::shorten) => {
                self.questions(jobs).boxed_local().await;
            }
            Err(fault) => {
                let error = EmbedError::Failed(fault.outline());
                for job in jobs {
                    job.reply.send(Err(error.clone())).ok();
                }
            }
        }
    }

    async fn examples(self, mut job: Job) {
        let texts = std::mem::take(&mut job.texts);
        let (first, longest) = EXAMPLES_PAUSE;
        let policy = ExponentialBuilder::default()
            .with_min_delay(first)
            .with_max_delay(longest)
            .without_max_times()
            .with_jitter();
        let begun = Instant::now();
        let trying = (|| self.try_once(&texts))
            .retry(policy)
            .when(|fault| fault.passes() || matches!(fault, Fault::LeftAlone(_)))
            .adjust(|fault, pause| {
                let pause = pause.filter(|_| begun.elapsed() < PATIENCE);
                pause_after(fault, pause, EXAMPLES_WAIT)
            });
        let outcome = tokio::select! {
            outcome = trying => outcome,
            () = job.reply.closed() => return,
        };
        let outcome = outcome.map(|answer| embedded(answer).collect());
        // Examples are the operator's own words, and so is what the API says of them.
        let outcome = outcome.map_err(|fault| EmbedError::Failed(fault.to_string()));
        job.reply.send(outcome).ok();
    }

    async fn try_once(self, texts: &[String]) -> Result<Answer, Fault> {
        let leave = self.health.admit()?;
        let outcome = self.api.embed(texts).await;
        leave.settle(&outcome);
        outcome
    }
}

/// How long to wait after a failure: what the API asks for, where that is no longer than `longest`.
fn pause_after(fault: &Fault, pause: Option<Duration>, longest: Duration) -> Option<Duration> {
    let wait = fault.wait().unwrap_or_default();
    pause
        .map(|pause| pause.max(wait))
        .filter(|_| wait <= longest)
}

fn embedded(answer: Answer) -> impl Iterator<Item = Embedded> {
    // Tokens are told of a request, not of its texts.
    let tokens = match answer.vectors.len() {
        1 => usize::try_from(answer.tokens).unwrap_or_default(),
        _ => 0,
    };
    answer.vectors.into_iter().map(move |vectors| Embedded {
        vectors,
        tokens,
        truncated: false,
    })
}
