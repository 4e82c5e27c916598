//! When connections and replies were last at something: what clients hold without using it is taken back.

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// What one connection is at.
#[derive(Debug)]
pub(super) struct Activity {
    requests: AtomicUsize,
    /// When the last of them ended, or the connection began.
    idle_since: Moment,
    /// Cancelled where another connection needs the place.
    pub(super) give_way: CancellationToken,
}

/// A request that its connection is at, until it is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Activity {
    pub(super) fn new() -> Self {
        Activity {
            requests: AtomicUsize::new(0),
            idle_since: Moment::now(),
            give_way: CancellationToken::new(),
        }
    }

    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Ordering::AcqRel);
        Busy(self.clone())
    }

    /// For how long it has been at nothing; none while it is at something.
    pub(super) fn idle(&self) -> Option<Duration> {
        let idle = self.requests.load(Ordering::Acquire) == 0;
        idle.then(|| self.idle_since.elapsed())
    }

    /// Comes back once it has been at nothing for so long.
    pub(super) async fn idle_for(&self, time: Duration) {
        lasting(time, || self.idle()).await;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.idle_since.set();
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Since when a reply waits for its client to take what there is of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace(Arc<Moment>);

impl Pace {
    /// There is something to be taken.
    pub(super) fn offers(&self) {
        self.0.set();
    }

    /// It was taken.
    pub(super) fn goes_on(&self) {
        self.0.clear();
    }

    /// Comes back once a client has taken nothing for so long.
    pub(super) async fn stalled_for(&self, time: Duration) {
        let waits = || self.0.is_set().then(|| self.0.elapsed());
        lasting(time, waits).await;
    }
}

/// Comes back once what has lasted `so_far`, none while it is not the case, has lasted for `time`.
async fn lasting(time: Duration, so_far: impl Fn() -> Option<Duration>) {
    loop {
        let so_far = so_far().unwrap_or_default();
        if so_far >= time {
            return;
        }
        sleep(time - so_far).await;
    }
}

/// A point in time that may be moved while others look at it.
#[derive(Debug, Default)]
struct Moment(AtomicU64);

/// What moments are counted from.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Moment {
    fn now() -> Self {
        let moment = Moment::default();
        moment.set();
        moment
    }

    fn set(&self) {
        self.0.store(since_beginning(), Ordering::Release);
    }

    fn clear(&self) {
        self.0.store(0, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }

    fn elapsed(&self) -> Duration {
        let at = self.0.load(Ordering::Acquire);
        Duration::from_millis(since_beginning().saturating_sub(at))
    }
}

/// In milliseconds, and one more, so that none is zero.
fn since_beginning() -> u64 {
    let since = BEGINNING.elapsed().as_millis();
    u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    const TIME: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_its_last_request_on() {
        let activity = Arc::new(Activity::new());
        let busy = activity.begin();
        advance(10 * TIME).await;
        assert_eq!(activity.idle(), None);
        drop(busy);
        assert!(activity.idle().is_some_and(|idle| idle < TIME));
        timeout(2 * TIME, activity.idle_for(TIME)).await.unwrap();
        assert!(activity.idle().is_some_and(|idle| idle >= TIME));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_stalls_where_nobody_takes_it() {
        let pace = Pace::default();
        assert!(timeout(10 * TIME, pace.stalled_for(TIME)).await.is_err());
        pace.offers();
        advance(TIME / 2).await;
        pace.goes_on();
        assert!(timeout(10 * TIME, pace.stalled_for(TIME)).await.is_err());
        pace.offers();
        timeout(2 * TIME, pace.stalled_for(TIME)).await.unwrap();
    }
}
