//! The places that connections take, and who gives way where they run out.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::Listen;
use super::activity::Activity;
use crate::config::Limits;
use crate::proxy::{Share, Shares};

/// Connections over the limit that are told so at a time; the system keeps the rest waiting.
const TURNED_AWAY: usize = 256;
/// Of so many places one is kept free, as long as there are idle connections to give way.
const KEPT_FREE: usize = 16;
/// A connection waits so long for the place of one that gives way.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bounds on connections, in all and of one address.
pub(super) struct Places {
    open: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    kept_free: usize,
    shares: Shares,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    /// In the order in which they came.
    connections: BTreeMap<u64, Arc<Activity>>,
}

/// The place of one connection, given back when it is dropped.
pub(super) struct Place {
    pub(super) activity: Arc<Activity>,
    id: u64,
    taken: Arc<Mutex<Taken>>,
    permit: OwnedSemaphorePermit,
    /// None where its address has as many as it may.
    _share: Option<Share>,
}

/// A connection that came.
pub(super) struct Accepted<S> {
    pub(super) stream: S,
    pub(super) address: SocketAddr,
    /// Whether it is one too many, so that its request is turned away.
    pub(super) turned_away: bool,
    pub(super) place: Place,
    /// Where a place is about to be free for it.
    awaited: Option<Arc<Semaphore>>,
}

impl<S> Accepted<S> {
    /// Takes the place that another gives up for it, where there is one.
    pub(super) async fn settle(&mut self) {
        let Some(open) = self.awaited.take() else {
            return;
        };
        if let Ok(Ok(permit)) = timeout(PATIENCE, open.acquire_owned()).await {
            self.place.permit = permit;
            self.turned_away = false;
        }
    }
}

impl Places {
    pub(super) fn new(limits: &Limits) -> Self {
        let connections = limits.connections.get();
        Places {
            open: Arc::new(Semaphore::new(connections)),
            spare: Arc::new(Semaphore::new(TURNED_AWAY)),
            kept_free: connections / KEPT_FREE,
            shares: Shares::new(limits.connections_per_address),
            taken: Arc::default(),
        }
    }

    /// A spare place is held while one waits, and given back for an open one where there is any.
    pub(super) async fn accept<L: Listen>(&self, listener: &L) -> io::Result<Accepted<L::Stream>> {
        let spare = self.spare.clone().acquire_owned().await;
        let spare = spare.map_err(io::Error::other)?;
        let (stream, address) = listener.accept().await?;
        let share = self.shares.take(address.ip());
        let open = share
            .as_ref()
            .and_then(|_| self.open.clone().try_acquire_owned().ok());
        let turned_away = open.is_none();
        let missing = self.kept_free.saturating_sub(self.open.available_permits());
        let given_up = locked(&self.taken).make_room(missing);
        let awaited = share.is_some() && turned_away && given_up > 0;
        Ok(Accepted {
            stream,
            address,
            turned_away,
            place: self.take(open.unwrap_or(spare), share),
            awaited: awaited.then(|| self.open.clone()),
        })
    }

    fn take(&self, permit: OwnedSemaphorePermit, share: Option<Share>) -> Place {
        let activity = Arc::new(Activity::new());
        let mut taken = locked(&self.taken);
        let id = taken.next;
        taken.next += 1;
        taken.connections.insert(id, activity.clone());
        Place {
            activity,
            id,
            taken: self.taken.clone(),
            permit,
            _share: share,
        }
    }
}

impl Taken {
    /// As many connections as are missing give way, those first that have been at nothing for the longest time.
    /// How many are about to be gone.
    fn make_room(&self, missing: usize) -> usize {
        if missing == 0 {
            return 0;
        }
        let connections = self.connections.values();
        let (going, staying): (Vec<_>, Vec<_>) =
            connections.partition(|activity| activity.give_way.is_cancelled());
        let idle = staying
            .into_iter()
            .filter_map(|one| Some((one.idle()?, one)));
        let mut idle: Vec<_> = idle.collect();
        idle.sort_by_key(|(idle, _)| Reverse(*idle));
        let more = missing.saturating_sub(going.len()).min(idle.len());
        for (_, activity) in &idle[..more] {
            activity.give_way.cancel();
        }
        going.len() + more
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        locked(&self.taken).connections.remove(&self.id);
    }
}

fn locked(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
