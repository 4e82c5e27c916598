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
    /// Those that have an open place, in the order in which they took it.
    connections: BTreeMap<u64, Arc<Activity>>,
    /// How many wait for the place of one that gives way.
    waiting: usize,
}

/// The place of one connection, given back when it is dropped.
pub(super) struct Place {
    pub(super) activity: Arc<Activity>,
    /// None where it is a spare one.
    id: Option<u64>,
    taken: Arc<Mutex<Taken>>,
    permit: Option<OwnedSemaphorePermit>,
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
        let permit = timeout(PATIENCE, open.acquire_owned()).await;
        let mut taken = locked(&self.place.taken);
        taken.waiting -= 1;
        if let Ok(Ok(permit)) = permit {
            // It is at nothing from now on, not since it began to wait.
            self.place.activity = Arc::new(Activity::new());
            self.place.id = Some(taken.insert(&self.place.activity));
            self.place.permit = Some(permit);
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
        let activity = Arc::new(Activity::new());
        let mut taken = locked(&self.taken);
        let open = share
            .as_ref()
            .and_then(|_| self.open.clone().try_acquire_owned().ok());
        let turned_away = open.is_none();
        let free = self.open.available_permits();
        let asked = self.kept_free + taken.waiting + usize::from(turned_away);
        let coming = taken.make_room(asked.saturating_sub(free));
        let waits = share.is_some() && turned_away && free + coming > taken.waiting;
        taken.waiting += usize::from(waits);
        let id = (!turned_away).then(|| taken.insert(&activity));
        drop(taken);
        Ok(Accepted {
            stream,
            address,
            turned_away,
            place: Place {
                activity,
                id,
                taken: self.taken.clone(),
                permit: Some(open.unwrap_or(spare)),
                _share: share,
            },
            awaited: waits.then(|| self.open.clone()),
        })
    }
}

impl Taken {
    fn insert(&mut self, activity: &Arc<Activity>) -> u64 {
        let id = self.next;
        self.next += 1;
        self.connections.insert(id, activity.clone());
        id
    }

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
        // Both under the lock, so that a place is always either free or one that is about to be.
        let mut taken = locked(&self.taken);
        self.permit.take();
        if let Some(id) = self.id {
            taken.connections.remove(&id);
        }
    }
}

fn locked(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
